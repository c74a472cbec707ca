//! UAs of RFC 5626 and of draft-ietf-sip-outbound-03 on one node, each on a listener of its own.

use std::time::Duration;

use crate::support::ua_process::proxy;
use crate::support::{Client, Node, UaProcess, stun};

/// A node of RFC 5626 with listeners of the draft beside, and Flow-Timers short enough to see that they count or do not.
fn node() -> Node {
    let listeners = "[\"127.0.0.1:0\", \"127.0.0.1:0;profile=draft03\"]";
    Node::start(&format!(
        "[listen]\nudp = {listeners}\ntcp = {listeners}\n[outbound]\nflow_timer = \"1s\"\nflow_timer_udp = \"1s\"\ngrace = \"500ms\"\n"
    ))
}

/// A client of the listener of the draft.
fn old(node: &Node) -> Client {
    Client::connect("127.0.0.1".parse().unwrap(), node.listeners("tcp").nth(1).unwrap(), |_| {})
}

#[test]
fn each_listener_shows_outbound_as_its_text_says() {
    let node = node();
    let new = Client::tcp(&node);
    let response = new.ask(&new.register_outbound("new", 1)).expect_status(200);
    assert!(response.has_tag("Require", "outbound"), "{response}");
    assert_eq!(response.header("Flow-Timer"), "1");
    for old in [old(&node), Client::udp_to(node.listeners("udp").nth(1).unwrap())] {
        let response = old.ask(&old.register_outbound("old", 1)).expect_status(200);
        assert!(!response.has("Require") && !response.has("Flow-Timer"), "{response}");
        assert!(response.has_tag("Supported", "outbound"), "{response}");
        let response = old.ask(&old.register_contact("plain")).expect_status(200);
        assert!(!response.has_tag("Supported", "outbound"), "it was not applied: {response}");
        old.ask(&old.register("plain").contact("*").with("Expires", "0")).expect_status(200);
    }
}

#[test]
fn on_a_connection_of_the_draft_stun_is_answered_and_a_double_crlf_is_not() {
    let node = node();
    let old = old(&node);
    old.ask(&old.register_outbound("old", 1)).expect_status(200);
    let request = stun::Request::new();
    let options = old.request("OPTIONS", "sip:nobody@example.com");
    // Line ends, STUN and a message in one write: what comes back is the answers to the last two.
    old.send([b"\r\n\r\n", request.to_bytes().as_slice(), b"\r\n", &options.to_bytes()].concat());
    // A header, the address, and a FINGERPRINT.
    let response = old.receive_octets(20 + 12 + 8, "a STUN response");
    let response = stun::Response::parse(&response).unwrap();
    assert!(response.answers(&request));
    assert_eq!(response.mapped_address(), Some(old.local()));
    old.receive().expect_status(404);
}

#[test]
fn a_silent_flow_of_the_draft_is_not_closed_and_one_of_the_rfc_is() {
    let node = node();
    let (old, new) = (old(&node), Client::tcp(&node));
    old.ask(&old.register_outbound("old", 1)).expect_status(200);
    new.ask(&new.register_outbound("new", 1)).expect_status(200);
    new.expect_closed();
    assert!(!old.is_closed_within(Duration::from_millis(500)));
    Client::tcp(&node).reaches("old", &old);
}

#[test]
fn stun_on_a_connection_of_the_rfc_is_garbage() {
    let node = node();
    let new = Client::tcp(&node);
    new.send(stun::Request::new().to_bytes());
    new.expect_closed();
    assert_eq!(node.flows_closed("garbage"), 1);
}

#[test]
fn uas_of_both_texts_keep_their_flows_and_reach_each_other() {
    let node = node();
    let [new_tcp, old_tcp] = [0, 1].map(|nth| node.listeners("tcp").nth(nth).unwrap());
    let old_udp = node.listeners("udp").nth(1).unwrap();
    let announced = |transport, address| format!("{};keepalive=stun", proxy(transport, address));
    let draft = ["--profile", "draft03"];
    let mut new = UaProcess::start("new", &[proxy("tcp", new_tcp)], &[]);
    let proxies = [announced("tcp", old_tcp), announced("udp", old_udp)];
    let mut old = UaProcess::start("old", &proxies, &draft);
    for _ in proxies {
        let registered = old.until("a registration", |it| it["event"] == "registered");
        assert_eq!(
            (&registered["outbound"], &registered["flow_timer"]),
            (&true.into(), &serde_json::Value::Null)
        );
    }
    new.flow(1, "pong");
    for (to, receiver) in [("sip:old@example.com", &mut old), ("sip:new@example.com", &mut new)] {
        let mut sender = UaProcess::start("sender", &[proxy("tcp", new_tcp)], &["--send", to, "hello"]);
        receiver.until("a message", |it| it["event"] == "message");
        assert_eq!(sender.ends(), Some(0));
    }
    assert!(!old.seen().iter().any(|it| it["event"] == "failed"));
    // A UA of the RFC on a listener of the draft finds no outbound there.
    let mut mixed = UaProcess::start("mixed", &[proxy("tcp", old_tcp)], &[]);
    assert_eq!(mixed.flow(1, "registered")["outbound"], false);
}
