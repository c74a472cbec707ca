//! RFC 5626 §5.4: Flow-Timer, measured on the wire. A flow is closed later than Flow-Timer and not later than 2 s after it.

use std::time::{Duration, Instant};

use crate::support::message::Message;
use crate::support::stun;
use crate::support::{Client, Node, wait_until};

const SECOND: Duration = Duration::from_secs(1);
/// A Flow-Timer that tests can wait for.
const SHORT: &str = "[outbound]\nflow_timer = \"1s\"\nflow_timer_udp = \"1s\"\n";

fn flow_timer(response: &Message) -> Option<&str> {
    response.has("Flow-Timer").then(|| response.header("Flow-Timer"))
}

/// How long after now the connection is closed; `from` is when the 200 arrived or the last ping was sent.
#[track_caller]
fn closed_after(client: &Client, from: Instant) -> Duration {
    client.expect_closed();
    from.elapsed()
}

/// Flow-Timer is a lower bound, 2 s more an upper one. The scheduler of a busy machine gets a little on top.
#[track_caller]
fn assert_in_time(took: Duration, flow_timer: Duration) {
    assert!(
        took > flow_timer && took < flow_timer + 2 * SECOND,
        "closed after {took:?}, Flow-Timer was {flow_timer:?}"
    );
}

#[test]
fn s5_4_flow_timer_goes_with_outbound_and_names_whole_seconds() {
    let node = Node::start("[outbound]\nflow_timer = \"120s\"\nflow_timer_udp = \"25s\"\n");
    let (tcp, udp) = (Client::tcp(&node), Client::udp(&node));
    assert_eq!(flow_timer(&tcp.registers_outbound("alice", 1)), Some("120"));
    assert_eq!(flow_timer(&udp.registers_outbound("bob", 1)), Some("25"));
}

#[test]
fn s5_4_without_outbound_in_require_there_is_no_flow_timer() {
    let node = Node::start("");
    for client in [Client::tcp(&node), Client::udp(&node)] {
        let response = client.registers("alice");
        assert!(!response.has_tag("Require", "outbound"), "{response}");
        assert_eq!(flow_timer(&response), None, "{response}");
        let without_tag = client.register_outbound("bob", 1).set("Supported", "path");
        assert_eq!(flow_timer(&client.ask(&without_tag).expect_status(200)), None);
    }
}

#[test]
fn s5_4_an_error_response_has_no_flow_timer_and_starts_no_timer() {
    let node = Node::start(SHORT);
    let client = Client::tcp(&node);
    let response = client.ask(&client.register_outbound("alice", 0)).expect_status(400);
    assert_eq!(flow_timer(&response), None);
    client.expect_silence(4 * SECOND);
    client.ping();
}

#[test]
fn s5_4_a_flow_that_stops_pinging_is_closed_between_flow_timer_and_two_seconds_more() {
    let node = Node::start("[outbound]\nflow_timer = \"2s\"\n");
    let silent = Client::tcp(&node);
    silent.registers_outbound("alice", 1);
    let from = Instant::now();
    assert_in_time(closed_after(&silent, from), 2 * SECOND);
    assert_eq!(node.flows_closed("flow_timer"), 1);
}

#[test]
fn s5_4_the_wait_is_counted_from_the_last_ping() {
    let node = Node::start(SHORT);
    let client = Client::tcp(&node);
    client.registers_outbound("alice", 1);
    client.expect_silence(SECOND * 9 / 10);
    client.ping();
    let from = Instant::now();
    assert_in_time(closed_after(&client, from), SECOND);
}

#[test]
fn s5_4_the_wait_is_counted_from_the_last_registration() {
    let node = Node::start(SHORT);
    let client = Client::tcp(&node);
    client.registers_outbound("alice", 1);
    client.expect_silence(SECOND * 9 / 10);
    client.registers_outbound("alice", 1);
    let from = Instant::now();
    assert_in_time(closed_after(&client, from), SECOND);
}

#[test]
fn s5_4_a_flow_that_pings_stays() {
    let node = Node::start(SHORT);
    let (pings, silent) = (Client::tcp(&node), Client::tcp(&node));
    pings.registers_outbound("alice", 1);
    silent.registers_outbound("bob", 1);
    for _ in 0..10 {
        // §4.4: a UA pings at least as often as Flow-Timer says.
        pings.expect_silence(SECOND * 9 / 10);
        pings.ping();
    }
    assert_eq!(node.flows_closed("flow_timer"), 1, "the other flow is the proof that the timer runs");
    assert_eq!(pings.bindings("alice").len(), 1);
}

