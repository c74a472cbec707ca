//! Forking by rule, without a message or a clock.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

type Flows = Forking<&'static str, &'static str>;

fn instance<T: Clone>(q: u16, targets: &[T]) -> Instance<T> {
    Instance { q, targets: targets.iter().cloned().collect() }
}

/// One instance with these flows.
fn flows(targets: &[&'static str]) -> Flows {
    Forking::new([instance(1000, targets)])
}

/// Instances with one flow each, all of them out.
fn parallel(branches: usize) -> Forking<usize, &'static str> {
    let mut forking = Forking::new((0..branches).map(|branch| instance(1000, &[branch])));
    while forking.next().is_some() {}
    forking
}

fn tried<T, R>(forking: &mut Forking<T, R>) -> Vec<T> {
    std::iter::from_fn(|| forking.next().map(|next| next.target)).collect()
}

fn answer<R>(status: u16, response: R) -> Step<R> {
    Step::Answer { status, response, challenges: Vec::new() }
}

#[test]
fn rfc5626_s7_an_instance_is_tried_on_one_flow_at_a_time() {
    let mut forking: Flows = Forking::new([instance(1000, &["a1", "a2"]), instance(1000, &["b1", "b2"])]);
    assert_eq!(tried(&mut forking), ["a1", "b1"]);
    assert!(forking.is_out());
}

#[test]
fn rfc5626_s7_a_430_or_408_or_a_failed_flow_is_replaced_by_the_next_of_its_instance() {
    let mut forking = flows(&["one", "two", "three", "four"]);
    assert_eq!(forking.next(), Some(Try { target: "one", again: false, more: true, nth: 0, of: 1 }));
    assert_eq!(forking.next(), None);
    assert_eq!(forking.ended(0, 430, ""), Step::Wait);
    assert_eq!(forking.next(), Some(Try { target: "two", again: true, more: true, nth: 0, of: 1 }));
    assert_eq!(forking.ended(1, 408, ""), Step::Wait);
    assert_eq!(tried(&mut forking), ["three"]);
    assert_eq!(forking.failed(2, 503, ""), Step::Wait);
    assert_eq!(forking.next(), Some(Try { target: "four", again: true, more: false, nth: 0, of: 1 }));
    assert_eq!(forking.ended(3, 200, "ok"), Step::Forward("ok"));
}

#[test]
fn rfc5626_s7_any_other_final_response_ends_the_instance() {
    for status in [300, 404, 481, 482, 486, 487, 500, 503, 603] {
        let mut forking = flows(&["one", "two"]);
        forking.next();
        assert_eq!(forking.ended(0, status, ""), answer(status, ""), "{status}");
        assert_eq!(forking.next(), None);
    }
}

#[test]
fn rfc5626_s7_the_flow_of_one_instance_does_not_replace_that_of_another() {
    let mut forking: Flows = Forking::new([instance(1000, &["a1"]), instance(1000, &["b1", "b2"])]);
    tried(&mut forking);
    assert_eq!(forking.ended(0, 430, ""), Step::Wait);
    assert_eq!(forking.next(), None);
    assert_eq!(forking.ended(1, 430, ""), Step::Wait);
    assert_eq!(tried(&mut forking), ["b2"]);
}

#[test]
fn s16_6_instances_of_a_lower_q_wait_for_those_of_a_higher_one() {
    let mut forking: Flows = Forking::new([
        instance(300, &["c"]),
        instance(700, &["b1", "b2"]),
        instance(1000, &["a"]),
        instance(700, &["d"]),
    ]);
    assert_eq!(forking.width(), 2);
    assert_eq!(tried(&mut forking), ["a"]);
    assert_eq!(forking.ended(0, 480, ""), Step::Wait);
    let (one, two) = (forking.next().unwrap(), forking.next().unwrap());
    assert_eq!((one.target, one.nth, one.of), ("b1", 0, 2));
    assert_eq!((two.target, two.nth, two.of), ("d", 1, 2));
    assert_eq!(forking.next(), None);
    assert_eq!(forking.ended(2, 486, ""), Step::Wait);
    assert_eq!(forking.next(), None, "b is still out");
    assert_eq!(forking.ended(1, 430, ""), Step::Wait);
    let again = forking.next().unwrap();
    assert_eq!((again.target, again.again, again.nth, again.of), ("b2", true, 0, 2));
    assert_eq!(forking.next(), None, "and so it is over its second flow");
    assert_eq!(forking.ended(3, 404, ""), Step::Wait);
    assert_eq!(tried(&mut forking), ["c"]);
    assert_eq!(forking.ended(4, 404, ""), answer(480, ""));
}

#[test]
fn s16_7_step_5_a_2xx_goes_back_at_once_and_nothing_else_after_it() {
    let mut forking = parallel(3);
    assert_eq!(forking.ended(0, 486, "busy"), Step::Wait);
    assert_eq!(forking.ended(1, 200, "ok"), Step::Forward("ok"));
    assert!(forking.is_unwanted(2));
    assert_eq!(forking.ended(2, 487, "cancelled"), Step::Wait);
}

