//! RFC 3261 §16.4 and §16.5: Route, next hops, and whom the node serves.

use std::net::{TcpListener, UdpSocket};

use crate::support::dialog::{call_with, private_uri};
use crate::support::ua::uri_of;
use crate::support::{Client, Dialog, Node};

#[test]
fn s16_4_a_route_that_is_the_node_comes_off() {
    let node = Node::start("");
    for (caller, ua) in [(Client::tcp(&node), Client::udp(&node)), (Client::udp(&node), Client::tcp(&node))] {
        ua.registers_outbound("bob", 1);
        for route in [
            format!("<sip:{};lr>", node.udp()),
            format!("<sip:{};transport=tcp;lr>", node.tcp()),
            "<sip:example.com;lr>".to_owned(),
        ] {
            caller.send(caller.message("bob").with("Route", &route).to_bytes());
            let arrived = ua.receive();
            assert!(!arrived.has("Route"), "{arrived}");
            ua.send(arrived.answer(200, "OK"));
            caller.receive_final().expect_status(200);
        }
    }
}

/// Whatever the node calls itself, a UA that dials one of its addresses writes that one.
#[test]
fn s16_4_a_route_with_any_address_of_a_wildcard_listener_comes_off() {
    let node = Node::start(
        "[auth]\nmode = \"none\"\n[listen]\nudp = [\"0.0.0.0:0\"]\ntcp = [\"0.0.0.0:0\"]\nadvertise = \"sip.example.com\"\n",
    );
    let (caller, ua) = (Client::tcp(&node), Client::udp(&node));
    ua.registers_outbound("bob", 1);
    let at = |host: &str| format!("<sip:{host}:{};transport=tcp;lr>", node.tcp().port());
    for route in [at("127.0.0.1"), at("sip.example.com")] {
        caller.send(caller.message("bob").with("Route", &route).to_bytes());
        let arrived = ua.receive();
        assert!(!arrived.has("Route"), "{arrived}");
        ua.send(arrived.answer(200, "OK"));
        caller.receive_final().expect_status(200);
    }
    caller.ask(&caller.message("bob").with("Route", at("192.0.2.1"))).expect_status(403);
}

#[test]
fn s16_4_what_a_strict_router_made_of_a_route_set_is_put_right() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::udp(&node));
    ua.registers_outbound("bob", 1);
    let (_, at_caller) = call_with(&caller, &caller.invite("bob"), &ua);
    // Our Record-Route value as the Request-URI, and the Request-URI behind all Route values.
    let [first, rest @ ..] = at_caller.routes() else { panic!("no route set") };
    let request = caller.request("MESSAGE", uri_of(first));
    let request = rest.iter().fold(request, |request, route| request.with("Route", route));
    caller.send(request.with("Route", format!("<{}>", at_caller.target())).to_bytes());
    let message = ua.receive().expect_method("MESSAGE");
    assert_eq!(message.uri(), at_caller.target(), "{message}");
    assert!(!message.has("Route"), "{message}");
    ua.send(message.answer(200, "OK"));
    caller.receive_final().expect_status(200);
}

#[test]
fn s16_5_the_node_is_no_relay_to_other_domains() {
    let node = Node::start("");
    let (caller, ua, stranger) = (Client::tcp(&node), Client::udp(&node), Client::udp(&node));
    ua.registers_outbound("bob", 1);
    caller.registers_outbound("caller", 1);
    let to_stranger = stranger.contact_uri("x");
    for client in [&caller, &ua] {
        for request in [
            client.request("MESSAGE", "sip:x@example.org"),
            client.request("INVITE", "sip:x@example.org"),
            client.request("MESSAGE", &to_stranger),
            client.message("bob").with("Route", format!("<{to_stranger};lr>")),
            client
                .message("bob")
                .with("Route", format!("<sip:{};lr>", node.udp()))
                .with("Route", format!("<{to_stranger};lr>")),
        ] {
            client.send(request.to_bytes());
            client.receive_final().expect_status(403);
        }
    }
    stranger.expect_nothing();
    // For a registrar it is the domain that does not exist: §10.3 step 1.
    caller.ask(&caller.register_contact("x").uri("sip:example.org")).expect_status(404);
}

#[test]
fn s16_5_an_edge_proxy_is_no_relay_to_other_domains_either() {
    let registrar = Node::start("");
    let edge = Node::start(&format!("[proxy]\nregistrar = \"sip:{}\"\n", registrar.udp()));
    let caller = Client::tcp(&edge);
    caller.registers_outbound("caller", 1);
    for uri in ["sip:x@example.org", "sip:x@192.0.2.1"] {
        caller.send(caller.request("MESSAGE", uri).to_bytes());
        caller.receive_final().expect_status(403);
    }
}

