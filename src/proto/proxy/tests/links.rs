//! Flows of other nodes, as the node sees them that a request arrives at: over a link, along a Route with the flow's token.

use std::time::Duration;

use flowhold_cluster::binding::Binding;
use flowhold_cluster::flow::NodeRun;

use super::super::{Event, Matcher, Peer, Route, Settings};
use super::scenario::*;
use crate::proto::edge::{Edge, Form};
use crate::proto::{Hop, NextHop, Source};
use crate::sip::{Method, Name, Transport};

const MOMENT: Duration = Duration::from_millis(1);

/// Bob is registered on node b, or c, over a flow that this node has one of the same name of.
fn bob_on(node: &str, on: Source, reg_id: u32, updated_at: u64) -> Binding {
    Binding { holder: run_of(node, 1), ..flow_of("bob", reg_id, on, updated_at) }
}

pub(super) fn link_to_b() -> Peer {
    peer("b", 1, 50)
}

fn link_to_c() -> Peer {
    peer("c", 1, 60)
}

/// Node a, with links to b and c.
pub(super) fn linked(bobs: &[Binding]) -> Scenario {
    let mut scenario = Scenario::with(settings_of("a"), bobs);
    scenario.proxy.link_up(link_to_b());
    scenario.proxy.link_up(link_to_c());
    scenario
}

/// The Route that another node delivers by.
pub(super) fn route(run: &NodeRun, to: Source, at: &str) -> String {
    let settings = settings();
    let edge = Edge { run, tokens: &settings.tokens };
    String::from_utf8(edge.value(Some(to), at.as_bytes(), Transport::Tcp, Form::RecordRoute)).unwrap()
}

/// What goes out for Bob, the 100 to Alice taken off.
fn asked(scenario: &mut Scenario, method: &str) -> Sent {
    let sent = scenario.request(&request(method, "TCP", "z9hG4bKa"), alice());
    only(sent.into_iter().filter(|sent| sent.message.is_request()).collect())
}

pub(super) fn streams_and_udp() -> [Source; 5] {
    let stream = |transport| Source { transport, ..bob() };
    [bob_udp(), stream(Transport::Tcp), stream(Transport::Tls), stream(Transport::Ws), stream(Transport::Wss)]
}

#[test]
fn a_request_for_a_flow_of_another_node_leaves_over_the_link_along_the_flows_token() {
    for on in streams_and_udp() {
        for method in ["MESSAGE", "INVITE"] {
            let path = b"<sip:edge.example.com;lr>".as_slice().into();
            let mut scenario = linked(&[Binding { path, ..bob_on("b", on, 1, 1) }]);
            let text = request(method, "TCP", "z9hG4bKa").replace("Content-Length: 0\n", "");
            let sent = scenario.request(&text, alice()).pop().unwrap();
            assert!(sent.is_to(link_to_b().link));
            let own = route(&run_of("b", 1), on, "192.0.2.2:5070");
            assert_eq!(sent.values(Name::Route), [own.as_str(), "<sip:edge.example.com;lr>"]);
            let via = sent.message.top_via().unwrap();
            assert_eq!(
                (via.transport(), via.sent_by()),
                (Some(Transport::Tcp), b"192.0.2.1:5070".as_slice()),
                "RFC 3261 §18.1.1: what it leaves over"
            );
            assert_eq!(via.rport(), None);
            assert_eq!(sent.first(Name::MaxForwards), "69");
            assert_eq!(sent.first(Name::ContentLength), "0", "RFC 3261 §20.14: a link is a stream");
            assert_eq!(sent.message.request_uri(), b"sip:bob@10.0.0.2:5061");
            let ok = sent.answer(200);
            assert!(scenario.message(ok.clone(), on).is_empty());
            assert_eq!(scenario.events, [Event::ResponseOnOtherFlow], "the flow here is another one");
            assert_eq!(statuses(&scenario.message(ok, link_to_b().link)), [200]);
            scenario.assert_comes_to_rest();
        }
    }
}

