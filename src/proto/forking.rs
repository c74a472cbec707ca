//! Which target is tried next, and which of the answers goes back: RFC 3261 §16.7 without a message in it.
//!
//! ```text
//!   targets ──next──> branch out ──ended──> 2xx            Forward   at once, the rest is cancelled
//!      ^                                    6xx            no new branch, the rest is cancelled
//!      │                                    300-599        kept if it is the best so far
//!      └────────── Next, while a target waits and no branch is out
//!                                           nothing left   Answer    the best
//! ```

use smallvec::SmallVec;

/// The targets of one request and what came of them. `T` is a target, `R` a response.
#[derive(Debug)]
pub struct Forking<T, R> {
    /// Targets not tried yet, the next one last.
    waiting: SmallVec<[T; 2]>,
    /// Branches without a final response.
    out: u16,
    best: Option<(u16, R)>,
    /// A 2xx went back, or the best response was handed out.
    answered: bool,
}

/// What the end of a branch means for the whole.
#[derive(PartialEq, Eq, Debug)]
pub enum Step<R> {
    /// Send this 2xx back now and cancel the other branches.
    Forward(R),
    /// A 6xx: cancel the other branches and wait for them.
    CancelOthers,
    /// Other branches are still out, or all is answered.
    Wait,
    /// No branch is out and a target waits.
    Next,
    /// All is over: send this back.
    Answer(u16, R),
}

impl<T, R> Default for Forking<T, R> {
    fn default() -> Self {
        Forking { waiting: SmallVec::new(), out: 0, best: None, answered: false }
    }
}

impl<T, R> Forking<T, R> {
    /// Targets in the order in which to try them.
    pub fn new(targets: impl IntoIterator<Item = T>) -> Self {
        let mut waiting: SmallVec<[T; 2]> = targets.into_iter().collect();
        waiting.reverse();
        Forking { waiting, ..Forking::default() }
    }

    /// One target more, behind all others. RFC 3261 §16.5 allows it while nothing final has gone back.
    pub fn also(&mut self, target: T) {
        self.waiting.insert(0, target);
    }

    /// The next target, which from now on counts as a branch that is out.
    #[expect(clippy::should_implement_trait, reason = "it counts branches, it does not iterate")]
    pub fn next(&mut self) -> Option<T> {
        let target = self.waiting.pop()?;
        self.out += 1;
        Some(target)
    }

    /// Targets that wait are not tried any more: the request was cancelled.
    pub fn close(&mut self) {
        self.waiting.clear();
    }

    /// Whether any branch is without a final response.
    pub fn is_out(&self) -> bool {
        self.out > 0
    }

    /// A branch has its first final response, or an end of its own that stands for one.
    pub fn ended(&mut self, status: u16, response: R) -> Step<R> {
        self.out = self.out.saturating_sub(1);
        // RFC 3261 §16.7 step 5: any 2xx goes back at once; whether a second one may is the server transaction's affair.
        if (200..300).contains(&status) {
            self.waiting.clear();
            self.answered = true;
            return Step::Forward(response);
        }
        if self.answered {
            return Step::Wait;
        }
        // RFC 3261 §16.7 step 5: after a 6xx no new branch is made, and those that are out are cancelled.
        if status >= 600 {
            self.waiting.clear();
        }
        if self.best.as_ref().is_none_or(|(best, _)| rank(status) < rank(*best)) {
            self.best = Some((status, response));
        }
        match (self.out, self.waiting.is_empty()) {
            (0, false) => Step::Next,
            (0, true) => {
                self.answered = true;
                let (status, response) = self.best.take().expect("the branch that just ended has set it");
                Step::Answer(status, response)
            }
            _ if status >= 600 => Step::CancelOthers,
            _ => Step::Wait,
        }
    }
}

/// RFC 3261 §16.7 step 6: any 6xx before all others, then the lowest class; within 4xx those that tell the client how to
/// ask again come first. A 408 says least, and a 503 is to be passed on only when there is nothing else.
fn rank(status: u16) -> u16 {
    let within = match status {
        401 | 407 | 415 | 420 | 484 => 0,
        408 | 503 => 2,
        _ => 1,
    };
    let class = if status >= 600 { 0 } else { status / 100 };
    class * 10 + within
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parallel(branches: usize) -> Forking<usize, &'static str> {
        let mut forking = Forking::new(0..branches);
        while forking.next().is_some() {}
        forking
    }

    #[test]
    fn s16_6_targets_are_tried_in_order() {
        let mut forking: Forking<_, ()> = Forking::new(["first", "second"]);
        assert_eq!(forking.next(), Some("first"));
        assert!(forking.is_out());
        assert_eq!(forking.ended(480, ()), Step::Next);
        assert_eq!(forking.next(), Some("second"));
        assert_eq!(forking.ended(404, ()), Step::Answer(480, ()), "the first of equals");
    }

    #[test]
    fn s16_7_step_5_a_2xx_goes_back_at_once_and_nothing_else_after_it() {
        let mut forking = parallel(3);
        assert_eq!(forking.ended(486, "busy"), Step::Wait);
        assert_eq!(forking.ended(200, "ok"), Step::Forward("ok"));
        assert_eq!(forking.ended(487, "cancelled"), Step::Wait);
    }

    #[test]
    fn s16_7_step_5_two_branches_may_both_answer_2xx() {
        let mut forking = parallel(2);
        assert_eq!(forking.ended(200, "one"), Step::Forward("one"));
        assert_eq!(forking.ended(200, "two"), Step::Forward("two"));
    }

    #[test]
    fn s16_7_step_5_a_6xx_cancels_the_others_and_waits_for_them() {
        let mut forking = parallel(3);
        assert_eq!(forking.ended(603, "declined"), Step::CancelOthers);
        assert_eq!(forking.ended(487, ""), Step::Wait);
        assert_eq!(forking.ended(487, ""), Step::Answer(603, "declined"));
    }

    #[test]
    fn s16_7_step_5_after_a_6xx_no_target_is_tried() {
        let mut forking = Forking::new(["one", "two"]);
        forking.next();
        assert_eq!(forking.ended(600, ""), Step::Answer(600, ""));
        assert_eq!(forking.next(), None);
    }

    #[test]
    fn s16_7_step_5_a_2xx_that_arrives_after_a_6xx_still_goes_back() {
        let mut forking = parallel(2);
        assert_eq!(forking.ended(600, "no"), Step::CancelOthers);
        assert_eq!(forking.ended(200, "yes"), Step::Forward("yes"));
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
            (&[503], 503),
        ] {
            let mut forking = Forking::new(statuses);
            while forking.next().is_some() {}
            let last = statuses.iter().map(|status| forking.ended(*status, *status)).last().unwrap();
            assert_eq!(last, Step::Answer(best, best), "of {statuses:?}");
        }
    }

    #[test]
    fn s16_10_a_cancelled_request_tries_no_further_target() {
        let mut forking = Forking::new(["one", "two"]);
        forking.next();
        forking.close();
        assert_eq!(forking.ended(487, "cancelled"), Step::Answer(487, "cancelled"));
    }
}
