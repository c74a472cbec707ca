//! RFC 5626 §5.2 and §5.3: flow tokens, and requests that come along them.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::support::dialog::{call, call_with, private_uri};
use crate::support::{Client, Dialog, Message, Node, Request, wait_until};

/// What is before and behind a Route's token, and the token.
#[track_caller]
fn parts(route: &str) -> (&str, &str, &str) {
    let (before, rest) = route.split_once("sip:").unwrap_or_else(|| panic!("no URI in {route}"));
    let (token, behind) = rest.split_once('@').unwrap_or_else(|| panic!("no token in {route}"));
    (&route[..before.len() + 4], token, behind)
}

/// The Record-Route value of a UA's own side, as it gets it: a callee's is the first of those in the INVITE.
fn route_to_callee(invite: &Message) -> String {
    invite.values("Record-Route")[0].to_owned()
}

/// A MESSAGE within no dialog for the UA behind this route.
fn message_along(from: &Client, route: &str) -> Request {
    from.request("MESSAGE", &private_uri("anyone")).with("Route", route)
}

/// `bob` is called, and the route to his UA is on the wire.
fn called(node: &Node, ua: &Client) -> String {
    let caller = Client::tcp(node);
    ua.registers_outbound("bob", 1);
    let (invite, _) = call_with(&caller, &caller.invite("bob"), ua);
    route_to_callee(&invite)
}

/// A caller and a UA, over every pair of transports.
fn pairs(node: &Node) -> [(Client, Client); 4] {
    let (tcp, udp) = (|| Client::tcp(node), || Client::udp(node));
    [(tcp(), tcp()), (tcp(), udp()), (udp(), tcp()), (udp(), udp())]
}

#[test]
fn s5_2_a_dialog_forming_request_has_a_token_for_each_side_and_no_ob() {
    let node = Node::start("");
    for (caller, ua) in pairs(&node) {
        ua.registers_outbound("bob", 1);
        let invite = caller.invite("bob").set("Contact", format!("<{};ob>", private_uri("caller")));
        let (arrived, _) = call_with(&caller, &invite, &ua);
        let routes = arrived.values("Record-Route");
        assert_eq!(routes.len(), 2, "{arrived}");
        // The callee's side is on top, each is a loose router, and each names its own transport and listener.
        for (route, side) in routes.iter().zip([&ua, &caller]) {
            let (_, token, behind) = parts(route);
            assert!(token.len() >= 16, "{route}");
            assert!(behind.contains(";lr"), "{route}");
            assert!(!behind.contains("ob"), "{route}");
            let (listener, transport) = match side.transport() {
                "TCP" => (node.tcp(), ";transport=tcp"),
                _ => (node.udp(), ""),
            };
            assert!(behind.starts_with(&listener.to_string()), "{route}");
            assert!(behind.to_lowercase().contains(transport), "{route}");
        }
        assert_ne!(parts(routes[0]).1, parts(routes[1]).1);
    }
}

#[test]
fn s5_2_a_token_is_of_one_flow() {
    let node = Node::start("");
    let (first, second) = (Client::tcp(&node), Client::tcp(&node));
    let to_first = called(&node, &first);
    let to_second = called(&node, &second);
    assert_ne!(parts(&to_first).1, parts(&to_second).1);
    let stranger = Client::udp(&node);
    for (route, ua) in [(&to_first, &first), (&to_second, &second)] {
        stranger.send(message_along(&stranger, route).to_bytes());
        ua.send(ua.receive().expect_method("MESSAGE").answer(200, "OK"));
        stranger.receive_final().expect_status(200);
    }
}

#[test]
fn s5_2_a_token_tells_nobody_the_address_of_a_ua() {
    let node = Node::start("");
    let ua = Client::udp(&node);
    let route = called(&node, &ua);
    let (_, token, _) = parts(&route);
    let port = ua.local().port();
    for text in [port.to_string(), format!("{port:04x}"), "127.0.0.1".to_owned(), "7f000001".to_owned()] {
        assert!(!token.to_lowercase().contains(&text), "{text} in {token}");
    }
}

#[test]
fn s5_3_1_a_token_with_any_character_changed_is_403() {
    let node = Node::start("");
    for ua in [Client::tcp(&node), Client::udp(&node)] {
        let route = called(&node, &ua);
        let (before, token, behind) = parts(&route);
        let stranger = Client::tcp(&node);
        for at in 0..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let request = message_along(&stranger, &format!("{before}{changed}@{behind}"));
            let response = stranger.ask(&request);
            assert_eq!(response.status(), 403, "character {at} of {token}: {response}");
        }
        for other in [&token[1..], &token[..token.len() - 1], "bob", &format!("{token}A")] {
            let request = message_along(&stranger, &format!("{before}{other}@{behind}"));
            stranger.ask(&request).expect_status(403);
        }
        ua.expect_nothing();
    }
}

