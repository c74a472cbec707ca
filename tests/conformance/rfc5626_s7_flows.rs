//! RFC 5626 §7 where a UA has several flows: the next one is tried when one fails, and only then.

use std::time::Duration;

use crate::support::{Client, Message, Node, Request, wait_until};

/// A flow that says nothing for this long is given up.
const QUICK: &str = "[proxy]\nflow_timeout = \"400ms\"\n";

/// How a flow fails that has just got a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    FlowFailed,
    RequestTimeout,
    Fin,
    Reset,
    Silence,
}

/// What only a stream can do is not among them.
const OF_ANY_FLOW: [Failure; 3] = [Failure::FlowFailed, Failure::RequestTimeout, Failure::Silence];
const OF_A_STREAM: [Failure; 5] =
    [Failure::FlowFailed, Failure::RequestTimeout, Failure::Fin, Failure::Reset, Failure::Silence];

impl Failure {
    /// `ua` has got `request` and fails. Returns it, if it is still there.
    fn of(self, ua: Client, request: &Message) -> Option<Client> {
        match self {
            Self::FlowFailed => ua.send(request.answer(430, "Flow Failed")),
            Self::RequestTimeout => ua.send(request.answer(408, "Request Timeout")),
            Self::Fin => return None,
            Self::Reset => {
                ua.reset();
                return None;
            }
            Self::Silence => {}
        }
        Some(ua)
    }
}

fn request(caller: &Client, method: &str, user: &str) -> Request {
    if method == "INVITE" { caller.invite(user) } else { caller.message(user) }
}

/// Alice's UA has an older and a newer flow. The newer one gets the request first and fails; the caller gets the 200 that is
/// given over the older one.
#[track_caller]
fn assert_second_flow_answers(node: &Node, failure: Failure, method: &str, older: &Client, newer: Client) {
    let caller = Client::tcp(node);
    older.registers_outbound("alice", 1);
    newer.registers_outbound("alice", 2);
    let request = request(&caller, method, "alice");
    caller.send(request.to_bytes());
    let first = newer.receive().expect_method(method);
    let newer_uri = first.uri().to_owned();
    let newer = failure.of(newer, &first);
    let second = older.receive().expect_method(method);
    assert_eq!(second.header("Call-ID"), request.field("Call-ID"));
    assert_eq!(second.uri(), older.contact_uri("alice"));
    assert_ne!(second.top_via(), first.top_via(), "a branch of its own");
    older.send(second.answer_with(200, "OK", "X-Flow: older\r\n"));
    let response = caller.receive_final().expect_status(200);
    assert_eq!(response.header("X-Flow"), "older");
    if newer.is_some() && failure != Failure::Silence && method == "INVITE" {
        // It may have been repeated over UDP before the answer.
        let next = std::iter::repeat_with(|| newer.as_ref().unwrap().receive());
        next.into_iter().find(|message| message.method() == "ACK").unwrap();
    }
    // What answers is not dead: a 430 and a 408 have come over the flow.
    if matches!(failure, Failure::Fin | Failure::Reset | Failure::Silence) {
        wait_until("the bindings of the dead flow are dropped", || {
            !caller.bound_uris("alice").contains(&newer_uri)
        });
    }
    assert!(caller.bound_uris("alice").contains(&older.contact_uri("alice")));
}

#[test]
fn s7_a_message_goes_over_the_second_flow_when_the_first_fails() {
    let node = Node::start(QUICK);
    for failure in OF_A_STREAM {
        assert_second_flow_answers(&node, failure, "MESSAGE", &Client::tcp(&node), Client::tcp(&node));
        assert_second_flow_answers(&node, failure, "MESSAGE", &Client::udp(&node), Client::tcp(&node));
    }
    for failure in OF_ANY_FLOW {
        assert_second_flow_answers(&node, failure, "MESSAGE", &Client::tcp(&node), Client::udp(&node));
    }
}

#[test]
fn s7_a_call_goes_over_the_second_flow_when_the_first_fails() {
    let node = Node::start(QUICK);
    for failure in OF_A_STREAM {
        assert_second_flow_answers(&node, failure, "INVITE", &Client::tcp(&node), Client::tcp(&node));
        assert_second_flow_answers(&node, failure, "INVITE", &Client::udp(&node), Client::tcp(&node));
    }
    for failure in OF_ANY_FLOW {
        assert_second_flow_answers(&node, failure, "INVITE", &Client::tcp(&node), Client::udp(&node));
    }
}

#[test]
fn s7_icmp_unreachable_takes_a_request_to_the_second_flow() {
    let node = Node::start("[proxy]\nflow_timeout = \"10s\"\n");
    for method in ["MESSAGE", "INVITE"] {
        let (caller, older, newer) = (Client::tcp(&node), Client::udp(&node), Client::udp(&node));
        older.registers_outbound("alice", 1);
        newer.registers_outbound("alice", 2);
        drop(newer);
        caller.send(request(&caller, method, "alice").to_bytes());
        let arrived = older.receive_within(Duration::from_secs(5)).expect("long before flow_timeout");
        older.send(arrived.answer(200, "OK"));
        caller.receive_final().expect_status(200);
    }
}

