//! RFC 7616 and RFC 3261 §22: digest authentication of REGISTERs and of requests of UAs.

use crate::support::digest::{Login, Users, parameter};
use crate::support::{Client, Message, Node, Request, wait_until};

fn users() -> Users {
    Users::new(&[("alice", "secret of alice"), ("bob", "secret of bob")])
}

/// A node that asks for passwords, with more keys.
fn node(users: &Users, more: &str) -> Node {
    Node::start(&users.keys(more))
}

/// A REGISTER without credentials, which is challenged.
#[track_caller]
fn challenged(client: &Client, user: &str) -> Message {
    client.ask(&client.register_contact(user)).expect_status(401)
}

/// Registers the user, whose password is `secret of NAME`.
#[track_caller]
fn registers(client: &Client, user: &str) -> Login {
    let mut login = Login::new(&challenged(client, user), user, &format!("secret of {user}"));
    client.ask(&login.prove(client.register_contact(user))).expect_status(200);
    login
}

/// A MESSAGE from one user to another.
fn message(client: &Client, from: &str, to: &str) -> Request {
    client.message(to).set("From", format!("<sip:{from}@example.com>;tag=f"))
}

#[test]
fn rfc3261_s22_2_a_register_without_credentials_is_401() {
    let users = users();
    let node = node(&users, "");
    for client in [Client::tcp(&node), Client::udp(&node)] {
        let response = challenged(&client, "alice");
        let challenge = response.fields("WWW-Authenticate").next().unwrap();
        assert!(challenge.starts_with("Digest "), "{response}");
        assert_eq!(parameter(challenge, "realm").as_deref(), Some("example.com"));
        assert!(parameter(challenge, "nonce").is_some_and(|nonce| nonce.len() >= 32), "{response}");
        // RFC 7616 §3.3: in a challenge qop is a list, and so in quotes.
        assert!(challenge.contains("qop=\"auth\""), "{response}");
        assert!(!challenge.contains("stale=true"), "{response}");
    }
}

#[test]
fn rfc3261_s22_3_a_request_of_a_ua_without_credentials_is_407() {
    let users = users();
    let node = node(&users, "");
    let (alice, bob) = (Client::tcp(&node), Client::tcp(&node));
    registers(&bob, "bob");
    let response = alice.ask(&message(&alice, "alice", "bob")).expect_status(407);
    assert!(response.has("Proxy-Authenticate"), "{response}");
    bob.expect_nothing();
    let mut login = Login::new(&response, "alice", "secret of alice");
    alice.send(login.prove(message(&alice, "alice", "bob").cseq(2)).to_bytes());
    let arrived = bob.receive();
    // RFC 3261 §22.3: the credentials were for this proxy.
    assert!(!arrived.has("Proxy-Authorization"), "{arrived}");
    bob.send(arrived.answer(200, "OK"));
    alice.receive().expect_status(200);
}

#[test]
fn rfc3261_s22_1_the_ack_to_a_407_goes_nowhere_and_a_cancel_is_not_challenged() {
    let users = users();
    let node = node(&users, "");
    let (alice, bob) = (Client::tcp(&node), Client::tcp(&node));
    registers(&bob, "bob");
    let invite = alice.invite("bob").set("From", "<sip:alice@example.com>;tag=f");
    let refused = alice.ask(&invite).expect_status(407);
    alice.send(invite.ack(refused.header("To")).to_bytes());
    bob.expect_nothing();
    assert_eq!(node.metric("refused_total{reason=\"stray_ack\"}"), 0);
    alice.ask(&invite.cancel()).expect_status(481);
}

#[test]
fn s3_4_right_credentials_are_let_in_and_wrong_ones_are_not() {
    let users = users();
    let node = node(&users, "");
    for client in [Client::tcp(&node), Client::udp(&node)] {
        let challenge = challenged(&client, "alice");
        let mut wrong = Login::new(&challenge, "alice", "something else");
        client.ask(&wrong.prove(client.register_contact("alice"))).expect_status(401);
        let mut right = Login::new(&challenge, "alice", "secret of alice");
        client.ask(&right.prove(client.register_contact("alice"))).expect_status(200);
    }
}

#[test]
fn s3_4_a_request_that_is_replayed_is_stale() {
    let users = users();
    let node = node(&users, "flow_trust = \"0s\"");
    let client = Client::tcp(&node);
    let mut login = Login::new(&challenged(&client, "alice"), "alice", "secret of alice");
    let request = login.prove(client.register_contact("alice"));
    client.ask(&request).expect_status(200);
    for other in [client, Client::tcp(&node), Client::udp(&node)] {
        let response = other.ask(&request).expect_status(401);
        let challenge = response.fields("WWW-Authenticate").next().unwrap();
        assert_eq!(parameter(challenge, "stale").as_deref(), Some("true"), "{response}");
        assert_ne!(parameter(challenge, "nonce"), Some(login.nonce.clone()), "{response}");
    }
}

