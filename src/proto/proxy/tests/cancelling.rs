//! RFC 3261 §9 and §16.10.

use std::time::Duration;

use flowhold_cluster::binding::Binding;

use super::super::Event;
use super::scenario::*;
use crate::sip::Name;

fn cancel_of(invite: &str) -> String {
    invite.replace("INVITE", "CANCEL")
}

#[test]
fn s16_10_a_cancel_is_answered_200_and_cancels_the_branch() {
    let mut scenario = Scenario::new();
    let invite = request("INVITE", "TCP", "z9hG4bKa");
    let out = scenario.request(&invite, alice()).remove(1);
    scenario.message(out.answer(180), bob());
    let sent = scenario.request(&cancel_of(&invite), alice());
    let [ok, cancel] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((ok.status(), ok.first(Name::CSeq), ok.to), (200, "1 CANCEL", alice().flow));
    assert_eq!((cancel.message.method_bytes(), cancel.to), (&b"CANCEL"[..], bob().flow));
    assert_eq!(cancel.message.request_uri(), out.message.request_uri());
    assert_eq!(cancel.first(Name::CSeq), "1 CANCEL");
    for name in [Name::From, Name::To, Name::CallId] {
        assert_eq!(cancel.first(name), out.first(name), "s9_1: as in the INVITE");
    }
    let vias: Vec<&[u8]> = cancel.message.values(Name::Via).collect();
    assert_eq!(vias, [out.message.values(Name::Via).next().unwrap()], "one Via, that of the INVITE");
    assert!(scenario.message(cancel.answer(200), bob()).is_empty(), "meant for us");
    let sent = scenario.message(out.answer(487), bob());
    assert_eq!(statuses(&sent), [0, 487]);
    assert!(scenario.request(&ack_to(&invite, &sent[1]), alice()).is_empty());
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn s9_1_a_cancel_before_any_provisional_response_waits_for_one() {
    let mut scenario = Scenario::new();
    let invite = request("INVITE", "TCP", "z9hG4bKa");
    let out = scenario.request(&invite, alice()).remove(1);
    assert_eq!(statuses(&scenario.request(&cancel_of(&invite), alice())), [200]);
    let cancel = only(scenario.message(out.answer(100), bob()));
    assert_eq!(cancel.message.method_bytes(), b"CANCEL");
    assert_eq!(statuses(&scenario.message(out.answer(180), bob())), [180], "and no second CANCEL");
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_10_a_cancel_before_the_request_is_out_is_487_at_once() {
    let mut scenario = Scenario::new();
    scenario.hold = true;
    let invite = request("INVITE", "TCP", "z9hG4bKa");
    scenario.request(&invite, alice());
    assert_eq!(statuses(&scenario.request(&cancel_of(&invite), alice())), [200, 487]);
    assert!(scenario.release().is_empty(), "nothing goes out any more");
    scenario.assert_comes_to_rest();
}

#[test]
fn s9_2_a_cancel_of_nothing_is_481() {
    let mut scenario = Scenario::new();
    let sent = only(scenario.request(&request("CANCEL", "TCP", "z9hG4bKa"), alice()));
    assert_eq!(sent.status(), 481);
    assert_eq!(scenario.events, [Event::NothingToCancel]);
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn s9_2_a_cancel_with_another_branch_sent_by_call_id_or_cseq_cancels_nothing() {
    for (from, to) in [
        ("branch=z9hG4bKa", "branch=z9hG4bKb"),
        ("10.0.0.1:5062", "10.0.0.1:5063"),
        ("call-z9hG4bKa", "call-other"),
        ("CSeq: 1", "CSeq: 2"),
    ] {
        let mut scenario = Scenario::new();
        let invite = request("INVITE", "TCP", "z9hG4bKa");
        let out = scenario.request(&invite, alice()).remove(1);
        scenario.message(out.answer(180), bob());
        let sent = scenario.request(&cancel_of(&invite).replace(from, to), alice());
        assert_eq!(statuses(&sent), [481], "{to}");
    }
}

#[test]
fn s9_2_a_cancel_after_the_final_response_has_no_effect() {
    let mut scenario = Scenario::new();
    let invite = request("INVITE", "TCP", "z9hG4bKa");
    let out = scenario.request(&invite, alice()).remove(1);
    scenario.message(out.answer(200), bob());
    assert_eq!(statuses(&scenario.request(&cancel_of(&invite), alice())), [200]);
    scenario.assert_comes_to_rest();
}

#[test]
fn s9_2_a_cancel_of_another_method_is_200_and_has_no_effect() {
    let mut scenario = Scenario::new();
    let text = request("MESSAGE", "TCP", "z9hG4bKa");
    let out = only(scenario.request(&text, alice()));
    let cancel = text.replace("MESSAGE", "CANCEL");
    assert_eq!(statuses(&scenario.request(&cancel, alice())), [200]);
    assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
}

#[test]
fn s9_2_a_repeated_cancel_gets_the_same_answer_even_when_the_invite_is_gone() {
    let mut scenario = Scenario::new();
    let invite = request("INVITE", "UDP", "z9hG4bKa");
    let out = scenario.request(&invite, alice_udp()).remove(1);
    scenario.message(out.answer(180), bob());
    let first = scenario.request(&cancel_of(&invite), alice_udp()).remove(0);
    let last = scenario.message(out.answer(487), bob()).remove(1);
    scenario.request(&ack_to(&invite, &last), alice_udp());
    scenario.wait(Duration::from_secs(6));
    let again = only(scenario.request(&cancel_of(&invite), alice_udp()));
    assert_eq!(again.text(), first.text());
    scenario.assert_comes_to_rest();
}

#[test]
fn s9_2_the_200_to_a_cancel_has_the_to_tag_of_our_answer_to_its_invite() {
    let mut scenario = Scenario::new();
    scenario.hold = true;
    let invite = request("INVITE", "TCP", "z9hG4bKa");
    scenario.request(&invite, alice());
    let sent = scenario.request(&cancel_of(&invite), alice());
    assert_eq!(sent[0].first(Name::To), sent[1].first(Name::To));
}

#[test]
fn s17_1_2_2_our_cancel_is_retransmitted_over_udp() {
    let mut scenario = Scenario::udp();
    let invite = request("INVITE", "TCP", "z9hG4bKa");
    let out = scenario.request(&invite, alice()).remove(1);
    scenario.message(out.answer(180), bob_udp());
    let cancel = scenario.request(&cancel_of(&invite), alice()).remove(1);
    let again = scenario.wait(Duration::from_millis(1500));
    assert_eq!(again.iter().map(Sent::text).collect::<Vec<_>>(), [cancel.text(), cancel.text()]);
    scenario.message(cancel.answer(200), bob_udp());
    assert!(scenario.wait(Duration::from_secs(10)).is_empty());
}

#[test]
fn a_2xx_that_crosses_the_cancel_still_goes_back() {
    let mut scenario = Scenario::new();
    let invite = request("INVITE", "TCP", "z9hG4bKa");
    let out = scenario.request(&invite, alice()).remove(1);
    scenario.message(out.answer(180), bob());
    scenario.request(&cancel_of(&invite), alice());
    assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_10_a_cancelled_request_tries_no_further_target() {
    let second = source(bob().transport, 8, "198.51.100.2:40008");
    let bobs = [
        binding(bob(), BOB_CONTACT, ""),
        flow_of("bob", 2, second, 0),
        Binding { q: 500, ..flow_of("carol", 1, second, 0) },
    ];
    for status in [430, 487] {
        let mut scenario = Scenario::with(settings(), &bobs);
        let invite = request("INVITE", "TCP", "z9hG4bKa");
        let out = scenario.request(&invite, alice()).remove(1);
        scenario.message(out.answer(180), bob());
        scenario.request(&cancel_of(&invite), alice());
        let sent = scenario.message(out.answer(status), bob());
        assert_eq!(statuses(&sent), [0, if status == 430 { 480 } else { 487 }]);
        scenario.assert_comes_to_rest();
    }
}
