//! RFC 3261 §17 seen through the proxy: matching, retransmissions, peers of RFC 2543.

use std::time::Duration;

use super::super::Event;
use super::scenario::*;
use crate::sip::Name;

#[test]
fn s17_2_3_a_repeated_request_is_not_forwarded_again() {
    let mut scenario = Scenario::new();
    let text = request("MESSAGE", "UDP", "z9hG4bKa");
    let out = only(scenario.request(&text, alice_udp()));
    assert!(scenario.request(&text, alice_udp()).is_empty(), "s17_2_2: absorbed in Trying");
    let first = only(scenario.message(out.answer(200), bob()));
    assert_eq!(only(scenario.request(&text, alice_udp())).text(), first.text(), "the 200 again");
    scenario.assert_comes_to_rest();
}

#[test]
fn s17_2_3_a_repeated_invite_gets_the_last_provisional_response() {
    let mut scenario = Scenario::new();
    let text = request("INVITE", "UDP", "z9hG4bKa");
    let out = scenario.request(&text, alice_udp()).remove(1);
    assert_eq!(statuses(&scenario.request(&text, alice_udp())), [100]);
    scenario.message(out.answer(180), bob());
    assert_eq!(statuses(&scenario.request(&text, alice_udp())), [180]);
    scenario.message(out.answer(200), bob());
    assert!(scenario.request(&text, alice_udp()).is_empty(), "rfc6026_s7_1: absorbed");
}

#[test]
fn s17_2_3_two_uas_behind_nats_with_the_same_branch_and_sent_by_are_two() {
    let mut scenario = Scenario::udp();
    let text = request("MESSAGE", "UDP", "z9hG4bK1");
    let other = text.replace("call-z9hG4bK1", "call-of-carol");
    let carol = source(crate::sip::Transport::Udp, 0, "198.51.100.3:40003");
    let one = only(scenario.request(&text, alice_udp()));
    let two = only(scenario.request(&other, carol));
    assert_eq!(only(scenario.message(two.answer(200), bob_udp())).to, carol.flow);
    assert_eq!(only(scenario.message(one.answer(200), bob_udp())).to, alice_udp().flow);
}

#[test]
fn s8_1_1_7_a_branch_used_again_for_another_method_is_400() {
    let mut scenario = Scenario::udp();
    let text = request("MESSAGE", "UDP", "z9hG4bKa");
    scenario.request(&text, alice_udp());
    assert_eq!(statuses(&scenario.request(&text.replace("MESSAGE", "INFO"), alice_udp())), [400]);
    assert_eq!(scenario.events, [Event::BranchReused]);
}

#[test]
fn s17_1_2_2_a_request_over_udp_is_repeated_until_it_is_answered() {
    let mut scenario = Scenario::udp();
    let out = only(scenario.request(&request("MESSAGE", "TCP", "z9hG4bKa"), alice()));
    let again = scenario.wait(Duration::from_millis(1500));
    assert_eq!(again.iter().map(Sent::text).collect::<Vec<_>>(), [out.text(), out.text()]);
    assert_eq!(statuses(&scenario.message(out.answer(200), bob_udp())), [200]);
    assert!(scenario.message(out.answer(200), bob_udp()).is_empty(), "Timer K absorbs the second");
    assert!(scenario.wait(Duration::from_secs(20)).is_empty());
    scenario.assert_comes_to_rest();
}

#[test]
fn s17_1_1_2_an_invite_over_udp_is_repeated_until_a_provisional_response() {
    let mut scenario = Scenario::udp();
    let out = scenario.request(&request("INVITE", "TCP", "z9hG4bKa"), alice()).remove(1);
    assert_eq!(scenario.times_of(Duration::from_secs(4)), [500, 1500, 3500]);
    scenario.message(out.answer(100), bob_udp());
    assert!(scenario.wait(Duration::from_secs(20)).is_empty());
}

#[test]
fn s17_1_1_2_a_repeated_failure_is_acknowledged_again_and_not_sent_on() {
    let mut scenario = Scenario::udp();
    let out = scenario.request(&request("INVITE", "TCP", "z9hG4bKa"), alice()).remove(1);
    let sent = scenario.message(out.answer(486), bob_udp());
    assert_eq!(statuses(&sent), [0, 486]);
    let again = only(scenario.message(out.answer(486), bob_udp()));
    assert_eq!(again.text(), sent[0].text());
}