#[test]
fn s5_3_1_a_token_of_a_connection_that_is_closed_is_430() {
    let node = Node::start("");
    for reset in [false, true] {
        let ua = Client::tcp(&node);
        let route = called(&node, &ua);
        let open = node.metric("connections{transport=\"tcp\"}");
        if reset {
            ua.reset();
        } else {
            drop(ua);
        }
        wait_until("its end is seen", || node.metric("connections{transport=\"tcp\"}") < open);
        for stranger in [Client::tcp(&node), Client::udp(&node)] {
            stranger.send(message_along(&stranger, &route).to_bytes());
            stranger.receive_final().expect_status(430);
            stranger.send(stranger.request("INVITE", &private_uri("x")).with("Route", &route).to_bytes());
            stranger.receive_final().expect_status(430);
        }
    }
}

#[test]
fn s5_3_1_a_token_of_a_closed_connection_is_430_when_another_has_its_address_and_port() {
    let node = Node::start("");
    // Several times, so that the new connection is sometimes on the same worker and in the same place there.
    for _ in 0..8 {
        let first = Client::tcp(&node);
        let route = called(&node, &first);
        let local = first.local();
        let closed = node.flows_closed("io_error") + node.flows_closed("peer_closed");
        first.reset();
        wait_until("its end is seen", || {
            node.flows_closed("io_error") + node.flows_closed("peer_closed") > closed
        });
        let second = Client::tcp_at(&node, local);
        assert_eq!(second.local(), local);
        // The connection is there and served.
        second.ping();
        let stranger = Client::tcp(&node);
        stranger.ask(&message_along(&stranger, &route)).expect_status(430);
        second.expect_nothing();
        // Not outgoing either, for it is not the token's flow.
        let own = second.ask(&message_along(&second, &route));
        assert_eq!(own.status(), 430, "{own}");
    }
}

#[test]
fn s5_3_1_a_token_never_opens_a_connection() {
    let node = Node::start("");
    let ua = Client::tcp(&node);
    let route = called(&node, &ua);
    let local = ua.local();
    let closed = node.flows_closed("io_error") + node.flows_closed("peer_closed");
    ua.reset();
    wait_until("its end is seen", || {
        node.flows_closed("io_error") + node.flows_closed("peer_closed") > closed
    });
    let listener = listener_at(local);
    let stranger = Client::tcp(&node);
    stranger.ask(&message_along(&stranger, &route)).expect_status(430);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "the node has connected to where the UA was");
}

fn listener_at(local: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&local.into()).unwrap();
    socket.listen(8).unwrap();
    socket.into()
}

#[test]
fn s5_3_1_a_token_of_an_earlier_run_of_the_node_is_430() {
    let keys = "[tokens]\nkeys = [\"7:0123456789abcdef0123456789abcdef\"]\n";
    let before = Node::start(keys);
    let routes = [called(&before, &Client::tcp(&before)), called(&before, &Client::udp(&before))];
    drop(before);
    let node = Node::start(keys);
    // The first connections, so that they have the ids that those of the run before had.
    let clients: Vec<_> = (0..8).map(|_| Client::tcp(&node)).collect();
    clients.iter().for_each(Client::ping);
    for route in &routes {
        let (_, token, _) = parts(route);
        let route = format!("<sip:{token}@{};transport=tcp;lr>", node.tcp());
        clients[0].ask(&message_along(&clients[0], &route)).expect_status(430);
    }
    clients.iter().for_each(Client::expect_nothing);
}

#[test]
fn s5_3_1_an_incoming_request_goes_over_the_flow_of_the_token_without_its_route() {
    let node = Node::start("");
    for ua in [Client::tcp(&node), Client::udp(&node)] {
        let route = called(&node, &ua);
        for stranger in [Client::tcp(&node), Client::udp(&node)] {
            for uri in
                [private_uri("anyone"), "sip:x@example.org".to_owned(), "sip:bob@example.com".to_owned()]
            {
                let request = stranger.request("MESSAGE", &uri).with("Route", &route);
                stranger.send(request.to_bytes());
                let arrived = ua.receive().expect_method("MESSAGE");
                assert_eq!(arrived.uri(), uri, "the Request-URI stays as it is");
                assert!(!arrived.has("Route"), "{arrived}");
                ua.send(arrived.answer(200, "OK"));
                stranger.receive_final().expect_status(200);
            }
            // Whatever follows stays, and does not lead away from the flow.
            let request = message_along(&stranger, &route).with("Route", "<sip:192.0.2.1;lr>");
            stranger.send(request.to_bytes());
            let arrived = ua.receive();
            assert_eq!(arrived.values("Route"), ["<sip:192.0.2.1;lr>"]);
            ua.send(arrived.answer(200, "OK"));
            stranger.receive_final().expect_status(200);
        }
    }
}

