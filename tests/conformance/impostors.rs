//! Who tries to be somebody else, to hear what is somebody else's, or to end it, where passwords are asked for.

use std::net::{Ipv4Addr, UdpSocket};

use crate::support::dialog::{Dialog, private_uri, rings};
use crate::support::digest::{Login, Users, parameter};
use crate::support::{Client, Node, Request};

/// A node whose users are alice, bob and carol, and another element that it names as a next hop.
struct Scene {
    node: Node,
    gateway: Client,
    _users: Users,
}

impl Scene {
    fn new() -> Self {
        let users = Users::new(&[("alice", "alice"), ("bob", "bob"), ("carol", "carol")]);
        let gateway = UdpSocket::bind("127.0.0.9:0").unwrap();
        let route = format!("example.net = sip:{}", gateway.local_addr().unwrap());
        let node = Node::start(&format!("{}\n[proxy]\nroutes = [\"{route}\"]\n", users.keys("")));
        Self { gateway: Client::over(gateway, &node), node, _users: users }
    }

    /// A UA over TCP that has registered, and that need not prove it again.
    #[track_caller]
    fn ua(&self, user: &str) -> Client {
        let client = Client::tcp(&self.node);
        let challenge = client.ask(&client.register_contact(user)).expect_status(401);
        let mut login = Login::new(&challenge, user, user);
        client.ask(&login.prove(client.register_contact(user))).expect_status(200);
        client
    }
}

fn from(user: &str, request: Request) -> Request {
    request.set("From", format!("<sip:{user}@example.com>;tag=f"))
}

#[test]
fn an_ack_of_a_stranger_reaches_nobody() {
    let scene = Scene::new();
    let bob = scene.ua("bob");
    for stranger in [Client::udp(&scene.node), Client::tcp(&scene.node)] {
        stranger.send(stranger.invite("bob").ack("<sip:bob@example.com>;tag=x").to_bytes());
        stranger.expect_nothing();
        bob.expect_nothing();
    }
    assert_eq!(scene.node.metric("refused_total{reason=\"stray_ack\"}"), 2);
}

#[test]
fn rfc3261_s22_1_the_credentials_in_an_ack_do_not_reach_the_callee() {
    let scene = Scene::new();
    let (alice, bob) = (Client::tcp(&scene.node), scene.ua("bob"));
    let invite = from("alice", alice.invite("bob"));
    let challenge = alice.ask(&invite).expect_status(407);
    alice.send(invite.ack(challenge.header("To")).to_bytes());
    let invite = Login::new(&challenge, "alice", "alice").prove(from("alice", alice.invite("bob")));
    alice.ask(&invite).expect_status(100);
    let arrived = bob.receive().expect_method("INVITE");
    assert!(!arrived.has("Proxy-Authorization"), "{arrived}");
    bob.send(arrived.answer_in_dialog(200, "OK", &private_uri("callee")));
    let dialog = Dialog::of_caller(&alice, &invite, &alice.receive_final().expect_status(200));
    // RFC 3261 §22.1: a UA repeats those of the INVITE in the ACK.
    let ack = dialog.ack().with("Proxy-Authorization", invite.field("Proxy-Authorization"));
    alice.send(ack.to_bytes());
    let ack = bob.receive().expect_method("ACK");
    assert!(!ack.has("Proxy-Authorization"), "{ack}");
}

#[test]
fn a_callee_who_asks_for_the_callers_password_does_not_get_it() {
    let scene = Scene::new();
    let (alice, bob) = (scene.ua("alice"), scene.ua("bob"));
    // A nonce that the node has made for bob, who is at the address of alice here.
    let asked = bob.ask(&from("carol", bob.message("alice"))).expect_status(407);
    let nonce = parameter(asked.fields("Proxy-Authenticate").next().unwrap(), "nonce");
    let challenge = format!(
        "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"{}\", algorithm=SHA-256, qop=\"auth\"\r\n",
        nonce.unwrap()
    );
    alice.send(from("alice", alice.message("bob")).to_bytes());
    bob.send(bob.receive().expect_method("MESSAGE").answer_with(401, "Unauthorized", &challenge));
    let mut login = Login::new(&alice.receive().expect_status(401), "alice", "alice");
    let request = login.prove(from("alice", alice.message("bob")));
    assert!(request.field("Authorization").contains("username=\"alice\""), "{request:?}");
    alice.send(request.to_bytes());
    let arrived = bob.receive().expect_method("MESSAGE");
    assert!(!arrived.has("Authorization"), "{arrived}");
}

