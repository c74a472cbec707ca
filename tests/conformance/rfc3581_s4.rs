//! RFC 3581 §4 and RFC 3261 §18.2: `received` and `rport`, and where a response goes.

use std::net::{IpAddr, Ipv4Addr};

use crate::support::message::param;
use crate::support::request::branch;
use crate::support::{Client, Node};

#[test]
fn s4_an_empty_rport_is_filled_in_and_received_added_even_if_it_is_the_same() {
    let node = Node::start("");
    for client in [Client::tcp(&node), Client::udp(&node)] {
        let response = client.registers("alice");
        assert_eq!(
            param(response.top_via(), "rport"),
            Some(&*client.local().port().to_string()),
            "{response}"
        );
        assert_eq!(param(response.top_via(), "received"), Some("127.0.0.1"), "{response}");
    }
}

#[test]
fn s4_a_response_goes_to_the_source_and_not_to_sent_by() {
    let node = Node::start("");
    let (client, named) = (Client::udp(&node), Client::udp(&node));
    for sent_by in [named.local().to_string(), "192.0.2.77:5060".to_owned(), "host.example.net".to_owned()] {
        let via = format!("SIP/2.0/UDP {sent_by};rport;branch={}", branch());
        let response = client.ask(&client.register_contact("alice").set("Via", via)).expect_status(200);
        assert!(response.top_via().contains(&sent_by), "sent-by stays: {response}");
    }
    named.expect_nothing();
}

#[test]
fn s4_a_response_comes_from_the_address_that_the_request_went_to() {
    let node = Node::start("[listen]\nudp = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n");
    for listener in node.listeners("udp") {
        Client::udp_to(listener).registers("alice");
    }
}

#[test]
fn s4_the_forwarded_request_tells_the_source_too() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    let via = format!("SIP/2.0/UDP 192.0.2.77:5060;rport;branch={}", branch());
    let request = caller.message("bob").set("Via", via);
    caller.send(request.to_bytes());
    let arrived = ua.receive();
    let [own, callers] = arrived.values("Via")[..] else { panic!("two Vias{arrived}") };
    assert_eq!(param(own, "received"), None, "{arrived}");
    assert_eq!(param(callers, "rport"), Some(&*caller.local().port().to_string()), "{arrived}");
    assert_eq!(param(callers, "received"), Some("127.0.0.1"), "{arrived}");
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s18_2_1_a_sent_by_that_is_not_the_source_gets_received_without_rport_too() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for sent_by in ["192.0.2.77:5060", "host.example.net", "localhost:5060"] {
        let via = format!("SIP/2.0/TCP {sent_by};branch={}", branch());
        let response = client.ask(&client.register_contact("alice").set("Via", via)).expect_status(200);
        assert_eq!(param(response.top_via(), "received"), Some("127.0.0.1"), "{response}");
        assert_eq!(param(response.top_via(), "rport"), None, "not asked for{response}");
    }
}

#[test]
fn s18_2_1_a_received_that_the_sender_wrote_is_not_believed() {
    let node = Node::start("");
    let client = Client::udp(&node);
    let via = format!("SIP/2.0/UDP 127.0.0.1:9;received=192.0.2.1;rport;branch={}", branch());
    let response = client.ask(&client.register_contact("alice").set("Via", via)).expect_status(200);
    assert_eq!(param(response.top_via(), "received"), Some("127.0.0.1"), "{response}");
    assert_eq!(response.top_via().matches("received").count(), 1, "{response}");
}

#[test]
fn s18_2_2_over_udp_without_rport_a_response_goes_to_the_port_of_sent_by() {
    let node = Node::start("");
    let (client, named) = (Client::udp(&node), Client::udp(&node));
    let via = format!("SIP/2.0/UDP {};branch={}", named.local(), branch());
    client.send(client.register_contact("alice").set("Via", via).to_bytes());
    named.receive().expect_status(200);
    client.expect_nothing();
}

#[test]
fn s18_2_2_over_udp_without_rport_a_response_goes_to_the_source_address_whatever_sent_by_says() {
    let node = Node::start("");
    let (client, named) = (Client::udp(&node), Client::udp(&node));
    let via = format!("SIP/2.0/UDP 192.0.2.77:{};branch={}", named.local().port(), branch());
    client.send(client.register_contact("alice").set("Via", via).to_bytes());
    named.receive().expect_status(200);
    client.expect_nothing();
}

#[test]
fn s18_2_2_maddr_is_not_followed() {
    let node = Node::start("");
    let (client, named) = (Client::udp(&node), Client::udp(&node));
    // Departs from the rule: a request could choose whom its response hits.
    let via = format!("SIP/2.0/UDP {};maddr=127.0.0.2;branch={}", client.local(), branch());
    client.ask(&client.register_contact("alice").set("Via", via)).expect_status(200);
    named.expect_nothing();
}

#[test]
fn s18_2_2_over_tcp_a_response_goes_over_the_connection_of_the_request() {
    let node = Node::start("");
    let client = Client::tcp_from(&node, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5)));
    let via = format!("SIP/2.0/TCP 127.0.0.1:5060;branch={}", branch());
    client.ask(&client.register_contact("alice").set("Via", via)).expect_status(200);
}