#[test]
fn s5_4_a_flow_without_flow_timer_is_never_closed() {
    let node = Node::start(SHORT);
    let (plain, unregistered) = (Client::tcp(&node), Client::tcp(&node));
    plain.registers("alice");
    plain.expect_silence(4 * SECOND);
    plain.ping();
    unregistered.ping();
    assert_eq!(node.flows_closed("flow_timer"), 0);
}

#[test]
fn s5_4_a_flow_timer_of_zero_in_the_configuration_is_no_flow_timer() {
    let node = Node::start("[outbound]\nflow_timer = \"0s\"\nflow_timer_udp = \"0s\"\n");
    let (tcp, udp) = (Client::tcp(&node), Client::udp(&node));
    assert_eq!(flow_timer(&udp.registers_outbound("bob", 1)), None);
    assert_eq!(flow_timer(&tcp.registers_outbound("alice", 1)), None);
    tcp.expect_silence(3 * SECOND);
    tcp.ping();
    assert_eq!(tcp.bound_uris("bob"), [udp.contact_uri("bob")]);
}

#[test]
fn s5_4_ping_timeout_sets_the_wait_apart_from_flow_timer() {
    let node = Node::start("[outbound]\nflow_timer = \"1s\"\nping_timeout = \"4s\"\n");
    let client = Client::tcp(&node);
    let response = client.registers_outbound("alice", 1);
    let from = Instant::now();
    assert_eq!(flow_timer(&response), Some("1"));
    let took = closed_after(&client, from);
    assert!(took > SECOND * 39 / 10 && took < 5 * SECOND, "{took:?}");
}

#[test]
fn s5_4_a_ping_timeout_of_zero_never_closes() {
    let node = Node::start("[outbound]\nflow_timer = \"1s\"\nping_timeout = \"0s\"\n");
    let client = Client::tcp(&node);
    assert_eq!(flow_timer(&client.registers_outbound("alice", 1)), Some("1"));
    client.expect_silence(4 * SECOND);
    client.ping();
}

#[test]
fn s5_4_the_grace_is_configurable() {
    let node = Node::start("[outbound]\nflow_timer = \"1s\"\ngrace = \"3s\"\n");
    let client = Client::tcp(&node);
    client.registers_outbound("alice", 1);
    let from = Instant::now();
    let took = closed_after(&client, from);
    assert!(took > SECOND * 39 / 10 && took < 5 * SECOND, "{took:?}");
}

#[test]
fn s5_4_bindings_of_a_flow_closed_for_silence_are_invalid() {
    let node = Node::start(SHORT);
    let (caller, silent) = (Client::tcp(&node), Client::tcp(&node));
    silent.registers_outbound("alice", 1);
    silent.expect_closed();
    assert_eq!(caller.message_status("alice"), 480);
    assert_eq!(caller.bindings("alice"), [""; 0]);
}

#[test]
fn s5_4_a_udp_flow_that_stops_pinging_loses_its_bindings_in_time() {
    let node = Node::start(SHORT);
    let (caller, silent) = (Client::tcp(&node), Client::udp(&node));
    silent.registers_outbound("alice", 1);
    let from = Instant::now();
    wait_until("the binding is invalid", || caller.bindings("alice").is_empty());
    assert_in_time(from.elapsed(), SECOND);
    assert_eq!(caller.message_status("alice"), 480);
}

#[test]
fn s5_4_a_udp_flow_is_watched_where_it_is_and_not_where_its_responses_go() {
    let node = Node::start(SHORT);
    let (caller, ua, pinging) = (Client::tcp(&node), Client::udp(&node), Client::udp(&node));
    // RFC 3261 §18.2.2: without rport the response goes to the port of sent-by, which here is another one.
    let request = ua.register_outbound("alice", 1);
    let via = request.field("Via").replace(&ua.local().to_string(), &pinging.local().to_string());
    ua.send(request.set("Via", via.replace(";rport", "")).to_bytes());
    pinging.receive().expect_status(200);
    for _ in 0..2 {
        pinging.expect_silence(SECOND * 9 / 10);
        pinging.expect_nothing();
    }
    wait_until("the binding is invalid", || caller.bindings("alice").is_empty());
}

#[test]
fn s5_4_a_udp_flow_that_pings_by_stun_keeps_its_bindings() {
    let node = Node::start(SHORT);
    let (caller, ua, silent) = (Client::tcp(&node), Client::udp(&node), Client::udp(&node));
    ua.registers_outbound("alice", 1);
    silent.registers_outbound("bob", 1);
    for _ in 0..5 {
        ua.expect_silence(SECOND * 9 / 10);
        let request = stun::Request::new();
        ua.send(request.to_bytes());
        assert!(stun::Response::parse(&ua.receive_datagram()).unwrap().answers(&request));
    }
    assert!(caller.bindings("bob").is_empty(), "the other flow is the proof that the timer runs");
    caller.reaches("alice", &ua);
}
