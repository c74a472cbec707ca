//! RFC 5626 §5.3: a Route that is us, with a flow token.

use flowhold_cluster::flow::NodeRun;

use super::super::{Event, Settings};
use super::scenario::*;
use crate::proto::Source;
use crate::proto::edge::{Edge, Form};
use crate::sip::{Name, Transport};

/// A MESSAGE for Bob's Contact along this Route.
fn along(route: &str) -> String {
    with_field(&request_to(BOB_CONTACT, "MESSAGE", "TCP", "z9hG4bKa"), &format!("Route: {route}"))
}

fn refused(text: &str) -> (u16, Vec<Event>) {
    let mut scenario = Scenario::new();
    let sent = only(scenario.request(text, alice()));
    scenario.assert_comes_to_rest();
    (sent.status(), scenario.events)
}

#[test]
fn s5_3_1_an_incoming_request_goes_over_the_flow_of_its_token_with_its_request_uri() {
    let streams = [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
    for to in streams.map(|over| Source { transport: over, ..bob() }).into_iter().chain([bob_udp()]) {
        let mut scenario = Scenario::with(settings(), &[]);
        let sent = only(scenario.request(&along(&route(to)), alice()));
        assert!(sent.is_to(to));
        assert_eq!(sent.message.top_via().unwrap().transport(), Some(to.transport));
        assert_eq!(sent.message.request_uri(), BOB_CONTACT.as_bytes());
        assert_eq!(sent.message.first(Name::Route), None);
        assert_eq!(statuses(&scenario.message(sent.answer(200), to)), [200]);
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s5_3_1_route_values_behind_the_token_stay() {
    let text = along(&format!("{}, <sip:10.0.0.7;lr>", route(bob())));
    let sent = only(Scenario::new().request(&text, alice()));
    assert_eq!(sent.values(Name::Route), ["<sip:10.0.0.7;lr>"]);
}

#[test]
fn s5_3_1_an_incoming_dialog_forming_request_is_recorded_with_the_token_without_ob() {
    let path = settings().edge().value(Some(bob()), b"192.0.2.1:5060", Transport::Udp, Form::FirstHopPath);
    let path = String::from_utf8(path).unwrap();
    assert!(path.ends_with(";lr;ob>"));
    let text = along(&path).replace("MESSAGE", "INVITE");
    let sent = Scenario::new().request(&text, alice()).remove(1);
    assert_eq!(sent.values(Name::RecordRoute), [route(bob()), route(alice())]);
}

#[test]
fn s5_3_1_a_strict_router_may_have_moved_the_token_into_the_request_uri() {
    let uri = route(bob()).trim_matches(['<', '>']).to_owned();
    let text =
        with_field(&request_to(&uri, "MESSAGE", "TCP", "z9hG4bKa"), &format!("Route: <{BOB_CONTACT}>"));
    let sent = only(Scenario::new().request(&text, alice()));
    assert!(sent.is_to(bob()));
    assert_eq!(sent.message.request_uri(), BOB_CONTACT.as_bytes());
    assert_eq!(sent.message.first(Name::Route), None);
}

#[test]
fn s5_3_1_a_token_with_any_bit_flipped_is_403() {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for to in [bob(), bob_udp()] {
        let route = route(to);
        let token = 5..route.find('@').unwrap();
        for at in token {
            let digit = DIGITS.iter().position(|digit| *digit == route.as_bytes()[at]).unwrap();
            for bit in 0..6 {
                let mut forged = route.clone().into_bytes();
                forged[at] = DIGITS[digit ^ (1 << bit)];
                let forged = String::from_utf8(forged).unwrap();
                assert_eq!(refused(&along(&forged)), (403, vec![Event::ForgedToken]), "{forged}");
            }
        }
    }
}

#[test]
fn s5_3_1_what_is_no_token_and_a_token_of_an_unknown_key_are_403() {
    let other = Edge { run: &run(), tokens: &flowhold_cluster::token::KeyRing::of_one_run(&[8; 32]) };
    let other = other.value(Some(bob()), b"192.0.2.1:5060", Transport::Tcp, Form::RecordRoute);
    for forged in ["<sip:bob@192.0.2.1;lr>", "<sip:A@192.0.2.1:5060;lr>", str::from_utf8(&other).unwrap()] {
        assert_eq!(refused(&along(forged)), (403, vec![Event::ForgedToken]), "{forged}");
        let second = format!("{forged}, {}", route(bob()));
        assert_eq!(refused(&along(&second)), (403, vec![Event::ForgedToken]), "{second}");
    }
}

#[test]
fn s5_3_1_a_token_of_another_run_is_430() {
    let settings = settings();
    for (node, epoch) in [("a", 0), ("a", 2), ("b", 1)] {
        let run = NodeRun { node: node.into(), epoch };
        let other = Edge { run: &run, tokens: &settings.tokens };
        let value = other.value(Some(bob()), b"192.0.2.1:5060", Transport::Tcp, Form::RecordRoute);
        let gone = String::from_utf8(value).unwrap();
        assert_eq!(refused(&along(&gone)), (430, vec![Event::FlowGone]), "{node} {epoch}");
        // Not even where the request came from that very address.
        let mut scenario = Scenario::new();
        assert_eq!(only(scenario.request(&along(&gone), bob())).status(), 430);
    }
}

#[test]
fn s5_3_1_a_token_of_a_closed_connection_is_430() {
    for method in ["MESSAGE", "INVITE"] {
        let mut scenario = Scenario::new();
        let text = along(&route(bob())).replace("MESSAGE", method);
        let sent = scenario.request(&text, alice()).pop().unwrap();
        let back = only(scenario.flow_failed(sent.to));
        assert_eq!((back.status(), back.is_to(alice())), (430, true), "{method}");
        assert_eq!(scenario.events, [Event::FlowFailed]);
    }
}

#[test]
fn s5_3_1_a_flow_that_closes_while_the_request_is_out_is_430() {
    for to in [bob(), bob_udp()] {
        let mut scenario = Scenario::new();
        let sent = only(scenario.request(&along(&route(to)), alice()));
        assert!(sent.is_to(to));
        assert_eq!(statuses(&scenario.flow_failed(to.flow)), [430], "as the flow is known to its owner");
        assert!(scenario.message(sent.answer(200), to).is_empty());
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s5_3_1_a_later_connection_with_the_same_addresses_is_another_flow() {
    let mut later = bob();
    later.flow.id.generation += 1;
    let mut scenario = Scenario::new();
    // Over the later connection a request with the token of the earlier one is not outgoing.
    let sent = only(scenario.request(&along(&route(bob())), later));
    assert!(sent.is_to(bob()) && !sent.is_to(later));
    assert!(scenario.message(sent.answer(200), later).is_empty(), "nor does its response count");
    assert_eq!(scenario.events, [Event::ResponseOnOtherFlow]);
}

#[test]
fn s5_3_1_the_ack_to_a_2xx_goes_along_a_token_and_leaves_nothing_behind() {
    let mut scenario = Scenario::new();
    let ack = along(&route(bob()))
        .replace("MESSAGE", "ACK")
        .replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=b");
    let sent = only(scenario.request(&ack, alice()));
    assert!(sent.is_to(bob()));
    assert!(scenario.proxy.is_at_rest());
    let forged = along("<sip:A@192.0.2.1:5060;lr>").replace("MESSAGE", "ACK");
    assert!(scenario.request(&forged, alice()).is_empty(), "an ACK is never answered");
    assert_eq!(scenario.events, [Event::ForgedToken]);
}

#[test]
fn s5_3_2_an_outgoing_request_goes_on_by_its_request_uri() {
    let text = with_field(&request("MESSAGE", "TCP", "z9hG4bKa"), &format!("Route: {}", route(alice())));
    let sent = only(Scenario::new().request(&text, alice()));
    assert_eq!((sent.to, sent.message.first(Name::Route)), (bob().flow, None));
    assert_eq!(sent.message.request_uri(), BOB_CONTACT.as_bytes());
}

#[test]
fn s5_3_2_over_udp_the_peer_is_part_of_the_flow() {
    let text = with_field(&request("MESSAGE", "UDP", "z9hG4bKa"), &format!("Route: {}", route(alice_udp())));
    let mut scenario = Scenario::new();
    assert_eq!(only(scenario.request(&text, alice_udp())).to, bob().flow, "outgoing");
    let mut scenario = Scenario::new();
    let sent = only(scenario.request(&text, bob_udp()));
    assert!(sent.is_to(alice_udp()), "incoming");
}

#[test]
fn s5_3_2_an_outgoing_token_opens_no_way_to_strangers() {
    for (uri, more) in [
        ("sip:victim@203.0.113.1", ""),
        ("sip:bob@example.com", ", <sip:203.0.113.1;lr>"),
        ("sip:victim@203.0.113.1", ", <sip:192.0.2.1;lr>"),
    ] {
        let text = with_field(
            &request_to(uri, "MESSAGE", "TCP", "z9hG4bKa"),
            &format!("Route: {}{more}", route(alice())),
        );
        assert_eq!(refused(&text), (403, vec![Event::NotOurs]), "{uri} {more}");
        let in_dialog = text.replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=b");
        assert_eq!(refused(&in_dialog), (403, vec![Event::NotOurs]), "{uri} {more}");
    }
}

#[test]
fn s5_3_1_at_an_edge_proxy_too() {
    let registrar =
        crate::proto::NextHop { transport: Transport::Udp, address: "10.0.0.5:5060".parse().unwrap() };
    let mut scenario = Scenario::with(Settings { registrar: Some(registrar), ..settings() }, &[]);
    let upstream = source(Transport::Udp, 0, "10.0.0.5:5060");
    assert!(only(scenario.request(&along(&route(bob())), upstream)).is_to(bob()));
}
