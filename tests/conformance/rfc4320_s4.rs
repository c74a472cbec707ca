//! RFC 4320 §4: what a non-INVITE request is not answered with.

use std::time::Duration;

use crate::support::{Client, Node, wait_until};

/// Timers of a fiftieth: 64·T1 is 640 ms.
const FAST: &str = "[proxy]\nt1 = \"10ms\"\nt2 = \"80ms\"\nt4 = \"100ms\"\n";

/// Waits until so many requests have come to the end of their time.
#[track_caller]
fn wait_until_timed_out(node: &Node, count: u64) {
    wait_until("timer F", || node.metric("branches_failed_total{reason=\"timed_out\"}") == count);
}

#[test]
fn s4_1_a_non_invite_request_gets_no_100_over_udp_while_timer_e_is_below_t2() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    caller.expect_nothing();
    caller.expect_silence(Duration::from_secs(1));
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s4_1_a_non_invite_request_gets_no_provisional_but_100() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    ua.send(arrived.answer(183, "Progress"));
    ua.expect_nothing();
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s4_1_a_non_invite_request_gets_100_when_timer_e_has_reached_t2() {
    let node = Node::start(FAST);
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    let trying = caller.ask(&caller.message("bob")).expect_status(100);
    assert!(!trying.header("To").contains(";tag="), "{trying}");
    ua.send(ua.receive().answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s4_2_a_non_invite_request_that_nobody_answers_gets_no_408() {
    let node = Node::start(FAST);
    for (caller, user, count) in [(Client::tcp(&node), "bob", 1), (Client::udp(&node), "carol", 2)] {
        let ua = Client::tcp(&node);
        ua.registers(user);
        caller.send(caller.message(user).to_bytes());
        ua.receive();
        wait_until_timed_out(&node, count);
        // Only a 100 may have come.
        if let Some(response) = caller.receive_within(Duration::from_millis(200)) {
            assert_eq!(response.status(), 100, "{response}");
        }
        caller.expect_nothing();
    }
}

#[test]
fn s4_2_a_late_non_invite_response_is_not_forwarded() {
    let node = Node::start(FAST);
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    wait_until_timed_out(&node, 1);
    ua.send(arrived.answer(200, "OK"));
    ua.expect_nothing();
    while let Some(response) = caller.receive_within(Duration::from_millis(100)) {
        assert_eq!(response.status(), 100, "{response}");
    }
}
