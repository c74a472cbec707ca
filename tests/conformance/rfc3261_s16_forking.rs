//! RFC 3261 §16 where an AOR has several instances: parallel and serial forks, the best response, CANCEL of what lost.

use std::time::Duration;

use crate::support::{Client, Message, Node};

/// Two UAs of one person, which ring together.
fn desk_and_cell(node: &Node) -> (Client, Client) {
    let (desk, cell) = (Client::tcp(node), Client::udp(node));
    desk.registers_flow("alice", "desk", 1);
    cell.registers_flow("alice", "cell", 1);
    (desk, cell)
}

/// Both get the same request.
#[track_caller]
fn both_get(caller: &Client, desk: &Client, cell: &Client, method: &str) -> (Message, Message) {
    let request = if method == "INVITE" { caller.invite("alice") } else { caller.message("alice") };
    caller.send(request.to_bytes());
    (desk.receive().expect_method(method), cell.receive().expect_method(method))
}

#[test]
fn s16_7_10_two_instances_ring_together_and_the_loser_is_cancelled() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (desk, cell) = desk_and_cell(&node);
    let (at_desk, at_cell) = both_get(&caller, &desk, &cell, "INVITE");
    caller.receive().expect_status(100);
    desk.send(at_desk.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    cell.send(at_cell.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    desk.send(at_desk.answer(200, "OK"));
    caller.receive().expect_status(200);
    let cancel = cell.receive().expect_method("CANCEL");
    assert_eq!(cancel.uri(), at_cell.uri());
    assert_eq!(cancel.top_via(), at_cell.top_via());
    cell.send(cancel.answer(200, "OK"));
    cell.send(at_cell.answer(487, "Request Terminated"));
    cell.receive().expect_method("ACK");
    for client in [&caller, &desk, &cell] {
        client.expect_nothing();
    }
}

#[test]
fn s16_7_5_a_message_that_forks_is_answered_once() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (desk, cell) = desk_and_cell(&node);
    let (at_desk, at_cell) = both_get(&caller, &desk, &cell, "MESSAGE");
    desk.send(at_desk.answer(200, "OK"));
    caller.receive_final().expect_status(200);
    cell.send(at_cell.answer(200, "OK"));
    for client in [&caller, &desk, &cell] {
        client.expect_nothing();
    }
}

#[test]
fn s16_7_5_every_2xx_to_an_invite_goes_back() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (desk, cell) = desk_and_cell(&node);
    let (at_desk, at_cell) = both_get(&caller, &desk, &cell, "INVITE");
    caller.receive().expect_status(100);
    desk.send(at_desk.answer_with(200, "OK", "X-At: desk\r\n"));
    assert_eq!(caller.receive().expect_status(200).header("X-At"), "desk");
    cell.send(at_cell.answer_with(200, "OK", "X-At: cell\r\n"));
    assert_eq!(caller.receive().expect_status(200).header("X-At"), "cell");
}

