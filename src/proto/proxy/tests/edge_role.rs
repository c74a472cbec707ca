//! RFC 5626 §§5.1, 5.3.2 and 5.4: the edge proxy of another registrar.

use std::time::Duration;

use super::super::{Event, Settings};
use super::scenario::*;
use crate::proto::keepalive::Assign;
use crate::proto::{Hop, NextHop, Profile, Source};
use crate::sip::{Message, Name, Response, Transport};

fn over_udp() -> NextHop {
    NextHop { transport: Transport::Udp, address: "10.0.0.5:5060".parse().unwrap() }
}

fn over_tcp() -> NextHop {
    NextHop { transport: Transport::Tcp, ..over_udp() }
}

/// What comes from the registrar.
fn upstream() -> Source {
    source(Transport::Udp, 0, "10.0.0.5:5060")
}

fn edge(registrar: NextHop) -> Scenario {
    Scenario::with(Settings { registrar: Some(registrar), ..settings() }, &[])
}

fn register(transport: &str) -> String {
    let text = request_to("sip:example.com", "REGISTER", transport, "z9hG4bKreg");
    with_field(
        &text,
        "Supported: path, outbound\nContact: <sip:alice@10.0.0.1>;reg-id=1;+sip.instance=\"<urn:uuid:a>\"",
    )
}

/// The registrar's 200 with these fields.
fn accepted(sent: &Sent, fields: &[(&str, &str)]) -> Message {
    let mut response = Response::to(&sent.message, 200, "OK").to_tag("registrar");
    for (name, value) in fields {
        response = response.header(name, value);
    }
    Message::parse(response.finish().to_bytes()).unwrap()
}

/// What becomes of a 200 with these fields.
fn answered(text: &str, from: Source, fields: &[(&str, &str)]) -> Sent {
    let mut scenario = edge(over_udp());
    let sent = only(scenario.request(text, from));
    let back = only(scenario.message(accepted(&sent, fields), upstream()));
    assert_eq!((back.status(), back.is_to(from)), (200, true));
    scenario.assert_comes_to_rest();
    back
}

/// A UA on a listener of the other profile.
fn old(from: Source) -> Source {
    Source { profile: &Profile::DRAFT03, ..from }
}

#[test]
fn draft03_the_path_has_no_ob_and_announces_stun() {
    let mut scenario = edge(over_udp());
    let sent = only(scenario.request(&register("TCP"), old(alice())));
    let path = sent.first(Name::Path);
    assert!(path.ends_with("@192.0.2.1:5060;lr;keepalive=stun>"), "{path}");
}

#[test]
fn draft03_no_flow_timer_is_given_and_none_is_held_a_ua_to() {
    for fields in [&[("Require", "outbound")][..], &[("Require", "outbound"), ("Flow-Timer", "60")]] {
        let back = answered(&register("TCP"), old(alice()), fields);
        assert_eq!(back.assign, Some(Assign { flow_timer: None }));
        assert_eq!(
            back.message.number(Name::FlowTimer).is_some(),
            fields.len() == 2,
            "as the registrar sent it"
        );
    }
}

#[test]
fn s5_1_a_register_goes_on_with_a_path_that_has_the_token_and_ob() {
    for (from, registrar, at) in [
        (alice(), over_udp(), "@192.0.2.1:5060;lr;ob>"),
        (alice_udp(), over_udp(), "@192.0.2.1:5060;lr;ob>"),
        (alice_udp(), over_tcp(), "@192.0.2.1:5060;transport=tcp;lr;ob>"),
    ] {
        let mut scenario = edge(registrar);
        let sent = only(scenario.request(&register(from.transport.as_via_str()), from));
        assert_eq!((sent.hop, sent.transport), (Hop::Address(registrar), registrar.transport));
        assert_eq!(sent.message.request_uri(), b"sip:example.com");
        let path = sent.first(Name::Path).to_owned();
        assert!(path.ends_with(at), "{path}");
        assert_eq!(sent.values(Name::Supported), ["path", "outbound"]);
        assert_eq!(sent.message.first(Name::RecordRoute), None);
        // The Path leads back: what comes along it reaches the flow.
        let text = with_field(
            &request_to("sip:alice@10.0.0.1", "MESSAGE", "UDP", "z9hG4bKm"),
            &format!("Route: {path}"),
        );
        assert!(only(scenario.request(&text, upstream())).is_to(from));
    }
}

