//! Digest authentication at several nodes that share no state: a nonce of one is good at another, once.

use crate::cluster::Cluster;
use crate::support::Client;
use crate::support::digest::{Login, Users, parameter};

#[test]
fn a_nonce_of_one_node_is_good_at_another_and_a_captured_request_is_good_once() {
    let users = Users::new(&[("alice", "secret")]);
    let cluster = Cluster::start(2, &users.keys(""));
    let (first, second) = (Client::tcp(cluster.node(0)), Client::tcp(cluster.node(1)));
    let challenge = first.ask(&first.register_contact("alice")).expect_status(401);
    let mut login = Login::new(&challenge, "alice", "secret");
    let request = login.prove(second.register_contact("alice"));
    second.ask(&request).expect_status(200);
    let third = Client::tcp(cluster.node(1));
    let replayed = third.ask(&request).expect_status(401);
    let challenge = replayed.fields("WWW-Authenticate").next().unwrap();
    assert_eq!(parameter(challenge, "stale").as_deref(), Some("true"), "{replayed}");
    // Its own node lets it pass, and the location service knows that it was served.
    first.ask(&request).expect_status(500);
}

#[test]
fn who_is_let_in_at_one_node_reaches_uas_of_another() {
    let users = Users::new(&[("alice", "secret"), ("caller", "word")]);
    let cluster = Cluster::start(2, &users.keys(""));
    let (alice, caller) = (Client::tcp(cluster.node(0)), Client::tcp(cluster.node(1)));
    let challenge = alice.ask(&alice.register_outbound("alice", 1)).expect_status(401);
    alice
        .ask(&Login::new(&challenge, "alice", "secret").prove(alice.register_outbound("alice", 1)))
        .expect_status(200);
    let challenge = caller.ask(&caller.message("alice")).expect_status(407);
    caller.send(Login::new(&challenge, "caller", "word").prove(caller.message("alice")).to_bytes());
    // Over the link nobody is asked again.
    alice.send(alice.receive().expect_method("MESSAGE").answer(200, "OK"));
    caller.receive().expect_status(200);
}
