//! RFC 5626 §5.1 and §5.4 at an edge proxy: REGISTER goes on to a registrar with a Path, and what comes back by it.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::support::dialog::call;
use crate::support::{Client, Message, Node, wait_until};

/// An edge proxy, and behind it a socket that is its registrar.
pub(crate) fn edge_of_a_socket(extra: &str) -> (Node, Client) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let edge =
        Node::start(&format!("[proxy]\nregistrar = \"sip:{}\"\n{extra}", socket.local_addr().unwrap()));
    let registrar = Client::over(socket, &edge);
    (edge, registrar)
}

/// An edge proxy in front of this node.
fn edge_of(registrar: &Node, transport: &str, id: &str, extra: &str) -> Node {
    let at = match transport {
        "tcp" => format!("sip:{};transport=tcp", registrar.tcp()),
        _ => format!("sip:{}", registrar.udp()),
    };
    Node::start(&format!("[node]\nid = \"{id}\"\n[proxy]\nregistrar = \"{at}\"\n{extra}"))
}

/// The 200 of a registrar that is not ours, with these lines.
pub(crate) fn accept(register: &Message, lines: &str) -> Vec<u8> {
    register.answer_with(200, "OK", &format!("Contact: {};expires=60\r\n{lines}", register.header("Contact")))
}

#[test]
fn s5_1_the_first_hop_adds_a_path_with_a_token_and_ob() {
    let (edge, registrar) = edge_of_a_socket("");
    let mut tokens = Vec::new();
    for ua in [Client::tcp(&edge), Client::udp(&edge)] {
        ua.send(ua.register_outbound("alice", 1).to_bytes());
        let register = registrar.receive().expect_method("REGISTER");
        let path = register.values("Path");
        assert_eq!(path.len(), 1, "{register}");
        let uri = path[0].strip_prefix("<sip:").and_then(|rest| rest.strip_suffix('>')).unwrap();
        let (token, rest) = uri.split_once('@').expect("a token");
        assert!(rest.starts_with(&edge.udp().to_string()), "where the registrar reaches the edge{register}");
        assert!(rest.split(';').any(|param| param == "ob"), "{register}");
        assert!(rest.split(';').any(|param| param == "lr"), "{register}");
        assert!(register.has_tag("Supported", "path"), "{register}");
        assert_eq!(register.uri(), "sip:example.com");
        assert_eq!(register.values("Via").len(), 2);
        tokens.push(token.to_owned());
        registrar.send(accept(&register, ""));
        ua.receive_final().expect_status(200);
    }
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn s5_1_who_is_not_the_first_hop_adds_no_ob() {
    let (edge, registrar) = edge_of_a_socket("");
    let ua = Client::tcp(&edge);
    let first_hop = "<sip:their-token@192.0.2.1;lr;ob>";
    let register = ua.register_outbound("alice", 1);
    let register = register.with("Via", "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKua").with("Path", first_hop);
    ua.send(register.to_bytes());
    let arrived = registrar.receive();
    let path = arrived.values("Path");
    assert_eq!(path.last(), Some(&first_hop), "theirs stays, behind ours{arrived}");
    for ours in &path[..path.len() - 1] {
        assert!(!ours.contains(";ob"), "{arrived}");
    }
}

#[test]
fn s5_1_contact_parameters_and_everything_else_go_on_as_they_are() {
    let (edge, registrar) = edge_of_a_socket("");
    let ua = Client::tcp(&edge);
    let register =
        ua.register_outbound("alice", 1).with("X-Own", "a, b").with("Authorization", "Digest x=\"y\"");
    ua.send(register.to_bytes());
    let arrived = registrar.receive();
    for name in ["Contact", "X-Own", "Authorization", "From", "To", "Call-ID", "CSeq"] {
        assert!(String::from_utf8_lossy(arrived.octets()).contains(register.field(name)), "{name}{arrived}");
    }
    registrar.send(arrived.answer_with(401, "Unauthorized", "WWW-Authenticate: Digest realm=\"r\"\r\n"));
    let response = ua.receive_final().expect_status(401);
    assert_eq!(response.header("WWW-Authenticate"), "Digest realm=\"r\"");
    assert!(!response.has("Flow-Timer"), "{response}");
}

#[test]
fn s5_4_the_registrars_flow_timer_is_kept_on_the_flow() {
    let (edge, registrar) = edge_of_a_socket("");
    let ua = Client::tcp(&edge);
    ua.send(ua.register_outbound("alice", 1).to_bytes());
    let service_route = "Service-Route: <sip:orig@192.0.2.1;lr>\r\n";
    let lines = format!("Require: outbound\r\nFlow-Timer: 2\r\n{service_route}");
    registrar.send(accept(&registrar.receive(), &lines));
    let response = ua.receive_final().expect_status(200);
    let started = Instant::now();
    assert_eq!(response.header("Flow-Timer"), "2");
    assert_eq!(response.header("Service-Route"), "<sip:orig@192.0.2.1;lr>");
    ua.expect_closed();
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(6), "{took:?}");
    assert_eq!(edge.flows_closed("flow_timer"), 1);
}