#[test]
fn s16_7_6_a_non_2xx_waits_for_the_other_branches() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (desk, cell) = desk_and_cell(&node);
    let (at_desk, at_cell) = both_get(&caller, &desk, &cell, "INVITE");
    caller.receive().expect_status(100);
    desk.send(at_desk.answer(486, "Busy Here"));
    desk.receive().expect_method("ACK");
    caller.expect_nothing();
    cell.send(at_cell.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s16_7_6_the_best_response_is_of_the_lowest_class_unless_there_is_a_6xx() {
    let node = Node::start("");
    for (one, other, best) in [
        (486, 302, 302),
        (500, 404, 404),
        (404, 603, 603),
        (486, 503, 486),
        // §16.7 step 6: what tells the caller how to ask again is preferred within 4xx.
        (404, 415, 415),
        (486, 420, 420),
        (480, 484, 484),
    ] {
        for swapped in [false, true] {
            let caller = Client::tcp(&node);
            let (desk, cell) = desk_and_cell(&node);
            let (at_desk, at_cell) = both_get(&caller, &desk, &cell, "MESSAGE");
            let (first, second) = if swapped { (other, one) } else { (one, other) };
            desk.send(at_desk.answer(first, "No"));
            cell.send(at_cell.answer(second, "No"));
            caller.receive_final().expect_status(best);
            caller.expect_nothing();
        }
    }
}

#[test]
fn s16_7_7_challenges_of_all_branches_are_in_the_one_that_goes_back() {
    let node = Node::start("");
    let challenge = |realm: &str| format!("Digest realm=\"{realm}\", nonce=\"n\"");
    for (one, other) in [(401, 401), (401, 407), (407, 407), (407, 401)] {
        let caller = Client::tcp(&node);
        let (desk, cell) = desk_and_cell(&node);
        let (at_desk, at_cell) = both_get(&caller, &desk, &cell, "INVITE");
        caller.receive().expect_status(100);
        let name = |status| if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        for (ua, arrived, status, realm) in
            [(&desk, &at_desk, one, "desk.example.com"), (&cell, &at_cell, other, "cell.example.com")]
        {
            let line = format!("{}: {}\r\n", name(status), challenge(realm));
            ua.send(arrived.answer_with(status, "Who", &line));
            ua.receive().expect_method("ACK");
        }
        let response = caller.receive();
        assert!([one, other].contains(&response.status()), "{response}");
        let text = String::from_utf8_lossy(response.octets()).into_owned();
        for (status, realm) in [(one, "desk.example.com"), (other, "cell.example.com")] {
            let line = format!("{}: {}\r\n", name(status), challenge(realm));
            assert_eq!(text.matches(&line).count(), 1, "{line} in {response}");
        }
    }
}

#[test]
fn s16_7_5_a_6xx_cancels_what_still_rings() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (desk, cell) = desk_and_cell(&node);
    let (at_desk, at_cell) = both_get(&caller, &desk, &cell, "INVITE");
    caller.receive().expect_status(100);
    cell.send(at_cell.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    desk.send(at_desk.answer(603, "Decline"));
    desk.receive().expect_method("ACK");
    // Not before the others have ended.
    caller.expect_nothing();
    let cancel = cell.receive().expect_method("CANCEL");
    cell.send(cancel.answer(200, "OK"));
    cell.send(at_cell.answer(487, "Request Terminated"));
    cell.receive().expect_method("ACK");
    caller.receive().expect_status(603);
}

#[test]
fn s16_10_a_cancel_goes_to_every_branch() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (desk, cell) = desk_and_cell(&node);
    let invite = caller.invite("alice");
    caller.ask(&invite).expect_status(100);
    let ringing = [&desk, &cell].map(|ua| {
        let arrived = ua.receive().expect_method("INVITE");
        ua.send(arrived.answer(180, "Ringing"));
        caller.receive().expect_status(180);
        (ua, arrived)
    });
    caller.ask(&invite.cancel()).expect_status(200);
    for (ua, arrived) in ringing {
        let cancel = ua.receive().expect_method("CANCEL");
        ua.send(cancel.answer(200, "OK"));
        ua.send(arrived.answer(487, "Request Terminated"));
        ua.receive().expect_method("ACK");
    }
    caller.receive().expect_status(487);
    caller.expect_nothing();
}

#[test]
fn s16_6_a_lower_q_is_tried_after_a_higher_one() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (office, desk, home) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    office.registers_flow_with("alice", "office", 1, ";q=0.9");
    desk.registers_flow_with("alice", "desk", 1, ";q=0.9");
    home.registers_flow_with("alice", "home", 1, ";q=0.3");
    caller.send(caller.message("alice").to_bytes());
    let (at_office, at_desk) = (office.receive(), desk.receive());
    office.send(at_office.answer(486, "Busy Here"));
    home.expect_nothing();
    desk.send(at_desk.answer(404, "Not Found"));
    home.send(home.receive().answer(200, "OK"));
    caller.receive_final().expect_status(200);
}

