//! RFC 7118 §§4 to 6: SIP messages over WebSocket, keep-alive, and what ends a connection (RFC 6455 §§5 to 8).

use std::time::Duration;

use crate::support::client::{PING, PONG};
use crate::support::dialog::{call, call_with};
use crate::support::message::param;
use crate::support::websocket::{BINARY, CLOSE, CONTINUATION, FIN, PING_FRAME, PONG_FRAME, TEXT};
use crate::support::{Client, Node, wait_until};

const SECOND: Duration = Duration::from_secs(1);
const LISTEN: &str = "[listen]\nws = [\"127.0.0.1:0\"]\n";

/// A node with a WebSocket listener, and with `extra` keys.
fn node(extra: &str) -> Node {
    Node::start(&format!("{LISTEN}{extra}"))
}

#[test]
fn s4_2_text_and_binary_messages_are_both_taken_and_answered_in_kind() {
    let node = node("");
    for (ua, kind) in [(Client::ws(&node), TEXT), (Client::ws_binary(&node), BINARY)] {
        let response = ua.registers_outbound("alice", 1);
        assert_eq!(ua.receive_frame(), (FIN | kind, response.octets().to_vec()));
    }
}

#[test]
fn s4_2_a_message_that_is_not_utf8_leaves_as_binary() {
    let node = node("");
    let (caller, ua) = (Client::tcp(&node), Client::ws(&node));
    ua.registers_outbound("bob", 1);
    ua.receive_frame();
    for (body, kind) in [(&b"caf\xc3\xa9"[..], TEXT), (b"\xff\xfe", BINARY)] {
        caller.send(caller.message("bob").body(body).to_bytes());
        let arrived = ua.receive().expect_method("MESSAGE");
        assert_eq!(arrived.body(), body);
        assert_eq!(ua.receive_frame(), (FIN | kind, arrived.octets().to_vec()));
        ua.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
}

#[test]
fn s5_each_sip_message_is_one_websocket_message() {
    let node = node("");
    let (caller, ua) = (Client::tcp(&node), Client::ws(&node));
    ua.registers_outbound("bob", 1);
    ua.receive_frame();
    // Large enough for each form of a frame's length, and sent in one segment.
    let sent: Vec<_> = [10, 200, 40_000].map(|len| caller.message("bob").body("x".repeat(len))).into();
    caller.send(sent.iter().flat_map(crate::support::Request::to_bytes).collect::<Vec<_>>());
    for _ in &sent {
        let arrived = ua.receive().expect_method("MESSAGE");
        assert_eq!(ua.receive_frame(), (FIN | TEXT, arrived.octets().to_vec()));
        ua.send(arrived.answer(200, "OK"));
        caller.receive_final().expect_status(200);
    }
}

#[test]
fn s5_content_length_is_not_needed() {
    let node = node("");
    let (ws, tcp) = (Client::ws(&node), Client::tcp(&node));
    tcp.registers_outbound("bob", 1);
    ws.send(ws.message("bob").without("Content-Length").body("up to the end").to_bytes());
    let arrived = tcp.receive().expect_method("MESSAGE");
    assert_eq!(arrived.body(), b"up to the end", "and it has one on a byte stream: {arrived}");
    tcp.send(arrived.answer(200, "OK"));
    ws.receive().expect_status(200);
}

#[test]
fn s5_a_content_length_beyond_the_message_is_400_and_the_connection_stays() {
    let node = node("");
    let ws = Client::ws(&node);
    ws.ask(&ws.register_contact("alice").set("Content-Length", "7")).expect_status(400);
    ws.registers("alice");
}

#[test]
fn rfc6455_s5_4_a_message_may_come_in_fragments_with_a_ping_between_them() {
    let node = node("");
    let ws = Client::ws(&node);
    let octets = ws.register_outbound("alice", 1).to_bytes();
    let (first, rest) = octets.split_at(100);
    ws.send_frame(TEXT, first);
    ws.send_frame(FIN | PING_FRAME, b"now?");
    assert_eq!(ws.receive_frame(), (FIN | PONG_FRAME, b"now?".to_vec()));
    ws.send_frame(CONTINUATION, b"");
    ws.send_frame(FIN | CONTINUATION, rest);
    ws.receive().expect_status(200);
}

#[test]
fn s5_1_via_names_ws_and_a_host_that_nobody_can_look_up() {
    let node = node("");
    let (ws, tcp) = (Client::ws(&node), Client::tcp(&node));
    tcp.registers_outbound("bob", 1);
    let response = ws.registers_outbound("alice", 1);
    let via = format!("SIP/2.0/WS {}", ws.host());
    assert!(via.ends_with(".invalid") && response.top_via().starts_with(&via), "{response}");
    assert_eq!(param(response.top_via(), "rport"), None, "nobody asked for it: {response}");
    // What the node writes names the transport that it goes out over, on either side.
    let arrived = ws.reaches("bob", &tcp);
    assert!(arrived.values("Via")[0].starts_with("SIP/2.0/TCP "), "{arrived}");
    assert!(arrived.values("Via")[1].starts_with(&via), "{arrived}");
    let arrived = tcp.reaches("alice", &ws);
    assert!(arrived.top_via().starts_with(&format!("SIP/2.0/WS {}", node.listener("ws"))), "{arrived}");
}

#[test]
fn s5_2_a_contact_with_an_invalid_host_is_reached_over_its_flow() {
    let node = node("");
    let (ws, other, udp) = (Client::ws(&node), Client::ws(&node), Client::udp(&node));
    ws.registers_outbound("alice", 1);
    other.registers("carol");
    assert_eq!(ws.bound_uris("alice"), [ws.contact_uri("alice")]);
    for caller in [&udp, &other] {
        let arrived = caller.reaches("alice", &ws);
        assert_eq!(arrived.uri(), ws.contact_uri("alice"), "{arrived}");
        caller.expect_nothing();
    }
    ws.reaches("carol", &other);
}

#[test]
fn s5_2_record_route_names_ws_towards_the_browser() {
    let node = node("");
    let (ws, tcp) = (Client::ws(&node), Client::tcp(&node));
    ws.registers_outbound("alice", 1);
    tcp.registers_outbound("bob", 1);
    for (caller, user, ua) in [(&ws, "bob", &tcp), (&tcp, "alice", &ws)] {
        let (arrived, _) = call_with(caller, &caller.invite(user), ua);
        for (route, side) in arrived.values("Record-Route").iter().zip([ua, caller]) {
            let (at, transport) = match side.transport() {
                "WS" => (node.listener("ws"), "ws"),
                _ => (node.tcp(), "tcp"),
            };
            assert!(route.contains(&format!("@{at};transport={transport};lr>")), "{route}");
        }
    }
}

#[test]
fn s5_2_calls_between_a_browser_and_any_other_ua() {
    let node = node("");
    let ws = Client::ws(&node);
    ws.registers_outbound("alice", 1);
    for other in [Client::tcp(&node), Client::udp(&node), Client::ws(&node)] {
        other.registers_outbound("bob", 1);
        for (caller, user, ua) in [(&ws, "bob", &other), (&other, "alice", &ws)] {
            let (mut from, mut to) = call(caller, user, ua);
            to.asks("INVITE", &mut from);
            from.asks("INFO", &mut to);
            to.asks("BYE", &mut from);
        }
    }
}

#[test]
fn s6_a_double_crlf_gets_a_crlf_and_a_ping_gets_a_pong() {
    let node = node("");
    for (ws, kind) in [(Client::ws(&node), TEXT), (Client::ws_binary(&node), BINARY)] {
        ws.send(PING);
        assert_eq!(ws.receive_frame(), (FIN | kind, PONG.to_vec()));
        ws.send_frame(FIN | PING_FRAME, b"");
        assert_eq!(ws.receive_frame(), (FIN | PONG_FRAME, vec![]));
        // A pong gets no answer.
        ws.send(PONG);
        ws.send_frame(FIN | PONG_FRAME, b"unasked");
        ws.send_frame(FIN | PING_FRAME, b"next");
        assert_eq!(ws.receive_frame(), (FIN | PONG_FRAME, b"next".to_vec()));
    }
    assert_eq!(node.metric("pings_total{transport=\"ws\"}"), 6);
}

#[test]
fn rfc6455_s5_5_3_of_several_pings_at_once_the_last_one_is_answered() {
    let node = node("");
    let ws = Client::ws(&node);
    let pings = [b"a", b"b", b"c"].map(|payload| crate::support::websocket::frame(FIN | PING_FRAME, payload));
    ws.send_raw(&pings.concat());
    let last = std::iter::repeat_with(|| ws.receive_frame()).find(|(_, payload)| payload == b"c");
    assert_eq!(last.unwrap().0, FIN | PONG_FRAME);
}

#[test]
fn s6_either_ping_keeps_a_flow_with_a_flow_timer() {
    let node = node("[outbound]\nflow_timer = \"1s\"\n[websocket]\npong_timeout = \"0s\"\n");
    let (by_crlf, by_ping, silent) = (Client::ws(&node), Client::ws(&node), Client::ws(&node));
    for (ua, user) in [(&by_crlf, "alice"), (&by_ping, "bob"), (&silent, "carol")] {
        let response = ua.registers_outbound(user, 1);
        assert_eq!(response.header("Flow-Timer"), "1");
    }
    for _ in 0..5 {
        by_crlf.expect_silence(SECOND * 9 / 10);
        by_crlf.ping();
        by_ping.send_frame(FIN | PING_FRAME, b"");
    }
    silent.expect_close(1008);
    assert_eq!(node.flows_closed("flow_timer"), 1);
    by_crlf.reaches("bob", &by_ping);
}

#[test]
fn s6_a_page_that_cannot_ping_is_asked_before_its_flow_is_closed() {
    let node = node("[outbound]\nflow_timer = \"1s\"\n[websocket]\npong_timeout = \"1s\"\n");
    let (page, gone) = (Client::ws(&node), Client::ws(&node));
    page.registers_outbound("alice", 1);
    gone.registers_outbound("bob", 1);
    page.receive_frame();
    // A browser answers by itself, whatever the page does.
    for _ in 0..2 {
        assert_eq!(page.receive_frame(), (FIN | PING_FRAME, vec![]));
        page.send_frame(FIN | PONG_FRAME, b"");
    }
    gone.expect_close(1008);
    assert_eq!(node.flows_closed("flow_timer"), 1);
    page.reaches("alice", &page);
}

#[test]
fn s6_a_flow_is_pinged_while_it_is_silent_with_or_without_a_flow_timer() {
    for flow_timer in ["0s", "120s"] {
        let keys = format!("[outbound]\nflow_timer = \"{flow_timer}\"\n[websocket]\nping_every = \"1s\"\n");
        let node = node(&keys);
        let page = Client::ws(&node);
        page.registers_outbound("alice", 1);
        page.receive_frame();
        for _ in 0..3 {
            assert_eq!(page.receive_frame(), (FIN | PING_FRAME, vec![]), "Flow-Timer {flow_timer}");
            page.send_frame(FIN | PONG_FRAME, b"");
        }
        page.reaches("alice", &page);
    }
}

#[test]
fn s6_who_has_said_nothing_but_pongs_is_closed_for_silence() {
    let node = node("[limits]\nfirst_message = \"2s\"\n[websocket]\nping_every = \"1s\"\n");
    let page = Client::ws(&node);
    assert_eq!(page.receive_frame(), (FIN | PING_FRAME, vec![]));
    page.send_frame(FIN | PONG_FRAME, b"");
    wait_until("it is closed", || node.flows_closed("silent") == 1);
}

#[test]
fn s4_1_a_message_that_is_no_sip_is_the_end() {
    let node = node("");
    for garbage in [&b"Hello"[..], b"", b"\r\n\r\n\r\n\r\nHello", b"{\"type\":\"offer\"}"] {
        let ws = Client::ws(&node);
        ws.registers("alice");
        ws.send(garbage);
        ws.expect_close(1002);
    }
    assert_eq!(node.flows_closed("garbage"), 4);
    assert_eq!(Client::tcp(&node).message_status("alice"), 480, "its bindings are gone");
}

#[test]
fn rfc6455_s5_1_frames_that_are_not_masked_or_not_allowed_are_the_end() {
    let node = node("");
    for octets in [&b"\x81\x04\r\n\r\n"[..], b"\xc1\x80\0\0\0\0", b"\x83\x80\0\0\0\0", b"\x80\x80\0\0\0\0"] {
        let ws = Client::ws(&node);
        ws.send_raw(octets);
        ws.expect_close(1002);
    }
}

#[test]
fn rfc6455_s8_1_text_that_is_not_utf8_is_the_end() {
    let node = node("");
    let ws = Client::ws(&node);
    ws.send_frame(FIN | TEXT, &ws.message("bob").body(b"\xff".to_vec()).to_bytes());
    ws.expect_close(1007);
    let ws = Client::ws_binary(&node);
    ws.ask(&ws.message("bob").body(b"\xff".to_vec())).expect_status(404);
}

#[test]
fn a_message_over_max_message_is_the_end_before_it_is_there() {
    let node = node("[limits]\nmax_message = \"2KiB\"\n");
    let ws = Client::ws(&node);
    ws.ask(&ws.register_contact("alice").padded_to(2048)).expect_status(200);
    ws.send_raw(&crate::support::websocket::frame(FIN | TEXT, &[b'x'; 2049])[..8]);
    ws.expect_close(1009);
    assert_eq!(node.flows_closed("too_large"), 1);
}

#[test]
fn a_frame_or_a_message_that_does_not_end_is_the_end_after_header_timeout() {
    let node = node("[limits]\nheader_timeout = \"1s\"\n");
    let (frame, message, half) = (Client::ws(&node), Client::ws(&node), Client::ws(&node));
    frame.send_raw(&[0x81]);
    half.send_raw(&crate::support::websocket::frame(FIN | TEXT, b"MESSAGE")[..10]);
    // Fragments that trickle do not prolong it.
    message.send_frame(TEXT, b"MESSAGE");
    message.send_frame(CONTINUATION, b" sip");
    for ws in [frame, message, half] {
        ws.expect_close(1008);
    }
    assert_eq!(node.flows_closed("header_timeout"), 3);
}

#[test]
fn rfc6455_s5_5_1_a_close_is_answered_and_its_flow_has_failed() {
    let node = node("");
    let caller = Client::tcp(&node);
    for code in [1000_u16, 1001, 4000] {
        let ws = Client::ws(&node);
        ws.registers_outbound("alice", 1);
        ws.send_frame(FIN | CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat());
        ws.expect_close(code);
        wait_until("its binding is gone", || caller.bindings("alice").is_empty());
    }
    assert_eq!(node.flows_closed("peer_closed"), 3);
}

#[test]
fn rfc6455_s7_4_1_a_node_that_drains_goes_away() {
    let node = node("[node]\ndrain = \"3s\"\n");
    let ws = Client::ws(&node);
    ws.registers_outbound("alice", 1);
    node.signal("-TERM");
    ws.expect_close(1001);
}
