//! RFC 5626 §7: the flows of one instance, one after another.

use std::time::Duration;

use flowhold_cluster::binding::Binding;

use super::super::Event;
use super::scenario::*;
use crate::proto::Source;
use crate::sip::{Name, Transport};

const MOMENT: Duration = Duration::from_millis(1);

/// How a flow lets a request down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failure {
    Answers(u16),
    /// FIN or RST while the request is out.
    Closes,
    /// The same, when the UA has said that it is at work.
    ClosesAfterA100,
    Undeliverable,
    Silent,
}

use Failure::{Answers, Closes, ClosesAfterA100, Silent, Undeliverable};

const FAILURES: [Failure; 6] = [Answers(430), Answers(408), Closes, ClosesAfterA100, Undeliverable, Silent];

/// Bob's flows, the one that is tried first at first.
fn flows(count: usize, transport: Transport) -> Vec<Source> {
    let slot = |nth: usize| if transport == Transport::Udp { 0 } else { 10 + u32::try_from(nth).unwrap() };
    (1..=count).map(|nth| source(transport, slot(nth), &format!("198.51.100.2:4100{nth}"))).collect()
}

/// One instance with these flows.
fn registered(flows: &[Source]) -> Scenario {
    Scenario::with(settings(), &bindings(flows))
}

fn bindings(flows: &[Source]) -> Vec<Binding> {
    let newest_first = (1_u32..).zip((0..100).rev()).zip(flows);
    newest_first.map(|((reg_id, updated_at), on)| flow_of("bob", reg_id, *on, updated_at)).collect()
}

/// Sends Alice's request and returns what went out to Bob, the 100 to Alice taken off.
fn asked(scenario: &mut Scenario, method: &str) -> Vec<Sent> {
    let sent = scenario.request(&request(method, "TCP", "z9hG4bKa"), alice());
    sent.into_iter().filter(|sent| sent.message.is_request()).collect()
}

/// Lets a request fail on its flow and returns what left, ACKs and the 100 of RFC 4320 taken off.
fn fail(scenario: &mut Scenario, out: &Sent, on: Source, failure: Failure) -> Vec<Sent> {
    let sent = match failure {
        Answers(status) => scenario.message(out.answer(status), on),
        Closes => scenario.flow_failed(on.flow),
        ClosesAfterA100 => {
            assert!(scenario.message(out.answer(100), on).is_empty());
            scenario.flow_failed(on.flow)
        }
        Undeliverable => scenario.undeliverable(out.branch.unwrap()),
        Silent => {
            let mut sent = scenario.wait(FLOW_TIMEOUT - MOMENT);
            assert!(sent.iter().all(|sent| sent.status() == 100 || sent.text() == out.text()), "too early");
            sent.extend(scenario.wait(MOMENT));
            sent
        }
    };
    sent.into_iter()
        .filter(|sent| sent.status() != 100 && sent.message.method_bytes() != b"ACK")
        .filter(|sent| sent.text() != out.text())
        .collect()
}

fn failovers(scenario: &Scenario) -> usize {
    scenario.events.iter().filter(|event| **event == Event::Failover).count()
}

#[test]
fn s7_the_caller_gets_the_200_over_the_second_flow_however_the_first_fails() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let flows = flows(2, transport);
        for (failure, method) in FAILURES.into_iter().flat_map(|one| [(one, "INVITE"), (one, "MESSAGE")]) {
            let mut scenario = registered(&flows);
            let first = only(asked(&mut scenario, method));
            assert_eq!(first.to, flows[0].flow, "the newest registration");
            let second = only(fail(&mut scenario, &first, flows[0], failure));
            assert_eq!(second.to, flows[1].flow, "{failure:?} {method}");
            for name in [Name::CallId, Name::CSeq, Name::From, Name::To, Name::MaxForwards, Name::MaxBreadth]
            {
                assert_eq!(second.first(name), first.first(name));
            }
            let branch = |sent: &Sent| sent.message.top_via().unwrap().branch().unwrap().to_vec();
            assert_ne!(branch(&second), branch(&first), "s16_6_step_8");
            assert_eq!(statuses(&scenario.message(second.answer(200), flows[1])), [200]);
            assert_eq!(failovers(&scenario), 1);
            let dead = if failure == Silent { vec![flows[0].flow] } else { vec![] };
            assert_eq!(scenario.dead, dead, "{failure:?} {method}");
            let kept = transport == Transport::Udp || method == "INVITE";
            assert!(
                kept || scenario.proxy.is_at_rest(),
                "the silent flow's transaction ends with its instance's answer"
            );
            scenario.assert_comes_to_rest();
        }
    }
}

