//! Each machine against the rules of its section, in virtual time.

use super::*;

const TIMERS: Timers =
    Timers { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) };

/// Runs `expire` at every deadline up to `end` and lists what fired, in milliseconds from `start`.
macro_rules! fired_until {
    ($machine:expr, $start:expr, $seconds:expr $(, $timers:expr)?) => {{
        let end = $start + Duration::from_secs($seconds);
        let mut fired = Vec::new();
        while let Some(at) = $machine.deadline().filter(|at| *at <= end) {
            while let Some(event) = $machine.expire(at $(, $timers)?) {
                fired.push(((at - $start).as_millis(), event));
            }
        }
        fired
    }};
}

fn resends(fired: &[(u128, Fired)]) -> Vec<u128> {
    fired.iter().filter(|(_, event)| *event == Fired::Resend).map(|(at, _)| *at).collect()
}

#[test]
fn s17_1_1_2_timer_a_doubles_without_a_limit_until_timer_b() {
    let start = Instant::now();
    let mut client = InviteClient::new(start, false, &TIMERS);
    let fired = fired_until!(client, start, 60);
    assert_eq!(resends(&fired), [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(fired.last(), Some(&(32000, Fired::TimedOut)));
    assert!(client.is_terminated());
}

#[test]
fn s17_1_1_2_no_timer_a_on_a_reliable_transport() {
    let start = Instant::now();
    let mut client = InviteClient::new(start, true, &TIMERS);
    assert_eq!(fired_until!(client, start, 60), [(32000, Fired::TimedOut)]);
}

#[test]
fn s17_1_1_2_a_provisional_response_stops_timers_a_and_b() {
    let start = Instant::now();
    let mut client = InviteClient::new(start, false, &TIMERS);
    assert_eq!(client.response(start, 180, &TIMERS), Received::Pass);
    assert_eq!(client.deadline(), None);
    assert_eq!(client.response(start, 183, &TIMERS), Received::Pass);
    assert!(client.is_proceeding());
}

#[test]
fn s17_1_1_2_a_failure_is_acknowledged_and_its_repetition_only_acknowledged() {
    for reached_proceeding in [false, true] {
        let start = Instant::now();
        let mut client = InviteClient::new(start, false, &TIMERS);
        if reached_proceeding {
            client.response(start, 100, &TIMERS);
        }
        assert_eq!(client.response(start, 486, &TIMERS), Received::PassAndAck);
        assert_eq!(client.response(start, 486, &TIMERS), Received::AckAgain);
        assert_eq!(client.response(start, 180, &TIMERS), Received::Absorb);
        assert_eq!(fired_until!(client, start, 60), [(32000, Fired::Ended)], "Timer D");
    }
}

#[test]
fn s17_1_1_2_timer_d_is_zero_on_a_reliable_transport() {
    let start = Instant::now();
    let mut client = InviteClient::new(start, true, &TIMERS);
    assert_eq!(client.response(start, 486, &TIMERS), Received::PassAndAck);
    assert!(client.is_terminated());
}

#[test]
fn rfc6026_s8_4_timer_d_is_32_s_at_least_whatever_t1_is() {
    let quick = Timers { t1: Duration::from_millis(10), ..TIMERS };
    assert_eq!(quick.d(), Duration::from_secs(32));
    let slow = Timers { t1: Duration::from_secs(1), ..TIMERS };
    assert_eq!(slow.d(), Duration::from_secs(64));
}

#[test]
fn rfc6026_s7_2_every_2xx_goes_up_until_timer_m() {
    for reliable in [false, true] {
        let start = Instant::now();
        let mut client = InviteClient::new(start, reliable, &TIMERS);
        assert_eq!(client.response(start, 200, &TIMERS), Received::Pass);
        assert_eq!(client.response(start, 200, &TIMERS), Received::Pass);
        assert_eq!(client.response(start, 486, &TIMERS), Received::Absorb, "no ACK of ours once accepted");
        assert_eq!(fired_until!(client, start, 60), [(32000, Fired::Ended)]);
    }
}

#[test]
fn s9_1_a_cancel_waits_for_a_provisional_response_and_is_sent_once() {
    let start = Instant::now();
    let mut client = InviteClient::new(start, true, &TIMERS);
    assert!(!client.may_cancel());
    client.response(start, 100, &TIMERS);
    assert!(client.may_cancel());
    client.cancelled(start, &TIMERS);
    assert!(!client.may_cancel());
}

#[test]
fn s9_1_a_cancelled_invite_without_an_answer_is_given_up_after_64_t1() {
    let start = Instant::now();
    let mut client = InviteClient::new(start, true, &TIMERS);
    client.response(start, 180, &TIMERS);
    client.cancelled(start, &TIMERS);
    client.response(start, 180, &TIMERS);
    assert_eq!(fired_until!(client, start, 60), [(32000, Fired::TimedOut)]);
}

#[test]
fn s17_1_2_2_timer_e_doubles_up_to_t2_until_timer_f() {
    let start = Instant::now();
    let mut client = NonInviteClient::new(start, false, &TIMERS);
    let fired = fired_until!(client, start, 60, &TIMERS);
    assert_eq!(resends(&fired), [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(fired.last(), Some(&(32000, Fired::TimedOut)));
}

#[test]
fn s17_1_2_2_in_proceeding_timer_e_is_t2_and_timer_f_still_runs() {
    let start = Instant::now();
    let mut client = NonInviteClient::new(start, false, &TIMERS);
    assert_eq!(client.response(start, 100, &TIMERS), Received::Pass);
    let fired = fired_until!(client, start, 60, &TIMERS);
    assert_eq!(resends(&fired), [500, 4500, 8500, 12500, 16500, 20500, 24500, 28500]);
    assert_eq!(fired.last(), Some(&(32000, Fired::TimedOut)));
}

#[test]
fn s17_1_2_2_no_timer_e_and_no_timer_k_on_a_reliable_transport() {
    let start = Instant::now();
    let mut client = NonInviteClient::new(start, true, &TIMERS);
    assert_eq!(client.deadline(), Some(start + TIMERS.patience()));
    assert_eq!(client.response(start, 200, &TIMERS), Received::Pass);
    assert!(client.is_terminated());
}

#[test]
fn s17_1_2_2_timer_k_absorbs_repeated_responses() {
    let start = Instant::now();
    let mut client = NonInviteClient::new(start, false, &TIMERS);
    assert_eq!(client.response(start, 200, &TIMERS), Received::Pass);
    assert_eq!(client.response(start, 200, &TIMERS), Received::Absorb);
    assert_eq!(fired_until!(client, start, 60, &TIMERS), [(5000, Fired::Ended)]);
}

#[test]
fn s17_2_1_a_failure_is_repeated_by_timer_g_until_timer_h() {
    let start = Instant::now();
    let mut server = InviteServer::new(false);
    assert!(server.respond(start, 100, &TIMERS));
    assert!(server.respond(start, 486, &TIMERS));
    let fired = fired_until!(server, start, 60, &TIMERS);
    assert_eq!(resends(&fired), [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(fired.last(), Some(&(32000, Fired::TimedOut)), "Timer H: no ACK");
}

#[test]
fn s17_2_1_on_a_reliable_transport_timer_g_never_runs_and_timer_i_is_zero() {
    let start = Instant::now();
    let mut server = InviteServer::new(true);
    assert!(server.respond(start, 486, &TIMERS));
    assert_eq!(server.deadline(), Some(start + TIMERS.patience()));
    assert_eq!(server.ack(start, &TIMERS), Acked::Absorb);
    assert!(server.is_terminated());
}

#[test]
fn s17_2_1_an_ack_stops_timer_g_and_timer_i_absorbs_the_next() {
    let start = Instant::now();
    let mut server = InviteServer::new(false);
    server.respond(start, 486, &TIMERS);
    assert!(server.repeated());
    assert_eq!(server.ack(start, &TIMERS), Acked::Absorb);
    assert!(!server.repeated(), "Confirmed: nothing is sent any more");
    assert_eq!(server.ack(start, &TIMERS), Acked::Absorb);
    assert_eq!(fired_until!(server, start, 60, &TIMERS), [(5000, Fired::Ended)]);
}

#[test]
fn s17_2_1_a_repeated_invite_gets_the_last_provisional_response() {
    assert!(InviteServer::new(false).repeated());
}

#[test]
fn rfc6026_s7_1_accepted_absorbs_invites_and_passes_acks_and_2xx() {
    for reliable in [false, true] {
        let start = Instant::now();
        let mut server = InviteServer::new(reliable);
        assert!(server.respond(start, 200, &TIMERS));
        assert!(!server.repeated(), "the machine sends no 2xx on its own");
        assert!(server.respond(start, 200, &TIMERS), "but those of the user");
        assert!(!server.respond(start, 486, &TIMERS));
        assert!(!server.respond(start, 180, &TIMERS));
        assert_eq!(server.ack(start, &TIMERS), Acked::ToUser);
        assert_eq!(fired_until!(server, start, 60, &TIMERS), [(32000, Fired::Ended)], "Timer L");
    }
}

#[test]
fn s17_2_1_only_one_final_response_leaves() {
    let start = Instant::now();
    let mut server = InviteServer::new(false);
    assert!(server.respond(start, 486, &TIMERS));
    assert!(!server.respond(start, 487, &TIMERS));
    assert!(!server.respond(start, 200, &TIMERS));
}

#[test]
fn s17_2_2_timer_j_repeats_the_final_response_for_64_t1() {
    let start = Instant::now();
    let mut server = NonInviteServer::new(start, false, &TIMERS);
    assert!(!server.repeated(), "Trying: absorbed");
    assert!(server.respond(start, 200, &TIMERS));
    assert!(server.repeated());
    assert!(!server.respond(start, 500, &TIMERS));
    assert_eq!(fired_until!(server, start, 60), [(32000, Fired::Ended)]);
}

#[test]
fn s17_2_2_timer_j_is_zero_on_a_reliable_transport() {
    let start = Instant::now();
    let mut server = NonInviteServer::new(start, true, &TIMERS);
    assert!(server.respond(start, 200, &TIMERS));
    assert!(server.is_terminated());
    assert_eq!(server.deadline(), None);
}

#[test]
fn rfc4320_s4_1_a_100_follows_when_timer_e_has_reached_t2_and_no_other_provisional_ever() {
    for reliable in [false, true] {
        let start = Instant::now();
        let mut server = NonInviteServer::new(start, reliable, &TIMERS);
        assert!(!server.respond(start, 183, &TIMERS));
        assert_eq!(fired_until!(server, start, 60), [(3500, Fired::Trying)]);
        assert!(server.repeated(), "the 100 answers repetitions from now on");
        assert!(server.respond(start, 200, &TIMERS));
    }
}

#[test]
fn rfc4320_s4_2_a_request_nobody_answers_ends_without_a_response() {
    let start = Instant::now();
    let mut server = NonInviteServer::new(start, true, &TIMERS);
    server.give_up(start, &TIMERS);
    assert!(server.is_terminated());
    assert!(!server.respond(start, 408, &TIMERS));
}

#[test]
fn rfc4320_s4_2_a_request_without_an_answer_still_absorbs_its_repetitions() {
    let start = Instant::now();
    let mut server = NonInviteServer::new(start, false, &TIMERS);
    server.give_up(start, &TIMERS);
    assert!(!server.repeated());
    assert!(!server.respond(start, 200, &TIMERS));
    assert_eq!(fired_until!(server, start, 60), [(32000, Fired::Ended)]);
}
