//! Which answer a request gets.

use super::*;

const MESSAGE: &str = "Content-Type: text/plain\nContent-Length: 5\n\nhello";

#[test]
fn rfc3428_s7_a_message_is_told_and_answered_200() {
    let mut peer = Peer::up(2, Transport::Tcp);
    peer.receives(2, &outside("MESSAGE", "1", MESSAGE));
    let response = peer.responds(2, 200);
    assert!(response.top_via().unwrap().received().is_some(), "the source is noted");
    assert_eq!(response.first(Name::Contact), None);
    to_tag(&response);
    let expected =
        Event::Message { reg_id: 2, from: "sip:bob@example.com".to_owned(), text: "hello".to_owned() };
    assert_eq!(peer.events(), [expected]);
}

#[test]
fn a_message_that_comes_again_over_another_flow_is_told_once() {
    let mut peer = Peer::up(2, Transport::Tcp);
    peer.receives(1, &outside("MESSAGE", "1", MESSAGE));
    peer.receives(2, &outside("MESSAGE", "2", MESSAGE));
    peer.responds(1, 200);
    peer.responds(2, 200);
    assert_eq!(peer.events().len(), 1);
    peer.advance(seconds(33));
    peer.receives(2, &outside("MESSAGE", "3", MESSAGE));
    assert_eq!(peer.events().len(), 1, "by now it is another");
}

#[test]
fn s17_2_2_a_repeated_request_gets_its_response_again() {
    let mut peer = Peer::up(1, Transport::Udp);
    for _ in 0..3 {
        peer.receives(1, &outside("MESSAGE", "1", MESSAGE));
    }
    let responses: Vec<_> = (0..3).map(|_| peer.responds(1, 200).bytes().clone()).collect();
    assert!(responses.iter().all(|response| *response == responses[0]));
    assert_eq!(peer.events().len(), 1);
}

#[test]
fn a_message_that_is_no_text_is_415() {
    let mut peer = Peer::up(1, Transport::Tcp);
    peer.receives(1, &outside("MESSAGE", "1", "Content-Type: image/png\nContent-Length: 1\n\nx"));
    assert_eq!(field(&peer.responds(1, 415), Name::Accept), "text/plain");
    assert_eq!(peer.events(), []);
}

#[test]
fn s11_2_options_say_what_is_understood() {
    let mut peer = Peer::up(1, Transport::Tcp);
    peer.receives(1, &outside("OPTIONS", "1", "\n"));
    let response = peer.responds(1, 200);
    assert_eq!(field(&response, Name::Allow), "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, INFO");
    assert_eq!(field(&response, Name::Accept), "application/sdp, text/plain");
}

#[test]
fn what_is_not_understood_is_refused_by_its_rule() {
    for (method, more, status) in [
        ("SUBSCRIBE", "Event: presence\n", 405),
        ("DANCE", "", 501),
        ("BYE", "", 481),
        ("MESSAGE", "Require: 100rel, x\n", 420),
        ("INVITE", "Content-Length: 0\n", 400),
        ("MESSAGE", "CSeq: 1 MESSAGE\n", 400),
    ] {
        let mut peer = Peer::up(1, Transport::Tcp);
        peer.receives(1, &outside(method, "1", &format!("{more}\n")));
        let response = peer.responds(1, status);
        match status {
            420 => assert_eq!(field(&response, Name::Unsupported), "100rel, x"),
            405 => assert!(response.first(Name::Allow).is_some()),
            _ => {}
        }
        assert!(!peer.events().iter().any(|event| matches!(event, Event::Message { .. })));
    }
}

#[test]
fn s12_2_2_a_request_of_an_unknown_dialog_is_481() {
    for method in ["BYE", "INVITE", "INFO", "MESSAGE"] {
        let mut peer = Peer::up(1, Transport::Tcp);
        peer.receives(1, &within(method, "1", 2, "none"));
        peer.responds(1, 481);
    }
}

#[test]
fn too_many_requests_at_a_time_are_503() {
    let mut peer = Peer::up(1, Transport::Udp);
    for number in 0..1000 {
        peer.receives(1, &outside("OPTIONS", &number.to_string(), "\n"));
        peer.responds(1, 200);
    }
    peer.receives(1, &outside("OPTIONS", "last", "\n"));
    assert_eq!(field(&peer.responds(1, 503), Name::RetryAfter), "10");
    peer.advance(seconds(32));
    peer.receives(1, &outside("OPTIONS", "next", "\n"));
    peer.responds(1, 200);
}

#[test]
fn an_ack_that_belongs_to_nothing_is_not_answered() {
    let mut peer = Peer::up(1, Transport::Tcp);
    peer.receives(1, &within("ACK", "1", 1, "none"));
    peer.receives(1, &outside("ACK", "2", "CSeq: x\n\n"));
    peer.sends_nothing();
}