#[test]
fn s7_of_four_flows_three_may_be_dead() {
    let flows = flows(4, Transport::Tcp);
    for method in ["INVITE", "MESSAGE"] {
        for way in 0..FAILURES.len().pow(3) {
            let mut scenario = registered(&flows);
            let mut out = only(asked(&mut scenario, method));
            for nth in 0..3_u32 {
                let on = flows[nth as usize];
                let failure = FAILURES[way / FAILURES.len().pow(nth) % FAILURES.len()];
                assert_eq!(out.to, on.flow);
                out = only(fail(&mut scenario, &out, on, failure));
            }
            assert_eq!(out.to, flows[3].flow);
            assert_eq!(statuses(&scenario.message(out.answer(200), flows[3])), [200]);
            assert_eq!(failovers(&scenario), 3);
            scenario.assert_comes_to_rest();
        }
    }
}

#[test]
fn s7_any_other_final_response_ends_the_instance() {
    let flows = flows(2, Transport::Tcp);
    for (status, back) in [(200, 200), (302, 302), (404, 404), (480, 480), (482, 482), (503, 500), (603, 603)]
    {
        for method in ["INVITE", "MESSAGE"] {
            let mut scenario = registered(&flows);
            let out = only(asked(&mut scenario, method));
            let sent = scenario.message(out.answer(status), flows[0]);
            assert!(sent.iter().all(|sent| sent.to != flows[1].flow));
            assert_eq!(sent.last().unwrap().status(), back);
            scenario.assert_comes_to_rest();
        }
    }
}

#[test]
fn s7_the_newest_registration_goes_first_whatever_its_reg_id() {
    let flows = flows(3, Transport::Tcp);
    let bobs: Vec<Binding> = [(3, 5), (1, 9), (2, 7)]
        .into_iter()
        .zip(&flows)
        .map(|((reg_id, updated_at), on)| flow_of("bob", reg_id, *on, updated_at))
        .collect();
    let mut scenario = Scenario::with(settings(), &bobs);
    let mut out = only(asked(&mut scenario, "MESSAGE"));
    let mut order = vec![out.to];
    for on in [flows[1], flows[2]] {
        out = only(scenario.message(out.answer(430), on));
        order.push(out.to);
    }
    assert_eq!(order, [flows[1].flow, flows[2].flow, flows[0].flow]);
}

#[test]
fn s11_6_a_caller_never_gets_a_430_but_a_480() {
    for count in 1..4 {
        let flows = flows(count, Transport::Tcp);
        for failure in [Answers(430), Closes] {
            for method in ["INVITE", "MESSAGE"] {
                let mut scenario = registered(&flows);
                let mut sent = asked(&mut scenario, method);
                for on in &flows {
                    sent = fail(&mut scenario, &only(sent), *on, failure);
                }
                assert_eq!(only(sent).status(), 480);
                scenario.assert_comes_to_rest();
            }
        }
    }
}

#[test]
fn s7_a_single_flow_is_not_hurried() {
    for method in ["INVITE", "MESSAGE"] {
        let mut scenario = Scenario::new();
        let out = only(asked(&mut scenario, method));
        scenario.wait(Duration::from_secs(31));
        assert_eq!((scenario.events.len(), scenario.dead.len()), (0, 0));
        assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
    }
}

