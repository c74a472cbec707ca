//! RFC 5626 §5.3, RFC 3261 §16.6 step 4: calls between two UAs, each of which makes its route set from what it got.

use super::super::Settings;
use super::scenario::*;
use crate::proto::{NextHop, Source};
use crate::sip::{Message, Name, Response, Transport};

/// One UA of a dialog.
struct Party {
    at: Source,
    /// Its Contact URI.
    contact: &'static str,
    /// From and To of its requests.
    local: String,
    remote: String,
    /// RFC 3261 §12.1: its Contact or Request-URI, and the route set.
    target: String,
    routes: Vec<String>,
    requests: usize,
}

impl Party {
    fn new(at: Source, contact: &'static str) -> Party {
        let (local, remote, target, routes) = (String::new(), String::new(), String::new(), Vec::new());
        Party { at, contact, local, remote, target, routes, requests: 0 }
    }

    /// A request in the dialog. RFC 3261 §12.2.1.1, for loose routers.
    fn request(&mut self, method: &str) -> String {
        self.requests += 1;
        let (transport, number) = (self.at.transport.as_via_str(), self.requests + 1);
        let Party { contact, local, remote, target, routes, .. } = self;
        let from = local.split("tag=").nth(1).unwrap();
        let routes =
            if routes.is_empty() { String::new() } else { format!("Route: {}\n", routes.join(", ")) };
        format!(
            "{method} {target} SIP/2.0\n\
             Via: SIP/2.0/{transport} 10.0.0.9:5062;branch=z9hG4bK{from}{number};rport\n\
             Max-Forwards: 70\n{routes}From: {local}\nTo: {remote}\nCall-ID: dialog\nCSeq: {number} {method}\n\
             Contact: <{contact}>\nContent-Length: 0\n\n"
        )
    }

    /// The response to a request that reached it, as a UA writes it: with the Record-Route of the request (§12.1.1).
    fn respond(&self, to: &Sent, status: u16) -> Message {
        let mut response = Response::to(&to.message, status, "Whatever").to_tag("callee");
        for value in to.message.values(Name::RecordRoute) {
            response = response.header(Name::RecordRoute, value);
        }
        let contact = format!("<{}>", self.contact);
        Message::parse(response.header(Name::Contact, contact).finish().to_bytes()).unwrap()
    }
}

fn contact_of(sent: &Sent) -> String {
    sent.first(Name::Contact).trim_matches(['<', '>']).to_owned()
}

/// Alice calls Bob, who takes the call; then both know the dialog.
fn call(scenario: &mut Scenario, alice: &mut Party, bob: &mut Party) {
    let invite = request("INVITE", alice.at.transport.as_via_str(), "z9hG4bKinvite");
    let invite =
        with_field(&invite, &format!("Contact: <{}>", alice.contact)).replace("call-z9hG4bKinvite", "dialog");
    let sent = scenario.request(&invite, alice.at);
    let got = sent.into_iter().find(|sent| sent.message.is_request()).unwrap();
    assert!(got.is_to(bob.at));
    // RFC 3261 §12.1.1: the UAS takes Record-Route in order.
    bob.routes = got.values(Name::RecordRoute);
    bob.target = contact_of(&got);
    bob.remote = got.first(Name::From).to_owned();
    bob.local = format!("{};tag=callee", got.first(Name::To));
    let ringing = only(scenario.message(bob.respond(&got, 180), bob.at));
    assert_eq!((ringing.status(), ringing.is_to(alice.at)), (180, true));
    let answer = only(scenario.message(bob.respond(&got, 200), bob.at));
    assert_eq!((answer.status(), answer.is_to(alice.at)), (200, true));
    // RFC 3261 §12.1.2: the UAC takes it in reverse order.
    alice.routes = answer.values(Name::RecordRoute);
    alice.routes.reverse();
    alice.target = contact_of(&answer);
    alice.local = answer.first(Name::From).to_owned();
    alice.remote = answer.first(Name::To).to_owned();
    let ack = alice.request("ACK");
    assert_arrives(&only(scenario.request(&ack, alice.at)), alice, bob);
}

/// A request of one party reached the other, along the route set and no further.
fn assert_arrives(sent: &Sent, from: &Party, to: &Party) {
    assert!(sent.is_to(to.at), "{}", sent.text());
    assert_eq!(str::from_utf8(sent.message.request_uri()).unwrap(), from.target, "the Request-URI stays");
    assert_eq!(sent.message.first(Name::Route), None, "{}", sent.text());
    assert_eq!(sent.first(Name::MaxForwards), "69");
}

