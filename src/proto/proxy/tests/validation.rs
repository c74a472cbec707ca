//! RFC 3261 §16.3 to §16.5: what may go on, and whither.

use super::super::{Event, Proxy, Settings};
use super::scenario::*;
use crate::sip::{Method, Name, Transport};

fn refused(text: &str) -> (Sent, Vec<Event>) {
    let mut scenario = Scenario::new();
    let sent = only(scenario.request(text, alice()));
    scenario.assert_comes_to_rest();
    (sent, scenario.events)
}

#[test]
fn s16_3_step_1_a_malformed_request_is_answered_400_and_nothing_is_kept() {
    let mut scenario = Scenario::udp();
    let text = request("INVITE", "UDP", "z9hG4bKa").replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
    let first = only(scenario.request(&text, alice_udp()));
    assert_eq!(first.status(), 400);
    assert!(scenario.proxy.is_at_rest());
    assert!(matches!(scenario.events[..], [Event::Malformed(_)]));
    let again = only(scenario.request(&text, alice_udp()));
    assert_eq!(again.text(), first.text(), "s8_2_7: the same answer, To tag included");
}

#[test]
fn s16_3_step_1_the_ack_to_an_answer_without_state_is_absorbed() {
    let mut scenario = Scenario::udp();
    let invite = request("INVITE", "UDP", "z9hG4bKa");
    let refused = only(scenario.request(&invite.replace("Max-Forwards: 70", "Max-Forwards: x"), alice_udp()));
    assert_eq!(refused.status(), 400);
    assert!(scenario.request(&ack_to(&invite, &refused), alice_udp()).is_empty());
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn s16_3_step_1_an_unknown_method_and_unknown_or_malformed_other_fields_pass() {
    let mut scenario = Scenario::new();
    let text = with_field(&request("NEWMETHOD", "TCP", "z9hG4bKa"), "Date: nonsense\nX-Odd: ,,;\"");
    let sent = only(scenario.request(&text, alice()));
    assert_eq!(sent.message.method_bytes(), b"NEWMETHOD");
    assert!(sent.text().contains("\r\nDate: nonsense\r\nX-Odd: ,,;\"\r\n"));
}

#[test]
fn s16_3_step_1_a_request_without_a_readable_via_is_dropped() {
    let mut scenario = Scenario::new();
    let text = request("MESSAGE", "TCP", "z9hG4bKa").replace("Via: SIP/2.0/TCP ", "Via: ");
    assert!(scenario.request(&text, alice()).is_empty());
    assert_eq!(scenario.events, [Event::Unanswerable]);
}

#[test]
fn s16_3_step_2_a_scheme_that_we_do_not_know_is_416() {
    for uri in ["tel:+15551234", "nobodyKnowsThisScheme:x"] {
        let (sent, _) = refused(&request_to(uri, "MESSAGE", "TCP", "z9hG4bKa"));
        assert_eq!(sent.status(), 416, "{uri}");
    }
}

#[test]
fn s16_3_step_3_max_forwards_0_is_483() {
    let text = request("MESSAGE", "TCP", "z9hG4bKa").replace("Max-Forwards: 70", "Max-Forwards: 0");
    let (sent, events) = refused(&text);
    assert_eq!((sent.status(), &events[..]), (483, &[Event::TooManyHops][..]));
}

#[test]
fn s16_3_step_3_an_options_with_max_forwards_0_is_answered_here() {
    let text = request("OPTIONS", "TCP", "z9hG4bKa").replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(refused(&text).0.status(), 200);
}

#[test]
fn rfc5393_s4_2_2_a_request_that_comes_back_unchanged_is_482() {
    let mut scenario = Scenario::with(settings(), &[binding(bob(), "sip:bob@example.com", "")]);
    let out = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    let back = scenario.message(one_hop_further(&out.message, "z9hG4bKhop"), bob());
    assert_eq!(statuses(&back), [482]);
    assert_eq!(scenario.events, [Event::Loop]);
}

#[test]
fn rfc5393_s4_2_2_another_worker_sees_the_loop_too() {
    let mut one = Scenario::with(settings(), &[binding(bob(), "sip:bob@example.com", "")]);
    let mut other = Scenario::with(settings(), &[]);
    other.proxy = Proxy::new(super::super::Settings { worker: 4, ..settings() }, 99);
    let out = only(one.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    let back = other.message(one_hop_further(&out.message, "z9hG4bKhop"), bob());
    assert_eq!(statuses(&back), [482]);
}

#[test]
fn rfc5393_s4_2_2_a_request_that_comes_back_with_another_request_uri_is_a_spiral() {
    let mut scenario = Scenario::with(settings(), &[binding(bob(), "sip:carol@example.com", "")]);
    let out = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    let back = scenario.message(one_hop_further(&out.message, "z9hG4bKhop"), bob());
    assert_eq!(statuses(&back), [404], "it was looked up, not taken for a loop");
}

#[test]
fn rfc5393_s4_2_1_the_loop_hash_does_not_vary_with_the_method() {
    let hash = |method| super::super::keys::loop_hash(&message(&request(method, "TCP", "z9hG4bKa")));
    assert_eq!(hash("INVITE"), hash("CANCEL"));
    let other = |from: &str, to: &str| {
        super::super::keys::loop_hash(&message(&request("INVITE", "TCP", "z9hG4bKa").replacen(from, to, 1)))
    };
    assert_ne!(hash("INVITE"), other("sip:bob@", "sip:carol@"));
    assert_ne!(hash("INVITE"), other("\nMax", "\nRoute: <sip:x;lr>\nMax"));
    assert_ne!(hash("INVITE"), other("CSeq: 1", "CSeq: 2"));
}

#[test]
fn s16_3_step_5_proxy_require_is_420_and_lists_what_is_unsupported() {
    let text =
        with_field(&request("MESSAGE", "TCP", "z9hG4bKa"), "Proxy-Require: one\nProxy-Require: two, three");
    let (sent, _) = refused(&text);
    assert_eq!((sent.status(), sent.first(Name::Unsupported)), (420, "one, two, three"));
}

#[test]
fn s16_4_our_own_route_comes_off() {
    for route in
        ["<sip:192.0.2.1;lr>", "<sip:example.com;lr>", "<sip:192.0.2.1:5060;lr>, <sip:example.com;lr>"]
    {
        let mut scenario = Scenario::new();
        let text = with_field(&request("MESSAGE", "TCP", "z9hG4bKa"), &format!("Route: {route}"));
        let sent = only(scenario.request(&text, alice()));
        assert_eq!(sent.message.method(), Method::Message);
        assert_eq!(sent.message.first(Name::Route), None, "{route}");
    }
}

#[test]
fn s19_1_2_a_route_over_tls_without_a_port_means_5061() {
    let host = |port| (b"node.example.net".as_slice().into(), port);
    for (port, route, is_ours) in [
        (5061, "<sip:node.example.net;transport=tls;lr>", true),
        (5061, "<sips:node.example.net;lr>", true),
        (5061, "<sip:node.example.net;transport=tcp;lr>", false),
        (5060, "<sip:node.example.net;transport=tcp;lr>", true),
        (5060, "<sip:node.example.net;transport=tls;lr>", false),
    ] {
        let settings = Settings { hosts: vec![host(port)], ..settings() };
        let mut scenario = Scenario::with(settings, &[binding(bob(), BOB_CONTACT, "")]);
        let text = with_field(&request("MESSAGE", "TCP", "z9hG4bKa"), &format!("Route: {route}"));
        let sent = only(scenario.request(&text, alice()));
        assert_eq!(sent.is_to(bob()), is_ours, "{port} {route}");
    }
}

#[test]
fn s16_4_a_strict_routers_request_uri_gives_way_to_the_last_route() {
    let mut scenario = Scenario::new();
    let text = with_field(
        &request_to("sip:192.0.2.1;lr", "MESSAGE", "TCP", "z9hG4bKa"),
        "Route: <sip:example.com;lr>, <sip:bob@example.com>",
    );
    let sent = only(scenario.request(&text, alice()));
    assert_eq!(sent.message.request_uri(), BOB_CONTACT.as_bytes());
    assert_eq!(sent.message.first(Name::Route), None);
}

#[test]
fn s16_5_a_request_for_another_domain_or_along_another_route_is_403() {
    for (uri, route) in [
        ("sip:bob@example.org", None),
        ("sip:bob@192.0.2.1:5999", None),
        ("sip:bob@example.com", Some("Route: <sip:203.0.113.1;lr>")),
        ("sip:bob@example.com", Some("Route: <sip:example.com;lr>, <sip:203.0.113.1;lr>")),
    ] {
        let text = request_to(uri, "MESSAGE", "TCP", "z9hG4bKa");
        let text = route.map_or(text.clone(), |route| with_field(&text, route));
        let (sent, events) = refused(&text);
        assert_eq!((sent.status(), &events[..]), (403, &[Event::NotOurs][..]), "{uri} {route:?}");
    }
}

#[test]
fn s16_5_an_aor_that_does_not_exist_is_404() {
    let (sent, events) = refused(&request_to("sip:nobody@example.com", "MESSAGE", "TCP", "z9hG4bKa"));
    assert_eq!((sent.status(), &events[..]), (404, &[Event::NotFound][..]));
}

#[test]
fn s16_5_an_aor_without_bindings_is_480() {
    let mut scenario = Scenario::with(settings(), &[]);
    let sent = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    assert_eq!(sent.status(), 480);
    assert_eq!(scenario.events, [Event::NoBinding]);
}

#[test]
fn s10_3_step_5_the_aor_is_looked_up_in_its_canonical_form() {
    for uri in ["sip:bob@EXAMPLE.com", "sip:b%6fb@example.com;user=phone", "sip:bob@example.com:5060"] {
        let mut scenario = Scenario::new();
        let sent = only(scenario.request(&request_to(uri, "MESSAGE", "TCP", "z9hG4bKa"), alice()));
        assert_eq!(sent.to, bob().flow, "{uri}");
    }
}

#[test]
fn s21_5_4_a_location_service_that_is_away_is_503_with_retry_after() {
    let mut scenario = Scenario::new();
    let away = flowhold_cluster::location::Unavailable { retry_after: std::time::Duration::from_secs(9) };
    scenario.aors.insert(b"bob@example.com".to_vec(), Err(away));
    let sent = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    assert_eq!((sent.status(), sent.first(Name::RetryAfter)), (503, "9"));
}

#[test]
fn s26_2_2_a_sips_request_goes_over_tls_or_not_at_all() {
    let sips = request_to("sips:bob@example.com", "MESSAGE", "TCP", "z9hG4bKa");
    assert_eq!(refused(&sips).0.status(), 480);
    let bob = source(Transport::Tls, 5, "198.51.100.2:40002");
    let mut scenario = Scenario::with(settings(), &[binding(bob, "sips:bob@10.0.0.2:5062", "")]);
    assert_eq!(only(scenario.request(&sips, alice())).to, bob.flow);
}

#[test]
fn s11_2_options_to_this_node_is_200_and_says_what_it_can() {
    for uri in ["sip:example.com", "sip:192.0.2.1:5060"] {
        let (sent, _) = refused(&request_to(uri, "OPTIONS", "TCP", "z9hG4bKa"));
        assert_eq!(sent.status(), 200);
        assert_eq!(sent.first(Name::Allow), "OPTIONS, REGISTER");
        assert_eq!(sent.first(Name::Supported), "path, outbound");
        assert_eq!(sent.first(Name::Accept), "*/*");
        assert!(sent.first(Name::To).contains(";tag="));
        assert_eq!(sent.first(Name::Server), "flowhold");
    }
}

#[test]
fn s21_4_6_another_method_to_this_node_is_405_and_an_unknown_one_501() {
    let (sent, _) = refused(&request_to("sip:example.com", "MESSAGE", "TCP", "z9hG4bKa"));
    assert_eq!((sent.status(), sent.first(Name::Allow)), (405, "OPTIONS, REGISTER"));
    let (sent, _) = refused(&request_to("sip:example.com", "BREW", "TCP", "z9hG4bKa"));
    assert_eq!(sent.status(), 501);
}

#[test]
fn s8_2_2_2_a_request_to_this_node_that_comes_on_two_ways_is_482_the_second_time() {
    let mut scenario = Scenario::udp();
    let first = request_to("sip:example.com", "OPTIONS", "UDP", "z9hG4bKa");
    assert_eq!(statuses(&scenario.request(&first, alice_udp())), [200]);
    let second = first.replace("branch=z9hG4bKa", "branch=z9hG4bKb");
    assert_eq!(statuses(&scenario.request(&second, alice_udp())), [482]);
    assert_eq!(statuses(&scenario.request(&first, alice_udp())), [200], "a retransmission is none");
    scenario.assert_comes_to_rest();
    assert_eq!(
        statuses(&scenario.request(&second, alice_udp())),
        [200],
        "long after, it is a request of its own"
    );
}

#[test]
fn s16_3_merged_requests_that_are_forwarded_are_no_error() {
    let mut scenario = Scenario::udp();
    let first = request("MESSAGE", "UDP", "z9hG4bKa");
    let second = first.replace("branch=z9hG4bKa", "branch=z9hG4bKb");
    assert!(only(scenario.request(&first, alice_udp())).message.is_request());
    assert!(only(scenario.request(&second, alice_udp())).message.is_request());
}

#[test]
fn s21_5_4_more_than_max_transactions_is_503_with_retry_after_and_nothing_is_kept() {
    let few = super::super::Settings { max_transactions: 1, ..settings() };
    let mut scenario = Scenario::with(few, &[binding(bob(), BOB_CONTACT, "")]);
    let out = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    let refused = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKb"), alice()));
    assert_eq!((refused.status(), refused.first(Name::RetryAfter)), (503, "7"));
    assert_eq!(scenario.events, [Event::Overload]);
    assert_eq!(scenario.proxy.counts().contexts, 1);
    assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
    assert!(only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKb"), alice())).message.is_request());
}
