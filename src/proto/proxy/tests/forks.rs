//! RFC 3261 §16.6 and §16.7 for an AOR with several UAs, and the breadth of a fork (RFC 5393 §5).

use flowhold_cluster::binding::Binding;

use super::super::{Event, Settings};
use super::scenario::*;
use crate::proto::Source;
use crate::sip::{Message, Name, Transport};

/// The flow of the nth UA.
fn ua(nth: u32) -> Source {
    source(Transport::Tcp, 20 + nth, &format!("198.51.100.3:4200{nth}"))
}

/// The nth UA is registered with this q.
fn prefers(nth: u32, q: u16) -> Binding {
    Binding { q, ..flow_of(&format!("ua{nth}"), 1, ua(nth), 50 - u64::from(nth)) }
}

/// So many UAs of one q.
fn uas(count: u32) -> Scenario {
    Scenario::with(settings(), &(0..count).map(|nth| prefers(nth, 1000)).collect::<Vec<_>>())
}

/// Sends Alice's request and returns what went out.
fn asked(scenario: &mut Scenario, method: &str) -> Vec<Sent> {
    ask(scenario, &request(method, "TCP", "z9hG4bKa"))
}

fn ask(scenario: &mut Scenario, text: &str) -> Vec<Sent> {
    scenario.request(text, alice()).into_iter().filter(|sent| sent.status() != 100).collect()
}

fn methods(sent: &[Sent]) -> Vec<&str> {
    let method = |sent: &Sent| {
        let line = sent.message.bytes().split(|octet| *octet == b' ').next().unwrap();
        let line: &'static str = match line {
            b"INVITE" => "INVITE",
            b"MESSAGE" => "MESSAGE",
            b"CANCEL" => "CANCEL",
            b"ACK" => "ACK",
            _ => "response",
        };
        line
    };
    sent.iter().map(method).collect()
}