/// A request in the dialog, its 200 and, for an INVITE, the ACK.
fn exchange(scenario: &mut Scenario, method: &str, from: &mut Party, to: &Party) {
    let text = from.request(method);
    let sent = scenario.request(&text, from.at);
    let got = sent.into_iter().find(|sent| sent.message.is_request()).unwrap();
    assert_arrives(&got, from, to);
    assert_eq!(got.message.first(Name::RecordRoute), None, "RFC 3261 §12.2: a route set does not change");
    let answer = only(scenario.message(to.respond(&got, 200), to.at));
    assert_eq!((answer.status(), answer.is_to(from.at)), (200, true));
    if method == "INVITE" {
        let ack = from.request("ACK").replace(&format!("CSeq: {}", from.requests + 1), "CSeq: 2");
        assert_arrives(&only(scenario.request(&ack, from.at)), from, to);
    }
}

fn parties(alice_at: Source, bob_at: Source) -> (Scenario, Party, Party) {
    let scenario = Scenario::with(settings(), &[binding(bob_at, "sip:bob@10.0.0.2:5062", "")]);
    (scenario, Party::new(alice_at, "sip:alice@10.0.0.1:5062"), Party::new(bob_at, "sip:bob@10.0.0.2:5062"))
}

#[test]
fn s5_3_a_call_and_all_that_follows_in_it_arrives_on_the_right_flow_whichever_side_asks() {
    for (alice_at, bob_at) in
        [(alice(), bob()), (alice_udp(), bob()), (alice(), bob_udp()), (alice_udp(), bob_udp())]
    {
        for alice_ends in [true, false] {
            let (mut scenario, mut alice, mut bob) = parties(alice_at, bob_at);
            call(&mut scenario, &mut alice, &mut bob);
            for method in ["INVITE", "INFO", "UPDATE", "INVITE", "REFER", "NOTIFY", "PRACK", "BREW"] {
                exchange(&mut scenario, method, &mut alice, &bob);
                exchange(&mut scenario, method, &mut bob, &alice);
            }
            if alice_ends {
                exchange(&mut scenario, "BYE", &mut alice, &bob);
            } else {
                exchange(&mut scenario, "BYE", &mut bob, &alice);
            }
            assert_eq!(scenario.events, []);
            scenario.assert_comes_to_rest();
        }
    }
}

#[test]
fn s5_3_1_two_uas_behind_one_flow_reach_each_other() {
    let (mut scenario, mut alice, mut bob) = parties(bob(), bob());
    call(&mut scenario, &mut alice, &mut bob);
    exchange(&mut scenario, "INFO", &mut alice, &bob);
    exchange(&mut scenario, "BYE", &mut bob, &alice);
    scenario.assert_comes_to_rest();
}

