//! RFC 3261 §17 with RFC 6026: transactions on both sides of the proxy, over streams and over UDP.

use std::time::{Duration, Instant};

use crate::support::message::param;
use crate::support::{Client, Node, wait_until};

/// Timers of a tenth, so that repeats and timeouts can be waited for: 64·T1 is 3.2 s.
const FAST: &str = "[proxy]\nt1 = \"50ms\"\nt2 = \"400ms\"\nt4 = \"500ms\"\n";

#[test]
fn s17_2_1_an_invite_is_answered_100_at_once() {
    let node = Node::start("");
    for (caller, ua) in [(Client::tcp(&node), Client::udp(&node)), (Client::udp(&node), Client::tcp(&node))] {
        ua.registers("bob");
        let trying = caller.ask(&caller.invite("bob")).expect_status(100);
        // §8.2.6.1 and §16.2: it is made by the proxy, which adds no To tag to it.
        assert!(!trying.header("To").contains(";tag="), "{trying}");
        let arrived = ua.receive().expect_method("INVITE");
        ua.send(arrived.answer(486, "Busy Here"));
        ua.receive().expect_method("ACK");
        caller.receive().expect_status(486);
    }
}

#[test]
fn s16_7_5_an_invite_rings_and_is_answered() {
    let node = Node::start("");
    for (caller, ua) in [(Client::tcp(&node), Client::udp(&node)), (Client::udp(&node), Client::tcp(&node))] {
        ua.registers_outbound("bob", 1);
        let invite = caller.invite("bob");
        caller.ask(&invite).expect_status(100);
        let arrived = ua.receive().expect_method("INVITE");
        assert_eq!(arrived.header("Contact"), invite.field("Contact"));
        // The UA's own 100 is for the proxy only (§16.7 step 5).
        ua.send(arrived.answer(100, "Trying"));
        ua.send(arrived.answer(180, "Ringing"));
        caller.receive().expect_status(180);
        ua.send(arrived.answer(183, "Progress"));
        caller.receive().expect_status(183);
        ua.send(arrived.answer_with(200, "OK", "Contact: <sip:bob@192.0.2.4>\r\n"));
        let answer = caller.receive().expect_status(200);
        assert_eq!(answer.contacts(), ["<sip:bob@192.0.2.4>"]);
        // RFC 6026 §7.1: a proxy forwards each 2xx; the ACK to it is the caller's and goes end to end.
        ua.send(arrived.answer_with(200, "OK", "Contact: <sip:bob@192.0.2.4>\r\n"));
        caller.receive().expect_status(200);
        caller.expect_nothing();
        ua.expect_nothing();
    }
}

#[test]
fn s17_1_1_3_a_final_response_above_299_is_acked_hop_by_hop() {
    let node = Node::start("");
    for (caller, ua) in [
        (Client::tcp(&node), Client::udp(&node)),
        (Client::udp(&node), Client::tcp(&node)),
        (Client::tcp(&node), Client::tcp(&node)),
    ] {
        ua.registers("bob");
        let invite = caller.invite("bob");
        caller.ask(&invite).expect_status(100);
        let arrived = ua.receive().expect_method("INVITE");
        ua.send(arrived.answer(486, "Busy Here"));
        let ack = ua.receive().expect_method("ACK");
        assert_eq!(ack.uri(), arrived.uri());
        assert_eq!(ack.values("Via"), [arrived.top_via()], "one Via, that of the INVITE");
        for name in ["From", "Call-ID"] {
            assert_eq!(ack.header(name), arrived.header(name));
        }
        assert!(ack.header("To").ends_with(";tag=ua"), "the To of the response{ack}");
        assert_eq!(ack.header("CSeq"), arrived.header("CSeq").replace("INVITE", "ACK"));
        let busy = caller.receive().expect_status(486);
        caller.send(invite.ack(busy.header("To")).to_bytes());
        caller.expect_nothing();
        ua.expect_nothing();
    }
}

#[test]
fn s17_1_1_2_a_repeated_final_response_is_acked_again_and_not_forwarded_again() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::udp(&node));
    ua.registers("bob");
    caller.ask(&caller.invite("bob")).expect_status(100);
    let arrived = ua.receive();
    for _ in 0..3 {
        ua.send(arrived.answer(486, "Busy Here"));
        ua.receive().expect_method("ACK");
    }
    caller.receive().expect_status(486);
    caller.expect_nothing();
}

