//! RFC 5626 §12: nobody gets the requests of an AOR that is not theirs by what outbound adds.

use crate::rfc5626_s5_1::{accept, edge_of_a_socket};
use crate::support::dialog::private_uri;
use crate::support::digest::{Login, Users};
use crate::support::{Client, Node, Request, wait_until};

/// Registers a UA through the edge proxy; gives the Path that its registrar saves.
fn path_of(ua: &Client, registrar: &Client) -> String {
    ua.send(ua.register_outbound("alice", 1).to_bytes());
    let register = registrar.receive().expect_method("REGISTER");
    let path = register.values("Path")[0].to_owned();
    registrar.send(accept(&register, ""));
    ua.receive_final().expect_status(200);
    path
}

#[test]
fn s12_an_instance_id_is_of_its_aor_and_takes_over_no_other() {
    let node = Node::start("");
    let (caller, ua, attacker) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    ua.registers_flow("alice", "phone", 1);
    attacker.registers_flow("mallory", "phone", 1);
    caller.reaches("alice", &ua);
    caller.reaches("mallory", &attacker);
    attacker.expect_nothing();
    ua.expect_nothing();

    let bound = ua.bound_uris("alice");
    assert_eq!(bound, [ua.contact_uri("alice")]);
    drop(attacker);
    wait_until("the other flow has ended", || caller.bindings("mallory").is_empty());
    assert_eq!(ua.bound_uris("alice"), bound);
    caller.reaches("alice", &ua);
}

#[test]
fn s12_a_registration_that_is_refused_saves_neither_path_nor_binding() {
    let node = Node::start("");
    let attacker = Client::tcp(&node);
    let path = "<sip:made-up@192.0.2.1;lr>";
    let second_hop =
        |request: Request| request.with("Via", "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKua").with("Path", path);
    let two = format!("<sip:a@192.0.2.1>, {}", attacker.register_outbound("alice", 1).field("Contact"));
    for (register, status) in [
        (attacker.register_contact("alice").with("Path", path), 420),
        (second_hop(attacker.register_outbound("alice", 1)), 439),
        (attacker.register_outbound("alice", 1).set("Contact", two).with("Path", path), 400),
        (attacker.register_contact("alice").with("Require", "made-up").with("Path", path), 420),
    ] {
        attacker.ask(&register).expect_status(status);
        let bindings = attacker.ask(&attacker.register("alice").with("Supported", "path")).expect_status(200);
        assert!(bindings.contacts().is_empty() && !bindings.has("Path"), "{bindings}");
    }
}

#[test]
fn s12_a_path_leads_requests_for_the_aor_it_was_registered_for_and_no_other() {
    let node = Node::start("");
    let (caller, ua, attacker) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    let trap = Client::udp(&node);
    ua.registers_outbound("alice", 1);
    let path = format!("<sip:{};lr>", trap.local());
    let register = attacker.register_contact("mallory").with("Supported", "path").with("Path", path);
    attacker.ask(&register).expect_status(200);
    caller.reaches("alice", &ua);
    trap.expect_nothing();
    attacker.expect_nothing();
}

#[test]
fn s12_an_edge_proxy_uses_a_flow_for_a_token_of_its_own_and_for_nothing_else() {
    let (edge, registrar) = edge_of_a_socket("");
    let ua = Client::tcp(&edge);
    let path = path_of(&ua, &registrar);
    let along =
        |route: &str| registrar.request("MESSAGE", &ua.contact_uri("alice")).with("Route", route.to_owned());

    registrar.send(along(&path).to_bytes());
    ua.send(ua.receive().expect_method("MESSAGE").answer(200, "OK"));
    registrar.receive_final().expect_status(200);

    // The token of another edge proxy's flow, as this one's.
    let (other, other_registrar) = edge_of_a_socket("");
    let other_path = path_of(&Client::tcp(&other), &other_registrar);
    let behind = path.split_once('@').unwrap().1;
    let token = other_path.split_once('@').unwrap().0;
    registrar.ask(&along(&format!("{token}@{behind}"))).expect_status(403);
    registrar.ask(&along(&format!("<sip:alice@{behind}"))).expect_status(403);

    // None at all, although the Request-URI is what the UA registered: it is as if anybody had asked.
    let stranger = Client::udp(&edge);
    let bare = format!("<sip:{};lr>", edge.udp());
    let request = stranger.request("MESSAGE", &ua.contact_uri("alice")).with("Route", bare);
    let status = stranger.ask(&request).status();
    assert!((400..600).contains(&status), "{status}");
    stranger.ask(&stranger.request("MESSAGE", &private_uri("alice"))).expect_status(status);
    ua.expect_nothing();
}

#[test]
fn s12_nobody_is_routed_to_for_an_aor_whose_user_they_did_not_authenticate_as() {
    let users = Users::new(&[("alice", "hers"), ("mallory", "his")]);
    let node = Node::start(&users.keys(""));
    let (ua, attacker, caller) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    let challenge = ua.ask(&ua.register_outbound("alice", 1)).expect_status(401);
    let mut alice = Login::new(&challenge, "alice", "hers");
    ua.ask(&alice.prove(ua.register_outbound("alice", 1))).expect_status(200);

    // With her instance-id and reg-id, and a Path that leads to the attacker.
    let path = format!("<sip:{};lr;ob>", attacker.local());
    let register = || attacker.register_outbound("alice", 1).with("Path", &path);
    let challenge = attacker.ask(&register()).expect_status(401);
    let mut own = Login::new(&challenge, "mallory", "his");
    attacker.ask(&own.prove(register())).expect_status(403);
    let mut guessed = Login::new(&challenge, "alice", "guessed");
    attacker.ask(&guessed.prove(register())).expect_status(401);

    let bindings = ua.ask(&ua.register("alice").with("Supported", "path")).expect_status(200);
    assert_eq!(bindings.contacts().len(), 1, "{bindings}");
    assert!(bindings.contacts()[0].contains(&ua.contact_uri("alice")), "{bindings}");
    assert!(!bindings.has("Path"), "{bindings}");
    let message = || caller.message("alice").set("From", "<sip:mallory@example.com>;tag=f");
    let mut login = Login::new(&caller.ask(&message()).expect_status(407), "mallory", "his");
    caller.send(login.prove(message().cseq(2)).to_bytes());
    ua.send(ua.receive().expect_method("MESSAGE").answer(200, "OK"));
    caller.receive_final().expect_status(200);
    attacker.expect_nothing();
}
