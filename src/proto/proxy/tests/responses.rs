//! RFC 3261 §16.7 to §16.9, RFC 6026 and RFC 4320: what comes back, and what happens when nothing does.

use std::time::Duration;

use super::super::{Event, Settings};
use super::scenario::*;
use crate::sip::{Message, Name};

/// An INVITE that is out to Bob: what Alice sent, what Bob got.
fn invited(scenario: &mut Scenario) -> (String, Sent) {
    let text = request("INVITE", "TCP", "z9hG4bKa");
    let mut sent = scenario.request(&text, alice());
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].status(), 100);
    (text, sent.remove(1))
}

fn messaged(scenario: &mut Scenario) -> Sent {
    only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()))
}

#[test]
fn s8_2_6_1_an_invite_gets_a_100_at_once_and_no_other_method_does() {
    let mut scenario = Scenario::new();
    invited(&mut scenario);
    assert!(messaged(&mut Scenario::new()).message.is_request());
}

#[test]
fn s16_7_step_3_our_via_comes_off_and_nothing_else_changes() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    let answer = out.answer(200);
    let back = only(scenario.message(answer.clone(), bob()));
    assert_eq!(back.to, alice().flow);
    let line = |message: &Message| {
        let via = message.fields(Name::Via).next().unwrap().to_vec();
        format!("Via: {}\r\n", String::from_utf8(via).unwrap())
    };
    let text = String::from_utf8(answer.bytes().to_vec()).unwrap();
    assert_eq!(back.text(), text.replace(&line(&answer), ""));
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_7_step_3_a_response_without_a_second_via_goes_no_further() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    let text = String::from_utf8(out.answer(200).bytes().to_vec()).unwrap();
    let end = text.find("\r\nFrom").unwrap();
    let second = text[..end].rfind("\r\nVia").unwrap();
    let text = format!("{}{}", &text[..second], &text[end..]);
    assert!(scenario.request(&text.replace("\r\n", "\n"), bob()).is_empty());
    assert_eq!(scenario.events, [Event::StrayResponse]);
}

#[test]
fn s16_7_step_5_a_100_stays_here_and_other_provisional_responses_go_back() {
    let mut scenario = Scenario::new();
    let (_, out) = invited(&mut scenario);
    assert!(scenario.message(out.answer(100), bob()).is_empty());
    assert_eq!(statuses(&scenario.message(out.answer(180), bob())), [180]);
    assert_eq!(statuses(&scenario.message(out.answer(183), bob())), [183]);
}

#[test]
fn s16_7_step_5_a_2xx_goes_back_each_time_also_from_another_branch_of_a_fork_further_down() {
    let mut scenario = Scenario::new();
    let (_, out) = invited(&mut scenario);
    for tag in ["one", "one", "two"] {
        let back = only(scenario.message(out.answer_with_tag(200, tag), bob()));
        assert!(back.first(Name::To).ends_with(tag));
    }
    scenario.assert_comes_to_rest();
}

#[test]
fn rfc6026_s7_3_a_2xx_after_timer_m_is_dropped() {
    let mut scenario = Scenario::new();
    let (_, out) = invited(&mut scenario);
    scenario.message(out.answer(200), bob());
    scenario.wait(Duration::from_secs(31));
    assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
    scenario.wait(Duration::from_secs(2));
    assert!(scenario.message(out.answer(200), bob()).is_empty());
    assert_eq!(scenario.events, [Event::LateResponse]);
}

#[test]
fn s17_1_1_3_a_failure_is_acknowledged_on_this_hop_and_goes_back() {
    let mut scenario =
        Scenario::with(settings(), &[binding(bob(), BOB_CONTACT, "<sip:edge.example.com;lr>")]);
    let (text, out) = invited(&mut scenario);
    scenario.message(out.answer(180), bob());
    let sent = scenario.message(out.answer(486), bob());
    let [ack, back] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((ack.message.method_bytes(), ack.to), (&b"ACK"[..], bob().flow));
    assert_eq!(ack.message.request_uri(), out.message.request_uri());
    assert_eq!(ack.first(Name::To), "<sip:bob@example.com>;tag=bobtag");
    assert_eq!(ack.first(Name::CSeq), "1 ACK");
    for name in [Name::From, Name::CallId, Name::Route] {
        assert_eq!(ack.first(name), out.first(name));
    }
    let vias: Vec<&[u8]> = ack.message.values(Name::Via).collect();
    assert_eq!(vias, [out.message.values(Name::Via).next().unwrap()], "one Via, that of the INVITE");
    assert_eq!((back.status(), back.to), (486, alice().flow));
    assert!(scenario.request(&ack_to(&text, back), alice()).is_empty(), "Alice's ACK ends here");
    assert!(scenario.proxy.is_at_rest(), "both transports are reliable");
}