#[test]
fn s16_7_two_uas_ring_together_and_the_loser_is_cancelled() {
    let mut scenario = uas(2);
    let out = asked(&mut scenario, "INVITE");
    assert_eq!((out[0].to, out[1].to), (ua(0).flow, ua(1).flow));
    for (nth, out) in (0..).zip(&out) {
        assert_eq!(statuses(&scenario.message(out.answer(180), ua(nth))), [180]);
    }
    let sent = scenario.message(out[1].answer(200), ua(1));
    assert_eq!(methods(&sent), ["response", "CANCEL"]);
    assert_eq!((sent[0].status(), sent[1].to), (200, ua(0).flow));
    assert_eq!(methods(&scenario.message(out[0].answer(487), ua(0))), ["ACK"]);
    assert!(scenario.message(sent[1].answer(200), ua(0)).is_empty());
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_7_step_5_every_2xx_of_a_fork_goes_back() {
    let mut scenario = uas(3);
    let out = asked(&mut scenario, "INVITE");
    for (nth, out) in (0..).zip(&out) {
        let tag = format!("tag{nth}");
        let back = scenario.message(out.answer_with_tag(200, &tag), ua(nth)).remove(0);
        assert!(back.status() == 200 && back.first(Name::To).ends_with(&tag));
    }
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_7_step_5_of_a_forked_message_one_2xx_goes_back_and_all_get_it() {
    let udp = |nth: u32| source(Transport::Udp, 0, &format!("198.51.100.3:4200{nth}"));
    let bobs = [0, 1].map(|nth| flow_of(&format!("ua{nth}"), 1, udp(nth), 0));
    let mut scenario = Scenario::with(settings(), &bobs);
    let out = asked(&mut scenario, "MESSAGE");
    assert_eq!(statuses(&scenario.message(out[0].answer(200), udp(0))), [200]);
    let again = scenario.wait(std::time::Duration::from_millis(500));
    assert_eq!(only(again).to, udp(1).flow, "the other may have lost it");
    assert!(scenario.message(out[1].answer(200), udp(1)).is_empty());
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_6_a_lower_q_is_tried_when_all_of_the_higher_have_ended() {
    let mut scenario =
        Scenario::with(settings(), &[prefers(0, 200), prefers(1, 900), prefers(2, 900), prefers(3, 1000)]);
    let to = |sent: &[Sent]| sent.iter().map(|sent| sent.to).collect::<Vec<_>>();
    let first = only(asked(&mut scenario, "INVITE"));
    assert_eq!(first.to, ua(3).flow);
    let sent = scenario.message(first.answer(486), ua(3));
    assert_eq!(methods(&sent), ["ACK", "INVITE", "INVITE"]);
    assert_eq!(to(&sent[1..]), [ua(1).flow, ua(2).flow]);
    assert_eq!(methods(&scenario.message(sent[1].answer(480), ua(1))), ["ACK"]);
    let last = scenario.message(sent[2].answer(404), ua(2));
    assert_eq!((methods(&last), to(&last[1..])), (vec!["ACK", "INVITE"], vec![ua(0).flow]));
    assert_eq!(statuses(&scenario.message(last[1].answer(200), ua(0))), [200]);
    scenario.assert_comes_to_rest();
}

#[test]
fn s7_flows_without_an_instance_id_are_uas_of_their_own() {
    let contact = |nth: u32| Binding {
        key: flowhold_cluster::binding::BindingKey::contact(
            format!("sip:ua{nth}@10.0.0.2").into_bytes(),
            [("", ""); 0],
        ),
        ..prefers(nth, 1000)
    };
    let mut scenario = Scenario::with(settings(), &[contact(0), contact(1), prefers(2, 1000)]);
    assert_eq!(asked(&mut scenario, "MESSAGE").len(), 3);
}

#[test]
fn s7_an_instance_is_preferred_as_much_as_its_best_flow() {
    let bobs = [
        Binding { q: 100, ..flow_of("bob", 1, ua(0), 9) },
        Binding { q: 1000, ..flow_of("bob", 2, ua(1), 8) },
        Binding { q: 500, ..flow_of("carol", 1, ua(2), 7) },
    ];
    let mut scenario = Scenario::with(settings(), &bobs);
    assert_eq!(only(asked(&mut scenario, "MESSAGE")).to, ua(0).flow);
}

#[test]
fn s16_7_step_5_a_6xx_cancels_all_and_goes_back_when_they_have_ended() {
    let mut scenario = Scenario::with(settings(), &[prefers(0, 1000), prefers(1, 1000), prefers(2, 500)]);
    let out = asked(&mut scenario, "INVITE");
    scenario.message(out[1].answer(180), ua(1));
    let sent = scenario.message(out[0].answer(603), ua(0));
    assert_eq!((methods(&sent), sent[1].to), (vec!["ACK", "CANCEL"], ua(1).flow));
    let sent = scenario.message(out[1].answer(487), ua(1));
    assert_eq!((methods(&sent), sent[1].status()), (vec!["ACK", "response"], 603));
    scenario.assert_comes_to_rest();
}

#[test]
fn s16_7_step_7_the_challenges_of_all_branches_go_back_together() {
    let challenged = |out: &Sent, status: u16, fields: &str| {
        let text = String::from_utf8(out.answer(status).bytes().to_vec()).unwrap();
        let text = text.replace("Content-Length", &format!("{fields}\r\nContent-Length"));
        Message::parse(text.into_bytes().into()).unwrap()
    };
    let one = "Digest realm=\"one\", nonce=\"1\", qop=\"auth,auth-int\"";
    let (two, three) = ("Digest realm=\"two\", nonce=\"2\"", "Digest realm=\"three\", nonce=\"3\"");
    for method in ["INVITE", "MESSAGE"] {
        let mut scenario = uas(4);
        let out = asked(&mut scenario, method);
        scenario.message(challenged(&out[0], 407, &format!("Proxy-Authenticate: {one}")), ua(0));
        scenario.message(out[1].answer(404), ua(1));
        let fields = format!("WWW-Authenticate: {two}\r\nProxy-Authenticate: {three}");
        scenario.message(challenged(&out[2], 401, &fields), ua(2));
        let back = scenario.message(out[3].answer(500), ua(3)).pop().unwrap();
        assert_eq!(back.status(), 407);
        let values = |name| back.message.fields(name).map(|value| str::from_utf8(value).unwrap());
        assert_eq!(values(Name::ProxyAuthenticate).collect::<Vec<_>>(), [one, three]);
        assert_eq!(values(Name::WwwAuthenticate).collect::<Vec<_>>(), [two]);
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s16_7_step_6_the_best_of_all_goes_back_and_a_430_only_as_480_for_want_of_any() {
    for (statuses, best) in [
        ([430, 486], 486),
        ([430, 408], 480),
        ([486, 302], 302),
        ([503, 480], 480),
        ([503, 503], 500),
        ([430, 430], 480),
        ([415, 404], 415),
    ] {
        let mut scenario = uas(2);
        let out = asked(&mut scenario, "INVITE");
        scenario.message(out[0].answer(statuses[0]), ua(0));
        let back = scenario.message(out[1].answer(statuses[1]), ua(1)).pop().unwrap();
        assert_eq!(back.status(), best, "of {statuses:?}");
        scenario.assert_comes_to_rest();
    }
}

#[test]
fn s16_10_a_cancel_cancels_every_branch() {
    let mut scenario = uas(3);
    let invite = request("INVITE", "TCP", "z9hG4bKa");
    let out = ask(&mut scenario, &invite);
    for nth in [0, 1] {
        scenario.message(out[nth as usize].answer(180), ua(nth));
    }
    let sent = scenario.request(&invite.replace("INVITE", "CANCEL"), alice());
    assert_eq!(methods(&sent), ["response", "CANCEL", "CANCEL"]);
    assert_eq!(methods(&scenario.message(out[2].answer(180), ua(2))), ["CANCEL", "response"]);
    for nth in [0, 1] {
        assert_eq!(methods(&scenario.message(out[nth as usize].answer(487), ua(nth))), ["ACK"]);
    }
    let back = scenario.message(out[2].answer(487), ua(2)).pop().unwrap();
    assert_eq!(back.status(), 487);
    scenario.assert_comes_to_rest();
}

#[test]
fn s26_2_2_a_request_for_a_sips_uri_goes_over_tls_or_not_at_all() {
    let tls = source(Transport::Tls, 30, "198.51.100.3:42030");
    let bobs = [flow_of("bob", 1, ua(0), 9), flow_of("bob", 2, tls, 1)];
    let text = request_to("sips:bob@example.com", "MESSAGE", "TCP", "z9hG4bKa");
    let mut scenario = Scenario::with(settings(), &bobs);
    assert_eq!(only(ask(&mut scenario, &text)).to, tls.flow);
    let mut scenario = Scenario::with(settings(), &bobs[..1]);
    assert_eq!(only(ask(&mut scenario, &text)).status(), 480);
}

fn breadths(sent: &[Sent]) -> Vec<&str> {
    for sent in sent {
        assert_eq!(sent.message.fields(Name::MaxBreadth).count(), 1, "a single value");
    }
    sent.iter().map(|sent| sent.first(Name::MaxBreadth)).collect()
}

fn with_breadth(field: &str) -> String {
    with_field(&request("MESSAGE", "TCP", "z9hG4bKa"), field)
}

#[test]
fn rfc5393_s5_3_3_max_breadth_is_60_where_there_is_none_and_at_most() {
    for field in ["Subject: none", "Max-Breadth: 60", "Max-Breadth: 61", "max-breadth: 4000000000"] {
        assert_eq!(breadths(&ask(&mut uas(1), &with_breadth(field))), ["60"], "{field}");
    }
    assert_eq!(breadths(&ask(&mut uas(1), &with_breadth("Max-Breadth: 7"))), ["7"]);
    assert_eq!(breadths(&ask(&mut uas(1), &with_breadth("Max-Breadth: 7\nMax-Breadth: 9"))), ["7"]);
}

#[test]
fn rfc5393_s5_3_3_max_breadth_is_shared_by_the_branches_that_are_out_together() {
    for (field, count, shares) in [
        ("Subject: none", 2, &["30", "30"][..]),
        ("Max-Breadth: 7", 3, &["3", "2", "2"]),
        ("Max-Breadth: 3", 3, &["1", "1", "1"]),
    ] {
        assert_eq!(breadths(&ask(&mut uas(count), &with_breadth(field))), shares, "{field}");
    }
}

#[test]
fn rfc5393_s5_3_3_1_a_serial_branch_and_the_next_flow_reuse_the_breadth() {
    let bobs = [
        flow_of("bob", 1, ua(0), 9),
        flow_of("bob", 2, ua(1), 8),
        flow_of("carol", 1, ua(2), 7),
        Binding { q: 500, ..flow_of("dave", 1, ua(3), 6) },
    ];
    let mut scenario = Scenario::with(settings(), &bobs);
    let out = ask(&mut scenario, &with_breadth("Max-Breadth: 5"));
    assert_eq!(breadths(&out), ["3", "2"]);
    let again = only(scenario.message(out[0].answer(430), ua(0)));
    assert_eq!((again.to, breadths(std::slice::from_ref(&again))), (ua(1).flow, vec!["3"]));
    scenario.message(again.answer(480), ua(1));
    assert_eq!(breadths(&scenario.message(out[1].answer(480), ua(2))), ["5"]);
}

#[test]
fn rfc5393_s5_3_3_a_fork_that_is_wider_is_440() {
    for (field, count) in
        [("Max-Breadth: 1", 2), ("Max-Breadth: 2", 3), ("Max-Breadth: 0", 2), ("Max-Breadth: x", 2)]
    {
        let mut scenario = uas(count);
        assert_eq!(only(ask(&mut scenario, &with_breadth(field))).status(), 440, "{field}");
        assert_eq!(scenario.events, [Event::TooBroad]);
        scenario.assert_comes_to_rest();
    }
    let settings = Settings { max_transactions: 1000, ..settings() };
    let many: Vec<Binding> = (0..61)
        .map(|nth| flow_of(&format!("ua{nth}"), 1, source(Transport::Tcp, 20 + nth, "198.51.100.3:4000"), 0))
        .collect();
    let text = request("MESSAGE", "TCP", "z9hG4bKa");
    assert_eq!(only(ask(&mut Scenario::with(settings.clone(), &many), &text)).status(), 440);
    assert_eq!(ask(&mut Scenario::with(settings, &many[1..]), &text).len(), 60);
}

#[test]
fn rfc5393_s5_3_3_a_max_breadth_of_1_reaches_flows_and_uas_in_turn() {
    let bobs = [
        flow_of("bob", 1, ua(0), 9),
        flow_of("bob", 2, ua(1), 8),
        Binding { q: 500, ..flow_of("carol", 1, ua(2), 7) },
    ];
    let mut scenario = Scenario::with(settings(), &bobs);
    let out = only(ask(&mut scenario, &with_breadth("Max-Breadth: 1")));
    let out = only(scenario.message(out.answer(430), ua(0)));
    let out = only(scenario.message(out.answer(404), ua(1)));
    assert_eq!((out.to, out.first(Name::MaxBreadth)), (ua(2).flow, "1"));
}
