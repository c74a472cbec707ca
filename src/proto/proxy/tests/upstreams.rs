//! Flows to other providers: whose requests come over them, and which go out.

use flowhold_cluster::binding::Aor;
use flowhold_cluster::location::Known;

use super::super::{Event, Exit, Matcher, Route, Settings, Upstream};
use super::scenario::*;
use crate::proto::Source;
use crate::sip::{Name, Transport};

/// The flows to the provider's two edge proxies.
fn first() -> Source {
    source(Transport::Tcp, 11, "203.0.113.1:5060")
}

fn second() -> Source {
    source(Transport::Tcp, 12, "203.0.113.2:5060")
}

const ROUTES: [&str; 2] = ["<sip:a.provider.example;lr>", "<sip:b.provider.example;lr>"];

/// Bob is registered here, and what comes for +49301234 from the provider is for him.
fn opened() -> Scenario {
    let upstream = Upstream {
        aor: b"+49301234@provider.example".as_slice().into(),
        domain: b"provider.example".as_slice().into(),
        to: Aor::from(&b"bob@example.com"[..]),
    };
    let to = Exit::Upstream(0);
    let routes = vec![
        Route { matcher: Matcher::Prefix(b"+".as_slice().into()), to },
        Route { matcher: Matcher::Domain(b"provider.example".as_slice().into()), to },
    ];
    let settings = Settings { routes, upstreams: vec![upstream], ..settings() };
    let mut scenario = Scenario::with(settings, &[binding(bob(), BOB_CONTACT, "")]);
    scenario.proxy.upstream_opened(0, first());
    scenario.proxy.upstream_opened(0, second());
    scenario
}

/// The provider has both bindings, the second since before the first.
fn registered() -> Scenario {
    let mut scenario = opened();
    scenario.proxy.upstream_registered(second().flow, 2, ROUTES[1].as_bytes());
    scenario.proxy.upstream_registered(first().flow, 1, ROUTES[0].as_bytes());
    scenario
}

const CONTACT: &str = "sip:upstream@10.0.0.9:40123;transport=tcp";

fn from_provider(method: &str) -> String {
    request_to(CONTACT, method, "TCP", "z9hG4bKp").replace("<sip:alice@", "<sip:+4989777@")
}

fn by_bob(uri: &str, method: &str) -> String {
    request_to(uri, method, "TCP", "z9hG4bKb").replace("\"Alice\" <sip:alice@", "<sip:bob@")
}

#[test]
fn what_comes_over_a_flow_to_an_upstream_is_for_its_aor_here() {
    for method in ["MESSAGE", "OPTIONS", "SUBSCRIBE"] {
        // Before the provider's 200 is here: a request may be right behind it.
        let mut scenario = opened();
        let sent = only(scenario.request(&from_provider(method), first()));
        assert!(sent.is_to(bob()), "{method}");
        assert_eq!(sent.message.request_uri(), BOB_CONTACT.as_bytes());
        let answer = only(scenario.message(sent.answer(200), bob()));
        assert!(answer.is_to(first()) && answer.status() == 200);
    }
}