#[test]
fn s17_2_1_an_invite_whose_failure_is_never_acknowledged_ends_with_timer_h() {
    let mut scenario = Scenario::new();
    let (_, out) = invited(&mut scenario);
    scenario.message(out.answer(486), bob());
    scenario.assert_comes_to_rest();
    assert_eq!(scenario.events, [Event::NoAck]);
}

#[test]
fn rfc6026_s7_1_an_ack_to_a_2xx_is_not_absorbed() {
    let mut scenario = Scenario::new();
    let (text, out) = invited(&mut scenario);
    let back = only(scenario.message(out.answer(200), bob()));
    let ack = ack_to(&text, &back).replace("z9hG4bKa;", "z9hG4bKb;");
    let sent = only(scenario.request(&along_flow(&ack, bob()), alice()));
    assert!(sent.is_to(bob()) && sent.message.method_bytes() == b"ACK");
}

#[test]
fn s16_7_step_6_a_503_of_the_ua_goes_back_as_500() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    assert_eq!(statuses(&scenario.message(out.answer(503), bob())), [500]);
}

#[test]
fn s16_7_step_6_an_invite_that_nobody_answers_is_408() {
    let mut scenario = Scenario::new();
    invited(&mut scenario);
    assert_eq!(statuses(&scenario.wait(Duration::from_secs(32))), [408]);
    assert_eq!(scenario.events, [Event::TimedOut]);
    scenario.assert_comes_to_rest();
}

#[test]
fn rfc4320_s4_2_another_request_that_nobody_answers_gets_no_response() {
    let mut scenario = Scenario::new();
    messaged(&mut scenario);
    let sent = scenario.wait(Duration::from_secs(60));
    assert_eq!(statuses(&sent), [100], "only the 100 of RFC 4320 §4.1");
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn rfc4320_s4_2_a_408_that_comes_is_not_sent_on_either() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    assert!(scenario.message(out.answer(408), bob()).is_empty());
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn rfc4320_s4_1_a_request_that_waits_gets_a_100_after_3_and_a_half_seconds() {
    for (from, mut scenario) in [(alice(), Scenario::new()), (alice_udp(), Scenario::new())] {
        let out = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), from));
        assert!(scenario.wait(Duration::from_millis(3499)).is_empty());
        assert_eq!(statuses(&scenario.wait(Duration::from_millis(1))), [100]);
        assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
    }
}

#[test]
fn rfc4320_s4_1_no_other_provisional_response_to_a_non_invite_goes_back() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    assert!(scenario.message(out.answer(100), bob()).is_empty());
    assert!(scenario.message(out.answer(183), bob()).is_empty());
    assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
}

#[test]
fn rfc4320_s4_2_a_late_response_is_dropped() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    scenario.wait(Duration::from_secs(33));
    assert!(scenario.message(out.answer(200), bob()).is_empty());
    assert_eq!(scenario.events, [Event::TimedOut, Event::LateResponse]);
}

#[test]
fn s16_8_timer_c_cancels_an_invite_that_only_rings() {
    let mut scenario = Scenario::new();
    let (_, out) = invited(&mut scenario);
    scenario.message(out.answer(180), bob());
    scenario.wait(Duration::from_secs(100));
    scenario.message(out.answer(180), bob());
    assert!(
        scenario.wait(TIMER_C - Duration::from_millis(1)).is_empty(),
        "the second 180 has started it anew"
    );
    let cancel = only(scenario.wait(Duration::from_millis(1)));
    assert_eq!(cancel.message.method_bytes(), b"CANCEL");
    assert!(scenario.message(cancel.answer(200), bob()).is_empty());
    let sent = scenario.message(out.answer(487), bob());
    assert_eq!(statuses(&sent), [0, 487], "an ACK and the 487");
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_7_step_2_a_100_does_not_start_timer_c_anew() {
    let mut scenario = Scenario::new();
    let (_, out) = invited(&mut scenario);
    scenario.message(out.answer(180), bob());
    scenario.wait(Duration::from_secs(100));
    scenario.message(out.answer(100), bob());
    let sent = scenario.wait(TIMER_C - Duration::from_secs(100));
    assert_eq!(only(sent).message.method_bytes(), b"CANCEL");
}

#[test]
fn s9_1_an_invite_that_stays_silent_after_its_cancel_is_408() {
    let mut scenario = Scenario::new();
    let (_, out) = invited(&mut scenario);
    scenario.message(out.answer(180), bob());
    let sent = scenario.wait(TIMER_C + Duration::from_secs(32));
    assert_eq!(statuses(&sent), [0, 408]);
    scenario.assert_comes_to_rest();
}

#[test]
fn a_response_on_another_flow_than_its_request_went_is_not_taken_for_it() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    assert!(scenario.message(out.answer(200), source(bob().transport, 9, "198.51.100.2:40002")).is_empty());
    assert_eq!(scenario.events, [Event::ResponseOnOtherFlow]);
    assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
}