#[test]
fn s17_1_1_2_an_invite_over_udp_is_repeated_at_growing_intervals_until_a_response() {
    let node = Node::start(FAST);
    let (caller, ua) = (Client::tcp(&node), Client::udp(&node));
    ua.registers("bob");
    let started = Instant::now();
    caller.ask(&caller.invite("bob")).expect_status(100);
    let arrived = ua.receive();
    // Timer A: after T1, 2·T1 more and 4·T1 more. However late this test reads, none may have come before.
    for earliest in [50, 150, 350] {
        assert_eq!(ua.receive().octets(), arrived.octets(), "the same octets again");
        assert!(started.elapsed() >= Duration::from_millis(earliest), "{:?}", started.elapsed());
    }
    ua.send(arrived.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    // What was under way before the 180 is taken off; after that there is silence beyond the next interval.
    while ua.receive_within(Duration::from_millis(50)).is_some() {}
    ua.expect_silence(Duration::from_secs(1));
}

#[test]
fn s17_1_2_2_a_message_over_udp_is_repeated_until_a_final_response() {
    let node = Node::start(FAST);
    let (caller, ua) = (Client::tcp(&node), Client::udp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    for _ in 0..4 {
        assert_eq!(ua.receive().octets(), arrived.octets(), "the same octets again");
    }
    ua.send(arrived.answer(200, "OK"));
    caller.receive_final().expect_status(200);
    while ua.receive_within(Duration::from_millis(50)).is_some() {}
    ua.expect_silence(Duration::from_secs(1));
}

#[test]
fn s17_1_a_request_over_tcp_is_never_repeated() {
    let node = Node::start(FAST);
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let message = ua.receive();
    ua.expect_silence(Duration::from_secs(1));
    ua.send(message.answer(200, "OK"));
    caller.receive_final().expect_status(200);
    caller.ask(&caller.invite("bob")).expect_status(100);
    ua.receive().expect_method("INVITE");
    ua.expect_silence(Duration::from_secs(1));
}

#[test]
fn s17_2_2_a_repeated_message_is_absorbed_and_its_final_response_sent_again() {
    let node = Node::start("");
    for ua in [Client::udp(&node), Client::tcp(&node)] {
        let caller = Client::udp(&node);
        ua.registers("bob");
        let message = caller.message("bob").to_bytes();
        for _ in 0..3 {
            caller.send(&message);
        }
        let arrived = ua.receive();
        // The repeats are absorbed before there is an answer that they would get.
        caller.expect_nothing();
        ua.send(arrived.answer(200, "OK"));
        let response = caller.receive().expect_status(200);
        for _ in 0..3 {
            caller.send(&message);
            assert_eq!(caller.receive().octets(), response.octets());
        }
        caller.expect_nothing();
        ua.expect_nothing();
    }
}

#[test]
fn s17_2_1_a_repeated_invite_is_absorbed_and_the_last_response_sent_again() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    let invite = caller.invite("bob");
    caller.ask(&invite).expect_status(100);
    let arrived = ua.receive();
    caller.ask(&invite).expect_status(100);
    ua.send(arrived.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    caller.ask(&invite).expect_status(180);
    ua.send(arrived.answer(486, "Busy Here"));
    ua.receive().expect_method("ACK");
    let busy = caller.receive().expect_status(486);
    caller.send(invite.ack(busy.header("To")).to_bytes());
    ua.expect_nothing();
}

#[test]
fn s17_2_1_a_final_response_above_299_is_repeated_over_udp_until_the_ack() {
    let node = Node::start(FAST);
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    let invite = caller.invite("bob");
    caller.ask(&invite).expect_status(100);
    let arrived = ua.receive();
    ua.send(arrived.answer(486, "Busy Here"));
    ua.receive().expect_method("ACK");
    let busy = caller.receive().expect_status(486);
    for _ in 0..3 {
        assert_eq!(caller.receive().octets(), busy.octets());
    }
    caller.send(invite.ack(busy.header("To")).to_bytes());
    while caller.receive_within(Duration::from_millis(50)).is_some() {}
    caller.expect_silence(Duration::from_secs(1));
    ua.expect_nothing();
}

#[test]
fn s17_1_1_2_an_invite_that_nobody_answers_is_408() {
    let node = Node::start(FAST);
    for (user, ua) in [("bob", Client::tcp(&node)), ("carol", Client::udp(&node))] {
        let caller = Client::tcp(&node);
        ua.registers(user);
        let started = Instant::now();
        caller.ask(&caller.invite(user)).expect_status(100);
        caller.receive().expect_status(408);
        // Timer B: 64·T1.
        assert!(started.elapsed() >= Duration::from_millis(3100), "{:?}", started.elapsed());
    }
}

#[test]
fn s17_all_transactions_end() {
    let node = Node::start(FAST);
    // Over TCP the client transaction of an INVITE ends with its response; over UDP timer D is 32 s, whatever T1 is.
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    let open = || {
        let kinds = ["invite_server", "invite_client", "non_invite_server", "non_invite_client"];
        kinds.map(|kind| node.metric(&format!("transactions{{kind=\"{kind}\"}}")))
    };
    caller.send(caller.message("bob").to_bytes());
    let message = ua.receive();
    // The gauge follows once a second.
    wait_until("a transaction on each side", || open() == [0, 0, 1, 1]);
    ua.send(message.answer(200, "OK"));
    caller.receive_final().expect_status(200);
    let invite = caller.invite("bob");
    caller.ask(&invite).expect_status(100);
    let arrived = ua.receive().expect_method("INVITE");
    wait_until("a transaction on each side", || open()[..2] == [1, 1]);
    ua.send(arrived.answer(486, "Busy Here"));
    ua.receive().expect_method("ACK");
    caller.send(invite.ack(caller.receive().header("To")).to_bytes());
    wait_until("no transaction is left", || open() == [0; 4]);
}

#[test]
fn s17_2_3_the_branch_the_sent_by_and_the_method_tell_requests_apart() {
    let node = Node::start("");
    let (first, second, ua) = (Client::udp(&node), Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    let one = first.message("bob");
    // The same branch of another sent-by is another transaction.
    let branch = param(one.field("Via"), "branch").unwrap().to_owned();
    let other = second.message("bob").set("Via", format!("{};rport;branch={branch}", second.sent_by()));
    for (caller, request) in [(&first, &one), (&second, &other)] {
        caller.send(request.to_bytes());
        let arrived = ua.receive();
        assert_eq!(arrived.header("Call-ID"), request.field("Call-ID"));
        ua.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
}

#[test]
fn s17_2_3_requests_of_an_old_peer_are_matched_by_their_fields() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    // RFC 2543 knew no branch that is unique.
    let old = |cseq: u32| {
        let via = format!("{};branch=1", caller.sent_by());
        caller
            .message("bob")
            .set("Via", via)
            .call_id("old")
            .set("From", "<sip:old@example.com>;tag=1")
            .cseq(cseq)
    };
    for _ in 0..3 {
        caller.send(old(1).to_bytes());
    }
    let first = ua.receive();
    // The repeats are absorbed before there is an answer that they would get.
    caller.expect_nothing();
    ua.expect_nothing();
    ua.send(first.answer(200, "OK"));
    let response = caller.receive_final().expect_status(200);
    caller.send(old(1).to_bytes());
    assert_eq!(caller.receive().octets(), response.octets());
    // Another CSeq is another request.
    caller.send(old(2).to_bytes());
    ua.send(ua.receive().answer(486, "Busy Here"));
    caller.receive_final().expect_status(486);
}

#[test]
fn s17_1_3_a_response_is_matched_by_its_branch_and_its_method() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    let answer = String::from_utf8(arrived.answer(200, "OK")).unwrap();
    ua.send(answer.replace("MESSAGE", "OPTIONS"));
    let branch = param(arrived.top_via(), "branch").unwrap();
    ua.send(answer.replacen(branch, &format!("{branch}0"), 1));
    ua.expect_nothing();
    caller.expect_nothing();
    ua.send(answer);
    caller.receive_final().expect_status(200);
}

#[test]
fn s17_2_4_a_caller_that_is_gone_leaves_no_transaction_behind() {
    let node = Node::start(FAST);
    let ua = Client::tcp(&node);
    ua.registers("bob");
    let caller = Client::tcp(&node);
    caller.send(caller.message("bob").to_bytes());
    let message = ua.receive();
    caller.send(caller.invite("bob").to_bytes());
    let invite = ua.receive().expect_method("INVITE");
    drop(caller);
    wait_until("its end is seen", || node.metric("connections{transport=\"tcp\"}") == 1);
    ua.send(message.answer(200, "OK"));
    ua.send(invite.answer(486, "Busy Here"));
    ua.receive().expect_method("ACK");
    let kinds = ["invite_server", "invite_client", "non_invite_server", "non_invite_client"];
    let open = || kinds.map(|kind| node.metric(&format!("transactions{{kind=\"{kind}\"}}")));
    wait_until("no transaction is left", || open() == [0; 4]);
    Client::tcp(&node).reaches("bob", &ua);
}