#[test]
fn s16_6_a_6xx_keeps_a_lower_q_from_being_tried() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (office, home) = (Client::tcp(&node), Client::tcp(&node));
    office.registers_flow_with("alice", "office", 1, ";q=0.9");
    home.registers_flow_with("alice", "home", 1, ";q=0.3");
    caller.send(caller.message("alice").to_bytes());
    office.send(office.receive().answer(603, "Decline"));
    caller.receive_final().expect_status(603);
    home.expect_nothing();
}

#[test]
fn s16_7_2_each_provisional_response_sets_timer_c_anew() {
    let node = Node::start("[proxy]\ntimer_c = \"1s\"\n");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers_outbound("alice", 1);
    caller.ask(&caller.invite("alice")).expect_status(100);
    let arrived = ua.receive();
    for _ in 0..4 {
        ua.send(arrived.answer(180, "Ringing"));
        caller.receive().expect_status(180);
        ua.expect_silence(Duration::from_millis(500));
    }
    let cancel = ua.receive().expect_method("CANCEL");
    ua.send(cancel.answer(200, "OK"));
    ua.send(arrived.answer(487, "Request Terminated"));
    ua.receive().expect_method("ACK");
    let status = caller.receive_final().status();
    assert!([408, 487].contains(&status), "{status}");
}

#[test]
fn rfc5393_s5_3_branches_share_the_breadth_of_their_request() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (desk, cell) = desk_and_cell(&node);
    for (asked, most) in [(None, 60), (Some("7"), 7), (Some("2"), 2)] {
        let request = caller.message("alice");
        let request = match asked {
            Some(breadth) => request.with("Max-Breadth", breadth),
            None => request,
        };
        caller.send(request.to_bytes());
        let arrived = [&desk, &cell].map(|ua| ua.receive().expect_method("MESSAGE"));
        let shares = arrived.each_ref().map(|arrived| arrived.header("Max-Breadth").parse::<u32>().unwrap());
        assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
        assert_eq!(shares.iter().sum::<u32>(), most, "{shares:?}");
        desk.send(arrived[0].answer(200, "OK"));
        cell.send(arrived[1].answer(200, "OK"));
        caller.receive_final().expect_status(200);
    }
}

#[test]
fn rfc5393_s5_3_a_breadth_that_is_too_small_for_a_parallel_fork_is_440() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (desk, cell) = desk_and_cell(&node);
    caller.ask(&caller.message("alice").with("Max-Breadth", "1")).expect_status(440);
    desk.expect_nothing();
    cell.expect_nothing();
    desk.registers_outbound("bob", 1);
    caller.send(caller.message("bob").with("Max-Breadth", "1").to_bytes());
    let arrived = desk.receive();
    assert_eq!(arrived.header("Max-Breadth"), "1");
    desk.send(arrived.answer(200, "OK"));
    caller.receive_final().expect_status(200);
}

#[test]
fn s16_7_1_a_response_that_comes_over_another_flow_is_not_taken() {
    let node = Node::start("");
    for (ua, stranger) in [
        (Client::tcp(&node), Client::tcp(&node)),
        (Client::tcp(&node), Client::udp(&node)),
        (Client::udp(&node), Client::udp(&node)),
    ] {
        let caller = Client::tcp(&node);
        ua.registers_outbound("alice", 1);
        caller.send(caller.message("alice").to_bytes());
        let arrived = ua.receive();
        stranger.send(arrived.answer_with(200, "OK", "X-From: stranger\r\n"));
        stranger.expect_nothing();
        caller.expect_nothing();
        ua.send(arrived.answer_with(200, "OK", "X-From: ua\r\n"));
        assert_eq!(caller.receive_final().expect_status(200).header("X-From"), "ua");
    }
}