#[test]
fn s3_4_the_count_may_come_out_of_order_and_each_is_good_once() {
    let users = users();
    let node = node(&users, "flow_trust = \"0s\"");
    let client = Client::tcp(&node);
    let login = Login::new(&challenged(&client, "alice"), "alice", "secret of alice");
    for count in [3, 1, 2, 0x10, 0xf] {
        let request = client.register_contact("alice");
        let value = login.value(&request, count);
        client.ask(&request.with("Authorization", &*value)).expect_status(200);
        let again = client.register_contact("alice").with("Authorization", value);
        client.ask(&again).expect_status(401);
    }
}

#[test]
fn s3_4_a_retransmission_over_udp_gets_the_answer_of_its_first_copy() {
    let users = users();
    let node = node(&users, "");
    let client = Client::udp(&node);
    let mut login = Login::new(&challenged(&client, "alice"), "alice", "secret of alice");
    let request = login.prove(client.register_contact("alice"));
    let first = client.ask(&request).expect_status(200);
    let second = client.ask(&request).expect_status(200);
    assert_eq!(first.octets(), second.octets());
}

#[test]
fn s3_3_a_nonce_that_has_aged_is_stale() {
    let users = users();
    let node = node(&users, "flow_trust = \"0s\"\nnonce_lifetime = \"1s\"");
    let client = Client::tcp(&node);
    let mut login = registers(&client, "alice");
    let mut stale = None;
    wait_until("the nonce has aged", || {
        let response = client.ask(&login.prove(client.register_contact("alice")));
        let is_over = response.status() == 401;
        stale = Some(response);
        is_over
    });
    let response = stale.unwrap();
    let challenge = response.fields("WWW-Authenticate").next().unwrap();
    assert_eq!(parameter(challenge, "stale").as_deref(), Some("true"), "{response}");
    let mut login = Login::new(&response, "alice", "secret of alice");
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(200);
}

#[test]
fn s3_4_6_the_digest_of_another_uri_is_400() {
    let users = users();
    let node = node(&users, "");
    let client = Client::tcp(&node);
    let login = Login::new(&challenged(&client, "alice"), "alice", "secret of alice");
    let elsewhere = login.value(&client.register("alice").uri("sip:example.org"), 1);
    client.ask(&client.register_contact("alice").with("Authorization", elsewhere)).expect_status(400);
}

#[test]
fn s3_4_credentials_that_lack_a_part_are_400() {
    let users = users();
    let node = node(&users, "");
    let client = Client::tcp(&node);
    let login = Login::new(&challenged(&client, "alice"), "alice", "secret of alice");
    let request = client.register_contact("alice");
    let value = login.value(&request, 1).replace("response=", "respond=");
    client.ask(&request.with("Authorization", value)).expect_status(400);
    let response = client.register_contact("alice").with("Authorization", "Basic YWxpY2U6c2VjcmV0");
    client.ask(&response).expect_status(401);
}

#[test]
fn an_unknown_user_gets_the_answer_of_a_wrong_password() {
    let users = users();
    let node = node(&users, "");
    let client = Client::tcp(&node);
    let answer = |user: &str| {
        let mut login = Login::new(&challenged(&client, user), user, "guess");
        let response = client.ask(&login.prove(client.register_contact(user))).expect_status(401);
        let names = |field: &str| response.fields(field).map(str::len).collect::<Vec<_>>();
        (names("WWW-Authenticate"), response.start_line().to_owned())
    };
    assert_eq!(answer("alice"), answer("nobody"));
    assert_eq!(node.metric("authentications_total{outcome=\"wrong_password\"}"), 1);
    assert_eq!(node.metric("authentications_total{outcome=\"unknown_user\"}"), 1);
}

#[test]
fn rfc3261_s10_3_an_aor_is_registered_by_its_own_user() {
    let users = users();
    let node = node(&users, "");
    let client = Client::tcp(&node);
    let mut login = registers(&client, "alice");
    client.ask(&login.prove(client.register_contact("bob"))).expect_status(403);
    let other = Client::tcp(&node);
    registers(&other, "bob");
    assert_eq!(other.bound_uris("bob"), [other.contact_uri("bob")]);
}

#[test]
fn rfc3261_s22_3_from_is_the_users_own() {
    let users = users();
    let node = node(&users, "");
    let (alice, bob) = (Client::tcp(&node), Client::tcp(&node));
    registers(&bob, "bob");
    let mut login = Login::new(
        &alice.ask(&message(&alice, "alice", "bob")).expect_status(407),
        "alice",
        "secret of alice",
    );
    alice.ask(&login.prove(message(&alice, "bob", "bob"))).expect_status(403);
    let stranger = alice.message("bob").set("From", "<sip:carol@elsewhere.example>;tag=f");
    alice.ask(&login.prove(stranger)).expect_status(403);
    bob.expect_nothing();
}

