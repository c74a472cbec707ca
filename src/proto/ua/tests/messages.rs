//! Messages that go out.

use super::*;

/// How the message ended.
#[track_caller]
fn outcome(peer: &mut Peer) -> Outcome {
    let sent = |event| if let Event::Sent { outcome, .. } = event { Some(outcome) } else { None };
    let mut outcomes: Vec<Outcome> = peer.events().into_iter().filter_map(sent).collect();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes.remove(0)
}

fn answered(reg_id: u32, status: u16) -> Outcome {
    Outcome::Answered { reg_id, status, reason: "Reason".to_owned() }
}

#[test]
fn rfc3428_s4_a_message_goes_through_the_proxy_of_its_flow() {
    let mut peer = Peer::up(2, Transport::Tcp);
    peer.ua.send(peer.now, "sip:bob@example.com", "hällo");
    let message = peer.sends(1);
    assert_eq!(message.request_uri(), b"sip:bob@example.com");
    assert_eq!(field(&message, Name::Route), "<sip:a.example.com;lr>");
    assert_eq!(message.body(), "hällo".as_bytes());
    assert_eq!(message.first(Name::Contact), None);
    assert!(message.has_tag(Name::Supported, "outbound"));
    peer.answers(1, &message, 100, "");
    peer.answers(1, &message, 202, "");
    assert_eq!(outcome(&mut peer), answered(1, 202));
}

#[test]
fn a_message_waits_for_the_first_flow() {
    let mut peer = Peer::down(2, Transport::Tcp, |_| {});
    peer.ua.send(peer.now, "sip:bob@example.com", "x");
    peer.sends_nothing();
    peer.registers(2);
    assert_eq!(peer.sends(2).method(), Method::Message);
}

#[test]
fn the_next_flow_is_taken_where_one_does_not_lead_there() {
    for status in [408, 430, 503] {
        let mut peer = Peer::up(2, Transport::Tcp);
        peer.ua.send(peer.now, "sip:bob@example.com", "x");
        let first = peer.sends(1);
        peer.answers(1, &first, status, "");
        let second = peer.sends(2);
        assert_eq!(field(&second, Name::Route), "<sip:b.example.com;lr>");
        assert_eq!(second.first(Name::CallId), first.first(Name::CallId));
        peer.answers(2, &second, 200, "");
        assert_eq!(outcome(&mut peer), answered(2, 200));
    }
}

#[test]
fn the_next_flow_is_taken_where_one_fails_or_is_silent() {
    let mut peer = Peer::up(3, Transport::Tcp);
    peer.ua.send(peer.now, "sip:bob@example.com", "x");
    peer.sends(1);
    peer.lost(1);
    peer.sends(2);
    peer.advance(seconds(32));
    let third = peer.sends(3);
    peer.answers(3, &third, 200, "");
    assert_eq!(outcome(&mut peer), answered(3, 200));
}

#[test]
fn a_message_that_no_flow_brings_there_has_no_answer() {
    let mut peer = Peer::up(2, Transport::Tcp);
    peer.ua.send(peer.now, "sip:bob@example.com", "x");
    peer.advance(seconds(64));
    assert_eq!(outcome(&mut peer), Outcome::NoAnswer);
}

#[test]
fn the_last_answer_counts_where_no_flow_is_left() {
    let mut peer = Peer::up(1, Transport::Tcp);
    peer.ua.send(peer.now, "sip:bob@example.com", "x");
    let message = peer.sends(1);
    peer.answers(1, &message, 430, "");
    assert_eq!(outcome(&mut peer), answered(1, 430));
}

#[test]
fn a_refusal_is_not_tried_elsewhere() {
    let mut peer = Peer::up(2, Transport::Tcp);
    peer.ua.send(peer.now, "sip:bob@example.com", "x");
    let message = peer.sends(1);
    peer.answers(1, &message, 480, "");
    assert_eq!(outcome(&mut peer), answered(1, 480));
    peer.sends_nothing();
}

#[test]
fn over_udp_a_message_is_sent_again() {
    let mut peer = Peer::up(1, Transport::Udp);
    peer.ua.send(peer.now, "sip:bob@example.com", "x");
    peer.advance(Duration::from_millis(3500));
    let sent: Vec<Message> =
        std::iter::from_fn(|| peer.sent.pop_front()).map(|(_, message)| message).collect();
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|message| message.bytes() == sent[0].bytes()));
}

#[test]
fn s22_3_a_challenge_is_answered_over_the_same_flow() {
    let mut peer = Peer::up(2, Transport::Tcp);
    peer.ua.send(peer.now, "sip:bob@example.com", "x");
    let message = peer.sends(1);
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\n";
    peer.answers(1, &message, 407, challenge);
    let again = peer.sends(1);
    assert!(again.first(Name::ProxyAuthorization).is_some());
    assert_eq!(again.cseq().unwrap().number, 2);
    peer.answers(1, &again, 407, challenge);
    let reason = "the user name or the password is wrong".to_owned();
    assert_eq!(outcome(&mut peer), Outcome::Answered { reg_id: 1, status: 407, reason });
}

#[test]
fn a_ua_that_ends_gives_up_its_messages() {
    let mut peer = Peer::down(1, Transport::Tcp, |_| {});
    peer.ua.send(peer.now, "sip:bob@example.com", "x");
    peer.ua.stop(peer.now);
    assert_eq!(outcome(&mut peer), Outcome::NoAnswer);
}