#[test]
fn s5_3_1_a_route_with_ob_and_a_dialog_forming_request_add_record_route_without_ob() {
    let node = Node::start("");
    let ua = Client::tcp(&node);
    let route = called(&node, &ua).replace(";lr>", ";lr;ob>");
    assert!(route.contains(";ob>"));
    let caller = Client::udp(&node);
    let invite = caller.request("INVITE", &private_uri("callee")).with("Route", &route);
    let invite = invite.contact(format!("<{}>", private_uri("caller")));
    let (arrived, mut at_caller) = call_with(&caller, &invite, &ua);
    assert!(arrived.values("Record-Route").iter().all(|value| !value.contains(";ob")), "{arrived}");
    let mut at_ua = Dialog::of_callee(&ua, &arrived);
    at_ua.asks("INFO", &mut at_caller);
    at_caller.asks("BYE", &mut at_ua);
}

#[test]
fn s5_3_1_a_flow_that_closes_while_an_incoming_request_is_out_is_430() {
    let node = Node::start("");
    let ua = Client::tcp(&node);
    let route = called(&node, &ua);
    let stranger = Client::tcp(&node);
    stranger.send(message_along(&stranger, &route).to_bytes());
    ua.receive().expect_method("MESSAGE");
    drop(ua);
    stranger.receive_final().expect_status(430);
}

#[test]
fn s5_3_calls_of_every_pair_of_transports_go_on_in_both_directions() {
    let node = Node::start("");
    for hangs_up in ["caller", "callee"] {
        for (caller, ua) in pairs(&node) {
            ua.registers_outbound("bob", 1);
            let (mut at_caller, mut at_ua) = call(&caller, "bob", &ua);
            at_caller.asks("INFO", &mut at_ua);
            at_ua.asks("INFO", &mut at_caller);
            at_caller.asks("INVITE", &mut at_ua);
            at_ua.asks("INVITE", &mut at_caller);
            // The targets are others now; the routes are not.
            at_caller.asks("UPDATE", &mut at_ua);
            at_ua.asks("UPDATE", &mut at_caller);
            match hangs_up {
                "caller" => at_caller.asks("BYE", &mut at_ua),
                _ => at_ua.asks("BYE", &mut at_caller),
            };
            caller.expect_nothing();
            ua.expect_nothing();
        }
    }
}

#[test]
fn s5_3_a_re_invite_that_is_refused_is_acknowledged_hop_by_hop_and_the_call_goes_on() {
    let node = Node::start("");
    for (caller, ua) in [(Client::tcp(&node), Client::udp(&node)), (Client::udp(&node), Client::tcp(&node))] {
        ua.registers_outbound("bob", 1);
        let (mut at_caller, mut at_ua) = call(&caller, "bob", &ua);
        let invite = at_ua.request("INVITE");
        ua.send(invite.to_bytes());
        let arrived = caller.receive().expect_method("INVITE");
        caller.send(arrived.answer(488, "Not Acceptable Here"));
        caller.receive().expect_method("ACK");
        let refused = ua.receive_final().expect_status(488);
        ua.send(invite.ack(refused.header("To")).to_bytes());
        caller.expect_nothing();
        at_caller.asks("BYE", &mut at_ua);
    }
}

#[test]
fn s5_3_two_ends_of_a_call_may_share_one_flow() {
    let node = Node::start("");
    let (phone, other) = (Client::tcp(&node), Client::tcp(&node));
    phone.registers_flow("bob", "phone", 1);
    phone.registers_flow("carol", "phone", 1);
    other.registers_outbound("dave", 1);
    let (mut at_bob, mut at_dave) = call(&phone, "dave", &other);
    let (mut of_dave, mut of_carol) = call(&other, "carol", &phone);
    at_dave.asks("INFO", &mut at_bob);
    of_dave.asks("INFO", &mut of_carol);
    of_carol.asks("BYE", &mut of_dave);
    at_bob.asks("BYE", &mut at_dave);
}

#[test]
fn s5_3_a_dialog_ends_with_430_for_who_asks_when_the_others_flow_is_gone() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers_outbound("bob", 1);
    let (_, at_caller) = call_with(&caller, &caller.invite("bob"), &ua);
    drop(ua);
    wait_until("its end is seen", || node.flows_closed("peer_closed") > 0);
    caller.send(at_caller.request("BYE").to_bytes());
    caller.receive_final().expect_status(430);
}

#[test]
fn s5_3_subscribe_and_refer_make_dialogs_too_and_message_does_not() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::udp(&node));
    ua.registers_outbound("bob", 1);
    for (method, routes) in [("SUBSCRIBE", 2), ("REFER", 2), ("MESSAGE", 0), ("OPTIONS", 0)] {
        let request = caller.request(method, "sip:bob@example.com");
        caller.send(request.contact(format!("<{}>", private_uri("caller"))).to_bytes());
        let arrived = ua.receive().expect_method(method);
        assert_eq!(arrived.values("Record-Route").len(), routes, "{arrived}");
        ua.send(arrived.answer(200, "OK"));
        caller.receive_final().expect_status(200);
    }
}
