//! When a failed flow is formed anew. RFC 5626 §4.5, appendix A.

use super::*;

/// What appendix A says of each number of failures: the wait while all flows are unusable, and while another is not.
const ROWS: &[(u32, [u64; 2], [u64; 2])] = &[
    (1, [30, 60], [90, 180]),
    (2, [60, 120], [180, 360]),
    (3, [120, 240], [360, 720]),
    (4, [240, 480], [720, 1440]),
    (5, [480, 960], [900, 1800]),
    (6, [900, 1800], [900, 1800]),
    (7, [900, 1800], [900, 1800]),
];

#[track_caller]
fn assert_row(wait: Duration, [from, to]: [u64; 2]) {
    assert!((seconds(from)..=seconds(to)).contains(&wait), "{wait:?} is not from {from} to {to} s");
}

#[test]
fn appendix_a_while_all_flows_are_unusable() {
    let mut ua = Ua::new(2);
    ua.unreachable(2);
    for &(failures, all_failed, _) in ROWS {
        ua.unreachable(1);
        let (_, counted, wait) = ua.failed(1);
        assert_eq!(counted, failures);
        assert_row(wait, all_failed);
        assert_eq!(ua.reconnects(1), wait);
    }
}

#[test]
fn appendix_a_while_another_flow_is_up() {
    let mut ua = Ua::new(2);
    ua.connected(2);
    // Without outbound and for a long time, so that only the flow that fails has deadlines.
    ua.answer(2, 200, &["Expires: 1000000"]);
    for &(failures, _, some_up) in ROWS {
        ua.unreachable(1);
        let (_, counted, wait) = ua.failed(1);
        assert_eq!(counted, failures);
        assert_row(wait, some_up);
        assert_eq!(ua.reconnects(1), wait);
    }
}

#[test]
fn appendix_a_a_flow_that_was_a_success_is_formed_anew_at_once() {
    for flows in [1, 2] {
        let mut ua = Ua::up(flows);
        ua.lost(1);
        let (why, failures, wait) = ua.failed(1);
        assert_eq!((why, failures, wait), (Why::Closed, 0, Duration::ZERO));
        assert_eq!(ua.reconnects(1), Duration::ZERO);
        assert_eq!(ua.recovery.up().count(), flows - 1, "the others stay in use");
    }
}

#[test]
fn s4_5_each_new_registration_has_the_reg_id_that_it_replaces() {
    let mut ua = Ua::up(2);
    let before = ua.register(2).clone();
    ua.lost(2);
    ua.reconnects(2);
    ua.connected(2);
    let after = ua.register(2);
    assert_eq!(after.first(Name::Contact), before.first(Name::Contact));
    assert_eq!(after.first(Name::CallId), before.first(Name::CallId));
    assert!(after.cseq().unwrap().number > before.cseq().unwrap().number);
    ua.answer(2, 200, OUTBOUND);
    assert_eq!(ua.recovery.up().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn s4_5_a_flow_whose_keep_alive_was_never_answered_was_no_success() {
    let mut ua = Ua::new(1);
    ua.connected(1);
    ua.answer(1, 200, OUTBOUND);
    ua.lost(1);
    let (_, failures, wait) = ua.failed(1);
    assert_eq!(failures, 1);
    assert_row(wait, [30, 60]);
}

#[test]
fn a_registrar_without_outbound_that_hangs_up_is_not_called_in_a_loop() {
    let mut ua = Ua::new(1);
    for failures in 1..4 {
        ua.connected(1);
        ua.answer(1, 200, &[]);
        ua.lost(1);
        assert_eq!(ua.failed(1).1, failures);
        ua.reconnects(1);
    }
    ua.connected(1);
    ua.answer(1, 200, &[]);
    ua.advance(seconds(30));
    ua.lost(1);
    assert_eq!(ua.failed(1).1, 0, "it lasted");
}

#[test]
fn s4_5_a_success_ends_the_row_of_failures() {
    let mut ua = Ua::new(1);
    for _ in 0..4 {
        ua.unreachable(1);
        ua.reconnects(1);
    }
    ua.connected(1);
    ua.answer(1, 200, OUTBOUND);
    ua.advance_with_pongs(seconds(130));
    ua.lost(1);
    assert_eq!(ua.failed(1).1, 0);
    ua.reconnects(1);
    ua.unreachable(1);
    let (_, failures, wait) = ua.failed(1);
    assert_eq!(failures, 1);
    assert_row(wait, [30, 60]);
}

#[test]
fn s4_5_a_retry_after_makes_the_wait_longer_and_never_shorter() {
    for (retry_after, expected) in [("1000", [1000, 1000]), ("0", [30, 60])] {
        let mut ua = Ua::new(1);
        ua.connected(1);
        ua.answer(1, 503, &[&format!("Retry-After: {retry_after}")]);
        assert_row(ua.failed(1).2, expected);
        assert!(ua.closes(1));
    }
}

#[test]
fn s4_2_2_refusals_of_a_refresh_are_waited_after() {
    let mut ua = Ua::up(1);
    let refused = |ua: &mut Ua| {
        let told = ua.told(1);
        let [Event::Refused { retry_in, .. }] = &told[..] else { panic!("{told:?}") };
        *retry_in
    };
    ua.refreshes(1);
    ua.answer(1, 503, &["Retry-After: 0"]);
    assert_eq!(refused(&mut ua), Duration::ZERO, "at once, when it says so");
    ua.refreshes(1);
    ua.answer(1, 503, &["Retry-After: 0"]);
    assert_row(refused(&mut ua), [30, 60]);
    ua.refreshes(1);
    ua.answer(1, 500, &[]);
    assert_row(refused(&mut ua), [60, 120]);
    ua.refreshes(1);
    ua.answer(1, 200, OUTBOUND);
    ua.refreshes(1);
    ua.answer(1, 503, &["Retry-After: 5"]);
    assert_eq!(refused(&mut ua), seconds(5), "a success ends the row");
    assert!(!ua.closes(1));
}

#[test]
fn s4_2_2_a_refresh_that_is_refused_for_good_ends_the_flow() {
    let mut ua = Ua::new(2);
    for (reg_id, expires) in [(1, "Expires: 600"), (2, "Expires: 100000")] {
        ua.connected(reg_id);
        ua.answer(reg_id, 200, &["Require: outbound", expires]);
    }
    ua.refreshes(1);
    ua.answer(1, 403, &[]);
    let (why, failures, _) = ua.failed(1);
    assert_eq!((why.to_string(), failures), ("REGISTER refused: 403 Reason".to_owned(), 0));
    assert!(ua.closes(1));
    assert_eq!(ua.recovery.up().collect::<Vec<_>>(), [2]);
}

#[test]
fn what_arrives_late_on_a_flow_that_has_failed_means_nothing() {
    let mut ua = Ua::new(1);
    ua.connected(1);
    let late = answer_to(ua.register(1), 200, OUTBOUND);
    ua.lost(1);
    ua.told(1);
    assert!(!ua.recovery.response(ua.now, 1, &late));
    ua.recovery.pong(ua.now, 1);
    ua.recovery.lost(ua.now, 1, Why::Closed);
    ua.collect();
    assert_eq!(ua.told(1), []);
    ua.reconnects(1);
    ua.connected(1);
    assert!(!ua.recovery.response(ua.now, 1, &late), "the answer to the REGISTER over the old flow");
}
