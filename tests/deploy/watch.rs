//! What operators watch: metrics that say that something is wrong, and a log that says it once.

use std::fs;
use std::net::TcpListener;

use crate::support::digest::{Login, Users};
use crate::support::{Client, Node, wait_until};

#[test]
fn a_next_hop_that_is_dead_is_a_line_and_a_number_until_it_is_back() {
    let gateway = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gateway.local_addr().unwrap();
    drop(gateway);
    let routes = format!("[proxy]\nroutes = [\"+ = sip:{address};transport=tcp\"]\n");
    let node = Node::start(&routes);
    let ua = Client::tcp(&node);
    ua.registers_outbound("caller", 1);
    let call = || ua.request("MESSAGE", "sip:+4930123@example.com");
    for _ in 0..5 {
        ua.send(call().to_bytes());
        assert!(ua.receive_final().status() >= 500);
    }
    assert_eq!(node.metric("next_hops_down"), 1);
    assert_eq!(node.metric("next_hop_failures_total"), 5);
    let log = node.log();
    let warned = log.lines().filter(|line| line.contains("WARN") && line.contains("next hop"));
    assert!(warned.count() <= 2, "at once, and perhaps one sum: {log}");

    let gateway = TcpListener::bind(address).unwrap();
    ua.send(call().to_bytes());
    let gateway = Client::accepted(gateway.accept().unwrap().0);
    gateway.send(gateway.receive().expect_method("MESSAGE").answer(200, "OK"));
    ua.receive_final().expect_status(200);
    assert_eq!(node.metric("next_hops_down"), 0);
    assert!(node.log().contains("the next hop is reached again"));
}

#[test]
fn users_that_cannot_be_read_again_show_until_they_can() {
    const FAILED: &str = "reload_failed{what=\"users\"}";
    let users = Users::new(&[("alice", "secret")]);
    let node = Node::start(&users.keys(""));
    assert_eq!(node.metric(FAILED), 0);
    fs::write(users.path(), "[users").unwrap();
    wait_until("it shows", || node.metric(FAILED) == 1);
    users.set(&[("alice", "another")]);
    wait_until("it is over", || node.metric(FAILED) == 0);
}

#[test]
fn flows_that_are_trusted_show_beside_how_many_there_may_be() {
    let users = Users::new(&[("alice", "secret")]);
    let node = Node::start(&users.keys("remembered = 7\n"));
    let client = Client::tcp(&node);
    let challenge = client.ask(&client.register_contact("alice")).expect_status(401);
    let mut login = Login::new(&challenge, "alice", "secret");
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(200);
    wait_until("it shows", || node.metric("trusted_flows") == 1);
    assert_eq!(node.metric("trusted_flows_max"), 7);
    drop(client);
    wait_until("it is gone", || node.metric("trusted_flows") == 0);
}
