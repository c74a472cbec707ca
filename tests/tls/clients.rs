//! `tls.client_certificates`: whether a client has to say who it is.

use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use crate::support::digest::Users;
use crate::support::tls::{Ca, Tls};
use crate::support::{Client, Node, wait_until};

/// Whether a client comes in: with TLS 1.3 it hears only behind its own handshake that it does not.
fn comes_in(node: &Node, config: &Arc<ClientConfig>) -> bool {
    let Ok(tls) = Tls::dial(node.tls(), "localhost", config) else { return false };
    tls.write_all(b"\r\n\r\n").is_ok() && tls.read(&mut [0; 2]).is_ok_and(|octets| octets == 2)
}

fn node(ca: &Ca, clients: &str) -> Node {
    let client_ca = ca.path("ca.pem").display().to_string();
    let extra = format!("client_ca = \"{client_ca}\"\nclient_certificates = \"{clients}\"\n");
    Node::start(&ca.listener(&extra))
}

#[test]
fn certificates_of_clients_are_taken_as_configured() {
    let (ours, theirs) = (Ca::new(), Ca::new());
    ours.issue("alice", &["sip:alice@example.com"]);
    theirs.issue("alice", &["sip:alice@example.com"]);
    for (clients, without, with_another) in
        [("none", true, true), ("optional", true, false), ("required", false, false)]
    {
        let node = node(&ours, clients);
        assert!(comes_in(&node, &ours.client_with(&ours, "alice")), "{clients}");
        assert_eq!(comes_in(&node, &ours.client()), without, "{clients}");
        assert_eq!(comes_in(&node, &ours.client_with(&theirs, "alice")), with_another, "{clients}");
        // The client may see its end before it is counted.
        let failed = |reason: &str, count: u64| {
            let metric = format!("tls_handshakes_failed_total{{reason=\"{reason}\"}}");
            wait_until(&format!("{clients}: {count} for {reason}"), || node.metric(&metric) == count);
        };
        failed("no_certificate", u64::from(!without));
        failed("bad_certificate", u64::from(!with_another));
    }
}

#[test]
fn a_client_that_does_not_trust_the_node_is_counted() {
    let (ours, theirs) = (Ca::new(), Ca::new());
    let node = Node::start(&ours.listener(""));
    assert!(Tls::dial(node.tls(), "localhost", &theirs.client()).is_err());
    wait_until("its alert is counted", || {
        node.metric("tls_handshakes_failed_total{reason=\"refused_by_peer\"}") == 1
    });
    Client::tls(&node, &ours.client()).registers_outbound("alice", 1);
}

#[test]
fn a_next_hop_over_tls_has_to_show_its_certificate_and_not_only_its_address() {
    let ca = Ca::new();
    ca.issue("gateway", &["localhost"]);
    ca.issue("other", &["gateway.localhost"]);
    let client_ca = ca.path("ca.pem").display().to_string();
    let extra = format!("client_ca = \"{client_ca}\"\nclient_certificates = \"optional\"\n");
    let users = Users::new(&[("bob", "secret")]);
    let route = "\n[proxy]\nroutes = [\"example.net = sip:localhost:5061;transport=tls\"]\n";
    let node = Node::start(&format!("{}{}{route}", ca.listener(&extra), users.keys("")));
    let calls = |client: &Client| {
        client.ask(&client.message("bob").set("From", "<sip:+49@example.net>;tag=f")).status()
    };
    assert_eq!(calls(&Client::tls(&node, &ca.client_with(&ca, "gateway"))), 404, "bob is not registered");
    for stranger in [ca.client_with(&ca, "other"), ca.client()] {
        assert_eq!(calls(&Client::tls(&node, &stranger)), 403);
    }
    assert_eq!(calls(&Client::tcp(&node)), 403);
}

#[test]
fn a_certificate_that_names_a_user_stands_for_its_password_while_it_is_a_user() {
    let ca = Ca::new();
    ca.issue("alice", &["sip:alice@example.com"]);
    let client_ca = ca.path("ca.pem").display().to_string();
    let extra = format!("client_ca = \"{client_ca}\"\nclient_certificates = \"optional\"\n");
    let users = Users::new(&[("bob", "secret")]);
    let node = Node::start(&format!("{}{}", ca.listener(&extra), users.keys("flow_trust = \"0s\"")));
    let alice = Client::tls(&node, &ca.client_with(&ca, "alice"));
    alice.ask(&alice.register_contact("alice")).expect_status(401);
    let without_password = std::fs::read_to_string(users.path()).unwrap() + "[users.\"alice@example.com\"]\n";
    std::fs::write(users.path(), without_password).unwrap();
    wait_until("alice is a user", || alice.ask(&alice.register_contact("alice")).status() == 200);
    let before = node.metric("authentications_total{outcome=\"trusted\"}");
    for _ in 0..2 {
        alice.registers_outbound("alice", 1);
    }
    alice.ask(&alice.register_contact("bob")).expect_status(401);
    let nobody = Client::tls(&node, &ca.client());
    nobody.ask(&nobody.register_contact("alice")).expect_status(401);
    assert_eq!(node.metric("authentications_total{outcome=\"trusted\"}"), before + 2);
    // Her phone is stolen.
    users.set(&[("bob", "secret")]);
    wait_until("alice is no user any more", || alice.ask(&alice.register_contact("alice")).status() == 401);
}
