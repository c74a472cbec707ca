//! RFC 3261 §9 and §16.10: CANCEL, and §16.8: timer C.

use crate::support::message::param;
use crate::support::{Client, Node, rings};

#[test]
fn s16_10_a_cancel_is_answered_at_once_and_ends_the_call_hop_by_hop() {
    let node = Node::start("");
    for (caller, ua) in [
        (Client::tcp(&node), Client::udp(&node)),
        (Client::udp(&node), Client::tcp(&node)),
        (Client::tcp(&node), Client::tcp(&node)),
    ] {
        ua.registers_outbound("bob", 1);
        let (invite, arrived) = rings(&caller, "bob", &ua);

        let answer = caller.ask(&invite.cancel()).expect_status(200);
        assert!(answer.header("CSeq").ends_with("CANCEL"), "{answer}");
        let cancel = ua.receive().expect_method("CANCEL");
        // §9.1: of the INVITE, hop by hop.
        assert_eq!(cancel.uri(), arrived.uri());
        assert_eq!(cancel.values("Via"), [arrived.top_via()], "{cancel}");
        assert_eq!(cancel.header("CSeq"), arrived.header("CSeq").replace("INVITE", "CANCEL"));
        for name in ["From", "To", "Call-ID"] {
            assert_eq!(cancel.header(name), arrived.header(name), "{cancel}");
        }
        assert!(!cancel.has("Require") && !cancel.has("Proxy-Require"), "{cancel}");

        ua.send(cancel.answer(200, "OK"));
        ua.send(arrived.answer(487, "Request Terminated"));
        ua.receive().expect_method("ACK");
        let terminated = caller.receive().expect_status(487);
        assert!(
            terminated.header("CSeq").ends_with("INVITE"),
            "the UA's 200 to CANCEL stays here{terminated}"
        );
        caller.send(invite.ack(terminated.header("To")).to_bytes());
        caller.expect_nothing();
        ua.expect_nothing();
    }
}

#[test]
fn s9_1_a_cancel_waits_for_a_provisional_response() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let invite = caller.invite("bob");
    caller.ask(&invite).expect_status(100);
    let arrived = ua.receive().expect_method("INVITE");
    caller.ask(&invite.cancel()).expect_status(200);
    ua.expect_nothing();
    ua.send(arrived.answer(100, "Trying"));
    ua.receive().expect_method("CANCEL");
}

#[test]
fn s9_1_a_call_that_is_answered_in_spite_of_its_cancel_is_forwarded() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let invite = caller.invite("bob");
    caller.ask(&invite).expect_status(100);
    let arrived = ua.receive();
    ua.send(arrived.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    caller.ask(&invite.cancel()).expect_status(200);
    let cancel = ua.receive().expect_method("CANCEL");
    ua.send(arrived.answer(200, "OK"));
    ua.send(cancel.answer(200, "OK"));
    let answer = caller.receive().expect_status(200);
    assert!(answer.header("CSeq").ends_with("INVITE"), "{answer}");
    caller.expect_nothing();
}

#[test]
fn s9_2_a_cancel_after_the_final_response_changes_nothing() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    let invite = caller.invite("bob");
    caller.ask(&invite).expect_status(100);
    ua.send(ua.receive().answer(486, "Busy Here"));
    ua.receive().expect_method("ACK");
    let busy = caller.receive().expect_status(486);
    caller.ask(&invite.cancel()).expect_status(200);
    caller.send(invite.ack(busy.header("To")).to_bytes());
    ua.expect_nothing();
}

#[test]
fn s9_2_a_cancel_of_nothing_is_481() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    for user in ["bob", "nobody"] {
        caller.ask(&caller.invite(user).cancel()).expect_status(481);
    }
    ua.expect_nothing();
}

#[test]
fn s9_2_a_cancel_ends_the_request_of_its_own_branch_only() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let (first, second) = (caller.invite("bob"), caller.invite("bob"));
    let mut arrived = Vec::new();
    for invite in [&first, &second] {
        caller.ask(invite).expect_status(100);
        arrived.push(ua.receive());
        ua.send(arrived.last().unwrap().answer(180, "Ringing"));
        caller.receive().expect_status(180);
    }
    caller.ask(&second.cancel()).expect_status(200);
    let cancel = ua.receive().expect_method("CANCEL");
    assert_eq!(param(cancel.top_via(), "branch"), param(arrived[1].top_via(), "branch"));
    ua.expect_nothing();
}

#[test]
fn s16_8_an_invite_that_rings_longer_than_timer_c_is_cancelled() {
    let node = Node::start("[proxy]\ntimer_c = \"1s\"\n");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.ask(&caller.invite("bob")).expect_status(100);
    let arrived = ua.receive();
    ua.send(arrived.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    let cancel = ua.receive().expect_method("CANCEL");
    ua.send(cancel.answer(200, "OK"));
    ua.send(arrived.answer(487, "Request Terminated"));
    ua.receive().expect_method("ACK");
    let status = caller.receive().status();
    assert!([408, 487].contains(&status), "{status}");
}

#[test]
fn s16_8_an_invite_without_a_provisional_response_is_408_when_timer_c_fires() {
    let node = Node::start("[proxy]\ntimer_c = \"1s\"\n");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.ask(&caller.invite("bob")).expect_status(100);
    ua.receive().expect_method("INVITE");
    caller.receive().expect_status(408);
}