#[test]
fn s5_3_1_a_ua_whose_flow_failed_goes_on_in_its_dialog_over_a_new_one() {
    let (mut scenario, mut alice, mut bob) = parties(alice(), bob());
    call(&mut scenario, &mut alice, &mut bob);
    bob.at = source(Transport::Tcp, 9, "198.51.100.2:40009");
    exchange(&mut scenario, "INVITE", &mut bob, &alice);
    exchange(&mut scenario, "BYE", &mut bob, &alice);
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_6_step_4_record_route_has_a_value_for_each_side_the_callees_on_top() {
    let mut scenario = Scenario::with(settings(), &[binding(bob_udp(), "sip:bob@10.0.0.2", "")]);
    let sent = scenario.request(&request("INVITE", "TCP", "z9hG4bKa"), alice());
    let values = sent[1].values(Name::RecordRoute);
    assert_eq!(values.len(), 2);
    assert!(values[0].ends_with("@192.0.2.1:5060;lr>"), "{values:?}");
    assert!(values[1].ends_with("@192.0.2.1:5060;transport=tcp;lr>"), "{values:?}");
    assert!(!sent[1].text().contains(";ob"));
}

#[test]
fn s16_6_step_4_what_begins_no_dialog_is_not_recorded() {
    for method in ["MESSAGE", "OPTIONS", "PUBLISH", "BREW"] {
        let sent = only(Scenario::new().request(&request(method, "TCP", "z9hG4bKa"), alice()));
        assert_eq!(sent.message.first(Name::RecordRoute), None, "{method}");
    }
    for method in ["SUBSCRIBE", "REFER", "NOTIFY"] {
        let sent = only(Scenario::new().request(&request(method, "TCP", "z9hG4bKa"), alice()));
        assert_eq!(sent.values(Name::RecordRoute).len(), 2, "{method}");
    }
}

#[test]
fn s16_6_step_4_a_sips_request_is_recorded_with_sips() {
    let bob = source(Transport::Tls, 5, "198.51.100.2:40002");
    let mut scenario = Scenario::with(settings(), &[binding(bob, "sips:bob@10.0.0.2:5062", "")]);
    let invite = request_to("sips:bob@example.com", "INVITE", "TCP", "z9hG4bKa");
    let values = scenario.request(&invite, alice())[1].values(Name::RecordRoute);
    assert!(values.iter().all(|value| value.starts_with("<sips:")), "{values:?}");
}

#[test]
fn s16_10_an_invite_in_a_dialog_is_cancelled_along_its_token() {
    let (mut scenario, mut alice, mut bob) = parties(alice(), bob());
    call(&mut scenario, &mut alice, &mut bob);
    let invite = alice.request("INVITE");
    let got = scenario.request(&invite, alice.at).remove(1);
    assert_eq!(statuses(&scenario.message(bob.respond(&got, 180), bob.at)), [180]);
    let sent = scenario.request(&invite.replace("INVITE", "CANCEL"), alice.at);
    let cancel = sent.iter().find(|sent| sent.message.is_request()).unwrap();
    assert!(cancel.is_to(bob.at));
    assert_eq!(cancel.message.request_uri(), got.message.request_uri());
    assert_eq!(cancel.message.first(Name::Route), None);
    let ended = scenario.message(bob.respond(&got, 487), bob.at);
    assert!(ended.iter().any(|sent| sent.message.method_bytes() == b"ACK" && sent.is_to(bob.at)));
    assert!(ended.iter().any(|sent| sent.status() == 487 && sent.is_to(alice.at)));
}

/// The registrar behind an edge proxy, which writes itself into Record-Route.
fn registrar() -> NextHop {
    NextHop { transport: Transport::Udp, address: "10.0.0.5:5060".parse().unwrap() }
}

/// What the registrar does with a request that the edge proxy sent it: Via and Record-Route on top, the Path of Bob's
/// binding as Route, Bob's Contact as Request-URI; or, within a dialog, its own Route off.
fn through_registrar(sent: &Sent, path: Option<(&str, &str)>) -> Message {
    let mut edit = crate::sip::Edit::new(&sent.message);
    let branch = sent.message.top_via().unwrap().branch().unwrap().to_vec();
    let via = [b"SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKr".as_slice(), &branch].concat();
    edit.push_via(&via);
    if let Some((path, contact)) = path {
        edit.push_record_route(b"<sip:10.0.0.5;lr>")
            .push_route(path.as_bytes())
            .request_uri(contact.as_bytes());
    } else {
        assert_eq!(sent.values(Name::Route)[0], "<sip:10.0.0.5;lr>");
        edit.pop_route();
    }
    Message::parse(edit.finish().to_bytes()).unwrap()
}

#[test]
fn s5_3_a_call_between_two_uas_of_one_edge_proxy_goes_through_the_registrar_and_back() {
    for (alice_at, bob_at) in [(alice(), bob()), (alice_udp(), bob()), (alice(), bob_udp())] {
        let at_edge = Settings { registrar: Some(registrar()), ..settings() };
        let path = at_edge.edge().value(
            Some(bob_at),
            b"192.0.2.1:5060",
            Transport::Udp,
            crate::proto::edge::Form::FirstHopPath,
        );
        let path = String::from_utf8(path).unwrap();
        let upstream = source(Transport::Udp, 0, "10.0.0.5:5060");
        let mut scenario = Scenario::with(at_edge, &[]);
        let invite = with_field(
            &request("INVITE", alice_at.transport.as_via_str(), "z9hG4bKinvite"),
            "Contact: <sip:alice@10.0.0.1:5062>",
        );

        let out = scenario.request(&invite, alice_at).remove(1);
        assert_eq!(out.hop, crate::proto::Hop::Address(registrar()));
        assert_eq!(out.message.request_uri(), b"sip:bob@example.com");
        let back = through_registrar(&out, Some((&path, "sip:bob@10.0.0.2:5062")));
        let got = scenario.message(back, upstream).remove(1);
        assert!(got.is_to(bob_at));
        assert_eq!(
            (got.message.request_uri(), got.message.first(Name::Route)),
            (&b"sip:bob@10.0.0.2:5062"[..], None)
        );

        let mut alice = Party::new(alice_at, "sip:alice@10.0.0.1:5062");
        let mut bob = Party::new(bob_at, "sip:bob@10.0.0.2:5062");
        bob.routes = got.values(Name::RecordRoute);
        bob.target = contact_of(&got);
        bob.remote = got.first(Name::From).to_owned();
        bob.local = format!("{};tag=callee", got.first(Name::To));
        alice.routes = bob.routes.iter().rev().cloned().collect();
        alice.target = "sip:bob@10.0.0.2:5062".to_owned();
        (alice.local, alice.remote) = (bob.remote.clone(), bob.local.clone());
        for method in ["ACK", "INFO", "BYE"] {
            for _ in 0..2 {
                let text = alice.request(method);
                let out = only(scenario.request(&text, alice.at));
                assert_eq!(out.hop, crate::proto::Hop::Address(registrar()), "{}", out.text());
                let got = only(scenario.message(through_registrar(&out, None), upstream));
                assert!(got.is_to(bob.at), "{}", got.text());
                assert_eq!(got.message.first(Name::Route), None, "{}", got.text());
                // The other one's turn.
                std::mem::swap(&mut alice, &mut bob);
            }
        }
        assert_eq!(scenario.events, []);
    }
}
