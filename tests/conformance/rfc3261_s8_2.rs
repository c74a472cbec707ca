//! RFC 3261 §8.2.6: a response that the node makes itself.

use crate::support::request::branch;
use crate::support::{Client, Node};

#[test]
fn s8_2_6_2_via_from_call_id_and_cseq_are_those_of_the_request() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let second = format!("SIP/2.0/UDP second.example.net:5070;branch={}", branch());
    let third = format!("SIP/2.0/TLS third.example.net;branch={};x=\"a, b\"", branch());
    let request = client.register_contact("alice").with("Via", &*second).with("Via", &*third);
    let response = client.ask(&request).expect_status(200);
    let vias = response.values("Via");
    assert_eq!(vias.len(), 3, "{response}");
    assert!(vias[0].starts_with(&client.sent_by()), "{response}");
    assert_eq!(vias[1..], [&*second, &*third], "each in its place, as it was{response}");
    for name in ["From", "Call-ID", "CSeq"] {
        assert_eq!(response.header(name), request.field(name), "{response}");
    }
}

#[test]
fn s8_2_6_2_to_gets_a_tag_when_it_has_none() {
    let node = Node::start("");
    for client in [Client::tcp(&node), Client::udp(&node)] {
        let refused = client.register("alice").with("Require", "no-such-extension");
        for request in [client.register_contact("alice"), refused, client.message("nobody")] {
            let response = client.ask(&request);
            let tag = response
                .header("To")
                .strip_prefix(request.field("To"))
                .and_then(|rest| rest.strip_prefix(";tag="));
            // §19.3: at least 32 bits of randomness.
            assert!(tag.is_some_and(|tag| tag.len() >= 6), "{response}");
        }
    }
}

#[test]
fn s8_2_6_2_to_with_a_tag_stays_as_it_is() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let to = "<sip:alice@example.com>;tag=there";
    assert_eq!(client.ask(&client.register_contact("alice").set("To", to)).header("To"), to);
}

#[test]
fn s17_2_3_a_repeated_request_gets_the_same_response() {
    let node = Node::start("");
    let client = Client::udp(&node);
    let request = client.register_contact("alice");
    let first = client.ask(&request).expect_status(200);
    let second = client.ask(&request).expect_status(200);
    // Served again, its CSeq would not be higher than the binding's, and it would fail.
    assert_eq!(first.header("To"), second.header("To"));
    client.expect_nothing();
}

#[test]
fn s8_2_1_a_request_that_is_malformed_is_400_and_the_connection_stays() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for request in [
        client.register_contact("alice").without("Call-ID"),
        client.register_contact("alice").without("From"),
        client.register_contact("alice").without("To"),
        client.register_contact("alice").set("CSeq", "1 INVITE"),
        client.register_contact("alice").set("CSeq", "99999999999 REGISTER"),
        client.register_contact("alice").set("To", "<sip:alice@example.com"),
    ] {
        assert_eq!(client.ask(&request).status(), 400, "{request:?}");
    }
    client.registers("alice");
    assert_eq!(client.bindings("alice").len(), 1);
}
