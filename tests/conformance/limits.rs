//! What closes a connection: framing that cannot go on, limits, a peer that does not read. Each is answered where there is
//! somebody to answer, counted, logged once with the peer's address, and no other connection notices.

use std::time::{Duration, Instant};

use crate::support::client::{PING, PONG};
use crate::support::{Client, Node, wait_until};

/// A node and a connection to it besides the one that a test is about.
struct Scene {
    node: Node,
    bystander: Client,
}

impl Scene {
    fn new(extra: &str) -> Self {
        let node = Node::start(&format!("{extra}\n[log]\nfilter = \"info\"\n"));
        let bystander = Client::tcp(&node);
        bystander.registers_outbound("bystander", 1);
        Self { node, bystander }
    }

    /// The node closed `client`, for this reason and no other, and nothing else.
    #[track_caller]
    fn assert_closed(self, client: &Client, reason: &str) {
        wait_until(reason, || self.node.flows_closed(reason) > 0);
        let metrics = self.node.metrics();
        let closed: Vec<_> = metrics
            .lines()
            .filter(|line| line.starts_with("flowhold_flows_closed_total{") && !line.ends_with(" 0"))
            .collect();
        assert_eq!(closed, [format!("flowhold_flows_closed_total{{reason=\"{reason}\"}} 1")]);
        let log = self.node.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&client.local().to_string())).collect();
        assert_eq!(lines.len(), 1, "logged once with the peer's address: {lines:#?}\n{log}");
        self.bystander.expect_nothing();
        Client::udp(&self.node).reaches("bystander", &self.bystander);
    }
}

#[test]
fn s18_3_a_request_on_a_stream_without_content_length_is_400_and_the_end() {
    let scene = Scene::new("");
    let client = Client::tcp(&scene.node);
    client.ask(&client.register_contact("alice").without("Content-Length")).expect_status(400);
    client.expect_closed();
    assert_eq!(scene.bystander.bindings("alice"), [""; 0]);
    scene.assert_closed(&client, "no_content_length");
}

#[test]
fn s18_3_a_content_length_that_does_not_parse_is_400_and_the_end() {
    for length in ["abc", "-1", "", "1 2", "0x10", "99999999999999999999999", "1;2"] {
        let scene = Scene::new("");
        let client = Client::tcp(&scene.node);
        let response = client.ask(&client.register_contact("alice").set("Content-Length", length));
        assert_eq!(response.status(), 400, "Content-Length: {length}");
        client.expect_closed();
        scene.assert_closed(&client, "bad_content_length");
    }
}

#[test]
fn s18_3_two_content_lengths_that_differ_are_400_and_the_end() {
    let scene = Scene::new("");
    let client = Client::tcp(&scene.node);
    let request = client.register_contact("alice").with("Content-Length", "0").with("l", "5").body("12345");
    client.ask(&request).expect_status(400);
    client.expect_closed();
    scene.assert_closed(&client, "bad_content_length");
}

#[test]
fn s18_3_pings_before_a_broken_message_get_their_pongs() {
    let scene = Scene::new("");
    let client = Client::tcp(&scene.node);
    let broken = client.register_contact("alice").without("Content-Length").to_bytes();
    client.send([PING, PING, &broken].concat());
    client.expect_octets(&[PONG, PONG].concat());
    client.receive().expect_status(400);
    client.expect_closed();
    scene.assert_closed(&client, "no_content_length");
}

#[test]
fn max_message_octets_pass_and_one_more_is_513_and_the_end() {
    let scene = Scene::new("[limits]\nmax_message = \"4KiB\"");
    let client = Client::tcp(&scene.node);
    client.ask(&client.message("nobody").padded_to(4096)).expect_status(404);
    client.ask(&client.message("nobody").padded_to(4097)).expect_status(513);
    client.expect_closed_at_last();
    scene.assert_closed(&client, "too_large");
}

#[test]
fn a_message_over_max_message_is_513_before_it_is_there() {
    let scene = Scene::new("");
    let client = Client::tcp(&scene.node);
    let head = client.message("nobody").body("").set("Content-Length", "100000000");
    client.ask(&head).expect_status(513);
    client.expect_closed();
    scene.assert_closed(&client, "too_large");
}

#[test]
fn a_header_without_end_over_max_message_is_the_end() {
    let scene = Scene::new("[limits]\nmax_message = \"4KiB\"");
    let client = Client::tcp(&scene.node);
    let endless = client.message("nobody").with("X", "x".repeat(5000)).to_bytes();
    client.send(&endless[..4500]);
    client.expect_closed_at_last();
    scene.assert_closed(&client, "too_large");
}

#[test]
fn octets_that_are_no_sip_are_the_end() {
    for octets in [
        "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        " \r\n\r\n",
    ] {
        let scene = Scene::new("");
        let client = Client::tcp(&scene.node);
        client.send(octets);
        client.expect_closed_at_last();
        scene.assert_closed(&client, "garbage");
    }
}

#[test]
fn a_message_that_is_begun_and_not_finished_is_the_end_after_header_timeout() {
    for part in ["R", "REGISTER sip:example.com SIP/2.0\r\n", "in its body"] {
        let scene = Scene::new("[limits]\nheader_timeout = \"1s\"");
        let client = Client::tcp(&scene.node);
        let in_body = client.message("nobody").set("Content-Length", "1000").to_bytes();
        client.send(if part == "in its body" { &in_body } else { part.as_bytes() });
        let took = client.expect_closed();
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
        scene.assert_closed(&client, "header_timeout");
    }
}