#[test]
fn rfc6026_s7_3_a_response_with_a_branch_that_is_not_ours_is_dropped() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    let text = String::from_utf8(out.answer(200).bytes().to_vec()).unwrap().replace("\r\n", "\n");
    let branch = text.find("z9hG4bK").unwrap() + 7;
    // Every digit counts: worker, slot, generation, index, code and loop hash.
    for at in branch..branch + 46 {
        let mut forged = text.clone().into_bytes();
        forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
        assert!(scenario.request(&String::from_utf8(forged).unwrap(), bob()).is_empty());
    }
    assert_eq!(scenario.events, vec![Event::StrayResponse; 46]);
    assert_eq!(statuses(&scenario.request(&text, bob())), [200]);
}

#[test]
fn s17_1_3_a_response_with_the_method_of_another_request_is_dropped() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    let text = String::from_utf8(out.answer(200).bytes().to_vec()).unwrap().replace("\r\n", "\n");
    assert!(scenario.request(&text.replace("1 MESSAGE", "1 INFO"), bob()).is_empty());
    assert_eq!(scenario.events, [Event::StrayResponse]);
}

#[test]
fn a_slot_that_is_taken_again_does_not_take_the_response_to_its_former_request() {
    let mut scenario = Scenario::new();
    let first = messaged(&mut scenario);
    scenario.message(first.answer(200), bob());
    let second = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKb"), alice()));
    assert!(scenario.message(first.answer(200), bob()).is_empty());
    assert_eq!(scenario.events, [Event::LateResponse]);
    assert_eq!(statuses(&scenario.message(second.answer(200), bob())), [200]);
}

#[test]
fn a_flow_that_fails_while_its_request_is_out_is_480() {
    for method in ["MESSAGE", "INVITE"] {
        for ringing in [false, true] {
            let mut scenario = Scenario::new();
            let out = scenario.request(&request(method, "TCP", "z9hG4bKa"), alice()).pop().unwrap();
            if ringing {
                scenario.message(out.answer(180), bob());
            }
            assert!(
                scenario.flow_failed(alice().flow).is_empty(),
                "only the flow that it went out on counts"
            );
            assert_eq!(statuses(&scenario.flow_failed(bob().flow)), [480]);
            assert!(scenario.flow_failed(bob().flow).is_empty());
            assert_eq!(scenario.events, [Event::FlowFailed]);
            scenario.assert_comes_to_rest();
        }
    }
}

#[test]
fn a_flow_that_fails_takes_all_its_requests_with_it_and_no_others() {
    let other = source(bob().transport, 7, "198.51.100.7:40007");
    let mut scenario = Scenario::new();
    let carol = flowhold_cluster::location::Known::Yes(
        [binding(other, "sip:carol@10.0.0.7", "")].map(std::sync::Arc::new).into_iter().collect(),
    );
    scenario.aors.insert(b"carol@example.com".to_vec(), Ok(carol));
    for branch in 0..5 {
        scenario.request(&request("MESSAGE", "TCP", &format!("z9hG4bKb{branch}")), alice());
        scenario.request(
            &request_to("sip:carol@example.com", "MESSAGE", "TCP", &format!("z9hG4bKc{branch}")),
            alice(),
        );
    }
    assert_eq!(statuses(&scenario.flow_failed(bob().flow)), [480; 5]);
    assert_eq!(scenario.proxy.counts().contexts, 5);
}