#[test]
fn s7_with_three_of_four_flows_dead_the_fourth_answers() {
    use Failure::{Fin, FlowFailed, Reset, Silence};
    for failures in [[Silence; 3], [FlowFailed; 3], [Fin, Reset, Fin], [FlowFailed, Silence, Reset]] {
        for method in ["MESSAGE", "INVITE"] {
            let node = Node::start(QUICK);
            let caller = Client::tcp(&node);
            let mut flows: Vec<Client> = (0..4).map(|_| Client::tcp(&node)).collect();
            for (reg_id, flow) in (1..).zip(&flows) {
                flow.registers_outbound("alice", reg_id);
            }
            caller.send(request(&caller, method, "alice").to_bytes());
            let mut silent = Vec::new();
            for failure in failures {
                // The newest first.
                let flow = flows.pop().unwrap();
                let arrived = flow.receive().expect_method(method);
                silent.extend(failure.of(flow, &arrived));
            }
            let last = flows.pop().unwrap();
            last.send(last.receive().expect_method(method).answer(200, "OK"));
            caller.receive_final().expect_status(200);
            let alive = 1 + failures.iter().filter(|failure| **failure == FlowFailed).count();
            wait_until("the dead flows' bindings are dropped", || caller.bindings("alice").len() == alive);
            assert!(caller.bound_uris("alice").contains(&last.contact_uri("alice")));
        }
    }
}

#[test]
fn s7_the_next_request_goes_over_the_flow_that_is_left_at_once() {
    let node = Node::start(QUICK);
    let (caller, older, newer) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    older.registers_outbound("alice", 1);
    newer.registers_outbound("alice", 2);
    caller.send(caller.message("alice").to_bytes());
    newer.receive();
    older.send(older.receive().answer(200, "OK"));
    caller.receive_final().expect_status(200);
    caller.reaches("alice", &older);
    newer.expect_nothing();
}

#[test]
fn s7_a_flow_that_rings_is_not_given_up_for_its_silence() {
    let node = Node::start(QUICK);
    for provisional in [100, 180] {
        let (caller, older, newer) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
        older.registers_outbound("alice", 1);
        newer.registers_outbound("alice", 2);
        caller.send(caller.invite("alice").to_bytes());
        let arrived = newer.receive();
        newer.send(arrived.answer(provisional, "Wait"));
        older.expect_silence(Duration::from_millis(1200));
        newer.send(arrived.answer(200, "OK"));
        caller.receive_final().expect_status(200);
        older.expect_nothing();
    }
}

#[test]
fn s7_a_flow_that_rings_and_closes_leaves_the_call_to_the_next() {
    let node = Node::start(QUICK);
    let (caller, older, newer) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    older.registers_outbound("alice", 1);
    newer.registers_outbound("alice", 2);
    caller.send(caller.invite("alice").to_bytes());
    newer.send(newer.receive().answer(180, "Ringing"));
    caller.receive().expect_status(100);
    caller.receive().expect_status(180);
    drop(newer);
    older.send(older.receive().expect_method("INVITE").answer(200, "OK"));
    caller.receive_final().expect_status(200);
}

#[test]
fn s7_a_silent_flow_that_answers_in_the_end_wins_and_the_other_is_cancelled() {
    let node = Node::start(QUICK);
    let (caller, older, newer) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    older.registers_outbound("alice", 1);
    newer.registers_outbound("alice", 2);
    caller.send(caller.invite("alice").to_bytes());
    let first = newer.receive();
    let second = older.receive();
    older.send(second.answer(180, "Ringing"));
    caller.receive().expect_status(100);
    caller.receive().expect_status(180);
    // The 2xx of a fork all go back: RFC 3261 §16.7 step 5.
    newer.send(first.answer_with(200, "OK", "X-Flow: newer\r\n"));
    assert_eq!(caller.receive_final().expect_status(200).header("X-Flow"), "newer");
    let cancel = older.receive().expect_method("CANCEL");
    older.send(cancel.answer(200, "OK"));
    older.send(second.answer(487, "Request Terminated"));
    older.receive().expect_method("ACK");
    caller.expect_nothing();
}

#[test]
fn s7_an_instance_gets_a_request_over_one_flow_at_a_time_whatever_other_instances_do() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let flows: Vec<_> = (0..4).map(|_| Client::tcp(&node)).collect();
    let [desk_old, desk_new, cell_old, cell_new] = &flows[..] else { unreachable!() };
    desk_old.registers_flow("alice", "desk", 1);
    cell_old.registers_flow("alice", "cell", 1);
    desk_new.registers_flow("alice", "desk", 2);
    cell_new.registers_flow("alice", "cell", 2);
    caller.send(caller.message("alice").to_bytes());
    let at_desk = desk_new.receive();
    let at_cell = cell_new.receive();
    desk_old.expect_nothing();
    cell_old.expect_nothing();
    // One instance fails over, and the other is left alone.
    desk_new.send(at_desk.answer(430, "Flow Failed"));
    let at_desk = desk_old.receive();
    cell_new.expect_nothing();
    cell_old.expect_nothing();
    cell_new.send(at_cell.answer(486, "Busy Here"));
    desk_old.send(at_desk.answer(200, "OK"));
    caller.receive_final().expect_status(200);
    flows.iter().for_each(Client::expect_nothing);
}

#[test]
fn s11_5_a_caller_never_gets_a_430() {
    let node = Node::start(QUICK);
    for method in ["MESSAGE", "INVITE"] {
        let (caller, older, newer) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
        older.registers_outbound("alice", 1);
        newer.registers_outbound("alice", 2);
        caller.send(request(&caller, method, "alice").to_bytes());
        newer.send(newer.receive().answer(430, "Flow Failed"));
        older.send(older.receive().answer(430, "Flow Failed"));
        caller.receive_final().expect_status(480);
    }
}

#[test]
fn s7_a_call_that_no_flow_answers_ends() {
    // 64*T1 is 3.2 s.
    let node = Node::start("[proxy]\nflow_timeout = \"400ms\"\nt1 = \"50ms\"\n");
    let (caller, older, newer) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    older.registers_outbound("alice", 1);
    newer.registers_outbound("alice", 2);
    caller.send(caller.invite("alice").to_bytes());
    newer.receive();
    older.receive();
    caller.receive_final().expect_status(408);
}
