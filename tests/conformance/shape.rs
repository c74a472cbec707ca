//! What a message may be made of: with too much of anything it is answered and goes nowhere, and its connection stays.

use std::fmt::Write;

use crate::support::{Client, Node, wait_until};

/// As small as a request of these tests just fits.
const SMALL: &str =
    "[limits]\nmax_headers = 20\nmax_header_length = \"300B\"\nmax_vias = 3\nmax_routes = 2\n";

/// A request with these lines more is answered so, and counted by `reason`.
#[track_caller]
fn assert_answered(lines: &[(&str, String)], status: u16, reason: &str) {
    let node = Node::start(SMALL);
    for client in [Client::tcp(&node), Client::udp(&node)] {
        let plain = client.message("nobody");
        let request = lines.iter().fold(plain, |request, (name, value)| request.with(name, value.clone()));
        client.ask(&request).expect_status(status);
        client.ask(&client.message("nobody")).expect_status(404);
    }
    assert_eq!(node.metric(&format!("refused_total{{reason=\"{reason}\"}}")), 2);
}

#[test]
fn more_than_max_headers_is_513() {
    let lines: Vec<_> = (0..20).map(|number| ("X", number.to_string())).collect();
    assert_answered(&lines, 513, "max_headers");
}

#[test]
fn s18_2_2_a_refusal_over_udp_goes_to_the_port_in_via_and_its_ack_to_nobody() {
    let node = Node::start(SMALL);
    let (caller, at_via, bob) = (Client::udp(&node), Client::udp(&node), Client::tcp(&node));
    bob.registers("bob");
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKvia", at_via.local());
    let invite = (0..20).fold(caller.invite("bob").set("Via", via), |invite, _| invite.with("X", "x"));
    caller.send(invite.to_bytes());
    let refusal = at_via.receive().expect_status(513);
    caller.send(invite.ack(refusal.header("To")).to_bytes());
    caller.expect_nothing();
    bob.expect_nothing();
    assert_eq!(node.metric("refused_total{reason=\"stray_ack\"}"), 0, "it is known");
}

#[test]
fn more_than_max_header_length_is_513() {
    assert_answered(&[("X", "x".repeat(300))], 513, "max_header_length");
}

#[test]
fn more_than_max_vias_is_483() {
    let vias = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2";
    assert_answered(&[("Via", vias.to_owned()), ("v", "SIP/2.0/UDP 192.0.2.3".to_owned())], 483, "max_vias");
}

#[test]
fn more_than_max_routes_is_400() {
    for name in ["Route", "Record-Route", "Path"] {
        let routes = "<sip:192.0.2.1;lr>, <sip:192.0.2.2;lr>, <sip:192.0.2.3;lr>";
        assert_answered(&[(name, routes.to_owned())], 400, "max_routes");
    }
}

#[test]
fn a_response_with_more_than_max_headers_is_dropped() {
    let node = Node::start(SMALL);
    let (ua, caller) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers_outbound("bob", 1);
    caller.send(caller.message("bob").to_bytes());
    let request = ua.receive().expect_method("MESSAGE");
    let mut lines = String::new();
    for number in 0..20 {
        write!(lines, "X: {number}\r\n").unwrap();
    }
    ua.send(request.answer_with(200, "OK", &lines));
    wait_until("it is dropped", || node.metric("refused_total{reason=\"max_headers\"}") == 1);
    ua.send(request.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn more_contacts_than_could_be_bound_and_removed_are_403() {
    let node = Node::start("[registrar]\nmax_bindings = 2\n");
    let client = Client::tcp(&node);
    let contacts = |count: usize| {
        let value = |number| format!("<sip:alice@192.0.2.1:{number}>;expires=0");
        client.register("alice").with("Contact", (1..=count).map(value).collect::<Vec<_>>().join(", "))
    };
    client.ask(&contacts(4)).expect_status(200);
    client.ask(&contacts(5)).expect_status(403);
}
