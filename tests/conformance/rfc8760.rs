//! RFC 8760: which hash algorithms are offered, in which order, and that each is good.

use crate::support::digest::{Login, Users, parameter};
use crate::support::{Client, Node};

fn users() -> Users {
    Users::new(&[("alice", "secret of alice")])
}

#[test]
fn s2_3_there_is_a_challenge_for_each_algorithm_the_strongest_first() {
    let users = users();
    let node = Node::start(&users.keys(""));
    let client = Client::tcp(&node);
    for (request, asks) in
        [(client.register("alice"), "WWW-Authenticate"), (client.message("alice"), "Proxy-Authenticate")]
    {
        let response = client.ask(&request);
        let algorithms: Vec<_> =
            response.fields(asks).map(|challenge| parameter(challenge, "algorithm").unwrap()).collect();
        assert_eq!(algorithms, ["SHA-256", "MD5"], "{response}");
    }
}

#[test]
fn s2_3_each_algorithm_that_is_offered_is_good() {
    let users = users();
    let node = Node::start(&users.keys("flow_trust = \"0s\""));
    let client = Client::tcp(&node);
    for nth in 0..2 {
        let challenge = client.ask(&client.register_contact("alice")).expect_status(401);
        let mut login = Login::nth(&challenge, nth, "alice", "secret of alice");
        client.ask(&login.prove(client.register_contact("alice"))).expect_status(200);
    }
}

#[test]
fn s2_6_an_algorithm_that_is_not_offered_is_not_good() {
    let users = users();
    let node = Node::start(&users.keys("algorithms = [\"SHA-256\"]"));
    let client = Client::tcp(&node);
    let challenge = client.ask(&client.register_contact("alice")).expect_status(401);
    assert_eq!(challenge.fields("WWW-Authenticate").count(), 1, "{challenge}");
    let mut login = Login::new(&challenge, "alice", "secret of alice");
    login.algorithm = "MD5".to_owned();
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(401);
    login.algorithm = "SHA-256".to_owned();
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(200);
}
