//! Calls that come in.

use super::*;

const CONTACT: &str =
    "Contact: <sip:bob@198.51.100.1:5070>\nRecord-Route: <sip:proxy.example.com;lr>, <sip:other;lr>\n";

fn invite(branch: &str) -> String {
    let sdp = "v=0\nt=0 0\nm=audio 4000 RTP/AVP 0\n";
    let length = sdp.replace('\n', "\r\n").len();
    let body = format!("{CONTACT}Content-Type: application/sdp\nContent-Length: {length}\n\n{sdp}");
    outside("INVITE", branch, &body)
}

/// A call that rings; its tag.
fn ringing(peer: &mut Peer) -> String {
    peer.receives(1, &invite("1"));
    let response = peer.responds(1, 180);
    assert_eq!(peer.calls(), [CallEvent::Ringing]);
    to_tag(&response)
}

/// A call that is answered and acknowledged; its tag.
fn confirmed(peer: &mut Peer) -> String {
    let tag = ringing(peer);
    peer.advance(seconds(2));
    peer.responds(1, 200);
    peer.receives(1, &within("ACK", "ack", 1, &tag));
    assert_eq!(peer.calls(), [CallEvent::Answered, CallEvent::Confirmed]);
    tag
}

#[test]
fn s13_3_1_a_call_rings_and_is_answered_with_an_sdp_that_is_silent() {
    let mut peer = Peer::up(1, Transport::Tcp);
    let tag = ringing(&mut peer);
    peer.advance(Duration::from_millis(1999));
    peer.sends_nothing();
    peer.advance(Duration::from_millis(1));
    let response = peer.responds(1, 200);
    assert_eq!(to_tag(&response), tag);
    assert_eq!(field(&response, Name::Contact), "<sip:alice@192.0.2.1:40001;transport=tcp>");
    assert_eq!(field(&response, Name::RecordRoute), "<sip:proxy.example.com;lr>, <sip:other;lr>");
    assert_eq!(field(&response, Name::ContentType), "application/sdp");
    let sdp = std::str::from_utf8(response.body()).unwrap();
    assert!(sdp.contains("m=audio 9 RTP/AVP 0\r\n") && sdp.ends_with("a=inactive\r\n"), "{sdp}");
    assert_eq!(peer.calls(), [CallEvent::Answered]);
}

#[test]
fn s13_3_1_4_the_200_is_sent_until_it_is_acknowledged() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let mut peer = Peer::up(1, transport);
        let tag = ringing(&mut peer);
        peer.advance(seconds(2));
        // 0.5, 1.5, 3.5, 7.5, 11.5 s later: doubled up to T2.
        peer.advance(seconds(12));
        assert_eq!(peer.sent.len(), 6);
        peer.sent.clear();
        peer.receives(1, &within("ACK", "ack", 1, &tag));
        peer.receives(1, &within("ACK", "ack", 1, &tag));
        peer.advance(seconds(100));
        peer.sends_nothing();
        assert_eq!(peer.calls(), [CallEvent::Answered, CallEvent::Confirmed]);
    }
}

#[test]
fn s13_3_1_4_a_call_that_is_never_acknowledged_is_ended() {
    let mut peer = Peer::up(1, Transport::Tcp);
    let tag = ringing(&mut peer);
    peer.advance(seconds(2 + 32));
    let (_, bye) = peer.sent.pop_back().unwrap();
    assert_eq!(bye.method(), Method::Bye);
    assert_eq!(bye.request_uri(), b"sip:bob@198.51.100.1:5070");
    let routes: Vec<&[u8]> = bye.values(Name::Route).collect();
    assert_eq!(routes, [&b"<sip:proxy.example.com;lr>"[..], b"<sip:other;lr>"]);
    assert_eq!(field(&bye, Name::From), format!("<sip:alice@example.com>;tag={tag}"));
    assert_eq!(field(&bye, Name::To), "\"Bob\" <sip:bob@example.com>;tag=bob");
    assert_eq!(field(&bye, Name::CallId), "call");
    assert_eq!(peer.calls(), [CallEvent::Answered, CallEvent::Unconfirmed]);
}

#[test]
fn s9_2_a_cancel_ends_what_rings() {
    let mut peer = Peer::up(1, Transport::Udp);
    ringing(&mut peer);
    peer.receives(1, &outside("CANCEL", "1", "\n"));
    assert_eq!(field(&peer.responds(1, 200), Name::CSeq), "1 CANCEL");
    assert_eq!(field(&peer.responds(1, 487), Name::CSeq), "1 INVITE");
    assert_eq!(peer.calls(), [CallEvent::Cancelled]);
    peer.advance(Duration::from_millis(500));
    peer.responds(1, 487);
    peer.receives(1, &outside("ACK", "1", "\n"));
    peer.advance(seconds(100));
    peer.sends_nothing();
}

