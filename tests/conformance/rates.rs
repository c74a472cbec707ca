//! How often a peer may send: what is above a rate is refused, counted by the key of its limit, said once in the log
//! however often it happens, and whoever stays below it does not notice.

use std::net::UdpSocket;

use crate::support::client::PING;
use crate::support::digest::{Login, Users};
use crate::support::stun;
use crate::support::websocket::{FIN, PING_FRAME, TEXT, frame};
use crate::support::{Client, Message, Node, wait_until};

/// A client over UDP from another address than the others.
fn from_elsewhere(node: &Node) -> Client {
    Client::over(UdpSocket::bind("127.0.0.7:0").unwrap(), node)
}

/// What was refused was counted by `reason`, and said once.
#[track_caller]
fn assert_refused(node: &Node, reason: &str, times: u64) {
    assert_eq!(node.metric(&format!("refused_total{{reason=\"{reason}\"}}")), times);
    let log = node.log();
    let lines = log.lines().filter(|line| line.contains("refused; more of it") && line.contains(reason));
    assert_eq!(lines.count(), 1, "{log}");
}

/// How many were answered so.
fn count(answers: &[Message], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status() == status).count()
}

#[test]
fn a_register_above_registers_per_second_is_503_with_a_turn() {
    let node = Node::start("[limits]\nregisters_per_second = 2\n");
    let registered = Client::tcp(&node);
    registered.registers_outbound("bob", 1);
    let strangers: Vec<_> = (0..10).map(|_| Client::tcp(&node)).collect();
    let ask = |stranger: &Client| stranger.ask(&stranger.register_contact("alice"));
    let answers: Vec<_> = strangers.iter().map(ask).collect();
    // Two seconds' worth are four, and strangers have half of them.
    assert!(count(&answers, 503) >= 5, "{answers:?}");
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status() == 503).collect();
    for answer in &refused {
        let retry_after: u64 = answer.header("Retry-After").parse().unwrap();
        assert!((1..10).contains(&retry_after), "{answer}");
    }
    registered.registers_outbound("bob", 1);
    assert_refused(&node, "registers_per_second", refused.len() as u64);
    strangers[9].ping();
}

#[test]
fn a_register_above_registers_per_address_is_503_and_other_addresses_are_served() {
    let node = Node::start("[limits]\nregisters_per_address = 1\n");
    let answers: Vec<_> = (0..5)
        .map(|number| {
            let client = Client::tcp(&node);
            client.ask(&client.register_contact(&format!("alice{number}")))
        })
        .collect();
    let refused = count(&answers, 503);
    assert!(refused >= 1, "{answers:?}");
    from_elsewhere(&node).registers("bob");
    Client::tcp_from(&node, "127.0.0.8".parse().unwrap()).registers("carol");
    assert_refused(&node, "registers_per_address", refused as u64);
}

#[test]
fn who_has_registered_over_its_flow_does_not_count_for_its_address() {
    let node = Node::start("[limits]\nregisters_per_address = 1\n");
    let client = Client::tcp(&node);
    for _ in 0..8 {
        client.registers_outbound("alice", 1);
    }
}

#[test]
fn who_has_registered_over_udp_without_outbound_does_not_count_for_its_address() {
    let node = Node::start("[limits]\nregisters_per_address = 1\n");
    let client = Client::udp(&node);
    for _ in 0..8 {
        client.registers("alice");
    }
}

#[test]
fn what_comes_again_over_udp_while_it_is_served_is_not_refused() {
    let node = Node::start("[limits]\nregisters_per_second = 2\n");
    let client = Client::udp(&node);
    let register = client.register_contact("alice");
    for _ in 0..10 {
        client.ask(&register).expect_status(200);
    }
}

#[test]
fn who_registers_many_over_one_flow_counts_for_its_address() {
    let node = Node::start("[limits]\nregisters_per_address = 1\n");
    let client = Client::tcp(&node);
    let answers: Vec<_> =
        (0..20).map(|number| client.ask(&client.register_contact(&format!("alice{number}")))).collect();
    assert!(count(&answers, 503) >= 5, "{answers:?}");
}

#[test]
fn a_request_above_messages_per_flow_is_503_and_other_flows_are_served() {
    let node = Node::start("[limits]\nmessages_per_flow = 10\n");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    let answers: Vec<_> = (0..30).map(|_| client.ask(&client.message("nobody"))).collect();
    let refused = count(&answers, 503);
    assert!(refused >= 5 && answers[..20].iter().all(|answer| answer.status() == 404), "{answers:?}");
    client.ping();
    other.ask(&other.message("nobody")).expect_status(404);
    assert_refused(&node, "messages_per_flow", refused as u64);
}