#[test]
fn rfc3325_s5_what_a_ua_asserts_of_itself_reaches_no_other_ua() {
    let scene = Scene::new();
    let (alice, bob) = (scene.ua("alice"), scene.ua("bob"));
    let asserts = |request: Request| {
        request
            .with("P-Asserted-Identity", "\"Boss\" <sip:carol@example.com>")
            .with("p-asserted-identity", "<tel:+4930123>")
            .with("Remote-Party-ID", "<sip:carol@example.com>;party=calling")
            .with("P-Preferred-Identity", "<sip:alice@example.com>")
    };
    alice.send(asserts(from("alice", alice.message("bob"))).to_bytes());
    let arrived = bob.receive().expect_method("MESSAGE");
    assert!(!arrived.has("P-Asserted-Identity") && !arrived.has("Remote-Party-ID"), "{arrived}");
    assert!(arrived.has("P-Preferred-Identity"), "{arrived}");
    bob.send(arrived.answer_with(200, "OK", "P-Asserted-Identity: <sip:carol@example.com>\r\n"));
    let response = alice.receive().expect_status(200);
    assert!(!response.has("P-Asserted-Identity"), "{response}");
    // What the operator trusts may say whose call it is, and hears what is said.
    let gateway = &scene.gateway;
    gateway.send(asserts(gateway.message("bob").set("From", "<sip:+49@example.net>;tag=f")).to_bytes());
    let arrived = bob.receive().expect_method("MESSAGE");
    assert_eq!(arrived.fields("P-Asserted-Identity").count(), 2, "{arrived}");
    assert!(arrived.has("Remote-Party-ID"), "{arrived}");
    bob.send(arrived.answer(200, "OK"));
    gateway.receive().expect_status(200);
    alice.send(asserts(from("alice", alice.message("bob").uri("sip:x@example.net"))).to_bytes());
    let arrived = gateway.receive().expect_method("MESSAGE");
    assert!(arrived.has("P-Asserted-Identity"), "{arrived}");
}

#[test]
fn a_next_hop_calls_without_a_password_and_registers_nobody() {
    let scene = Scene::new();
    let (gateway, bob) = (&scene.gateway, scene.ua("bob"));
    gateway.send(gateway.message("bob").set("From", "<sip:+49@example.net>;tag=f").to_bytes());
    bob.send(bob.receive().expect_method("MESSAGE").answer(200, "OK"));
    gateway.receive().expect_status(200);
    gateway.ask(&gateway.register_contact("bob")).expect_status(401);
}

#[test]
fn a_dialog_with_somebody_is_no_leave_to_write_in_anothers_name() {
    let scene = Scene::new();
    let (bob, carol) = (scene.ua("bob"), scene.ua("carol"));
    let invite = from("carol", carol.invite("bob")).set("Contact", format!("<{}>", private_uri("carol")));
    carol.ask(&invite).expect_status(100);
    let arrived = bob.receive().expect_method("INVITE");
    bob.send(arrived.answer_in_dialog(200, "OK", &private_uri("callee")));
    let dialog = Dialog::of_caller(&carol, &invite, &carol.receive_final().expect_status(200));
    carol.send(dialog.ack().to_bytes());
    bob.receive().expect_method("ACK");
    let forged = from("alice", dialog.request("MESSAGE"));
    let challenge = carol.ask(&forged).expect_status(407);
    let mut login = Login::new(&challenge, "carol", "carol");
    carol.ask(&login.prove(from("alice", dialog.request("MESSAGE")))).expect_status(403);
    bob.expect_nothing();
    carol.send(from("carol", dialog.request("MESSAGE")).to_bytes());
    bob.send(bob.receive().expect_method("MESSAGE").answer(200, "OK"));
    carol.receive().expect_status(200);
}

#[test]
fn rfc3261_s9_1_a_cancel_from_another_address_cancels_nothing() {
    let node = Node::start("");
    let (alice, bob) = (Client::tcp(&node), Client::tcp(&node));
    bob.registers_outbound("bob", 1);
    let (invite, arrived) = rings(&alice, "bob", &bob);
    // Whoever is called sees all of the Via that it takes.
    // Several of each, so that each worker has some; one over UDP is remembered for a while.
    for number in 10..26 {
        let address = Ipv4Addr::new(127, 0, 0, number);
        let elsewhere = match number % 2 {
            0 => Client::tcp_from(&node, address.into()),
            _ => Client::over(UdpSocket::bind((address, 0)).unwrap(), &node),
        };
        elsewhere.ask(&invite.cancel()).expect_status(481);
    }
    bob.expect_nothing();
    alice.ask(&invite.cancel()).expect_status(200);
    let cancel = bob.receive().expect_method("CANCEL");
    bob.send(cancel.answer(200, "OK"));
    bob.send(arrived.answer(487, "Request Terminated"));
    alice.receive().expect_status(487);
}