#[test]
fn s5_1_an_edge_proxy_that_is_not_the_first_hop_writes_no_ob() {
    let text = register("TCP").replacen("\nMax-F", "\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKua\nMax-F", 1);
    let sent = only(edge(over_udp()).request(&text, alice()));
    assert!(sent.first(Name::Path).ends_with("@192.0.2.1:5060;lr>"), "{}", sent.first(Name::Path));
}

#[test]
fn rfc3327_s5_2_our_path_is_the_topmost_and_path_is_among_supported() {
    let text = with_field(&register("TCP"), "Path: <sip:p.example.com;lr>").replace("path, outbound", "gruu");
    let sent = only(edge(over_udp()).request(&text, alice()));
    let path = sent.values(Name::Path);
    assert_eq!((path.len(), path[1].as_str()), (2, "<sip:p.example.com;lr>"));
    assert_eq!(sent.values(Name::Supported), ["gruu", "path"]);
}

#[test]
fn s5_1_a_register_for_a_domain_that_is_not_ours_is_403() {
    let text = register("TCP").replacen("sip:example.com", "sip:example.org", 1);
    let mut scenario = edge(over_udp());
    assert_eq!(only(scenario.request(&text, alice())).status(), 403);
    assert_eq!(scenario.events, [Event::NotOurs]);
}

#[test]
fn s5_4_the_flow_timer_of_the_registrar_holds_on_the_flow() {
    for from in [alice(), alice_udp()] {
        let text = register(from.transport.as_via_str());
        let back = answered(&text, from, &[("Require", "outbound"), ("Flow-Timer", "55")]);
        assert_eq!(back.assign, Some(Assign { flow_timer: Some(Duration::from_secs(55)) }));
        assert_eq!(back.values(Name::FlowTimer), ["55"]);
    }
}

#[test]
fn s5_4_where_the_registrar_gives_no_flow_timer_ours_is_added_and_holds() {
    for (from, seconds) in [(alice(), 120), (alice_udp(), 25)] {
        let text = register(from.transport.as_via_str());
        let back = answered(&text, from, &[("Require", "outbound"), ("Service-Route", "<sip:10.0.0.5;lr>")]);
        assert_eq!(back.assign, Some(Assign { flow_timer: Some(Duration::from_secs(seconds)) }));
        assert_eq!(back.values(Name::FlowTimer), [seconds.to_string()]);
        assert_eq!(back.values(Name::ServiceRoute), ["<sip:10.0.0.5;lr>"], "RFC 3608: untouched");
    }
}

#[test]
fn s5_4_without_outbound_in_require_there_is_no_flow_timer() {
    let back = answered(&register("TCP"), alice(), &[]);
    assert_eq!((back.assign, back.message.first(Name::FlowTimer)), (Some(Assign { flow_timer: None }), None));
}

#[test]
fn s5_4_only_the_last_proxy_gives_a_flow_timer() {
    let text = register("TCP").replacen("\nMax-F", "\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKua\nMax-F", 1);
    let back = answered(&text, alice(), &[("Require", "outbound")]);
    assert_eq!((back.assign, back.message.first(Name::FlowTimer)), (None, None));
}

#[test]
fn s5_4_neither_a_query_nor_a_refusal_changes_the_keep_alive() {
    let query =
        register("TCP").lines().filter(|line| !line.starts_with("Contact")).collect::<Vec<_>>().join("\n");
    assert_eq!(answered(&query, alice(), &[("Require", "outbound")]).assign, None);
    let mut scenario = edge(over_udp());
    let sent = only(scenario.request(&register("TCP"), alice()));
    let refused = Response::to(&sent.message, 401, "Unauthorized").to_tag("r").finish();
    let back = only(scenario.message(Message::parse(refused.to_bytes()).unwrap(), upstream()));
    assert_eq!((back.status(), back.assign), (401, None));
}

#[test]
fn s17_2_2_a_repeated_register_over_udp_gets_the_same_answer_with_its_flow_timer() {
    let mut scenario = edge(over_udp());
    let text = register("UDP");
    let sent = only(scenario.request(&text, alice_udp()));
    let back = only(scenario.message(accepted(&sent, &[("Require", "outbound")]), upstream()));
    let again = only(scenario.request(&text, alice_udp()));
    assert_eq!(again.text(), back.text());
}

