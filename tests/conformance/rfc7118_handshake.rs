//! RFC 7118 §4.1 and RFC 6455 §4.2: the request that opens a WebSocket, and what it is answered.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::support::message::param;
use crate::support::websocket::{SWITCHED, TEXT, UPGRADE};
use crate::support::{Client, Node, wait_until};

/// A node with a WebSocket listener, and with `extra` keys.
fn node(extra: &str) -> Node {
    Node::start(&format!("[listen]\nws = [\"127.0.0.1:0\"]\n{extra}"))
}

/// This request is answered so, and the connection closed.
#[track_caller]
fn assert_refused(node: &Node, request: &str, status: &str) {
    let client = Client::tcp_for_ws(node);
    client.send(request);
    client.expect_octets(format!("HTTP/1.1 {status}\r\n").as_bytes());
    client.expect_closed_at_last();
}

/// This request opens a WebSocket.
#[track_caller]
fn assert_taken(node: &Node, request: &str) {
    let client = Client::tcp_for_ws(node);
    client.send(request);
    client.expect_octets(SWITCHED.as_bytes());
}

/// So many were refused for this reason, and the log says so once.
#[track_caller]
fn assert_counted(node: &Node, reason: &str, times: u64) {
    let counted = || node.metric(&format!("refused_total{{reason=\"{reason}\"}}"));
    wait_until(&format!("{times} are counted as {reason}"), || counted() == times);
    wait_until("it is in the log", || node.log().contains(&format!("reason=\"{reason}\"")));
}

#[test]
fn s4_1_the_answer_to_a_request_that_offers_sip_names_sip() {
    let node = node("");
    assert_taken(&node, UPGRADE);
    assert_taken(&node, &UPGRADE.replace("Protocol: sip", "Protocol: mqtt, sip"));
    wait_until("both are flows", || node.metric("connections_accepted_total{transport=\"ws\"}") == 2);
}

#[test]
fn s4_1_a_request_that_does_not_offer_sip_is_400_and_the_end() {
    let node = node("");
    assert_refused(&node, &UPGRADE.replace("Sec-WebSocket-Protocol: sip\r\n", ""), "400 Bad Request");
    assert_refused(&node, &UPGRADE.replace("Protocol: sip", "Protocol: msrp"), "400 Bad Request");
    assert_counted(&node, "not_sip", 2);
}

#[test]
fn rfc6455_s4_2_1_a_request_for_anything_else_is_refused() {
    let node = node("");
    assert_refused(&node, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426 Upgrade Required");
    assert_refused(&node, &UPGRADE.replace("Version: 13", "Version: 8"), "426 Upgrade Required");
    assert_refused(&node, &UPGRADE.replace("GET", "POST"), "400 Bad Request");
    assert_refused(&node, &UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "400 Bad Request");
    assert_refused(&node, "REGISTER sip:example.com SIP/2.0\r\n\r\n", "400 Bad Request");
    assert_counted(&node, "not_websocket", 5);
    assert_eq!(node.metric("connections_accepted_total{transport=\"ws\"}"), 0);
}

#[test]
fn rfc6455_s4_4_another_version_is_told_which_one_is_known() {
    let node = node("");
    let client = Client::tcp_for_ws(&node);
    client.send(UPGRADE.replace("Version: 13", "Version: 8"));
    client.expect_octets(
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    );
}

#[test]
fn rfc6455_s10_2_pages_of_other_origins_are_403() {
    let node = node("[websocket]\norigins = [\"https://phone.example.com\"]\n");
    let of = |origin: &str| UPGRADE.replace("http://www.example.com", origin);
    assert_taken(&node, &of("https://phone.example.com"));
    for origin in ["http://phone.example.com", "https://phone.example.com:8443", "https://evil.test", "null"]
    {
        assert_refused(&node, &of(origin), "403 Forbidden");
    }
    assert_counted(&node, "origin", 4);
    // No browser.
    assert_taken(&node, &UPGRADE.replace("Origin: http://www.example.com\r\n", ""));
}

#[test]
fn a_path_that_was_configured_is_the_only_one() {
    let node = node("[websocket]\npath = \"/ws\"\n");
    assert_taken(&node, &UPGRADE.replace("GET / ", "GET /ws?a=b "));
    assert_refused(&node, UPGRADE, "404 Not Found");
    assert_counted(&node, "path", 1);
}

#[test]
fn a_request_has_its_length_and_its_time() {
    let node = node("[websocket]\nmax_request = \"1KiB\"\n[limits]\nheader_timeout = \"1s\"\n");
    let long = UPGRADE.replace("Host", &format!("Cookie: {}\r\nHost", "a".repeat(1024)));
    assert_refused(&node, &long, "431 Request Header Fields Too Large");
    assert_counted(&node, "not_websocket", 1);
    let slow = Client::tcp_for_ws(&node);
    slow.send(&UPGRADE[..20]);
    let took = slow.expect_closed();
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert_counted(&node, "no_upgrade", 1);
}

#[test]
fn a_balancer_says_whose_connection_it_is_and_the_request_does_not() {
    let node = node("proxy_protocol_from = [\"127.0.0.2\"]\n[auth]\nmode = \"none\"\n");
    let forged = UPGRADE.replace("Origin", "X-Forwarded-For: 192.0.2.8\r\nOrigin");
    let via_received = |client: Client| {
        let response = client.registers("alice");
        param(response.top_via(), "received").map(str::to_owned)
    };
    let direct = Client::tcp_for_ws(&node);
    direct.send(&forged);
    direct.expect_octets(SWITCHED.as_bytes());
    assert_eq!(via_received(direct.switched(TEXT)).as_deref(), Some("127.0.0.1"));
    let balancer = Client::connect(Ipv4Addr::new(127, 0, 0, 2).into(), node.listener("ws"), |_| {});
    balancer.send(format!("PROXY TCP4 192.0.2.7 198.51.100.1 40000 80\r\n{forged}"));
    balancer.expect_octets(SWITCHED.as_bytes());
    assert_eq!(via_received(balancer.switched(TEXT)).as_deref(), Some("192.0.2.7"));
}
