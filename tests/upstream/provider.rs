//! A provider that the test plays: it asks for a password, refuses, asks to be left alone, says nothing.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use crate::support::{Client, Message, Node, wait_until};
use crate::trunk::{failures, flows, table};

/// An edge proxy, and the node that is about to register with it.
pub(crate) fn played(more: &str) -> (TcpListener, Node) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let node = Node::start(&table(&[listener.local_addr().unwrap()], more));
    (listener, node)
}

pub(crate) fn accept(listener: &TcpListener) -> Client {
    Client::accepted(listener.accept().unwrap().0)
}

#[track_caller]
pub(crate) fn next_register(flow: &Client) -> Message {
    let register = flow.receive().expect_method("REGISTER");
    assert_eq!(register.uri(), "sip:provider.example");
    assert!(register.has_tag("Supported", "path") && register.has_tag("Supported", "outbound"), "{register}");
    assert!(register.values("Route")[0].ends_with(";lr>"), "{register}");
    register
}

const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"r\", nonce=\"a\", qop=\"auth\", algorithm=SHA-256\r\n";

#[test]
fn a_password_is_proved() {
    let (listener, node) = played("password = \"secret\"");
    let flow = accept(&listener);
    flow.send(next_register(&flow).answer_with(401, "Unauthorized", CHALLENGE));
    let register = next_register(&flow);
    let authorization = register.header("Authorization");
    assert!(authorization.contains("username=\"+4930123\""), "the AOR's user: {authorization}");
    assert!(!register.to_string().contains("secret"));
    flow.send(register.answer_with(200, "OK", "Require: outbound\r\nExpires: 600\r\n"));
    wait_until("it is registered", || flows(&node, "registered") == 1);
    assert!(!node.log().contains("secret"));
}

#[test]
fn what_only_people_can_put_right_is_an_error_and_not_tried_again_soon() {
    let (listener, node) = played("password = \"wrong\"");
    let flow = accept(&listener);
    for _ in 0..2 {
        flow.send(next_register(&flow).answer_with(401, "Unauthorized", CHALLENGE));
    }
    flow.expect_closed();
    wait_until("it is counted", || failures(&node, "denied") == 1);
    let log = node.log();
    let line = log.lines().find(|line| line.contains("upstream flow denied")).unwrap();
    assert!(line.contains("ERROR") && line.contains("the password is wrong"), "{line}");
    assert!(line.contains("retry_in=\"10m\""), "{line}");
    assert_eq!(flows(&node, "waiting"), 1);
}

#[test]
fn a_provider_that_names_a_time_is_left_alone_for_so_long() {
    let (listener, node) = played("");
    let flow = accept(&listener);
    flow.send(next_register(&flow).answer_with(503, "Busy", "Retry-After: 2\r\n"));
    let refused = Instant::now();
    flow.expect_closed();
    let flow = accept(&listener);
    assert!(refused.elapsed() >= Duration::from_millis(1900));
    next_register(&flow);
    assert_eq!(failures(&node, "refused"), 1);
}

#[test]
fn s4_4_1_a_provider_that_answers_no_ping_has_lost_the_flow() {
    let (listener, node) = played("");
    let flow = accept(&listener);
    let register = next_register(&flow);
    flow.send(register.answer_with(200, "OK", "Require: outbound\r\nFlow-Timer: 1\r\nExpires: 600\r\n"));
    let first = Instant::now();
    flow.expect_octets(b"\r\n\r\n");
    // RFC 5626 §4.4.1: ten seconds for the pong.
    let flow = accept(&listener);
    assert!(first.elapsed() >= Duration::from_secs(10), "{:?}", first.elapsed());
    assert_eq!(failures(&node, "no_pong"), 1);
    next_register(&flow);
}

#[test]
fn a_register_without_an_answer_fails_the_flow() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let table = table(&[listener.local_addr().unwrap()], "");
    // RFC 3261 §17.1.2.2: Timer F is 64*T1.
    let node = Node::start(&table.replace("[proxy]\n", "[proxy]\nt1 = \"10ms\"\nt2 = \"40ms\"\n"));
    for failed in 1..=2 {
        let flow = accept(&listener);
        next_register(&flow);
        flow.expect_closed();
        wait_until("it is counted", || failures(&node, "no_answer") == failed);
    }
}

#[test]
fn a_request_right_behind_the_200_is_the_upstreams_already() {
    let (listener, node) = played("");
    let pbx = Client::tcp(&node);
    pbx.registers_outbound("pbx", 1);
    let flow = accept(&listener);
    let register = next_register(&flow);
    let ok = register.answer_with(200, "OK", "Require: outbound\r\nExpires: 600\r\n");
    let message = flow.request("MESSAGE", register.contacts()[0].split(['<', '>']).nth(1).unwrap());
    flow.send([ok, message.to_bytes()].concat());
    let arrived = pbx.receive().expect_method("MESSAGE");
    pbx.send(arrived.answer(200, "OK"));
    flow.receive().expect_status(200);
}

#[test]
fn a_provider_that_does_not_answer_does_not_keep_the_node_from_ending() {
    let (listener, mut node) = played("");
    let flow = accept(&listener);
    let register = next_register(&flow);
    flow.send(register.answer_with(200, "OK", "Require: outbound\r\nExpires: 600\r\n"));
    wait_until("it is registered", || flows(&node, "registered") == 1);
    node.signal("-INT");
    let removal = next_register(&flow);
    assert_eq!(removal.header("Expires"), "0");
    assert_eq!(node.ended(), Some(0));
}