#[test]
fn s16_7_step_5_two_branches_may_both_answer_2xx() {
    let mut forking = parallel(2);
    assert_eq!(forking.ended(0, 200, "one"), Step::Forward("one"));
    assert_eq!(forking.ended(1, 200, "two"), Step::Forward("two"));
}

#[test]
fn s16_7_step_5_a_6xx_cancels_the_others_and_waits_for_them() {
    let mut forking = parallel(3);
    assert_eq!(forking.ended(0, 603, "declined"), Step::Wait);
    assert!(forking.is_unwanted(1) && forking.is_unwanted(2));
    assert_eq!(forking.ended(1, 487, ""), Step::Wait);
    assert_eq!(forking.ended(2, 487, ""), answer(603, "declined"));
}

#[test]
fn s16_7_step_5_after_a_6xx_no_target_is_tried() {
    let mut forking: Flows =
        Forking::new([instance(1000, &["a1"]), instance(1000, &["b1", "b2"]), instance(500, &["c"])]);
    tried(&mut forking);
    assert_eq!(forking.ended(0, 600, ""), Step::Wait);
    assert_eq!(forking.ended(1, 430, ""), answer(600, ""));
    assert_eq!(forking.next(), None);
}

#[test]
fn s16_7_step_5_a_2xx_that_arrives_after_a_6xx_still_goes_back() {
    let mut forking = parallel(2);
    assert_eq!(forking.ended(0, 600, "no"), Step::Wait);
    assert_eq!(forking.ended(1, 200, "yes"), Step::Forward("yes"));
}

#[test]
fn s16_7_step_6_the_best_response_is_6xx_then_the_lowest_class_then_one_that_helps() {
    for (statuses, best) in [
        (&[503, 407, 501, 404][..], 407),
        (&[486, 302], 302),
        (&[404, 600, 302], 600),
        (&[408, 404], 404),
        (&[503, 500], 500),
        (&[500, 408], 408),
        (&[486, 484], 484),
        (&[486, 404], 486),
        (&[430, 486], 486),
        (&[408, 430], 430),
        (&[482, 486], 486),
        (&[503], 503),
    ] {
        let mut forking = Forking::new(statuses.iter().map(|status| instance(1000, &[*status])));
        while forking.next().is_some() {}
        let last = statuses
            .iter()
            .enumerate()
            .map(|(branch, status)| forking.ended(branch, *status, *status))
            .last();
        assert_eq!(last, Some(answer(best, best)), "of {statuses:?}");
    }
}

#[test]
fn s16_7_step_7_the_challenges_of_all_401_and_407_are_put_together() {
    let mut forking = parallel(5);
    for (branch, (status, challenge)) in
        [(407, "one"), (404, ""), (401, "two"), (401, "three")].into_iter().enumerate()
    {
        assert_eq!(forking.ended(branch, status, challenge), Step::Wait);
    }
    let challenges = vec!["two", "three"];
    assert_eq!(forking.ended(4, 480, ""), Step::Answer { status: 407, response: "one", challenges });
}

#[test]
fn s16_7_step_7_a_challenge_that_is_not_chosen_goes_nowhere() {
    let mut forking = parallel(3);
    forking.ended(0, 401, "one");
    forking.ended(1, 407, "two");
    assert_eq!(forking.ended(2, 302, "moved"), answer(302, "moved"));
}

#[test]
fn s16_10_a_cancelled_request_tries_no_further_target() {
    let mut forking: Flows = Forking::new([instance(1000, &["a1", "a2"]), instance(500, &["b"])]);
    forking.next();
    forking.cancel();
    assert!(forking.is_unwanted(0));
    assert_eq!(forking.ended(0, 408, "cancelled"), answer(408, "cancelled"));
    assert_eq!(forking.next(), None);
}

#[test]
fn a_silent_branch_is_replaced_and_its_flow_is_dead_once_the_instance_has_answered() {
    let mut forking = flows(&["one", "two", "three"]);
    tried(&mut forking);
    assert!(forking.silent(0));
    assert_eq!(tried(&mut forking), ["two"]);
    assert!(forking.silent(1));
    assert_eq!(tried(&mut forking), ["three"]);
    assert!(!forking.silent(2), "there is no other");
    assert!(forking.take_dead(2).contains(&0));
    assert_eq!(forking.ended(2, 486, "busy"), answer(486, "busy"));
    assert!(forking.is_unwanted(0) && forking.is_unwanted(1));
    assert!(forking.take_dead(2).is_empty(), "each is told once");
}

#[test]
fn a_branch_that_was_heard_is_never_silent() {
    let mut forking = flows(&["one", "two"]);
    forking.next();
    forking.heard(0);
    assert!(!forking.silent(0));
    assert_eq!(forking.next(), None);
}

#[test]
fn a_late_final_response_of_a_silent_branch_is_its_instances_answer() {
    let mut forking = flows(&["one", "two", "three"]);
    forking.next();
    forking.silent(0);
    forking.next();
    assert_eq!(forking.ended(0, 486, "busy"), answer(486, "busy"));
    assert!(forking.is_unwanted(1));
    assert_eq!(forking.ended(1, 200, "ok"), Step::Forward("ok"), "a 2xx goes back in any case");
}

