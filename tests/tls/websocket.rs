//! WebSocket over TLS: what is there over TCP too is proved in `tests/conformance/rfc7118.rs`.

use crate::support::tls::{Ca, Tls};
use crate::support::websocket::{FIN, PING_FRAME, PONG_FRAME, UPGRADE};
use crate::support::{Client, Node, call, wait_until};

/// A node that listens for WebSocket over TLS, and for `tls`.
fn node(ca: &Ca, extra: &str) -> Node {
    Node::start(&ca.listener(extra).replace("[tls]\n", "wss = [\"127.0.0.1:0\"]\n[tls]\n"))
}

#[test]
fn a_ua_registers_over_wss_and_is_reached() {
    let ca = Ca::new();
    let node = node(&ca, "");
    let (ws, tcp, tls) =
        (Client::wss(&node, &ca.client()), Client::tcp(&node), Client::tls(&node, &ca.client()));
    let registered = ws.registers_outbound("alice", 1);
    assert!(registered.top_via().starts_with("SIP/2.0/WSS "), "{registered}");
    for other in [&tcp, &tls] {
        other.registers_outbound("bob", 1);
        let request = other.reaches("alice", &ws);
        assert!(request.top_via().starts_with(&format!("SIP/2.0/WSS {}", node.listener("wss"))), "{request}");
        ws.reaches("bob", other);
        let (mut from, mut to) = call(other, "alice", &ws);
        // RFC 7118 §5.2: a URI names `ws` over TLS too.
        let named = format!("@{};transport=ws;lr>", node.listener("wss"));
        assert!(to.routes()[0].contains(&named), "{:?}", to.routes());
        to.asks("BYE", &mut from);
    }
    ws.ping();
    ws.send_frame(FIN | PING_FRAME, b"now?");
    while ws.receive_frame() != (FIN | PONG_FRAME, b"now?".to_vec()) {}
    drop(ws);
    wait_until("it has gone", || node.metric("connections{transport=\"wss\"}") == 0);
    assert_eq!(node.metric("connections_accepted_total{transport=\"wss\"}"), 1);
}

#[test]
fn a_request_that_is_refused_is_told_so_over_tls() {
    let ca = Ca::new();
    let node = node(&ca, "[websocket]\norigins = [\"https://phone.example.com\"]\n");
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "426 Upgrade Required"),
        (UPGRADE.replace("Protocol: sip", "Protocol: msrp"), "403 Forbidden"),
    ] {
        let client = Client::over_tls(Tls::dial(node.listener("wss"), "localhost", &ca.client()).unwrap());
        client.send(request);
        client.expect_octets(format!("HTTP/1.1 {status}\r\n").as_bytes());
        client.expect_closed_at_last();
    }
}

#[test]
fn a_node_that_drains_says_so_over_tls() {
    let ca = Ca::new();
    let node = node(&ca, "[node]\ndrain = \"3s\"\n");
    let ws = Client::wss(&node, &ca.client());
    ws.registers_outbound("alice", 1);
    node.signal("-TERM");
    ws.expect_close(1001);
}
