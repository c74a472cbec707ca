//! RFC 5626 §8 and the parts of RFC 8489 that it stands on: STUN on the SIP port over UDP.

use std::net::Ipv6Addr;

use crate::support::stun::{self, BINDING_ERROR, BINDING_INDICATION, BINDING_SUCCESS, Request, Response};
use crate::support::{Client, Node};

#[track_caller]
fn ask(client: &Client, request: &Request) -> Response {
    client.send(request.to_bytes());
    let octets = client.receive_datagram();
    let response = Response::parse(&octets).expect("a STUN message");
    assert!(response.answers(request), "the transaction id of another request");
    response
}

#[test]
fn s8_a_binding_request_is_answered_with_the_xor_mapped_address() {
    let node = Node::start("");
    let client = Client::udp(&node);
    let response = ask(&client, &Request::new());
    assert_eq!(response.kind, BINDING_SUCCESS);
    assert_eq!(response.mapped_address(), Some(client.local()));
    assert_eq!(node.metric("pings_total{transport=\"udp\"}"), 1);
}

#[test]
fn s8_each_remote_address_gets_its_own() {
    let node = Node::start("");
    let clients: Vec<_> = (0..8).map(|_| Client::udp(&node)).collect();
    let requests: Vec<_> = clients.iter().map(|_| Request::new()).collect();
    for (client, request) in clients.iter().zip(&requests) {
        client.send(request.to_bytes());
    }
    for (client, request) in clients.iter().zip(&requests) {
        let response = Response::parse(&client.receive_datagram()).unwrap();
        assert!(response.answers(request));
        assert_eq!(response.mapped_address(), Some(client.local()));
    }
}

#[test]
fn s8_the_xor_mapped_address_of_ipv6_is_xored_with_the_transaction_id_too() {
    assert!(
        std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok(),
        "this test needs IPv6 on the loopback"
    );
    let node = Node::start("[listen]\nudp = [\"[::1]:0\"]\n");
    let client = Client::udp(&node);
    assert_eq!(ask(&client, &Request::new()).mapped_address(), Some(client.local()));
}

#[test]
fn s8_every_udp_listener_answers_stun_from_its_own_address() {
    let node = Node::start("[listen]\nudp = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n");
    assert_eq!(node.listeners("udp").count(), 2);
    for listener in node.listeners("udp") {
        // Its socket is connected to the listener, so that an answer from elsewhere would not be heard.
        let client = Client::udp_to(listener);
        assert_eq!(ask(&client, &Request::new()).mapped_address(), Some(client.local()));
    }
}

#[test]
fn s8_stun_and_sip_are_mixed_over_one_flow() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::udp(&node));
    for reg_id in 1..=3 {
        ask(&ua, &Request::new());
        ua.registers_outbound("alice", reg_id);
        ask(&ua, &Request::new());
        caller.reaches("alice", &ua);
        ask(&caller, &Request::new());
    }
}

#[test]
fn s8_a_response_to_a_request_with_fingerprint_has_one_that_is_right() {
    let node = Node::start("");
    let client = Client::udp(&node);
    let response = ask(&client, &Request::new().fingerprint());
    assert_eq!(response.kind, BINDING_SUCCESS);
    assert!(response.has_right_fingerprint());
}

#[test]
fn rfc8489_s7_3_a_request_with_a_wrong_fingerprint_is_dropped() {
    let node = Node::start("");
    let client = Client::udp(&node);
    client.send(Request::new().attribute(stun::FINGERPRINT, &[1, 2, 3, 4]).to_bytes());
    client.expect_nothing();
}

#[test]
fn rfc8489_s6_3_1_an_unknown_comprehension_required_attribute_is_420() {
    let node = Node::start("");
    let client = Client::udp(&node);
    let response = ask(&client, &Request::new().attribute(0x7FF0, b"abc"));
    assert_eq!(response.kind, BINDING_ERROR);
    assert_eq!(response.attribute(stun::ERROR_CODE).unwrap()[..4], [0, 0, 4, 20]);
    assert_eq!(response.attribute(stun::UNKNOWN_ATTRIBUTES).unwrap()[..2], [0x7F, 0xF0]);
}

#[test]
fn rfc8489_s6_3_1_an_unknown_comprehension_optional_attribute_is_ignored() {
    let node = Node::start("");
    let client = Client::udp(&node);
    let request = Request::new().attribute(0x8022, b"a client").attribute(0xFFF0, b"xyz");
    assert_eq!(ask(&client, &request).mapped_address(), Some(client.local()));
}

#[test]
fn rfc8489_s6_3_2_an_indication_gets_no_answer() {
    let node = Node::start("");
    let client = Client::udp(&node);
    client.send(Request::of_kind(BINDING_INDICATION).to_bytes());
    client.expect_nothing();
}

#[test]
fn rfc8489_s6_3_a_response_gets_no_answer() {
    let node = Node::start("");
    let client = Client::udp(&node);
    client.send(Request::of_kind(BINDING_SUCCESS).to_bytes());
    client.send(Request::of_kind(BINDING_ERROR).to_bytes());
    client.expect_nothing();
}

#[test]
fn rfc8489_s6_3_what_begins_like_stun_and_is_not_gets_no_answer() {
    let node = Node::start("");
    let client = Client::udp(&node);
    let whole = Request::new().attribute(0x8022, b"a client").to_bytes();
    let mut wrong_cookie = whole.clone();
    wrong_cookie[4] ^= 1;
    let mut wrong_length = whole.clone();
    wrong_length[3] += 4;
    let mut too_long_attribute = whole.clone();
    too_long_attribute[23] = 200;
    for octets in
        [&[0][..], &[1], &[0, 1], &[0; 20], &whole[..19], &wrong_cookie, &wrong_length, &too_long_attribute]
    {
        client.send(octets);
    }
    client.expect_nothing();
    client.ask(&client.register_contact("alice")).expect_status(200);
}
