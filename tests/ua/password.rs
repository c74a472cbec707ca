//! `flowhold ua` with a password, against a node that asks for it.

use crate::support::digest::Users;
use crate::support::ua_process::proxy;
use crate::support::{Node, UaProcess};

#[test]
fn it_registers_with_its_password_and_not_with_another() {
    let users = Users::new(&[("alice", "secret"), ("bob", "secret of bob")]);
    let node = Node::start(&users.keys(""));
    let proxies = [proxy("tcp", node.tcp()), proxy("udp", node.udp())];
    let password = [("FLOWHOLD_PASSWORD", "secret")];
    let mut alice = UaProcess::start_with_env("alice", &proxies, &["--answer"], &password);
    alice.flows(2, "registered");
    let proved = node.metric("authentications_total{outcome=\"proved\"}");
    assert!(proved >= 2, "{proved}");

    let wrong = [("FLOWHOLD_PASSWORD", "secret")];
    let mut bob = UaProcess::start_with_env("bob", &proxies[..1], &[], &wrong);
    bob.flow(1, "failed");
    assert_eq!(node.metric("authentications_total{outcome=\"wrong_password\"}"), 1);
}