#[test]
fn strangers_reach_aors_here_where_they_may() {
    let users = users();
    let node = node(&users, "strangers = \"accept\"");
    let (stranger, bob) = (Client::tcp(&node), Client::tcp(&node));
    registers(&bob, "bob");
    let from = |uri: &str| stranger.message("bob").set("From", format!("<{uri}>;tag=f"));
    stranger.send(from("sip:carol@elsewhere.example").to_bytes());
    bob.send(bob.receive().answer(200, "OK"));
    stranger.receive().expect_status(200);
    stranger.ask(&from("sip:alice@example.com")).expect_status(407);
    stranger.ask(&from("sip:carol@elsewhere.example").uri("sip:x@other.example")).expect_status(403);
}

#[test]
fn a_connection_that_authenticated_is_not_challenged_again_and_udp_is() {
    let users = users();
    let node = node(&users, "");
    let (tcp, udp) = (Client::tcp(&node), Client::udp(&node));
    registers(&tcp, "alice");
    registers(&udp, "bob");
    tcp.ask(&tcp.register_contact("alice")).expect_status(200);
    udp.ask(&udp.register_contact("bob")).expect_status(401);
    // As for calls and messages: bob hears it without alice having been asked.
    tcp.send(message(&tcp, "alice", "bob").to_bytes());
    udp.send(udp.receive().answer(200, "OK"));
    tcp.receive().expect_status(200);
    Client::tcp(&node).ask(&tcp.register_contact("alice")).expect_status(401);
}

#[test]
fn a_changed_password_counts_at_once_and_a_broken_file_changes_nothing() {
    let users = users();
    let node = node(&users, "");
    let client = Client::tcp(&node);
    let mut login = registers(&client, "alice");
    std::fs::write(users.path(), "[users").unwrap();
    wait_until("the broken file is seen", || node.log().contains("the users stay as they were"));
    client.ask(&client.register_contact("alice")).expect_status(200);
    users.set(&[("alice", "another"), ("bob", "secret of bob")]);
    wait_until("the change is seen", || client.ask(&client.register_contact("alice")).status() == 401);
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(401);
    let mut login = Login::new(&challenged(&client, "alice"), "alice", "another");
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(200);
}

#[test]
fn who_guesses_passwords_waits_and_the_log_has_a_line_for_each() {
    let users = users();
    let node = node(&users, "max_failures = 3\nfailure_window = \"1h\"");
    let client = Client::tcp(&node);
    for guess in 0..3 {
        let mut login = Login::new(&challenged(&client, "alice"), "alice", &guess.to_string());
        client.ask(&login.prove(client.register_contact("alice"))).expect_status(401);
    }
    let mut right = Login::new(&challenged(&client, "alice"), "alice", "secret of alice");
    let response = client.ask(&right.prove(client.register_contact("alice"))).expect_status(503);
    assert!(response.has("Retry-After"), "{response}");
    let log = node.log();
    let line = format!("flowhold::auth: authentication failed peer={} transport=tcp", client.local());
    assert_eq!(log.matches(&line).count(), 3, "{log}");
    assert_eq!(node.metric("authentications_total{outcome=\"throttled\"}"), 1);
}

#[test]
fn rfc3261_s12_a_call_goes_on_in_both_directions() {
    let users = users();
    let node = node(&users, "");
    let (alice, bob) = (Client::tcp(&node), Client::tcp(&node));
    registers(&alice, "alice");
    registers(&bob, "bob");
    // Dialled under a name that is nobody's AOR, which From of bob's BYE then has.
    let invite = alice
        .invite("bob")
        .set("From", "<sip:alice@example.com>;tag=f")
        .set("To", "<sip:sales@elsewhere.example>");
    alice.send(invite.to_bytes());
    let arrived = bob.receive().expect_method("INVITE");
    let contact = format!("<{}>", bob.contact_uri("bob"));
    bob.send(arrived.answer_in_dialog(200, "OK", &contact));
    let accepted = alice.receive_final().expect_status(200);
    let routes: Vec<String> = arrived.values("Record-Route").iter().map(|&route| route.to_owned()).collect();
    let bye = bob
        .request("BYE", &alice.contact_uri("caller"))
        .set("From", accepted.header("To"))
        .set("To", arrived.header("From"))
        .set("Call-ID", arrived.header("Call-ID"))
        .with("Route", routes.join(", "));
    bob.send(bye.to_bytes());
    alice.send(alice.receive().expect_method("BYE").answer(200, "OK"));
    bob.receive_final().expect_status(200);
}

#[test]
fn who_asks_what_the_node_can_do_needs_no_password() {
    let users = users();
    let node = node(&users, "");
    let client = Client::udp(&node);
    client.ask(&client.request("OPTIONS", "sip:example.com")).expect_status(200);
}

#[test]
fn a_malformed_request_is_400_before_anything_is_asked() {
    let users = users();
    let node = node(&users, "");
    let client = Client::tcp(&node);
    client.ask(&client.register_contact("alice").set("CSeq", "x REGISTER")).expect_status(400);
    client.ask(&message(&client, "alice", "bob").set("Max-Forwards", "999")).expect_status(400);
}
