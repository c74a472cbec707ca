//! `sips`: what is promised to be secure goes over TLS or not at all (RFC 3261 §26.2.2).

use crate::support::tls::Ca;
use crate::support::{Client, Node};

#[test]
fn a_sips_request_reaches_a_ua_over_tls_and_leaves_others_out() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let (caller, secure) = (Client::tls(&node, &ca.client()), Client::tls(&node, &ca.client()));
    let (tcp, udp) = (Client::tcp(&node), Client::udp(&node));
    tcp.registers_flow("alice", "desk", 1);
    udp.registers_flow("alice", "attic", 1);
    let request = || caller.message("alice").uri("sips:alice@example.com");
    assert_eq!(caller.ask(&request()).status(), 480);
    assert_eq!(node.metric("refused_total{reason=\"not_secure\"}"), 1);
    secure.registers_flow("alice", "phone", 1);
    caller.send(request().to_bytes());
    let came = secure.receive().expect_method("MESSAGE");
    secure.send(came.answer(200, "OK"));
    caller.receive_final().expect_status(200);
    tcp.expect_nothing();
    udp.expect_nothing();
}

#[test]
fn a_sips_contact_or_aor_is_bound_over_tls_only() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let (plain, secure) = (Client::tcp(&node), Client::tls(&node, &ca.client()));
    for (client, status) in [(&plain, 403), (&secure, 200)] {
        let contact = client.register("alice").contact("<sips:alice@192.0.2.1>");
        assert_eq!(client.ask(&contact).status(), status);
        let aor = client.register_outbound("alice", 1).set("To", "<sips:alice@example.com>");
        assert_eq!(client.ask(&aor).status(), status);
    }
    assert_eq!(node.metric("refused_total{reason=\"not_secure\"}"), 2);
}