#[test]
fn s7_a_provisional_response_stops_flow_timeout() {
    let flows = flows(2, Transport::Tcp);
    for (method, status) in [("INVITE", 100), ("INVITE", 180), ("MESSAGE", 100)] {
        let mut scenario = registered(&flows);
        let out = only(asked(&mut scenario, method));
        scenario.wait(FLOW_TIMEOUT - MOMENT);
        scenario.message(out.answer(status), flows[0]);
        scenario.wait(Duration::from_secs(20));
        assert_eq!(failovers(&scenario), 0);
        assert_eq!(statuses(&scenario.message(out.answer(200), flows[0])), [200]);
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s7_a_flow_is_dead_only_when_its_ua_has_answered_on_another() {
    let flows = flows(3, Transport::Tcp);
    // Nobody answers: the UA may be slow, or not know what to say.
    let mut scenario = registered(&flows);
    asked(&mut scenario, "INVITE");
    let sent = scenario.wait(Duration::from_secs(100));
    assert_eq!(statuses(&sent), [0, 0, 408]);
    assert!(scenario.dead.is_empty());
    scenario.assert_comes_to_rest();
    // A proxy beyond the flow answers, and not the UA.
    let mut scenario = registered(&flows);
    let first = only(asked(&mut scenario, "INVITE"));
    let second = only(fail(&mut scenario, &first, flows[0], Silent));
    let third = only(fail(&mut scenario, &second, flows[1], Answers(430)));
    assert!(scenario.dead.is_empty());
    // The UA does, if only with a 100.
    scenario.message(third.answer(100), flows[2]);
    assert_eq!(scenario.dead, [flows[0].flow], "and not the second, which carried a response");
    scenario.message(third.answer(200), flows[2]);
    assert_eq!(scenario.dead.len(), 1, "told once");
}

#[test]
fn s7_only_a_flow_that_is_the_bindings_own_is_dead() {
    let flows = flows(2, Transport::Tcp);
    let behind = |binding: Binding| Binding { direct: false, ..binding };
    let same = vec![flows[0], flows[0]];
    for bobs in [bindings(&flows).into_iter().map(behind).collect(), bindings(&same)] {
        let mut scenario = Scenario::with(settings(), &bobs);
        let first = only(asked(&mut scenario, "MESSAGE"));
        let second = only(fail(&mut scenario, &first, flows[0], Silent));
        let on = if second.to == flows[0].flow { flows[0] } else { flows[1] };
        assert_eq!(statuses(&scenario.message(second.answer(200), on)), [200]);
        assert!(scenario.dead.is_empty());
    }
}

#[test]
fn a_silent_flow_gets_nothing_more_once_another_is_tried() {
    let flows = flows(2, Transport::Udp);
    for method in ["INVITE", "MESSAGE"] {
        let mut scenario = registered(&flows);
        asked(&mut scenario, method);
        let sent = scenario.wait(Duration::from_secs(60));
        let times = |on: Source| sent.iter().filter(|sent| sent.to == on.flow).count();
        assert_eq!(times(flows[0]), 3, "after 0.5, 1.5 and 3.5 s");
        assert!(times(flows[1]) > 5);
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn rfc6026_s7_2_a_late_2xx_of_a_silent_flow_goes_back_and_the_other_is_cancelled() {
    let flows = flows(2, Transport::Tcp);
    for ringing in [false, true] {
        let mut scenario = registered(&flows);
        let first = only(asked(&mut scenario, "INVITE"));
        let second = only(fail(&mut scenario, &first, flows[0], Silent));
        if ringing {
            scenario.message(second.answer(180), flows[1]);
        }
        let sent = scenario.message(first.answer_with_tag(200, "late"), flows[0]);
        assert_eq!(sent[0].status(), 200);
        assert_eq!(sent.len(), if ringing { 2 } else { 1 });
        if ringing {
            assert_eq!((sent[1].message.method_bytes(), sent[1].to), (&b"CANCEL"[..], flows[1].flow));
        } else {
            let cancel = scenario.message(second.answer(180), flows[1]).remove(0);
            assert_eq!(cancel.message.method_bytes(), b"CANCEL", "s9_1: as soon as it may");
        }
        let crossed = only(scenario.message(second.answer_with_tag(200, "crossed"), flows[1]));
        assert!(crossed.first(Name::To).ends_with("crossed"), "s16_7 step 5: every 2xx goes back");
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn a_late_2xx_goes_back_after_the_other_flow_has_answered_2xx() {
    let flows = flows(2, Transport::Tcp);
    let mut scenario = registered(&flows);
    let first = only(asked(&mut scenario, "INVITE"));
    let second = only(fail(&mut scenario, &first, flows[0], Silent));
    assert_eq!(statuses(&scenario.message(second.answer(200), flows[1])), [200]);
    assert_eq!(statuses(&scenario.message(first.answer(200), flows[0])), [200]);
    scenario.assert_comes_to_rest();
}

#[test]
fn s9_1_a_late_1xx_of_a_silent_flow_is_cancelled_when_the_other_flow_was_heard() {
    let flows = flows(2, Transport::Tcp);
    let mut scenario = registered(&flows);
    let first = only(asked(&mut scenario, "INVITE"));
    let second = only(fail(&mut scenario, &first, flows[0], Silent));
    assert_eq!(statuses(&scenario.message(second.answer(180), flows[1])), [180]);
    let cancel = scenario.message(first.answer(180), flows[0]).remove(0);
    assert_eq!((cancel.message.method_bytes(), cancel.to), (&b"CANCEL"[..], flows[0].flow));
    let ack = only(scenario.message(first.answer(487), flows[0]));
    assert_eq!(ack.message.method_bytes(), b"ACK");
    assert_eq!(statuses(&scenario.message(second.answer(200), flows[1])), [200]);
    scenario.assert_comes_to_rest();
}

#[test]
fn a_late_1xx_of_a_silent_flow_takes_the_call_back_when_the_other_flow_was_not_heard() {
    let flows = flows(3, Transport::Tcp);
    let mut scenario = registered(&flows);
    let first = only(asked(&mut scenario, "INVITE"));
    let second = only(fail(&mut scenario, &first, flows[0], Silent));
    assert_eq!(statuses(&scenario.message(first.answer(180), flows[0])), [180]);
    assert!(scenario.wait(FLOW_TIMEOUT * 2).is_empty(), "no third flow is tried");
    let sent = scenario.message(second.answer(180), flows[1]);
    assert_eq!((sent[0].message.method_bytes(), sent[0].to), (&b"CANCEL"[..], flows[1].flow));
    assert!(scenario.dead.is_empty());
    assert_eq!(statuses(&scenario.message(first.answer(200), flows[0])), [200]);
    scenario.assert_comes_to_rest();
}

#[test]
fn a_late_final_response_of_a_silent_flow_is_the_answer() {
    let flows = flows(2, Transport::Tcp);
    for (method, status) in [("MESSAGE", 200), ("MESSAGE", 404), ("INVITE", 486)] {
        let mut scenario = registered(&flows);
        let first = only(asked(&mut scenario, method));
        let second = only(fail(&mut scenario, &first, flows[0], Silent));
        let sent = scenario.message(first.answer(status), flows[0]);
        assert_eq!(sent.last().unwrap().status(), status);
        let sent = scenario.message(second.answer(status), flows[1]);
        assert!(sent.iter().all(|sent| sent.message.method_bytes() == b"ACK"), "once only");
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s8_2_2_2_a_482_over_the_second_flow_waits_for_the_first() {
    let flows = flows(2, Transport::Tcp);
    for method in ["INVITE", "MESSAGE"] {
        let mut scenario = registered(&flows);
        let first = only(asked(&mut scenario, method));
        let second = only(fail(&mut scenario, &first, flows[0], Silent));
        let sent = scenario.message(second.answer(482), flows[1]);
        assert!(sent.iter().all(|sent| sent.message.method_bytes() == b"ACK"));
        assert!(scenario.dead.is_empty(), "the first has the request");
        assert_eq!(statuses(&scenario.message(first.answer(200), flows[0])), [200]);
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn rfc4320_s4_2_a_message_is_not_tried_again_when_its_sender_has_given_up() {
    let flows = flows(2, Transport::Tcp);
    let mut scenario = registered(&flows);
    let out = only(asked(&mut scenario, "MESSAGE"));
    scenario.message(out.answer(100), flows[0]);
    let sent = scenario.wait(Duration::from_secs(60));
    assert_eq!(statuses(&sent), [100], "only that of RFC 4320 §4.1");
    assert_eq!(scenario.events, [Event::TimedOut]);
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn s16_8_an_instance_that_rang_until_timer_c_is_not_rung_over_another_flow() {
    let flows = flows(2, Transport::Tcp);
    for answers in [true, false] {
        let mut scenario = registered(&flows);
        let out = only(asked(&mut scenario, "INVITE"));
        scenario.message(out.answer(180), flows[0]);
        let cancel = only(scenario.wait(TIMER_C));
        assert_eq!(cancel.message.method_bytes(), b"CANCEL");
        let sent = if answers {
            scenario.message(out.answer(487), flows[0])
        } else {
            scenario.wait(Duration::from_secs(33))
        };
        assert_eq!(sent.last().unwrap().status(), if answers { 487 } else { 408 });
        assert!(sent.iter().all(|sent| sent.to != flows[1].flow));
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s16_10_a_cancel_ends_the_search_for_a_flow() {
    let flows = flows(3, Transport::Tcp);
    for failure in FAILURES {
        let mut scenario = registered(&flows);
        let invite = request("INVITE", "TCP", "z9hG4bKa");
        let first = scenario.request(&invite, alice()).remove(1);
        let second = only(fail(&mut scenario, &first, flows[0], failure));
        let sent = scenario.request(&invite.replace("INVITE", "CANCEL"), alice());
        assert_eq!(statuses(&sent), [200], "s9_1: no provisional response yet");
        let sent = fail(&mut scenario, &second, flows[1], Closes);
        if failure == Silent {
            assert!(sent.is_empty(), "the first may still ring");
            let cancel = scenario.message(first.answer(180), flows[0]).remove(0);
            assert_eq!(cancel.message.method_bytes(), b"CANCEL");
            let sent = scenario.message(first.answer(487), flows[0]);
            assert_eq!(sent.last().unwrap().status(), 487);
        } else {
            assert!(only(sent).status() >= 400, "and no third flow");
        }
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s16_7_step_5_after_a_6xx_a_silent_flow_of_another_ua_is_still_waited_for() {
    let flows = flows(3, Transport::Tcp);
    let mut bobs = bindings(&flows[..2]);
    bobs.push(flow_of("carol", 1, flows[2], 0));
    for method in ["INVITE", "MESSAGE"] {
        for last in [Some(200), Some(404), None] {
            let mut scenario = Scenario::with(settings(), &bobs);
            let out = asked(&mut scenario, method);
            let second = only(fail(&mut scenario, &out[0], flows[0], Silent));
            assert!(fail(&mut scenario, &out[1], flows[2], Answers(603)).is_empty());
            assert!(fail(&mut scenario, &second, flows[1], Closes).is_empty(), "the first is still out");
            let sent = match last {
                Some(status) => scenario.message(out[0].answer(status), flows[0]),
                None => scenario.wait(Duration::from_secs(60)),
            };
            assert_eq!(sent.last().unwrap().status(), if last == Some(200) { 200 } else { 603 });
            scenario.assert_comes_to_rest();
        }
    }
}

#[test]
fn s11_5_a_430_of_an_edge_proxy_ends_the_binding_that_led_there_and_no_other() {
    for direct in [false, true] {
        let flows = flows(2, Transport::Tcp);
        let bindings: Vec<Binding> =
            bindings(&flows).into_iter().map(|binding| Binding { direct, ..binding }).collect();
        let mut scenario = Scenario::with(settings(), &bindings);
        let first = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
        let second = only(scenario.message(first.answer(430), flows[0]));
        assert!(second.is_to(flows[1]));
        // What came over the UA's own flow shows that it is alive.
        let dead = if direct { vec![] } else { vec![bindings[0].key.clone()] };
        assert_eq!(scenario.dead_bindings, dead, "direct: {direct}");
        assert_eq!(only(scenario.message(second.answer(200), flows[1])).status(), 200);
        assert_eq!(scenario.dead_bindings, dead);
        assert!(scenario.dead.is_empty(), "the flow to the edge proxy serves others");
    }
}
