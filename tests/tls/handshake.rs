//! Who does not shake hands, or not in time.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::tls::Ca;
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

#[test]
fn handshakes_under_way_have_a_limit_and_flows_that_are_up_do_not_count() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener("[limits]\ntls_handshakes = 2\n"));
    let up: Vec<Client> = (0..3).map(|_| Client::tls(&node, &ca.client())).collect();
    let open = || {
        let mut stream = TcpStream::connect(node.tls()).unwrap();
        // The beginning of a record, which makes nobody wait for the kernel to say that somebody is there.
        let _ = stream.write_all(&[0x16]);
        stream
    };
    // All are kept, so that two of them are in, whichever the workers take first.
    let mut half_open = Vec::new();
    wait_until("two are in, and another is closed", || {
        half_open.push(open());
        let last = half_open.last_mut().unwrap();
        last.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        !matches!(last.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    });
    assert!(node.metric("refused_total{reason=\"tls_handshakes\"}") >= 1);
    up.iter().for_each(Client::ping);
    drop(half_open);
    wait_until("there is room again", || {
        crate::support::tls::Tls::dial(node.tls(), "localhost", &ca.client()).is_ok()
    });
}
