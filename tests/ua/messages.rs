//! What `flowhold ua` answers, as any other UA sees it through a node. RFC 3428, RFC 3261 §11.

use crate::support::ua_process::proxy;
use crate::support::{Client, Node, UaProcess};

#[test]
fn messages_and_options_are_answered_over_tcp_and_udp() {
    let node = Node::start("");
    for proxies in [proxy("tcp", node.tcp()), proxy("udp", node.udp())] {
        let mut ua = UaProcess::start("alice", &[proxies], &[]);
        ua.flow(1, "registered");
        let caller = Client::tcp(&node);
        let response = caller.ask(&caller.message("alice")).expect_status(200);
        assert!(!response.has("Contact"), "{response}");
        let message = ua.until("a message", |it| it["event"] == "message");
        assert_eq!(message["text"], "Hello alice");
        let options = caller.request("OPTIONS", "sip:alice@example.com");
        let response = caller.ask(&options).expect_status(200);
        assert!(response.header("Allow").contains("MESSAGE") && response.has("Accept"), "{response}");
        let subscribe = caller.request("SUBSCRIBE", "sip:alice@example.com").with("Event", "presence");
        caller.ask(&subscribe).expect_status(405);
        assert_eq!(ua.stop(), Some(0));
    }
}

#[test]
fn a_message_goes_from_ua_to_ua_over_whatever_they_have() {
    let node = Node::start("");
    let (tcp, udp) = (proxy("tcp", node.tcp()), proxy("udp", node.udp()));
    let mut bob = UaProcess::start("bob", &[tcp.clone(), udp.clone()], &[]);
    bob.flows(2, "registered");
    for (number, from) in [(1, &tcp), (2, &udp)] {
        let text = format!("number {number}: grüß dich");
        let mut alice =
            UaProcess::start("alice", std::slice::from_ref(from), &["--send", "sip:bob@example.com", &text]);
        let sent = alice.until("the answer", |it| it["event"] == "sent");
        assert_eq!(sent["status"], 200);
        assert_eq!(alice.ends(), Some(0));
        let message = bob.until("the message", |it| it["event"] == "message");
        assert_eq!(message["text"], text);
    }
}
