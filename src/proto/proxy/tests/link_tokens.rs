//! RFC 5626 §5.3: flow tokens of other nodes, as the node sees them that a request arrives at.

use super::super::{Event, Settings};
use super::links::{link_to_b, linked, route, streams_and_udp};
use super::scenario::*;
use crate::proto::NextHop;
use crate::proto::edge::{Edge, Form};
use crate::sip::{Name, Transport};

/// A request in a dialog along these Route values.
fn along(method: &str, routes: &[&str]) -> String {
    let text = request_to("sip:bob@10.0.0.2:5062", method, "TCP", "z9hG4bKa");
    with_field(&text, &format!("Route: {}", routes.join(", ")))
        .replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=b")
}

#[test]
fn s5_3_1_a_token_of_another_node_leads_over_the_link_whichever_nodes_host_stands_behind_it() {
    for on in streams_and_udp() {
        for at in ["192.0.2.1:5060", "192.0.2.2:5060", "198.51.100.77", "gone.example.org:5071"] {
            let theirs = route(&run_of("b", 1), on, at);
            let ours = route(&run(), alice(), "192.0.2.1:5060");
            for routes in [vec![theirs.as_str()], vec![&ours, &theirs]] {
                for method in ["BYE", "INVITE", "ACK"] {
                    let mut scenario = linked(&[]);
                    let sent = scenario.request(&along(method, &routes), alice()).pop().unwrap();
                    assert!(sent.is_to(link_to_b().link), "{at} {method}");
                    assert_eq!(sent.values(Name::Route), [route(&run_of("b", 1), on, "192.0.2.2:5070")]);
                    assert_eq!(sent.message.request_uri(), b"sip:bob@10.0.0.2:5062");
                    assert_eq!(sent.message.first(Name::RecordRoute), None);
                    if method == "ACK" {
                        assert!(scenario.proxy.is_at_rest());
                    }
                    assert_eq!(scenario.events, []);
                }
            }
        }
    }
}

#[test]
fn s5_3_1_a_token_of_our_own_is_followed_behind_the_host_of_another_node() {
    // The dialog began on node b, with both sides here; b is gone since.
    let ours = route(&run(), alice(), "192.0.2.2:5060");
    let theirs = route(&run(), bob(), "192.0.2.2:5060");
    let mut scenario = linked(&[]);
    let sent = only(scenario.request(&along("BYE", &[&ours, &theirs]), alice()));
    assert!(sent.is_to(bob()));
    assert_eq!(sent.message.first(Name::Route), None);
}

#[test]
fn s5_3_1_route_values_behind_another_nodes_token_stay_behind_the_flows() {
    let theirs = route(&run_of("b", 1), bob(), "192.0.2.2:5060");
    let sent = only(linked(&[]).request(&along("BYE", &[&theirs, "<sip:10.0.0.7;lr>"]), alice()));
    let own = route(&run_of("b", 1), bob(), "192.0.2.2:5070");
    assert_eq!(sent.values(Name::Route), [own.as_str(), "<sip:10.0.0.7;lr>"]);
}

#[test]
fn s16_4_a_strict_router_may_have_moved_another_nodes_token_into_the_request_uri() {
    let uri = route(&run_of("b", 1), bob(), "192.0.2.2:5060").trim_matches(['<', '>']).to_owned();
    let text =
        with_field(&request_to(&uri, "MESSAGE", "TCP", "z9hG4bKa"), &format!("Route: <{BOB_CONTACT}>"));
    let sent = only(linked(&[]).request(&text, alice()));
    assert!(sent.is_to(link_to_b().link));
    assert_eq!(sent.message.request_uri(), BOB_CONTACT.as_bytes());
    assert_eq!(sent.values(Name::Route), [route(&run_of("b", 1), bob(), "192.0.2.2:5070")]);
}

#[test]
fn s5_3_1_a_token_of_a_node_that_is_not_linked_or_of_another_run_is_430() {
    for (node, epoch) in [("b", 0), ("b", 2), ("d", 1), ("a", 0), ("a", 2)] {
        let gone = route(&run_of(node, epoch), bob(), "192.0.2.2:5060");
        let mut scenario = linked(&[]);
        let back = only(scenario.request(&along("BYE", &[&gone]), alice()));
        assert_eq!((back.status(), &scenario.events[..]), (430, &[Event::FlowGone][..]), "{node} {epoch}");
        scenario.assert_comes_to_rest();
        let ack = along("ACK", &[&gone]);
        assert!(scenario.request(&ack, alice()).is_empty());
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s5_3_1_a_link_that_fails_in_a_dialog_is_430_there() {
    for method in ["BYE", "INVITE"] {
        let theirs = route(&run_of("b", 1), bob(), "192.0.2.2:5060");
        let mut scenario = linked(&[]);
        scenario.request(&along(method, &[&theirs]), alice());
        let back = only(scenario.cut(&link_to_b()));
        assert_eq!((back.status(), back.is_to(alice())), (430, true));
        assert_eq!(scenario.events, [Event::FlowFailed]);
    }
}

#[test]
fn s5_3_1_a_forged_token_is_403_behind_a_host_of_ours_and_no_concern_of_ours_behind_another() {
    let settings = Settings {
        tokens: std::sync::Arc::new(flowhold_cluster::token::KeyRing::of_one_run(&[9; 32])),
        ..settings()
    };
    let run = run_of("b", 1);
    let other = Edge { run: &run, tokens: &settings.tokens };
    for (at, event) in [("192.0.2.1:5060", Event::ForgedToken), ("192.0.2.2:5060", Event::NotOurs)] {
        let value = other.value(Some(bob()), at.as_bytes(), Transport::Tcp, Form::RecordRoute);
        let mut scenario = linked(&[]);
        let back = only(scenario.request(&along("BYE", &[str::from_utf8(&value).unwrap()]), alice()));
        assert_eq!((back.status(), &scenario.events[..]), (403, &[event][..]), "{at}");
    }
}

#[test]
fn s5_3_1_what_the_registrar_sends_for_a_ua_of_another_edge_proxy_of_the_cluster_goes_there() {
    let registrar = NextHop { transport: Transport::Udp, address: "10.0.0.5:5060".parse().unwrap() };
    let upstream = source(Transport::Udp, 0, "10.0.0.5:5060");
    for on in streams_and_udp() {
        let mut scenario = Scenario::with(Settings { registrar: Some(registrar), ..settings_of("a") }, &[]);
        scenario.proxy.link_up(link_to_b());
        let path = route(&run_of("b", 1), on, "192.0.2.1:5060");
        let text =
            with_field(&request_to(BOB_CONTACT, "INVITE", "UDP", "z9hG4bKa"), &format!("Route: {path}"));
        let sent = scenario.request(&text, upstream).pop().unwrap();
        assert!(sent.is_to(link_to_b().link));
        assert_eq!(sent.message.request_uri(), BOB_CONTACT.as_bytes());
        // The UA's own requests in the dialog come to the node that has its flow, and go to the registrar from there.
        let values = sent.values(Name::RecordRoute);
        assert!(values[0].contains("@192.0.2.2:"), "{values:?}");
        assert!(values[1..].iter().all(|value| !value.contains('@')), "{values:?}");
        assert_eq!(statuses(&scenario.message(sent.answer(200), link_to_b().link)), [200]);
    }
}
