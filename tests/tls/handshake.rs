//! Who does not shake hands, or not in time.

use std::net::TcpStream;

use crate::support::tls::{Ca, Tls};
use crate::support::{Client, Node, wait_until};

#[track_caller]
fn expect_failed(node: &Node, reason: &str, count: u64) {
    let metric = format!("tls_handshakes_failed_total{{reason=\"{reason}\"}}");
    wait_until(&format!("{count} failed for {reason}"), || node.metric(&metric) == count);
}

fn connect(node: &Node) -> Client {
    Client::accepted(TcpStream::connect(node.tls()).unwrap())
}

#[test]
fn a_client_that_says_nothing_is_closed_after_the_time() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener("[limits]\ntls_handshake_timeout = \"300ms\"\n"));
    let silent = connect(&node);
    silent.expect_closed();
    expect_failed(&node, "timeout", 1);
    assert_eq!(node.metric("connections{transport=\"tls\"}"), 0);
    let log = node.log();
    assert_eq!(log.lines().filter(|line| line.contains("TLS handshake failed")).count(), 1, "{log}");
}

#[test]
fn octets_that_are_no_tls_end_the_connection() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let plain = connect(&node);
    plain.send(Client::tcp(&node).register_outbound("alice", 1).to_bytes());
    plain.expect_closed_at_last();
    expect_failed(&node, "garbage", 1);
    drop(connect(&node));
    expect_failed(&node, "closed", 1);
}

const UNDER_WAY: &str = "tls_handshakes_under_way";

/// Connections from this address, each with the beginning of a record and no more.
fn half_open(node: &Node, count: usize, source: &str) -> Vec<Client> {
    let open = || {
        let client = Client::connect(source.parse().unwrap(), node.tls(), |_| {});
        client.send([0x16]);
        client
    };
    (0..count).map(|_| open()).collect()
}

#[test]
fn handshakes_beyond_the_limit_wait_for_their_turn_and_flows_that_are_up_do_not_count() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener("[limits]\ntls_handshakes = 2\n"));
    let up: Vec<Client> = (0..3).map(|_| Client::tls(&node, &ca.client())).collect();
    let half_open = half_open(&node, 2, "127.0.0.1");
    wait_until("both are under way", || node.metric(UNDER_WAY) == 2);
    let (listener, config) = (node.tls(), ca.client());
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| Tls::dial(listener, "localhost", &config).is_ok());
        up.iter().for_each(Client::ping);
        assert!(!waits.is_finished());
        drop(half_open);
        assert!(waits.join().unwrap(), "there is room again");
    });
    assert_eq!(node.metric("refused_total{reason=\"tls_handshakes\"}"), 0);
}

#[test]
fn a_turn_that_does_not_come_in_time_is_counted() {
    let ca = Ca::new();
    let limits = "[limits]\ntls_handshakes = 1\ntls_handshake_timeout = \"1s\"\n";
    let node = Node::start(&ca.listener(limits));
    let half_open = half_open(&node, 4, "127.0.0.1");
    wait_until("it is", || node.metric("refused_total{reason=\"tls_handshakes\"}") >= 2);
    half_open.iter().for_each(Client::expect_closed_at_last);
    wait_until("nothing is under way", || node.metric(UNDER_WAY) == 0);
}

#[test]
fn who_has_not_begun_takes_nobodys_place() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener("[limits]\ntls_handshakes = 1\n"));
    let silent: Vec<Client> = (0..8).map(|_| connect(&node)).collect();
    Client::tls(&node, &ca.client()).registers("alice");
    drop(silent);
}

#[test]
fn one_address_keeps_only_itself_waiting() {
    let ca = Ca::new();
    let limits = "[limits]\ntls_handshakes = 4\ntls_handshakes_per_address = 2\n";
    let node = Node::start(&ca.listener(limits));
    let half_open = half_open(&node, 16, "127.0.0.9");
    wait_until("it has its share", || node.metric(UNDER_WAY) == 2);
    Client::tls(&node, &ca.client()).registers("alice");
    assert_eq!(node.metric(UNDER_WAY), 2);
    drop(half_open);
}