#[test]
fn a_flow_that_keeps_on_above_messages_per_flow_is_the_end() {
    let node = Node::start("[limits]\nmessages_per_flow = 10\n");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    let flood: Vec<u8> = (0..100).flat_map(|_| client.message("nobody").to_bytes()).collect();
    client.send(flood);
    wait_until("the end of the flow", || node.flows_closed("flood") == 1);
    client.expect_closed_at_last();
    other.ask(&other.message("nobody")).expect_status(404);
}

#[test]
fn a_register_takes_a_turn_of_the_node_when_it_has_proved_who_it_is() {
    let users = Users::new(&[("alice", "secret of alice")]);
    let node = Node::start(&format!("{}\n[limits]\nregisters_per_second = 2\n", users.keys("")));
    let stranger = Client::tcp(&node);
    for _ in 0..30 {
        stranger.ask(&stranger.register_contact("alice")).expect_status(401);
    }
    let alice = Client::tcp(&node);
    let challenge = alice.ask(&alice.register_contact("alice")).expect_status(401);
    let mut login = Login::new(&challenge, "alice", "secret of alice");
    let answers: Vec<_> = (0..10).map(|_| alice.ask(&login.prove(alice.register_contact("alice")))).collect();
    assert_eq!(answers[0].status(), 200, "{answers:?}");
    let refused = count(&answers, 503);
    assert!(refused >= 3, "{answers:?}");
    assert_refused(&node, "registers_per_second", refused as u64);
}

#[test]
fn pings_of_any_kind_above_messages_per_flow_are_the_end() {
    let draft03 = "\n[outbound]\nprofile = \"draft03\"\n[limits]\nmessages_per_flow = 10\n";
    let node = Node::start(draft03);
    let client = Client::tcp(&node);
    client.send((0..100).flat_map(|_| stun::Request::new().to_bytes()).collect::<Vec<_>>());
    wait_until("STUN over TCP", || node.flows_closed("flood") == 1);
    client.expect_closed_at_last();

    let node = Node::start("[listen]\nws = [\"127.0.0.1:0\"]\n[limits]\nmessages_per_flow = 10\n");
    let (frames, messages) = (Client::ws(&node), Client::ws(&node));
    frames.send_raw(&frame(FIN | PING_FRAME, b"").repeat(100));
    wait_until("Pings of WebSocket", || node.flows_closed("flood") == 1);
    messages.send_raw(&frame(FIN | TEXT, PING).repeat(100));
    wait_until("pings over WebSocket", || node.flows_closed("flood") == 2);
}

#[test]
fn a_datagram_above_datagrams_per_address_is_dropped_and_other_addresses_are_served() {
    let node = Node::start("[limits]\ndatagrams_per_address = 10\n");
    let client = Client::udp(&node);
    for _ in 0..60 {
        client.send(client.message("nobody").to_bytes());
    }
    let refused = || node.metric("refused_total{reason=\"datagrams_per_address\"}");
    wait_until("the rest is dropped", || refused() >= 30);
    assert_eq!(from_elsewhere(&node).message_status("nobody"), 404);
    // STUN is another matter.
    Client::udp(&node).expect_nothing();
    assert_refused(&node, "datagrams_per_address", refused());
}

#[test]
fn stun_above_stun_per_address_is_dropped_and_other_addresses_are_answered() {
    let node = Node::start("[limits]\nstun_per_address = 10\n");
    let client = Client::udp(&node);
    for _ in 0..60 {
        client.send(stun::Request::new().to_bytes());
    }
    let refused = || node.metric("refused_total{reason=\"stun_per_address\"}");
    wait_until("the rest is dropped", || refused() >= 30);
    from_elsewhere(&node).expect_nothing();
    assert_refused(&node, "stun_per_address", refused());
}

#[test]
fn what_anybody_can_have_happen_is_said_once() {
    let node = Node::start("[log]\nfilter = \"info\"\n");
    let client = Client::udp(&node);
    for _ in 0..10 {
        let register = client.register_contact("alice").set("To", "<sip:alice@elsewhere.example>");
        client.ask(&register).expect_status(404);
        Client::tcp(&node).ping();
    }
    wait_until("the flows are closed", || node.flows_closed("peer_closed") == 10);
    let log = node.log();
    for line in ["REGISTER refused", "flow closed"] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
}

#[test]
fn what_goes_on_being_refused_is_summed_up() {
    let node = Node::start("[limits]\nstun_per_address = 1\n");
    let client = Client::udp(&node);
    wait_until("the sum", || {
        client.send(stun::Request::new().to_bytes());
        node.log().contains("refused in the last 10s")
    });
}