#[test]
fn s18_1_2_a_response_counts_only_if_it_comes_from_the_registrar() {
    for stranger in [alice_udp(), source(Transport::Udp, 0, "10.0.0.5:5061"), alice()] {
        let mut scenario = edge(over_udp());
        let sent = only(scenario.request(&register("TCP"), alice()));
        assert!(scenario.message(accepted(&sent, &[]), stranger).is_empty());
        assert_eq!(scenario.events, [Event::ResponseOnOtherFlow]);
    }
    let mut scenario = edge(over_tcp());
    let sent = only(scenario.request(&register("TCP"), alice()));
    let connection = source(Transport::Tcp, 7, "10.0.0.5:33000");
    assert_eq!(statuses(&scenario.message(accepted(&sent, &[]), connection)), [200]);
}

#[test]
fn s16_9_a_registrar_that_cannot_be_reached_is_503() {
    let mut scenario = edge(over_tcp());
    only(scenario.request(&register("TCP"), alice()));
    let mut out = Vec::new();
    scenario.proxy.next_hop_failed(scenario.now, over_tcp(), &mut out);
    let back = only(scenario.carry_out(out));
    assert_eq!((back.status(), back.first(Name::RetryAfter)), (503, "7"));
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_5_requests_for_our_domains_go_to_the_registrar_and_are_recorded() {
    for (from, values) in [(alice_udp(), 1), (alice(), 2)] {
        let mut scenario = edge(over_udp());
        let text = request("INVITE", from.transport.as_via_str(), "z9hG4bKa");
        let sent = scenario.request(&text, from).remove(1);
        assert_eq!(sent.hop, Hop::Address(over_udp()));
        assert_eq!(sent.message.request_uri(), b"sip:bob@example.com");
        // RFC 5658 §5: over another transport the registrar's side has a value of its own, without a token.
        let record_route = sent.values(Name::RecordRoute);
        assert_eq!(record_route.len(), values, "{record_route:?}");
        assert_eq!(record_route[0] == "<sip:192.0.2.1:5060;lr>", values == 2, "{record_route:?}");
    }
}

#[test]
fn s16_4_a_service_route_leads_to_the_registrar_and_stays() {
    let text = with_field(
        &request_to("sip:carol@example.net", "MESSAGE", "TCP", "z9hG4bKa"),
        "Route: <sip:192.0.2.1;lr>, <sip:10.0.0.5;lr>",
    );
    let sent = only(edge(over_udp()).request(&text, alice()));
    assert_eq!(sent.hop, Hop::Address(over_udp()));
    assert_eq!(sent.values(Name::Route), ["<sip:10.0.0.5;lr>"]);
}

#[test]
fn s16_5_an_edge_proxy_is_no_open_relay_either() {
    for (uri, route) in [
        ("sip:carol@example.net", None),
        ("sip:bob@example.com", Some("Route: <sip:203.0.113.1;lr>")),
        ("sip:bob@example.com", Some("Route: <sip:10.0.0.5:5099;lr>")),
        ("sip:carol@10.0.0.5", None),
    ] {
        let text = request_to(uri, "MESSAGE", "TCP", "z9hG4bKa");
        let text = route.map_or(text.clone(), |route| with_field(&text, route));
        assert_eq!(only(edge(over_udp()).request(&text, alice())).status(), 403, "{uri} {route:?}");
    }
}

#[test]
fn s11_2_an_options_for_the_edge_proxy_itself_is_answered_here() {
    let text = request_to("sip:192.0.2.1:5060", "OPTIONS", "TCP", "z9hG4bKa");
    assert_eq!(only(edge(over_udp()).request(&text, alice())).status(), 200);
}

#[test]
fn the_other_addresses_of_the_registrar_are_the_registrar_too() {
    let second = NextHop { address: "10.0.0.6:5060".parse().unwrap(), ..over_tcp() };
    let settings = Settings { registrar: Some(over_tcp()), further: vec![second], ..settings() };
    let routed = |route: &str| {
        let text = request_to("sip:bob@example.net", "MESSAGE", "TCP", "z9hG4bKa");
        let mut scenario = Scenario::with(settings.clone(), &[]);
        only(scenario.request(&with_field(&text, &format!("Route: <sip:{route};lr>")), alice())).hop
    };
    assert_eq!(routed("10.0.0.5:5060"), Hop::Address(over_tcp()));
    assert_eq!(routed("10.0.0.6:5060"), Hop::Address(second));
}