#[test]
fn octets_that_trickle_do_not_prolong_header_timeout() {
    let scene = Scene::new("[limits]\nheader_timeout = \"1s\"");
    let client = Client::tcp(&scene.node);
    let request = client.register_contact("alice").to_bytes();
    let started = Instant::now();
    // Too slow by far to be through in time. The write that meets the closed connection ends it.
    for octet in request.chunks(1) {
        if client.try_send(octet).is_err() || client.is_closed_within(Duration::from_millis(50)) {
            break;
        }
    }
    let took = started.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
    scene.assert_closed(&client, "header_timeout");
}

#[test]
fn header_timeout_is_counted_for_each_message_by_itself() {
    let scene = Scene::new("[limits]\nheader_timeout = \"1s\"");
    let client = Client::tcp(&scene.node);
    for _ in 0..3 {
        let request = client.register_contact("alice").to_bytes();
        let (first, second) = request.split_at(100);
        client.send(first);
        client.expect_silence(Duration::from_millis(600));
        client.send(second);
        client.receive().expect_status(200);
    }
}

#[test]
fn header_timeout_of_a_message_is_over_when_the_read_that_ends_it_begins_the_next() {
    let scene = Scene::new("[limits]\nheader_timeout = \"1s\"");
    let client = Client::tcp(&scene.node);
    let mut rest = Vec::new();
    for _ in 0..5 {
        // A busy connection: there is never a moment at which no message has begun.
        let request = client.register_contact("alice").to_bytes();
        let (first, second) = request.split_at(100);
        client.send([&*rest, first].concat());
        if !rest.is_empty() {
            client.receive().expect_status(200);
        }
        rest = second.to_vec();
        client.expect_silence(Duration::from_millis(400));
    }
}

#[test]
fn half_a_ping_is_no_message_that_has_begun() {
    let scene = Scene::new("[limits]\nheader_timeout = \"1s\"");
    let client = Client::tcp(&scene.node);
    client.send(&PING[..3]);
    client.expect_silence(Duration::from_secs(2));
    client.send(&PING[3..]);
    client.expect_octets(PONG);
}

#[test]
fn a_peer_that_does_not_read_its_requests_is_the_end() {
    let scene = Scene::new("[limits]\nwrite_queue = \"64KiB\"");
    let client = Client::tcp_with_small_window(&scene.node);
    client.registers("deaf");
    let caller = Client::tcp(&scene.node);
    for _ in 0..400 {
        caller.send(caller.message("deaf").padded_to(60_000).to_bytes());
        scene.bystander.ping();
        if scene.node.flows_closed("write_queue_full") > 0 {
            break;
        }
    }
    scene.assert_closed(&client, "write_queue_full");
}

#[test]
fn a_peer_that_does_not_read_its_pongs_is_the_end() {
    let scene = Scene::new("[limits]\nwrite_queue = \"64KiB\"\nmessages_per_flow = 0");
    let client = Client::tcp_with_small_window(&scene.node);
    let pings = PING.repeat(16_384);
    for _ in 0..400 {
        if client.try_send(&pings).is_err() {
            break;
        }
    }
    scene.assert_closed(&client, "write_queue_full");
}

#[test]
fn max_connections_per_address_closes_the_next_one() {
    let node = Node::start("[limits]\nmax_connections_per_address = 2\n");
    let (first, second) = (Client::tcp(&node), Client::tcp(&node));
    first.ping();
    second.ping();
    let third = Client::tcp(&node);
    third.expect_closed();
    assert_eq!(node.metric("refused_total{reason=\"max_connections_per_address\"}"), 1);
    Client::tcp_from(&node, "127.0.0.7".parse().unwrap()).ping();
    drop(first);
    wait_until("the second is the only one", || node.metric("connections{transport=\"tcp\"}") == 1);
    Client::tcp(&node).ping();
    second.ping();
}

#[test]
fn max_connections_closes_the_next_one() {
    let node = Node::start("[limits]\nmax_connections = 2\n");
    let (first, second) = (Client::tcp(&node), Client::tcp_from(&node, "127.0.0.7".parse().unwrap()));
    first.ping();
    second.ping();
    let third = Client::tcp(&node);
    third.expect_closed();
    assert_eq!(node.metric("refused_total{reason=\"max_connections\"}"), 1);
    first.ping();
    second.ping();
}

#[test]
fn a_datagram_that_is_no_sip_is_dropped_and_counted() {
    let node = Node::start("");
    let client = Client::udp(&node);
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.send([0xFF; 100]);
    client.send("");
    client.expect_nothing();
    assert!(node.metric("refused_total{reason=\"unintelligible\"}") >= 2);
}

#[test]
fn a_connection_that_never_says_anything_is_the_end_after_first_message() {
    for half_a_ping in [&b""[..], &PING[..3]] {
        let scene = Scene::new("[limits]\nfirst_message = \"1s\"");
        let client = Client::tcp(&scene.node);
        client.send(half_a_ping);
        let took = client.expect_closed();
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
        scene.assert_closed(&client, "silent");
    }
}

#[test]
fn a_connection_that_has_said_something_may_be_silent_for_idle_timeout() {
    let scene = Scene::new("[limits]\nfirst_message = \"1s\"\nidle_timeout = \"2s\"");
    let client = Client::tcp(&scene.node);
    client.ping();
    client.expect_silence(Duration::from_millis(1500));
    client.ping();
    let took = client.expect_closed();
    assert!(took > Duration::from_millis(1900) && took < Duration::from_secs(4), "{took:?}");
    scene.assert_closed(&client, "idle");
}
