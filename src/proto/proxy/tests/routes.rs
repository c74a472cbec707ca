//! RFC 3261 §16.5: next hops for UAs that are registered here, and for nobody else.

use super::super::{Event, Matcher, Route, Settings};
use super::scenario::*;
use crate::proto::edge::Form;
use crate::proto::{Hop, NextHop, Source};
use crate::sip::Transport;

fn gateway() -> NextHop {
    NextHop { transport: Transport::Udp, address: "10.0.0.7:5060".parse().unwrap() }
}

fn trunk() -> NextHop {
    NextHop { transport: Transport::Tcp, address: "10.0.0.8:5070".parse().unwrap() }
}

/// Bob is registered; numbers in Germany and one domain lead elsewhere.
fn with_routes() -> Scenario {
    let routes = vec![
        Route { matcher: Matcher::Prefix(b"+49".as_slice().into()), to: gateway().into() },
        Route { matcher: Matcher::Domain(b"example.net".as_slice().into()), to: trunk().into() },
    ];
    Scenario::with(Settings { routes, ..settings() }, &[binding(bob(), BOB_CONTACT, "")])
}

/// A request that says that it comes from Bob.
fn by_bob(uri: &str) -> String {
    request_to(uri, "MESSAGE", "TCP", "z9hG4bKa").replace("\"Alice\" <sip:alice@", "<sip:bob@")
}

fn sent(text: &str, from: Source) -> (Sent, Vec<Event>) {
    let mut scenario = with_routes();
    let sent = only(scenario.request(text, from));
    (sent, scenario.events)
}

#[test]
fn s16_5_a_ua_that_is_registered_goes_where_the_routes_lead_it() {
    for (uri, to) in [
        ("sip:+4930123@example.com;user=phone", gateway()),
        ("sip:+49-(30).123@example.com", gateway()),
        ("tel:+49-30-123", gateway()),
        ("sip:carol@EXAMPLE.net", trunk()),
        ("sip:+4930123@example.net", trunk()),
        ("sip:carol@10.0.0.8:5070", trunk()),
    ] {
        let (sent, events) = sent(&by_bob(uri), bob());
        assert_eq!((sent.hop, &events[..]), (Hop::Address(to), &[][..]), "{uri}");
        assert_eq!(str::from_utf8(sent.message.request_uri()).unwrap(), uri);
    }
}

#[test]
fn s16_5_nobody_else_does() {
    let mut later = bob();
    later.flow.id.generation += 1;
    // Over another flow, as somebody else, as nobody of ours.
    let as_alice = by_bob("sip:+4930123@example.com").replace("<sip:bob@", "<sip:alice@");
    let as_stranger = by_bob("sip:+4930123@example.com")
        .replace("From: <sip:bob@example.com", "From: <sip:bob@example.org");
    for (text, from, event) in [
        (by_bob("sip:+4930123@example.com"), alice(), Event::NotRegistered),
        (by_bob("sip:+4930123@example.com"), later, Event::NotRegistered),
        (as_alice, bob(), Event::NotRegistered),
        (as_stranger, bob(), Event::NotOurs),
    ] {
        let (sent, events) = sent(&text, from);
        assert_eq!((sent.status(), events), (403, vec![event]), "{text}");
    }
}

#[test]
fn s16_5_what_no_route_is_for_is_as_ever() {
    for (uri, status) in [
        ("sip:+4430123@example.com", 404),
        ("sip:+4930123@example.org", 403),
        ("sip:carol@sub.example.net", 403),
        ("sip:carol@10.0.0.8", 403),
        ("tel:+44-30-123", 403),
    ] {
        assert_eq!(sent(&by_bob(uri), bob()).0.status(), status, "{uri}");
    }
}

#[test]
fn s16_5_a_location_service_that_is_away_cannot_vouch() {
    let mut scenario = with_routes();
    let away = flowhold_cluster::location::Unavailable { retry_after: std::time::Duration::from_secs(9) };
    scenario.aors.insert(b"bob@example.com".to_vec(), Err(away));
    assert_eq!(only(scenario.request(&by_bob("sip:+4930123@example.com"), bob())).status(), 503);
}

/// A request in a dialog along the token of the flow that it comes over, as who From says.
fn in_dialog(method: &str, uri: &str, from: &str, over: Source, more: &str) -> String {
    let token = settings().edge().value(Some(over), b"192.0.2.1:5060", Transport::Tcp, Form::RecordRoute);
    let token = String::from_utf8(token).unwrap();
    with_field(&request_to(uri, method, "TCP", "z9hG4bKa"), &format!("Route: {token}{more}"))
        .replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=b")
        .replace("\"Alice\" <sip:alice@", &format!("<sip:{from}@"))
}

#[test]
fn s5_3_2_in_a_dialog_of_a_ua_that_is_registered_its_token_leads_to_a_next_hop_and_to_no_other() {
    let bye = |uri: &str, more: &str| in_dialog("BYE", uri, "bob", bob(), more);
    assert_eq!(sent(&bye("sip:+4930123@10.0.0.7", ""), bob()).0.hop, Hop::Address(gateway()));
    let along_route = sent(&bye("sip:x@10.9.9.9", ", <sip:10.0.0.7;lr>"), bob()).0;
    assert_eq!(along_route.hop, Hop::Address(gateway()));
    assert_eq!(along_route.values(crate::sip::Name::Route), ["<sip:10.0.0.7;lr>"]);
    assert_eq!(sent(&bye("sip:x@10.9.9.9", ""), bob()).0.status(), 403);
}

#[test]
fn a_strangers_token_and_to_tag_open_no_way_to_a_gateway() {
    // Whoever calls an AOR here is given a token of their own flow.
    for (method, from) in [("INVITE", "alice"), ("INVITE", "bob"), ("BYE", "alice"), ("MESSAGE", "bob")] {
        for uri in ["sip:+4930123@example.com", "sip:+4930123@10.0.0.7", "tel:+49-30-123"] {
            let mut scenario = with_routes();
            let sent = scenario.request(&in_dialog(method, uri, from, alice(), ""), alice());
            assert!(sent.iter().all(|sent| sent.hop == Hop::Flow(alice().flow)), "{method} {uri} as {from}");
            assert_eq!(statuses(&sent).last(), Some(&403), "{method} {uri} as {from}");
        }
    }
}

#[test]
fn s16_5_the_other_addresses_of_a_next_hop_are_next_hops_too() {
    let second = NextHop { address: "10.0.0.9:5070".parse().unwrap(), ..trunk() };
    let routes =
        vec![Route { matcher: Matcher::Domain(b"example.net".as_slice().into()), to: trunk().into() }];
    let settings = Settings { routes, further: vec![second], ..settings() };
    for (from, is_it) in [("10.0.0.8:40000", true), ("10.0.0.9:40000", true), ("10.0.0.10:5070", false)] {
        assert_eq!(settings.is_from_route(source(Transport::Tcp, 9, from)), is_it, "{from}");
    }
    for (uri, to) in [("sip:carol@example.net", trunk()), ("sip:carol@10.0.0.9:5070", second)] {
        let mut scenario = Scenario::with(settings.clone(), &[binding(bob(), BOB_CONTACT, "")]);
        assert_eq!(only(scenario.request(&by_bob(uri), bob())).hop, Hop::Address(to), "{uri}");
    }
}