#[test]
fn rfc6026_s7_1_a_failed_flow_does_not_end_the_requests_that_came_over_it() {
    let mut scenario = Scenario::new();
    let (_, out) = invited(&mut scenario);
    scenario.flow_failed(alice().flow);
    let back = only(scenario.message(out.answer(200), bob()));
    assert_eq!(back.to, alice().flow, "the transport drops it");
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_9_a_request_that_cannot_be_queued_is_503_with_retry_after() {
    let mut scenario = Scenario::new();
    let out = messaged(&mut scenario);
    let back = only(scenario.undeliverable(out.branch.unwrap()));
    assert_eq!((back.status(), back.first(Name::RetryAfter)), (503, "7"));
    assert!(scenario.proxy.is_at_rest());
    assert!(scenario.undeliverable(out.branch.unwrap()).is_empty());
}

#[test]
fn a_location_service_that_never_answers_ends_after_64_t1() {
    let mut scenario = Scenario::new();
    scenario.hold = true;
    let sent = scenario.request(&request("INVITE", "TCP", "z9hG4bKa"), alice());
    assert_eq!(statuses(&sent), [100]);
    scenario.request(&request("MESSAGE", "TCP", "z9hG4bKb"), alice());
    scenario.request(&request("ACK", "TCP", "z9hG4bKc"), alice());
    assert_eq!(statuses(&scenario.wait(Duration::from_secs(32))), [100, 503], "and nothing to the MESSAGE");
    assert!(scenario.release().is_empty(), "too late");
    scenario.assert_comes_to_rest();
}

#[test]
fn the_answer_of_the_location_service_may_come_later() {
    let mut scenario = Scenario::new();
    scenario.hold = true;
    assert!(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()).is_empty());
    scenario.wait(Duration::from_secs(1));
    let out = only(scenario.release());
    assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
    scenario.assert_comes_to_rest();
}

#[test]
fn s18_2_2_a_udp_response_goes_to_the_source_with_rport_and_to_the_sent_by_port_without() {
    for (text, port) in [
        (request("MESSAGE", "UDP", "z9hG4bKa"), 40001),
        (request("MESSAGE", "UDP", "z9hG4bKa").replace(";rport", ""), 5062),
        (
            request("MESSAGE", "UDP", "z9hG4bKa").replace(":5062;branch=z9hG4bKa;rport", ";branch=z9hG4bKa"),
            5060,
        ),
    ] {
        let mut scenario = Scenario::new();
        let out = only(scenario.request(&text, alice_udp()));
        let back = only(scenario.message(out.answer(200), bob()));
        assert_eq!(back.to.id, alice_udp().flow.id);
        assert_eq!(back.to.remote, format!("198.51.100.1:{port}").parse().unwrap());
    }
}

#[test]
fn s16_8_timer_c_without_a_provisional_response_is_408() {
    // With the default T1, Timer B is far earlier.
    let slow = crate::proto::transaction::Timers { t1: Duration::from_secs(10), ..Default::default() };
    let mut scenario =
        Scenario::with(Settings { timers: slow, ..settings() }, &[binding(bob(), BOB_CONTACT, "")]);
    invited(&mut scenario);
    assert_eq!(statuses(&scenario.wait(TIMER_C)), [408]);
    assert_eq!(scenario.events, [Event::TimerC]);
}

#[test]
fn a_burst_of_requests_leaves_no_room_taken_behind() {
    let burst = 3072 * 2;
    let settings = Settings { max_transactions: burst, ..settings() };
    let mut scenario = Scenario::with(settings, &[binding(bob(), BOB_CONTACT, "")]);
    let sent: Vec<Sent> = (0..burst)
        .map(|n| only(scenario.request(&request("MESSAGE", "TCP", &format!("z9hG4bK{n}")), alice())))
        .collect();
    assert!(scenario.proxy.contexts.capacity() >= burst);
    for request in &sent {
        let response = only(scenario.message(request.answer(200), bob()));
        assert_eq!(response.status(), 200);
    }
    assert!(scenario.proxy.is_at_rest());
    assert!(scenario.proxy.contexts.capacity() < burst / 2);
    assert!(scenario.proxy.by_likeness.capacity() < burst / 2);
}

#[test]
fn a_burst_leaves_no_room_taken_behind_where_requests_never_cease() {
    let burst = 4096;
    let settings = Settings { max_transactions: burst + 10, ..settings() };
    let mut scenario = Scenario::with(settings, &[binding(bob(), BOB_CONTACT, "")]);
    let send = |scenario: &mut Scenario, n: usize| {
        only(scenario.request(&request("MESSAGE", "TCP", &format!("z9hG4bK{n}")), alice()))
    };
    let mut under_way: std::collections::VecDeque<Sent> =
        (0..burst).map(|n| send(&mut scenario, n)).collect();
    let most = scenario.proxy.contexts.capacity();
    for n in burst..2 * burst {
        let oldest = under_way.pop_front().unwrap();
        only(scenario.message(oldest.answer(200), bob()));
        if n % 20 == 0 {
            under_way.push_back(send(&mut scenario, n));
        }
    }
    assert!(scenario.proxy.contexts.len() > 150, "{}", scenario.proxy.contexts.len());
    assert!(scenario.proxy.contexts.capacity() < most / 2, "{}", scenario.proxy.contexts.capacity());
    assert!(scenario.proxy.by_likeness.capacity() < most / 2);
}