#[test]
fn a_link_over_tls_is_named_as_one() {
    let mut scenario = Scenario::with(settings_of("a"), &[bob_on("b", bob_udp(), 1, 1)]);
    let peer = link_to_b();
    let link = Source { transport: Transport::Tls, ..peer.link };
    scenario.proxy.link_up(Peer { link, ..peer });
    let sent = asked(&mut scenario, "MESSAGE");
    assert!(sent.is_to(link));
    assert_eq!(sent.message.top_via().unwrap().transport(), Some(Transport::Tls));
    assert!(sent.first(Name::Route).ends_with("@192.0.2.2:5070;transport=tls;lr>"));
}

#[test]
fn s5_3_1_the_callees_side_of_record_route_is_its_own_nodes_and_names_its_own_transport() {
    let end = |on: Source| match on.transport {
        Transport::Udp => "@192.0.2.2:5060;lr>",
        Transport::Tcp => "@192.0.2.2:5060;transport=tcp;lr>",
        Transport::Tls => "@192.0.2.2:5061;transport=tls;lr>",
        Transport::Ws => "@192.0.2.2:80;transport=ws;lr>",
        // RFC 7118 §5.2: a URI has `ws` for both.
        Transport::Wss => "@192.0.2.2:443;transport=ws;lr>",
    };
    for on in streams_and_udp() {
        let mut scenario = linked(&[bob_on("b", on, 1, 1)]);
        let sent = asked(&mut scenario, "INVITE");
        let values = sent.values(Name::RecordRoute);
        let token = |value: &str| value[..value.find('@').unwrap()].to_owned();
        assert_eq!(token(&values[0]), token(sent.first(Name::Route)));
        assert!(values[0].ends_with(end(on)), "{values:?}");
        assert_eq!(token(&values[1]), token(&route(&run(), alice(), "x")));
        assert!(values[1].ends_with("@192.0.2.1:5060;transport=tcp;lr>"), "{values:?}");
    }
    // A node that does not say how it is reached is reached by this one.
    let mut scenario = Scenario::with(settings_of("a"), &[bob_on("b", bob(), 1, 1)]);
    scenario.proxy.link_up(Peer { sent_by: super::super::SentBy::default(), ..link_to_b() });
    let values = asked(&mut scenario, "INVITE").values(Name::RecordRoute);
    assert!(values[0].ends_with("@192.0.2.1:5060;transport=tcp;lr>"), "{values:?}");
}

