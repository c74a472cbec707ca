//! SIGHUP: certificates, and the CAs of others, are read again.

use std::fs;
use std::path::Path;

use crate::support::tls::{Ca, Tls};
use crate::support::{Client, Node, wait_until};

#[test]
fn new_certificates_are_for_new_connections_and_flows_stay() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let (ua, caller) = (Client::tls(&node, &ca.client()), Client::tcp(&node));
    ua.registers_outbound("alice", 1);
    let old = ua.as_tls().shown();
    ca.issue("node", &["localhost"]);
    node.signal("-HUP");
    let shown = || Tls::dial(node.tls(), "localhost", &ca.client()).unwrap().shown();
    wait_until("the new certificate is shown", || shown() != old);
    ua.ping();
    caller.reaches("alice", &ua);
}

#[test]
fn files_of_no_use_leave_all_as_it_was_and_are_named() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let shown = || Tls::dial(node.tls(), "localhost", &ca.client()).unwrap().shown();
    let old = shown();
    let path = ca.path("node.pem");
    fs::write(&path, "-----BEGIN CERTIFICATE-----\nnonsense\n").unwrap();
    node.signal("-HUP");
    let said =
        || node.log().lines().any(|line| line.contains("stay as they were") && line.contains("node.pem"));
    wait_until("the file is named", said);
    assert_eq!(shown(), old);
    assert_eq!(node.metric("reload_failed{what=\"certificates\"}"), 1);
    // A certificate whose key is still the old one is of no use either.
    let key = fs::read(ca.path("node.key")).unwrap();
    ca.issue("node", &["localhost"]);
    fs::write(ca.path("node.key"), key).unwrap();
    node.signal("-HUP");
    let count = || node.log().lines().filter(|line| line.contains("stay as they were")).count();
    wait_until("that is said too", || count() == 2);
    assert_eq!(shown(), old);
    ca.issue("node", &["localhost"]);
    node.signal("-HUP");
    wait_until("it is over", || node.metric("reload_failed{what=\"certificates\"}") == 0);
}

#[test]
fn what_was_kept_for_resumption_is_worth_nothing_to_new_certificates() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let config = ca.client();
    let first = Client::tls(&node, &config);
    first.ping();
    let old = first.as_tls().shown();
    ca.issue("node", &["localhost"]);
    node.signal("-HUP");
    wait_until("the new certificate is shown", || {
        Tls::dial(node.tls(), "localhost", &ca.client()).unwrap().shown() != old
    });
    assert!(!Client::tls(&node, &config).as_tls().is_resumed());
}

/// A registrar behind TLS, and an edge proxy in front of it that trusts what is in the file.
fn edge(ca: &Ca, registrar: &Node, trusted: &Path) -> Node {
    let proxy = format!("[proxy]\nregistrar = \"sips:localhost:{}\"\n", registrar.tls().port());
    Node::start(&ca.listener(&format!("ca = \"{}\"\n{proxy}", trusted.display())))
}

#[test]
fn the_cas_of_next_hops_are_those_of_now_and_connections_stay() {
    let (ca, other) = (Ca::new(), Ca::new());
    let registrar = Node::start(&ca.listener(""));
    let trusted = ca.path("trusted.pem");
    fs::copy(other.path("ca.pem"), &trusted).unwrap();
    let edge = edge(&ca, &registrar, &trusted);
    let ua = Client::tcp(&edge);
    assert!(ua.ask(&ua.register_outbound("alice", 1)).status() >= 500);
    let reads = |ca: &Ca, count: usize| {
        fs::copy(ca.path("ca.pem"), &trusted).unwrap();
        edge.signal("-HUP");
        let said = |line: &&str| line.contains("read again") && line.contains("next hops");
        wait_until("it is read again", || edge.log().lines().filter(said).count() == count);
    };
    reads(&ca, 1);
    ua.registers_outbound("alice", 1);
    reads(&other, 2);
    // Over the connections that are up, of which each worker has one: this one's is.
    ua.registers_outbound("alice", 1);
}

#[test]
fn the_cas_of_clients_are_those_of_now() {
    let (ca, other) = (Ca::new(), Ca::new());
    for ca in [&ca, &other] {
        ca.issue("alice", &["sip:alice@example.com"]);
    }
    let trusted = ca.path("trusted.pem");
    fs::copy(ca.path("ca.pem"), &trusted).unwrap();
    let extra = format!("client_ca = \"{}\"\nclient_certificates = \"required\"\n", trusted.display());
    // Tickets outlive the file by themselves, and must not.
    let keys = "[tokens]\nkeys = [\"1:a secret that nodes share\"]\n";
    let node = Node::start(&ca.listener(&format!("{extra}{keys}")));
    let (old, new) = (ca.client_with(&ca, "alice"), ca.client_with(&other, "alice"));
    let comes_in = |config| {
        let tls = Tls::dial(node.tls(), "localhost", config);
        tls.is_ok_and(|tls| {
            tls.write_all(b"\r\n\r\n").is_ok() && tls.read(&mut [0; 2]).is_ok_and(|octets| octets == 2)
        })
    };
    let up = Client::tls(&node, &old);
    up.registers_outbound("alice", 1);
    assert!(comes_in(&old) && !comes_in(&new));
    fs::copy(other.path("ca.pem"), &trusted).unwrap();
    node.signal("-HUP");
    wait_until("it is read again", || node.log().contains("certificates read again"));
    assert!(comes_in(&new) && !comes_in(&old));
    up.ping();
}