#[test]
fn an_ack_over_a_flow_to_an_upstream_is_for_one_ua_of_its_aor_here() {
    let mut scenario = opened();
    let sent = only(scenario.request(&from_provider("ACK"), first()));
    assert!(sent.is_to(bob()));
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn the_same_over_any_other_flow_is_refused() {
    let mut other = first();
    other.flow.id.slot += 5;
    let mut over_udp = first();
    over_udp.transport = Transport::Udp;
    for from in [other, over_udp] {
        let mut scenario = registered();
        assert_eq!(only(scenario.request(&from_provider("MESSAGE"), from)).status(), 403);
        assert_eq!(scenario.events, [Event::NotOurs]);
    }
    let mut scenario = registered();
    scenario.proxy.upstream_closed(first().flow);
    assert_eq!(only(scenario.request(&from_provider("MESSAGE"), first())).status(), 403);
    assert!(only(scenario.request(&from_provider("MESSAGE"), second())).is_to(bob()), "the other one stays");
}

#[test]
fn an_upstream_opens_no_way_onwards() {
    for (uri, field) in [(CONTACT, "Route: <sip:192.0.2.200;lr>"), ("sip:+1555@example.com", "X: y")] {
        let mut scenario = registered();
        let text = with_field(&request_to(uri, "MESSAGE", "TCP", "z9hG4bKp"), field);
        let sent = only(scenario.request(&text, first()));
        assert!(sent.status() == 403 || sent.is_to(bob()), "{}", sent.text());
    }
}

#[test]
fn an_aor_of_an_upstream_that_nobody_has_registered_is_unavailable_and_not_unknown() {
    let mut scenario = registered();
    scenario.aors.insert(b"bob@example.com".to_vec(), Ok(Known::No));
    assert_eq!(only(scenario.request(&from_provider("MESSAGE"), first())).status(), 480);
}

/// A whole call from the provider, then requests of both sides within it.
#[test]
fn a_call_from_an_upstream_stays_on_the_two_flows() {
    let mut scenario = registered();
    let sent = scenario.request(&from_provider("INVITE"), first());
    let invite = sent.iter().find(|sent| sent.is_to(bob())).unwrap().clone();
    let record_route = invite.values(Name::RecordRoute);
    assert_eq!(record_route.len(), 2, "a token for each side");
    let answered = scenario.message(invite.answer(200), bob());
    assert!(only(answered).is_to(first()));
    let in_dialog = |method: &str, routes: &[String], uri: &str| {
        let text = request_to(uri, method, "TCP", &format!("z9hG4bK{method}"));
        with_field(
            &text.replace("bob@example.com>", "bob@example.com>;tag=bobtag"),
            &format!("Route: {}", routes.join(", ")),
        )
    };
    // The callee's set is in the order that it came in, the caller's the other way round.
    let bobs = record_route.clone();
    let callers: Vec<String> = record_route.iter().rev().cloned().collect();
    for method in ["ACK", "INFO", "BYE"] {
        let sent = scenario.request(&in_dialog(method, &callers, BOB_CONTACT), first());
        assert!(only(sent).is_to(bob()), "{method}");
    }
    let sent = scenario.request(&in_dialog("MESSAGE", &bobs, "sip:+4989777@203.0.113.1"), bob());
    assert!(only(sent).is_to(first()));
}

#[test]
fn a_request_of_the_pbx_goes_out_over_the_first_proxy_that_is_up() {
    for (uri, theirs) in [
        ("sip:+4989777@example.com;user=phone", "sip:+4989777@provider.example;user=phone"),
        ("tel:+4989777", "sip:+4989777@provider.example;user=phone"),
        ("sip:carol@provider.example", "sip:carol@provider.example"),
    ] {
        let mut scenario = registered();
        let sent = only(scenario.request(&by_bob(uri, "MESSAGE"), bob()));
        assert!(sent.is_to(first()), "{uri}");
        assert_eq!(String::from_utf8_lossy(sent.message.request_uri()), theirs);
        assert_eq!(sent.values(Name::Route), [ROUTES[0]]);
        // What the provider wants to know is the PBX's to answer.
        let challenge = only(scenario.message(sent.answer(407), first()));
        assert!(challenge.is_to(bob()) && challenge.status() == 407);
    }
}

#[test]
fn the_pbx_may_call_itself_what_the_provider_calls_it_and_nobody_else_may() {
    let as_number = |from: Source| {
        let text = by_bob("sip:+4989777@example.com", "MESSAGE")
            .replace("<sip:bob@example.com>;tag=alicetag", "<sip:+49301234@provider.example>;tag=a");
        assert!(text.contains("+49301234@provider"));
        only(registered().request(&text, from))
    };
    assert!(as_number(bob()).is_to(first()));
    assert_eq!(as_number(alice()).status(), 403);
    assert!(as_number(second()).is_to(bob()), "and what comes from the provider does not go back there");
}

#[test]
fn s7_the_next_flow_is_tried_when_one_fails() {
    let mut scenario = registered();
    let sent = only(scenario.request(&by_bob("sip:+4989777@example.com", "MESSAGE"), bob()));
    assert!(sent.is_to(first()));
    let again = only(scenario.flow_failed(first().flow));
    assert!(again.is_to(second()));
    assert_eq!(again.values(Name::Route), [ROUTES[1]]);
    // The last has failed too, and a PBX takes another way after a 503.
    let answer = only(scenario.message(again.answer(503), second()));
    assert!(answer.is_to(bob()));
    assert_eq!(answer.status(), 503);
    let sent = only(scenario.request(&by_bob("sip:+4989778@example.com", "OPTIONS"), bob()));
    assert!(sent.is_to(second()), "nothing goes over a flow that is closed");
}

#[test]
fn without_a_flow_that_is_registered_the_pbx_is_told_when_to_come_back() {
    let mut scenario = opened();
    let sent = only(scenario.request(&by_bob("sip:+4989777@example.com", "MESSAGE"), bob()));
    assert_eq!((sent.status(), sent.first(Name::RetryAfter)), (503, "7"));
    assert_eq!(scenario.events, [Event::UpstreamDown]);
}

#[test]
fn a_call_that_goes_out_can_be_cancelled() {
    let mut scenario = registered();
    let invite = by_bob("sip:+4989777@example.com", "INVITE");
    let sent = scenario.request(&invite, bob());
    let there = sent.iter().find(|sent| sent.is_to(first())).unwrap().clone();
    scenario.message(there.answer(180), first());
    let cancelled = scenario.request(&invite.replace("INVITE", "CANCEL"), bob());
    let cancel = cancelled.iter().find(|sent| sent.is_to(first())).unwrap();
    assert_eq!(cancel.message.request_uri(), there.message.request_uri());
    assert_eq!(cancel.values(Name::Route), [ROUTES[0]]);
    scenario.message(there.answer(487), first());
    scenario.assert_comes_to_rest();
}

#[test]
fn s26_2_2_a_sips_uri_does_not_leave_over_tcp() {
    let mut scenario = registered();
    let sent = only(scenario.request(&by_bob("sips:carol@provider.example", "MESSAGE"), bob()));
    assert_eq!(sent.status(), 503);
}