#[test]
fn s17_1_the_timers_are_those_of_what_the_ua_is_reached_over() {
    for (method, times) in [
        ("INVITE", vec![500, 1500, 3500, 7500, 15500, 31500]),
        ("MESSAGE", vec![500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]),
    ] {
        let mut scenario = linked(&[bob_on("b", bob_udp(), 1, 1)]);
        let first = asked(&mut scenario, method);
        let mut again = Vec::new();
        while scenario.now < scenario.start + Duration::from_millis(31_999) {
            let sent = scenario.wait(MOMENT);
            let at = (scenario.now - scenario.start).as_millis();
            for sent in sent.iter().filter(|sent| sent.message.is_request()) {
                assert!(sent.is_to(link_to_b().link));
                assert_eq!(sent.text(), first.text());
                again.push(at);
            }
        }
        assert_eq!(again, times, "{method}: the flow's node repeats nothing");
        scenario.assert_comes_to_rest();

        let mut scenario = linked(&[bob_on("b", bob(), 1, 1)]);
        asked(&mut scenario, method);
        let sent = scenario.wait(Duration::from_secs(31));
        assert!(sent.iter().all(|sent| !sent.message.is_request()), "over TCP nothing is lost");
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s17_1_1_3_a_failure_that_is_repeated_over_the_link_is_acknowledged_again_where_the_ua_is_on_udp() {
    for (on, acks) in [(bob_udp(), 1), (bob(), 0)] {
        let mut scenario = linked(&[bob_on("b", on, 1, 1)]);
        let invite = asked(&mut scenario, "INVITE");
        let busy = invite.answer(486);
        let sent = scenario.message(busy.clone(), link_to_b().link);
        assert_eq!((sent[0].message.method(), sent[1].status()), (Method::Ack, 486));
        let ack = &sent[0];
        assert!(ack.is_to(link_to_b().link));
        for name in [Name::Route, Name::Via] {
            assert_eq!(ack.first(name), invite.values(name)[0], "as in the INVITE");
        }
        let again = scenario.message(busy, link_to_b().link);
        assert_eq!(again.iter().map(Sent::text).collect::<Vec<_>>(), vec![ack.text(); acks]);
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s9_1_a_cancel_goes_along_the_route_of_its_invite() {
    for on in [bob(), bob_udp()] {
        let mut scenario = linked(&[bob_on("b", on, 1, 1)]);
        let text = request("INVITE", "TCP", "z9hG4bKa");
        let invite = scenario.request(&text, alice()).pop().unwrap();
        scenario.message(invite.answer(180), link_to_b().link);
        let sent = scenario.request(&text.replace("INVITE", "CANCEL"), alice());
        assert_eq!(sent[0].status(), 200);
        let cancel = &sent[1];
        assert!(cancel.is_to(link_to_b().link));
        assert_eq!(cancel.message.method(), Method::Cancel);
        assert_eq!(cancel.message.request_uri(), invite.message.request_uri());
        assert_eq!(cancel.values(Name::Route), invite.values(Name::Route));
        assert_eq!(cancel.values(Name::Via), invite.values(Name::Via)[..1]);
        assert!(scenario.message(cancel.answer(200), link_to_b().link).is_empty());
        let ended = scenario.message(invite.answer(487), link_to_b().link);
        assert_eq!((ended[0].message.method(), ended[1].status()), (Method::Ack, 487));
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn a_cancel_ends_with_the_link_that_it_is_out_on() {
    let mut scenario = linked(&[bob_on("b", bob_udp(), 1, 1)]);
    let text = request("INVITE", "TCP", "z9hG4bKa");
    let invite = scenario.request(&text, alice()).pop().unwrap();
    scenario.message(invite.answer(180), link_to_b().link);
    scenario.request(&text.replace("INVITE", "CANCEL"), alice());
    let ended = only(scenario.cut(&link_to_b()));
    assert_eq!(ended.status(), 480);
    scenario.request(&ack_to(&text, &ended), alice());
    assert!(scenario.wait(Duration::from_secs(60)).is_empty(), "nobody repeats it");
    scenario.assert_comes_to_rest();
}

#[test]
fn a_cancel_that_the_other_node_has_no_flow_for_any_more_ends_its_invite() {
    let mut scenario = linked(&[bob_on("b", bob(), 1, 1)]);
    let text = request("INVITE", "TCP", "z9hG4bKa");
    let invite = scenario.request(&text, alice()).pop().unwrap();
    scenario.message(invite.answer(180), link_to_b().link);
    let cancel = scenario.request(&text.replace("INVITE", "CANCEL"), alice()).pop().unwrap();
    let ended = only(scenario.message(cancel.answer(430), link_to_b().link));
    assert_eq!((ended.status(), ended.is_to(alice())), (480, true));
    assert_eq!(scenario.dead_bindings.len(), 1);
    scenario.request(&ack_to(&text, &ended), alice());
    scenario.assert_comes_to_rest();
}

#[test]
fn s7_without_a_link_to_that_very_run_the_next_flow_is_tried_at_once() {
    let bobs = [bob_on("b", bob(), 1, 9), bob_on("a", source(Transport::Tcp, 7, "198.51.100.2:40007"), 2, 1)];
    for method in ["MESSAGE", "INVITE"] {
        for up in [None, Some(0), Some(2)] {
            let mut scenario = Scenario::with(settings_of("a"), &bobs);
            if let Some(epoch) = up {
                scenario.proxy.link_up(peer("b", epoch, 50));
            }
            let sent = asked(&mut scenario, method);
            assert_eq!(sent.to, bobs[1].flow, "{method} {up:?}");
            assert_eq!(scenario.events, [Event::NoLink, Event::Failover]);
            assert_eq!(statuses(&scenario.message(sent.answer(200), bob_at(7))), [200]);
            assert!(scenario.dead_bindings.is_empty() && scenario.dead.is_empty(), "who knows");
            scenario.assert_comes_to_rest();
        }
    }
}

fn bob_at(slot: u32) -> Source {
    source(Transport::Tcp, slot, "198.51.100.2:40007")
}

#[test]
fn s11_5_where_no_flow_can_be_reached_the_caller_gets_480() {
    let bobs = [bob_on("b", bob(), 1, 9), bob_on("c", bob(), 2, 8), bob_on("d", bob_udp(), 3, 7)];
    for method in ["MESSAGE", "INVITE"] {
        let mut scenario = Scenario::with(settings_of("a"), &bobs);
        let text = request(method, "TCP", "z9hG4bKa");
        let last = scenario.request(&text, alice()).pop().unwrap();
        assert_eq!(last.status(), 480);
        assert_eq!(scenario.events.iter().filter(|event| **event == Event::NoLink).count(), 3);
        if method == "INVITE" {
            scenario.request(&ack_to(&text, &last), alice());
        }
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn a_node_outside_of_a_cluster_knows_no_links() {
    let mut scenario = Scenario::with(settings(), &[bob_on("b", bob(), 1, 1)]);
    scenario.proxy.link_up(link_to_b());
    assert_eq!(only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice())).status(), 480);
}

#[test]
fn a_newer_run_of_a_node_takes_the_place_of_an_older_one_and_never_the_other_way_round() {
    let bob_of = |epoch| Binding { holder: run_of("b", epoch), ..bob_on("b", bob(), 1, 1) };
    for (ups, holder, link) in [
        (vec![(1, 50), (2, 51)], 2, Some(51)),
        (vec![(1, 50), (2, 51)], 1, None),
        (vec![(2, 51), (1, 50)], 2, Some(51)),
        (vec![(2, 51), (1, 50)], 1, None),
        (vec![(1, 50), (1, 52)], 1, Some(52)),
    ] {
        let mut scenario = Scenario::with(settings_of("a"), &[bob_of(holder)]);
        for (epoch, slot) in &ups {
            scenario.proxy.link_up(peer("b", *epoch, *slot));
        }
        let sent = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
        match link {
            Some(slot) => assert!(sent.is_to(peer("b", holder, slot).link), "{ups:?}"),
            None => assert_eq!(sent.status(), 480, "{ups:?}"),
        }
    }
}

#[test]
fn a_link_that_another_took_the_place_of_goes_down_without_an_effect() {
    let mut scenario = linked(&[bob_on("b", bob(), 1, 1)]);
    let out = asked(&mut scenario, "MESSAGE");
    assert!(out.is_to(link_to_b().link));
    let later = peer("b", 1, 51);
    scenario.proxy.link_up(later.clone());
    // The earlier link still brings the response.
    assert_eq!(statuses(&scenario.message(out.answer(200), link_to_b().link)), [200]);
    assert!(scenario.cut(&link_to_b()).is_empty());
    let sent = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKb"), alice()));
    assert!(sent.is_to(later.link));
    let out = only(scenario.cut(&later));
    assert_eq!(out.status(), 480);
    let none = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKc"), alice()));
    assert_eq!(none.status(), 480);
}

#[test]
fn s7_when_a_link_fails_all_that_is_out_on_it_goes_to_the_next_flow_in_the_same_instant() {
    let third = source(Transport::Udp, 4, "198.51.100.2:40009");
    for method in ["MESSAGE", "INVITE"] {
        // The second is behind the same link, which nobody has taken down yet.
        let bobs = [bob_on("b", bob(), 1, 9), bob_on("b", bob_udp(), 2, 8), bob_on("c", third, 3, 7)];
        let mut scenario = linked(&bobs);
        let sent: Vec<Sent> = (0..5)
            .filter_map(|nth| {
                let text = request(method, "TCP", &format!("z9hG4bK{nth}"));
                scenario.request(&text, alice()).pop()
            })
            .collect();
        assert!(sent.iter().all(|sent| sent.is_to(link_to_b().link)));
        let again = scenario.flow_failed(link_to_b().link.flow);
        assert_eq!(again.len(), 5);
        let call_ids = |sent: &[Sent]| {
            let mut ids: Vec<String> = sent.iter().map(|sent| sent.first(Name::CallId).to_owned()).collect();
            ids.sort();
            ids
        };
        assert_eq!(call_ids(&again), call_ids(&sent));
        let expected = route(&run_of("c", 1), third, "192.0.2.3:5070");
        for out in &again {
            assert!(out.is_to(link_to_c().link));
            assert_eq!(out.first(Name::Route), expected);
            assert_eq!(statuses(&scenario.message(out.answer(200), link_to_c().link)), [200]);
        }
        assert_eq!(scenario.now, scenario.start);
        assert!(scenario.dead_bindings.is_empty(), "a link is not the flow");
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s7_a_silent_flow_of_another_node_keeps_its_binding_since_that_node_may_be_paused() {
    for (silent, alive, link) in [("b", "c", link_to_c()), ("b", "b", link_to_b()), ("a", "b", link_to_b())] {
        for direct in [true, false] {
            let one = Binding { direct, ..bob_on(silent, bob(), 1, 9) };
            let two = bob_on(alive, if silent == alive { bob_udp() } else { bob() }, 2, 8);
            let mut scenario = linked(&[one.clone(), two]);
            asked(&mut scenario, "MESSAGE");
            let second = scenario.wait(FLOW_TIMEOUT).pop().unwrap();
            assert!(second.is_to(link.link));
            assert!(scenario.dead_bindings.is_empty() && scenario.dead.is_empty());
            scenario.message(second.answer(200), link.link);
            assert!(scenario.dead_bindings.is_empty(), "{silent} {alive} {direct}");
            let dead_flow = if direct && silent == "a" { vec![one.flow] } else { vec![] };
            assert_eq!(scenario.dead, dead_flow, "{silent} {alive} {direct}");
            scenario.assert_comes_to_rest();
        }
    }
    // Two flows of one name, the silent one here, the one that answers there.
    let mut scenario = linked(&[bob_on("b", bob(), 1, 9), bob_on("b", bob(), 2, 8)]);
    asked(&mut scenario, "MESSAGE");
    let second = scenario.wait(FLOW_TIMEOUT).pop().unwrap();
    scenario.message(second.answer(200), link_to_b().link);
    assert!(scenario.dead_bindings.is_empty(), "one flow cannot be both");
}

#[test]
fn s11_5_a_430_of_the_flows_node_ends_the_binding_and_has_the_next_flow_tried() {
    for direct in [true, false] {
        let one = Binding { direct, ..bob_on("b", bob(), 1, 9) };
        let mut scenario = linked(&[one.clone(), bob_on("c", bob(), 2, 8)]);
        let first = asked(&mut scenario, "MESSAGE");
        let second = only(scenario.message(first.answer(430), link_to_b().link));
        assert!(second.is_to(link_to_c().link));
        assert_eq!(scenario.dead_bindings, [one.key]);
        assert!(scenario.dead.is_empty());
        let back = only(scenario.message(second.answer(430), link_to_c().link));
        assert_eq!((back.status(), scenario.dead_bindings.len()), (480, 2));
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s16_9_a_503_of_the_flows_node_has_the_next_flow_tried_and_ends_no_binding() {
    for method in ["MESSAGE", "INVITE"] {
        let mut scenario = linked(&[bob_on("b", bob(), 1, 9), bob_on("c", bob(), 2, 8)]);
        let first = asked(&mut scenario, method);
        let second = scenario.message(first.answer(503), link_to_b().link).pop().unwrap();
        assert!(second.is_to(link_to_c().link));
        assert!(scenario.dead_bindings.is_empty());
        let back = scenario.message(second.answer(503), link_to_c().link).pop().unwrap();
        assert_eq!(back.status(), 500, "s16_7 step 6");
        scenario.assert_comes_to_rest();
    }
    // The link's own mailbox.
    let mut scenario = linked(&[bob_on("b", bob(), 1, 9), bob_on("c", bob(), 2, 8)]);
    let first = asked(&mut scenario, "MESSAGE");
    assert!(only(scenario.undeliverable(first.branch.unwrap())).is_to(link_to_c().link));
}

#[test]
fn s26_2_2_what_a_sips_request_may_go_over_is_for_the_uas_flow_to_say() {
    for (transport, status) in [(Transport::Tls, 0), (Transport::Wss, 0), (Transport::Tcp, 480)] {
        let on = Source { transport, ..bob() };
        let mut scenario = linked(&[bob_on("b", on, 1, 1)]);
        let text = request_to("sips:bob@example.com", "INVITE", "TCP", "z9hG4bKa");
        let sent = scenario.request(&text, alice()).pop().unwrap();
        assert_eq!(sent.status(), status, "{transport:?}");
        if status == 0 {
            assert!(sent.is_to(link_to_b().link));
            assert!(sent.values(Name::RecordRoute).iter().all(|value| value.starts_with("<sips:")));
        }
    }
}

#[test]
fn rfc5393_s4_2_2_a_request_that_comes_back_from_a_link_is_a_loop() {
    let mut scenario = linked(&[bob_on("b", bob(), 1, 1)]);
    let text = request("MESSAGE", "TCP", "z9hG4bKa");
    let sent = only(scenario.request(&text, alice()));
    // As if Bob's side had put the Request-URI back and sent it here.
    let via = format!("Via: {}", sent.values(Name::Via)[0]);
    let back = with_field(&text.replace("z9hG4bKa", "z9hG4bKb"), &via)
        .replace("call-z9hG4bKb", "call-z9hG4bKa")
        .replace("10.0.0.1:5062", "10.0.0.2:5062");
    assert_eq!(only(scenario.request(&back, bob())).status(), 482);
    assert_eq!(scenario.events, [Event::Loop]);
}

#[test]
fn s16_5_the_routes_vouch_for_flows_of_this_run_only() {
    let gateway = NextHop { transport: Transport::Udp, address: "10.0.0.7:5060".parse().unwrap() };
    let routes = vec![Route { matcher: Matcher::Prefix(b"+49".as_slice().into()), to: gateway.into() }];
    let text = request_to("sip:+4930123@example.com", "MESSAGE", "TCP", "z9hG4bKa")
        .replace("\"Alice\" <sip:alice@", "<sip:bob@");
    for (node, epoch) in [("a", 1), ("a", 0), ("b", 1)] {
        let bob_there = Binding { holder: run_of(node, epoch), ..bob_on("a", bob(), 1, 1) };
        let mut scenario =
            Scenario::with(Settings { routes: routes.clone(), ..settings_of("a") }, &[bob_there]);
        scenario.proxy.link_up(link_to_b());
        let sent = only(scenario.request(&text, bob()));
        if (node, epoch) == ("a", 1) {
            assert_eq!(sent.hop, Hop::Address(gateway));
        } else {
            assert_eq!((sent.status(), &scenario.events[..]), (403, &[Event::NotRegistered][..]));
        }
    }
}