#[test]
fn s9_2_a_cancel_that_comes_too_late_changes_nothing() {
    let mut peer = Peer::up(1, Transport::Tcp);
    confirmed(&mut peer);
    peer.receives(1, &outside("CANCEL", "1", "\n"));
    peer.responds(1, 200);
    peer.receives(1, &outside("CANCEL", "other", "\n"));
    peer.responds(1, 481);
    assert_eq!(peer.calls(), []);
}

#[test]
fn s15_1_2_a_bye_ends_the_call() {
    let mut peer = Peer::up(2, Transport::Tcp);
    let tag = confirmed(&mut peer);
    // Over the other flow: a dialog goes on where its first flow fails.
    peer.receives(2, &within("BYE", "2", 2, &tag));
    peer.responds(2, 200);
    assert_eq!(peer.calls(), [CallEvent::Ended]);
    peer.receives(2, &within("BYE", "3", 3, &tag));
    peer.responds(2, 481);
}

#[test]
fn s14_2_an_invite_within_the_call_is_answered_too() {
    let mut peer = Peer::up(1, Transport::Tcp);
    let tag = confirmed(&mut peer);
    let again = |branch, cseq| {
        let more =
            format!("To: <sip:alice@example.com>;tag={tag}\nCSeq: {cseq} INVITE\nContact: <sip:new@x>\n\n");
        request("INVITE", branch, &more)
    };
    peer.receives(1, &again("2", 2));
    let response = peer.responds(1, 200);
    assert!(std::str::from_utf8(response.body()).unwrap().contains("o=- 2 2 "), "a new version");
    peer.receives(1, &again("3", 3));
    peer.responds(1, 500);
    peer.receives(1, &within("ACK", "ack2", 2, &tag));
    peer.receives(1, &within("INFO", "4", 2, &tag));
    peer.responds(1, 500);
    peer.receives(1, &within("INFO", "5", 4, &tag));
    peer.responds(1, 200);
    peer.ua.stop(peer.now);
    assert_eq!(peer.sends(1).request_uri(), b"sip:new@x", "the new Contact");
}

#[test]
fn a_ua_that_takes_no_calls_is_busy() {
    let mut peer = Peer::with(1, Transport::Tcp, |settings| settings.takes_calls = false);
    peer.receives(1, &invite("1"));
    peer.responds(1, 486);
    assert_eq!(peer.calls(), [CallEvent::Refused { status: 486 }]);
    peer.receives(1, &outside("ACK", "1", "\n"));
}

#[test]
fn what_cannot_be_answered_is_refused() {
    for (more, status) in [
        ("Content-Type: application/sdp\nContent-Length: 6\n\nv=0\r\n", 488),
        ("Content-Type: text/plain\nContent-Length: 1\n\nx", 415),
    ] {
        let mut peer = Peer::up(1, Transport::Tcp);
        peer.receives(1, &outside("INVITE", "1", &format!("{CONTACT}{more}")));
        peer.responds(1, status);
    }
}

#[test]
fn s8_2_2_2_the_same_call_by_another_flow_is_482() {
    let mut peer = Peer::up(2, Transport::Tcp);
    ringing(&mut peer);
    peer.receives(2, &invite("2"));
    peer.responds(2, 482);
}

#[test]
fn a_call_whose_flow_fails_while_it_rings_is_gone_and_an_answered_one_stays() {
    let mut peer = Peer::up(2, Transport::Tcp);
    ringing(&mut peer);
    peer.lost(1);
    assert_eq!(peer.calls(), [CallEvent::Cancelled]);

    let mut peer = Peer::up(2, Transport::Tcp);
    let tag = confirmed(&mut peer);
    peer.lost(1);
    peer.receives(2, &within("INFO", "2", 2, &tag));
    peer.responds(2, 200);
    peer.ua.stop(peer.now);
    assert_eq!(peer.sends(2).method(), Method::Bye, "over the flow that is left");
}

#[test]
fn a_ua_that_ends_hangs_up_before_it_removes_its_binding() {
    let mut peer = Peer::up(1, Transport::Tcp);
    confirmed(&mut peer);
    peer.ua.stop(peer.now);
    let bye = peer.sends(1);
    let register = peer.sends(1);
    assert_eq!((bye.method(), field(&register, Name::Expires)), (Method::Bye, "0"));
    peer.answers(1, &bye, 200, "");
    peer.answers(1, &register, 200, "");
    assert_eq!((peer.closed.as_slice(), peer.ua.is_down()), (&[1][..], true));
    assert!(peer.calls().contains(&CallEvent::HungUp));
}
