//! A TLS listener: UAs register over it, and are reached over it.

use tokio_rustls::rustls::{ProtocolVersion, version};

use crate::support::message::param;
use crate::support::tls::{Ca, Tls};
use crate::support::{Client, Node, call, wait_until};

#[test]
fn a_ua_registers_over_both_versions_and_is_reached() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let caller = Client::tcp(&node);
    for (version, spoken) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let ua = Client::tls(&node, &ca.client_over(version));
        assert_eq!(ua.as_tls().version(), spoken);
        let registered = ua.registers_outbound("alice", 1);
        assert_eq!(registered.header("Flow-Timer"), "120");
        ua.ping();
        let request = caller.reaches("alice", &ua);
        assert!(request.top_via().starts_with(&format!("SIP/2.0/TLS {}", node.tls())), "{request}");
    }
    wait_until("both have gone", || node.metric("connections{transport=\"tls\"}") == 0);
    assert_eq!(node.metric("connections_accepted_total{transport=\"tls\"}"), 2);
}

#[test]
fn a_call_between_tls_and_tcp_names_the_right_transport_on_each_side() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let (caller, ua) = (Client::tcp(&node), Client::tls(&node, &ca.client()));
    caller.registers_outbound("caller", 1);
    ua.registers_outbound("alice", 1);
    let (mut near, mut far) = call(&caller, "alice", &ua);
    let transports = |dialog: &crate::support::Dialog<'_>| -> Vec<String> {
        let of = |route: &String| param(route.trim_end_matches('>'), "transport").map(str::to_owned);
        dialog.routes().iter().filter_map(of).collect()
    };
    assert_eq!(transports(&near), ["tcp", "tls"]);
    assert_eq!(transports(&far), ["tls", "tcp"]);
    near.asks("BYE", &mut far);
}

#[test]
fn versions_below_the_lowest_are_refused() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener("min_version = \"1.3\"\n"));
    assert!(Tls::dial(node.tls(), "localhost", &ca.client_over(&version::TLS12)).is_err());
    Client::tls(&node, &ca.client_over(&version::TLS13)).registers_outbound("alice", 1);
    assert_eq!(node.metric("tls_handshakes_failed_total{reason=\"nothing_in_common\"}"), 1);
}

#[test]
fn the_certificate_is_that_of_the_name_that_is_asked_for() {
    let ca = Ca::new();
    ca.issue("net", &["*.example.net", "example.net"]);
    let further = format!("{} = {}", ca.path("net.pem").display(), ca.path("net.key").display());
    let node = Node::start(&ca.listener(&format!("further = [\"{further}\"]\n")));
    let shown = |name| Tls::dial(node.tls(), name, &ca.client()).map(|tls| tls.shown());
    let (own, net) = (shown("localhost").unwrap(), shown("example.net").unwrap());
    assert_ne!(own, net);
    assert_eq!(shown("pbx.example.net").unwrap(), net);
    // Shown the first, which this client does not take.
    assert!(shown("example.org").is_err());
}

#[test]
fn a_second_connection_is_resumed() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    for version in [&version::TLS12, &version::TLS13] {
        let config = ca.client_over(version);
        let first = Client::tls(&node, &config);
        assert!(!first.as_tls().is_resumed());
        // With TLS 1.3 the ticket comes behind the handshake.
        first.ping();
        let second = Client::tls(&node, &config);
        assert!(second.as_tls().is_resumed());
        second.registers_outbound("alice", 1);
    }
    assert_eq!(node.metric("tls_handshakes_total{kind=\"resumed\"}"), 2);
    assert_eq!(node.metric("tls_handshakes_total{kind=\"full\"}"), 2);
}

#[test]
fn a_load_balancer_says_whose_connection_it_is_before_the_handshake() {
    use std::io::Write;
    use std::net::TcpStream;

    let ca = Ca::new();
    let text = ca
        .listener("")
        .replace("[tls]", "proxy_protocol_from = [\"127.0.0.0/8\"]\n[auth]\nmode = \"none\"\n[tls]");
    let node = Node::start(&text);
    let mut balancer = TcpStream::connect(node.tls()).unwrap();
    balancer.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 5061\r\n").unwrap();
    let ua = Client::over_tls(Tls::over(balancer, "localhost", &ca.client()).unwrap());
    let registered = ua.registers_outbound("alice", 1);
    assert_eq!(param(registered.top_via(), "received"), Some("192.0.2.7"));
}

#[test]
fn a_page_that_came_with_tls_opens_a_websocket() {
    let ca = Ca::new();
    let text = ca.listener("").replace("[tls]", "wss = [\"127.0.0.1:0\"]\n[tls]");
    let node = Node::start(&text);
    let mut config = (*ca.client()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = Tls::dial(node.listener("wss"), "localhost", &config.into()).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
    tls.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let length = tls.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 101 ") && answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{answer}"
    );
    // A Ping, masked with zeros, and its Pong.
    tls.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    let mut pong = [0; 4];
    assert_eq!(tls.read(&mut pong).unwrap(), 4);
    assert_eq!(pong, [0x8a, 2, b'h', b'i']);
    assert_eq!(node.metric("connections{transport=\"wss\"}"), 1);
}

#[test]
fn a_route_by_a_name_of_the_certificate_is_this_node() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let (ua, caller) = (Client::tls(&node, &ca.client()), Client::tls(&node, &ca.client()));
    ua.registers_outbound("alice", 1);
    let port = node.tls().port();
    let along = |route: String| caller.message("alice").with("Route", route);
    caller.send(along(format!("<sip:LocalHost:{port};transport=tls;lr>")).to_bytes());
    let message = ua.receive().expect_method("MESSAGE");
    assert!(!message.to_string().contains("LocalHost"), "our own Route comes off: {message}");
    ua.send(message.answer(200, "OK"));
    caller.receive().expect_status(200);
    for other in [
        format!("<sip:localhost:{};transport=tls;lr>", node.tcp().port()),
        format!("<sip:elsewhere:{port};lr>"),
    ] {
        caller.ask(&along(other)).expect_status(403);
    }
}