/// A node with a route over UDP to this socket, and the socket.
fn routed(matcher: &str) -> (Node, Client) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let node =
        Node::start(&format!("[proxy]\nroutes = [\"{matcher} = sip:{}\"]\n", socket.local_addr().unwrap()));
    let gateway = Client::over(socket, &node);
    (node, gateway)
}

#[test]
fn s16_5_a_configured_next_hop_is_for_uas_that_are_registered() {
    for (matcher, uri) in [("example.net", "sip:x@example.net"), ("+49", "sip:+49301234@example.com")] {
        let (node, gateway) = routed(matcher);
        for caller in [Client::tcp(&node), Client::udp(&node)] {
            caller.send(caller.request("MESSAGE", uri).to_bytes());
            caller.receive_final().expect_status(403);
            caller.registers_outbound("caller", 1);
            caller.send(caller.request("MESSAGE", uri).to_bytes());
            let arrived = gateway.receive().expect_method("MESSAGE");
            assert_eq!(arrived.uri(), uri, "it is the next hop's to resolve");
            gateway.send(arrived.answer(200, "OK"));
            caller.receive_final().expect_status(200);
            // As somebody else, over the same flow.
            let other = caller.request("MESSAGE", uri).set("From", "<sip:bob@example.com>;tag=1");
            caller.send(other.to_bytes());
            caller.receive_final().expect_status(403);
            // Where no route leads.
            caller.send(caller.request("MESSAGE", "sip:x@example.org").to_bytes());
            caller.receive_final().expect_status(403);
        }
        gateway.expect_nothing();
    }
}

#[test]
fn s16_5_calls_over_a_next_hop_go_on_in_both_directions() {
    let (node, gateway) = routed("example.net");
    for caller in [Client::tcp(&node), Client::udp(&node)] {
        caller.registers_outbound("caller", 1);
        let invite = caller.request("INVITE", "sip:x@example.net");
        let invite = invite.contact(format!("<{}>", private_uri("caller")));
        caller.ask(&invite).expect_status(100);
        let arrived = gateway.receive().expect_method("INVITE");
        // The gateway is reached at its own address.
        let contact = format!("sip:x@{}", gateway.local());
        gateway.send(arrived.answer_in_dialog(200, "OK", &contact));
        let answered = caller.receive_final().expect_status(200);
        let mut at_caller = Dialog::of_caller(&caller, &invite, &answered);
        let mut at_gateway = Dialog::of_callee(&gateway, &arrived);
        caller.send(at_caller.ack().to_bytes());
        gateway.receive().expect_method("ACK");
        at_gateway.asks("INFO", &mut at_caller);
        at_caller.asks("BYE", &mut at_gateway);
    }
}

#[test]
fn s16_5_a_next_hop_over_tcp_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::start(&format!(
        "[proxy]\nroutes = [\"example.net = sip:{};transport=tcp\"]\n",
        listener.local_addr().unwrap()
    ));
    let caller = Client::udp(&node);
    caller.registers_outbound("caller", 1);
    caller.send(caller.request("MESSAGE", "sip:x@example.net").to_bytes());
    let gateway = Client::accepted(listener.accept().unwrap().0);
    let arrived = gateway.receive().expect_method("MESSAGE");
    gateway.send(arrived.answer(200, "OK"));
    caller.receive_final().expect_status(200);
    // The connection is kept.
    caller.send(caller.request("MESSAGE", "sip:y@example.net").to_bytes());
    gateway.send(gateway.receive().answer(200, "OK"));
    caller.receive_final().expect_status(200);
}

#[test]
fn s16_9_a_next_hop_that_is_not_there_ends_the_request() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let node = Node::start(&format!("[proxy]\nroutes = [\"example.net = sip:{address};transport=tcp\"]\n"));
    let caller = Client::tcp(&node);
    caller.registers_outbound("caller", 1);
    caller.send(caller.request("MESSAGE", "sip:x@example.net").to_bytes());
    let status = caller.receive_final().status();
    assert!((500..600).contains(&status), "{status}");
}

#[test]
fn s16_12_the_route_set_of_a_dialog_is_followed_by_its_first_value_only() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::udp(&node));
    ua.registers_outbound("bob", 1);
    let (arrived, at_caller) = call_with(&caller, &caller.invite("bob"), &ua);
    let at_ua = Dialog::of_callee(&ua, &arrived);
    // The caller's set is the callee's from behind: §12.1.1 and §12.1.2.
    let mut backwards = at_ua.routes().to_vec();
    backwards.reverse();
    assert_eq!(at_caller.routes(), backwards);
}