#[test]
fn s5_4_a_flow_timer_is_added_where_the_registrar_gives_none() {
    let (edge, registrar) = edge_of_a_socket("[outbound]\nflow_timer = \"2s\"\nflow_timer_udp = \"3s\"\n");
    for (ua, seconds) in [(Client::tcp(&edge), "2"), (Client::udp(&edge), "3")] {
        ua.send(ua.register_outbound("alice", 1).to_bytes());
        registrar.send(accept(&registrar.receive(), "Require: outbound\r\n"));
        let response = ua.receive_final().expect_status(200);
        assert_eq!(response.header("Flow-Timer"), seconds, "{response}");
        if ua.transport() == "TCP" {
            ua.expect_closed();
        }
    }
    // Only where outbound is required.
    let ua = Client::tcp(&edge);
    ua.send(ua.register_contact("alice").to_bytes());
    registrar.send(accept(&registrar.receive(), ""));
    let response = ua.receive_final().expect_status(200);
    assert!(!response.has("Flow-Timer"), "{response}");
}

#[test]
fn s5_a_registrar_that_cannot_be_reached_is_an_error_for_the_ua() {
    let registrar = Node::start("");
    let edge = edge_of(&registrar, "tcp", "edge", "");
    drop(registrar);
    let ua = Client::tcp(&edge);
    ua.send(ua.register_outbound("alice", 1).to_bytes());
    let status = ua.receive_final().status();
    assert!((500..600).contains(&status), "{status}");
}

#[test]
fn s5_a_ua_registers_at_a_registrar_behind_the_edge_and_is_reached_over_its_flow() {
    let registrar = Node::start("");
    for transport in ["udp", "tcp"] {
        let edge = edge_of(&registrar, transport, "edge", "[outbound]\nflow_timer = \"7s\"\n");
        for ua in [Client::tcp(&edge), Client::udp(&edge)] {
            let user = format!("alice-{transport}-{}", ua.transport());
            let response = ua.registers_outbound(&user, 1);
            assert_eq!(response.values("Path").len(), 1, "{response}");
            assert!(response.has("Flow-Timer"), "{response}");
            // At the registrar, and at the edge, which asks the registrar.
            for caller in [Client::tcp(&registrar), Client::udp(&registrar), Client::tcp(&edge)] {
                let arrived = caller.reaches(&user, &ua);
                assert_eq!(arrived.uri(), ua.contact_uri(&user));
                assert!(!arrived.has("Route"), "{arrived}");
            }
        }
        assert_eq!(edge.metric("bindings"), 0, "the edge keeps nothing");
    }
}

#[test]
fn s5_calls_go_through_edge_and_registrar_in_both_directions() {
    let registrar = Node::start("");
    for transport in ["udp", "tcp"] {
        let edge = edge_of(&registrar, transport, "edge", "");
        for (caller, ua) in [
            (Client::tcp(&edge), Client::tcp(&edge)),
            (Client::udp(&edge), Client::tcp(&edge)),
            (Client::tcp(&edge), Client::udp(&edge)),
            (Client::tcp(&registrar), Client::tcp(&edge)),
            (Client::tcp(&edge), Client::udp(&registrar)),
        ] {
            ua.registers_outbound("bob", 1);
            let (mut at_caller, mut at_ua) = call(&caller, "bob", &ua);
            at_caller.asks("INVITE", &mut at_ua);
            at_ua.asks("INVITE", &mut at_caller);
            at_ua.asks("INFO", &mut at_caller);
            at_caller.asks("BYE", &mut at_ua);
            caller.expect_nothing();
            ua.expect_nothing();
        }
    }
}

#[test]
fn s7_a_430_of_an_edge_proxy_takes_a_request_to_the_other_edge_proxy() {
    let registrar = Node::start("");
    for transport in ["udp", "tcp"] {
        let (first, second) =
            (edge_of(&registrar, transport, "first", ""), edge_of(&registrar, transport, "second", ""));
        let (older, newer) = (Client::tcp(&first), Client::tcp(&second));
        older.registers_outbound("alice", 1);
        newer.registers_outbound("alice", 2);
        let caller = Client::tcp(&registrar);
        caller.reaches("alice", &newer);
        drop(newer);
        wait_until("its end is seen", || second.flows_closed("peer_closed") == 1);
        caller.reaches("alice", &older);
        // The binding that led to the first 430 is gone, so the next request does not try it.
        assert_eq!(caller.bindings("alice").len(), 1);
        caller.reaches("alice", &older);
    }
}
