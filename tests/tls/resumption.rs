//! Resumption: a client that was at one node comes back to another.

use tokio_rustls::rustls::version;

use crate::support::digest::Users;
use crate::support::tls::{Ca, Tls};
use crate::support::{Client, Node, wait_until};

const KEYS: &str = "[tokens]\nkeys = [\"1:a secret that both nodes share\"]\n";

#[test]
fn a_ticket_of_one_node_is_good_at_another_and_after_a_restart() {
    let ca = Ca::new();
    let config = ca.client_over(&version::TLS13);
    let first = Node::start(&ca.listener(KEYS));
    Client::tls(&first, &config).ping();
    drop(first);
    let second = Node::start(&ca.listener(KEYS));
    let client = Client::tls(&second, &config);
    assert!(client.as_tls().is_resumed());
    client.registers_outbound("alice", 1);
    assert_eq!(second.metric("tls_handshakes_total{kind=\"resumed\"}"), 1);
    // The files are read again, and clients have to show what they had to.
    ca.issue("node", &["localhost"]);
    let old = Tls::dial(second.tls(), "localhost", &ca.client()).unwrap().shown();
    second.signal("-HUP");
    wait_until("the new certificate is shown", || {
        Tls::dial(second.tls(), "localhost", &ca.client()).unwrap().shown() != old
    });
    assert!(Client::tls(&second, &config).as_tls().is_resumed());
}

#[test]
fn without_the_same_keys_a_ticket_is_good_at_one_node() {
    let ca = Ca::new();
    let other = KEYS.replace("share", "do not share");
    for (keys, others) in [(KEYS, other.as_str()), (KEYS, ""), ("", KEYS), ("", "")] {
        let config = ca.client_over(&version::TLS13);
        Client::tls(&Node::start(&ca.listener(keys)), &config).ping();
        let node = Node::start(&ca.listener(others));
        let again = Client::tls(&node, &config);
        assert!(!again.as_tls().is_resumed(), "{keys} {others}");
        again.registers_outbound("alice", 1);
    }
}

/// What was recorded of TLS 1.2 could be read with the key of its ticket, which therefore does not last.
#[test]
fn tickets_of_tls_1_2_are_good_at_one_node() {
    let ca = Ca::new();
    let config = ca.client_over(&version::TLS12);
    let (first, second) = (Node::start(&ca.listener(KEYS)), Node::start(&ca.listener(KEYS)));
    Client::tls(&first, &config).ping();
    assert!(Client::tls(&first, &config).as_tls().is_resumed());
    assert!(!Client::tls(&second, &config).as_tls().is_resumed());
}

#[test]
fn who_has_shown_a_certificate_is_who_it_names_at_another_node_of_the_same_ca_only() {
    let (ca, other) = (Ca::new(), Ca::new());
    ca.issue("alice", &["sip:alice@example.com"]);
    let users = Users::new(&[("alice", "secret")]);
    let node = |clients: &str, client_ca: &Ca| {
        let client_ca = client_ca.path("ca.pem").display().to_string();
        let extra = format!("client_ca = \"{client_ca}\"\nclient_certificates = \"{clients}\"\n");
        Node::start(&ca.listener(&format!("{extra}{KEYS}{}", users.keys(""))))
    };
    let config = ca.client_with(&ca, "alice");
    let (first, second) = (node("optional", &ca), node("optional", &ca));
    Client::tls(&first, &config).registers_outbound("alice", 1);
    let again = Client::tls(&second, &config);
    assert!(again.as_tls().is_resumed());
    again.registers_outbound("alice", 1);

    // Where the CA is another one, she has to show her certificate, and it is not taken.
    let stranger = node("optional", &other);
    let refused = Tls::dial(stranger.tls(), "localhost", &config)
        .and_then(|tls| tls.write_all(b"\r\n\r\n").and_then(|()| tls.read(&mut [0; 2])));
    assert!(refused.is_err() || refused.is_ok_and(|octets| octets == 0));
    assert_eq!(stranger.metric("tls_handshakes_total{kind=\"resumed\"}"), 0);

    // Who had nothing to show where that was allowed comes in nowhere else with it.
    let nobody = ca.client();
    Client::tls(&first, &nobody).ping();
    assert!(Client::tls(&second, &nobody).as_tls().is_resumed());
    let strict = node("required", &ca);
    let refused = Tls::dial(strict.tls(), "localhost", &nobody)
        .and_then(|tls| tls.write_all(b"\r\n\r\n").and_then(|()| tls.read(&mut [0; 2])));
    assert!(refused.is_err() || refused.is_ok_and(|octets| octets == 0));
    assert_eq!(strict.metric("tls_handshakes_total{kind=\"resumed\"}"), 0);
}