#[test]
fn a_silent_branch_that_is_heard_first_takes_its_place_back() {
    let mut forking = flows(&["one", "two"]);
    forking.next();
    forking.silent(0);
    forking.next();
    forking.heard(0);
    assert!(forking.is_current(0) && !forking.is_unwanted(0));
    assert!(forking.take_dead(0).is_empty());
    forking.heard(1);
    assert!(forking.is_unwanted(1), "the UA has it twice");
    assert_eq!(forking.ended(1, 487, "cancelled"), Step::Wait);
    assert_eq!(forking.ended(0, 486, "busy"), answer(486, "busy"));
}

#[test]
fn a_silent_branch_that_is_heard_last_is_unwanted() {
    let mut forking = flows(&["one", "two"]);
    forking.next();
    forking.silent(0);
    forking.next();
    forking.heard(1);
    assert!(!forking.is_unwanted(0), "it may not be cancelled before it is heard");
    forking.heard(0);
    assert!(forking.is_unwanted(0) && !forking.is_unwanted(1));
    assert_eq!(forking.ended(0, 487, "cancelled"), Step::Wait);
}

#[test]
fn s8_2_2_2_a_482_over_the_second_flow_says_that_the_first_has_the_request() {
    let mut forking = flows(&["one", "two", "three"]);
    forking.next();
    forking.silent(0);
    forking.next();
    assert_eq!(forking.ended(1, 482, "merged"), Step::Wait);
    assert_eq!(forking.next(), None);
    assert!(forking.is_current(0));
    assert_eq!(forking.ended(0, 404, "no"), answer(404, "no"));
}

#[test]
fn a_silent_branch_is_waited_for_when_no_other_target_is_left() {
    let mut forking = flows(&["one", "two"]);
    forking.next();
    forking.silent(0);
    forking.next();
    assert_eq!(forking.failed(1, 430, "gone"), Step::Wait);
    assert!(forking.is_current(0));
    assert_eq!(forking.ended(0, 408, "timeout"), answer(430, "gone"));
}

#[test]
fn an_instance_that_had_its_time_is_not_tried_again() {
    let mut forking = flows(&["one", "two"]);
    forking.next();
    forking.exhaust(0);
    assert_eq!(forking.ended(0, 408, ""), answer(408, ""));
}

/// What may happen to a branch.
#[derive(Clone, Debug)]
enum Event {
    Ended(u16),
    Failed,
    Heard,
    Silent,
    Cancel,
}

fn event() -> impl Strategy<Value = Event> {
    let statuses = prop::sample::select(vec![200, 302, 401, 407, 408, 430, 482, 486, 487, 503, 603]);
    prop_oneof![
        6 => statuses.prop_map(Event::Ended),
        2 => Just(Event::Failed),
        2 => Just(Event::Heard),
        2 => Just(Event::Silent),
        1 => Just(Event::Cancel),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_there_is_one_answer_and_no_instance_is_tried_again_while_it_is_heard(
        instances in prop::collection::vec((prop::sample::select(vec![500_u16, 1000]), 1_usize..5), 1..5),
        events in prop::collection::vec((any::<prop::sample::Index>(), event()), 0..60),
    ) {
        let number = |instance: usize, flow: usize| (instance, flow);
        let mut forking = Forking::new(instances.iter().enumerate().map(|(index, (q, flows))| Instance {
            q: *q,
            targets: (0..*flows).map(|flow| number(index, flow)).collect(),
        }));
        let (mut out, mut targets, mut answers, mut forwards) = (Vec::new(), Vec::new(), 0, 0);
        // In the end every branch that is left times out.
        let end = (0..40).map(|_| (None, Event::Ended(408)));
        for (index, event) in events.into_iter().map(|(index, event)| (Some(index), event)).chain(end) {
            while let Some(next) = forking.next() {
                prop_assert_eq!((answers, forwards), (0, 0), "no branch after the answer");
                prop_assert!(next.nth < next.of);
                prop_assert!(!targets.contains(&next.target), "no target is tried twice");
                let alive = |branch: &usize| {
                    let known = &forking.branches[*branch];
                    targets[*branch].0 == next.target.0 && known.out && known.heard == Heard::Life
                };
                prop_assert!(!out.iter().any(alive));
                out.push(targets.len());
                targets.push(next.target);
            }
            if out.is_empty() {
                break;
            }
            let place = index.map_or(0, |index| index.index(out.len()));
            let branch = out[place];
            let step = match event {
                Event::Ended(status) => forking.ended(out.remove(place), status, ()),
                Event::Failed => forking.failed(out.remove(place), 430, ()),
                Event::Heard => { forking.heard(branch); Step::Wait }
                Event::Silent => { forking.silent(branch); Step::Wait }
                Event::Cancel => { forking.cancel(); Step::Wait }
            };
            match step {
                Step::Forward(()) => forwards += 1,
                Step::Answer { .. } => answers += 1,
                Step::Wait => {}
            }
            prop_assert!(answers <= 1);
        }
        prop_assert!(out.is_empty() && (answers == 1 || forwards > 0));
    }
}