#[test]
fn s17_2_1_a_failure_over_udp_is_repeated_until_its_ack() {
    let mut scenario = Scenario::new();
    let invite = request("INVITE", "UDP", "z9hG4bKa");
    let out = scenario.request(&invite, alice_udp()).remove(1);
    let back = scenario.message(out.answer(486), bob()).remove(1);
    assert_eq!(scenario.times_of(Duration::from_secs(4)), [500, 1500, 3500]);
    assert!(scenario.request(&ack_to(&invite, &back), alice_udp()).is_empty());
    assert!(scenario.wait(Duration::from_secs(40)).is_empty());
    assert!(scenario.proxy.is_at_rest());
}

#[test]
fn s17_2_3_a_peer_of_rfc_2543_is_known_by_what_its_requests_have_in_common() {
    let mut scenario = Scenario::new();
    let text = request("MESSAGE", "UDP", "1");
    let out = only(scenario.request(&text, alice_udp()));
    assert!(scenario.request(&text, alice_udp()).is_empty());
    for (from, to) in [("tag=alicetag", "tag=other"), ("call-1", "call-2"), ("CSeq: 1", "CSeq: 2")] {
        assert_eq!(scenario.request(&text.replace(from, to), alice_udp()).len(), 1, "{to}");
    }
    assert_eq!(statuses(&scenario.message(out.answer(200), bob())), [200]);
    assert_eq!(statuses(&scenario.request(&text, alice_udp())), [200]);
}

#[test]
fn s17_2_3_the_ack_of_a_peer_of_rfc_2543_is_known_by_the_to_tag_of_the_failure() {
    let mut scenario = Scenario::new();
    let invite = request("INVITE", "UDP", "1");
    let out = scenario.request(&invite, alice_udp()).remove(1);
    let back = scenario.message(out.answer(486), bob()).remove(1);
    let foreign = ack_to(&invite, &back).replace("tag=bobtag", "tag=another");
    let foreign = along_flow(&foreign, bob());
    assert!(only(scenario.request(&foreign, alice_udp())).is_to(bob()), "it belongs to some 2xx");
    assert!(scenario.request(&ack_to(&invite, &back), alice_udp()).is_empty());
    assert!(scenario.wait(Duration::from_secs(1)).is_empty(), "Timer G has stopped");
    scenario.assert_comes_to_rest();
}

#[test]
fn s17_2_3_the_ack_of_a_peer_of_rfc_2543_to_a_failure_of_ours_is_absorbed() {
    let mut scenario = Scenario::new();
    let invite = request_to("sip:nobody@example.com", "INVITE", "UDP", "1");
    let back = scenario.request(&invite, alice_udp()).remove(1);
    assert_eq!(back.status(), 404);
    assert!(back.first(Name::To).contains(";tag="));
    assert!(scenario.request(&ack_to(&invite, &back), alice_udp()).is_empty());
    assert!(scenario.wait(Duration::from_secs(1)).is_empty(), "Timer G has stopped");
}

#[test]
fn rfc6026_s6_the_ack_of_a_peer_of_rfc_2543_to_a_2xx_goes_on() {
    let mut scenario = Scenario::new();
    let invite = request("INVITE", "UDP", "1");
    let out = scenario.request(&invite, alice_udp()).remove(1);
    let back = only(scenario.message(out.answer(200), bob()));
    let ack = only(scenario.request(&along_flow(&ack_to(&invite, &back), bob()), alice_udp()));
    assert!(ack.is_to(bob()) && ack.message.method_bytes() == b"ACK");
}

#[test]
fn rfc4320_s4_1_a_repetition_after_the_100_gets_the_100_again() {
    let mut scenario = Scenario::new();
    let text = request("MESSAGE", "UDP", "z9hG4bKa");
    only(scenario.request(&text, alice_udp()));
    assert_eq!(statuses(&scenario.wait(Duration::from_millis(3500))), [100]);
    assert_eq!(statuses(&scenario.request(&text, alice_udp())), [100]);
}
