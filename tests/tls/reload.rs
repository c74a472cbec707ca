//! SIGHUP: certificates are read again.

use std::fs;

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
    // A certificate whose key is still the old one is of no use either.
    let key = fs::read(ca.path("node.key")).unwrap();
    ca.issue("node", &["localhost"]);
    fs::write(ca.path("node.key"), key).unwrap();
    node.signal("-HUP");
    let count = || node.log().lines().filter(|line| line.contains("stay as they were")).count();
    wait_until("that is said too", || count() == 2);
    assert_eq!(shown(), old);
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
