//! Next hops over TLS: a node dials them, and they have to prove the name that the configuration has for them.

use crate::support::message::param;
use crate::support::tls::Ca;
use crate::support::{Client, Node, wait_until};

/// An edge proxy in front of this registrar, which it is told to call `host`.
fn edge(ca: &Ca, trusted: &Ca, registrar: &Node, host: &str) -> Node {
    let port = registrar.tls().port();
    edge_of(ca, trusted, &format!("sip:{host}:{port};transport=tls"))
}

fn edge_of(ca: &Ca, trusted: &Ca, registrar: &str) -> Node {
    let trusted = trusted.path("ca.pem").display().to_string();
    let proxy = format!("[proxy]\nregistrar = \"{registrar}\"\n");
    Node::start(&ca.listener(&format!("ca = \"{trusted}\"\n{proxy}")))
}

#[test]
fn an_edge_proxy_reaches_its_registrar_over_tls_and_back() {
    let ca = Ca::new();
    let registrar = Node::start(&ca.listener(""));
    let edge = edge(&ca, &ca, &registrar, "localhost");
    let (ua, caller) = (Client::tcp(&edge), Client::tcp(&registrar));
    ua.registers_outbound("alice", 1);
    let request = caller.reaches("alice", &ua);
    assert!(request.top_via().starts_with(&format!("SIP/2.0/TCP {}", edge.tcp())), "{request}");
    assert_eq!(registrar.metric("tls_handshakes_total{kind=\"full\"}"), 1);
    let binding = ua.bindings("alice").remove(0);
    assert!(param(&binding, "reg-id").is_some(), "{binding}");
}

#[test]
fn rfc3261_s26_2_2_a_next_hop_that_is_sips_is_reached_over_tls() {
    let ca = Ca::new();
    let registrar = Node::start(&ca.listener(""));
    let edge = edge_of(&ca, &ca, &format!("sips:localhost:{}", registrar.tls().port()));
    Client::tcp(&edge).registers_outbound("alice", 1);
    assert_eq!(registrar.metric("connections_accepted_total{transport=\"tls\"}"), 1);
}

#[test]
fn rfc5922_s7_3_a_next_hop_with_another_name_is_not_spoken_to() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    // RFC 5922 §7.2: no wildcard stands for it, and no sip URI of another domain.
    for names in [&["example.net"][..], &["localhost", "sip:example.net"]] {
        ca.issue("registrar", names);
        let at = |file| ca.path(file).display().to_string();
        let registrar = Node::start(&format!(
            "[listen]\ntls = [\"127.0.0.1:0\"]\n[tls]\ncertificate = \"{}\"\nprivate_key = \"{}\"\n",
            at("registrar.pem"),
            at("registrar.key")
        ));
        assert_unreachable(&edge(&ca, &ca, &registrar, "localhost"), "not valid for name");
    }
    let registrar = Node::start(&ca.listener(""));
    assert_unreachable(&edge(&ca, &stranger, &registrar, "localhost"), "invalid peer certificate");
    // It was dialed by its address, which its certificate does not have.
    assert_unreachable(&edge(&ca, &ca, &registrar, "127.0.0.1"), "not valid for name");
}

#[track_caller]
fn assert_unreachable(edge: &Node, why: &str) {
    let ua = Client::tcp(edge);
    let answer = ua.ask(&ua.register_outbound("alice", 1));
    assert!(answer.status() >= 500 || answer.status() == 408, "{answer}");
    let said = || edge.log().lines().any(|line| line.contains("cannot be reached") && line.contains(why));
    wait_until(&format!("the log says {why}"), said);
}

#[test]
fn a_next_hop_may_be_called_by_an_address_that_its_certificate_has() {
    let ca = Ca::new();
    ca.issue("registrar", &["127.0.0.1"]);
    let at = |file| ca.path(file).display().to_string();
    let registrar = Node::start(&format!(
        "[listen]\ntls = [\"127.0.0.1:0\"]\n[tls]\ncertificate = \"{}\"\nprivate_key = \"{}\"\n",
        at("registrar.pem"),
        at("registrar.key")
    ));
    Client::tcp(&edge(&ca, &ca, &registrar, "127.0.0.1")).registers_outbound("alice", 1);
}
