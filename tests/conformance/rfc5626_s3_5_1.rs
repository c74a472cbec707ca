//! RFC 5626 §3.5.1 and §4.4.1 at the server, and §5.4's answer to a ping: CRLF keep-alive over TCP.

use std::time::Duration;

use crate::support::client::{PING, PONG};
use crate::support::{Client, Node};

/// So that `pass_a_turn` says when octets were read.
const ONE_WORKER: &str = "[node]\nworkers = 1\n";

#[test]
fn s3_5_1_a_double_crlf_is_answered_with_one_crlf() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.send(PING);
    client.expect_octets(PONG);
    client.expect_nothing();
    assert_eq!(node.metric("pings_total{transport=\"tcp\"}"), 2);
}

#[test]
fn s3_5_1_a_ping_needs_no_registration_and_each_gets_its_pong() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for _ in 0..100 {
        client.ping();
    }
    client.expect_nothing();
}

#[test]
fn s3_5_1_two_pings_in_one_segment_get_two_pongs() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.send([PING, PING].concat());
    client.expect_octets(&[PONG, PONG].concat());
    client.expect_nothing();
}

#[test]
fn s3_5_1_a_ping_and_a_half_get_one_pong_and_the_other_half_the_second() {
    let node = Node::start(ONE_WORKER);
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    client.send(b"\r\n\r\n\r\n");
    client.expect_octets(PONG);
    other.pass_a_turn();
    client.send(b"\r\n");
    client.expect_octets(PONG);
    client.expect_nothing();
}

#[test]
fn s3_5_1_a_ping_split_over_two_reads_gets_one_pong() {
    let node = Node::start(ONE_WORKER);
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    for at in 1..PING.len() {
        client.send(&PING[..at]);
        other.pass_a_turn();
        client.send(&PING[at..]);
        client.expect_octets(PONG);
    }
    client.expect_nothing();
}

#[test]
fn s3_5_1_a_ping_octet_by_octet_gets_one_pong() {
    let node = Node::start(ONE_WORKER);
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    for octet in PING.chunks(1) {
        client.send(octet);
        other.pass_a_turn();
    }
    client.expect_octets(PONG);
    client.expect_nothing();
}

#[test]
fn s4_4_1_a_ping_in_front_of_a_request_gets_its_pong_and_the_request_is_served() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.send([PING, &client.register_contact("alice").to_bytes()].concat());
    client.expect_octets(PONG);
    client.receive().expect_status(200);
    client.expect_nothing();
}

#[test]
fn s4_4_1_a_ping_between_two_requests_gets_its_pong_between_their_responses() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.registers("alice");
    client.send(client.register("alice").to_bytes());
    client.receive().expect_status(200);
    client.ping();
    client.send([PING, &client.register("alice").to_bytes()].concat());
    client.expect_octets(PONG);
    client.receive().expect_status(200);
    client.expect_nothing();
}

#[test]
fn s4_4_1_a_double_crlf_inside_of_a_message_is_no_ping() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let body = b"\r\n\r\n\r\n\r\none\r\n\r\ntwo\r\n\r\n";
    caller.send(caller.message("bob").body(*body).to_bytes());
    let arrived = ua.receive();
    assert_eq!(arrived.body(), body);
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
    caller.expect_nothing();
    assert_eq!(node.metric("pings_total{transport=\"tcp\"}"), 1);
}

#[test]
fn s4_4_1_a_lone_crlf_is_a_pong_and_gets_no_answer() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.send([PONG, &client.register_contact("alice").to_bytes()].concat());
    client.receive().expect_status(200);
    client.expect_nothing();
}

#[test]
fn s4_4_1_a_double_crlf_in_a_datagram_gets_no_pong() {
    let node = Node::start("");
    let client = Client::udp(&node);
    client.send(PING);
    client.expect_nothing();
    client.ask(&client.register_contact("alice")).expect_status(200);
}

#[test]
fn s5_4_a_ping_is_answered_at_once_while_a_request_waits() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    for _ in 0..10 {
        caller.ping();
        ua.ping();
    }
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s5_4_the_pong_goes_over_the_connection_of_the_ping_and_no_other() {
    let node = Node::start("");
    let (first, second) = (Client::tcp(&node), Client::tcp(&node));
    first.send(PING);
    first.expect_octets(PONG);
    second.expect_silence(Duration::from_millis(1));
    second.expect_nothing();
    first.expect_nothing();
}
