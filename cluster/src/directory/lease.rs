//! A node's own lease as a state machine. Pure: Redis decides by its script, this says what to ask and what an answer
//! means.
//!
//! ```text
//!            claimed                as it was last written
//!   New ----------------> Held <----------------------------+
//!    |                     |  \_____________________________/
//!    | another node has    |  gone, over, or not what was last written: lost, and taken anew in the same step
//!    | the name            +-----> Held, with a higher epoch
//!    v                     |
//!   Taken <----------------+  another node has the name
//!    |
//!    +--- that one's lease is over ---> Held, with a higher epoch
//!
//!   any of them ---- leave ---> Left
//! ```
//!
//! A lease is over when Redis was not told for its time that the node lives, and lost when it is over, gone (Redis was
//! flushed), or older than what Redis confirmed before (Redis was rolled back to a snapshot). In all of these others may
//! have taken the node's bindings for dead and cleared them up, or Redis may have forgotten them. So the node takes a
//! higher epoch, which makes all that it wrote before dead for everybody, and writes the bindings of its live flows again.

use std::sync::Arc;

use crate::flow::NodeRun;

/// What a node asks for with a beat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    /// The node and its run.
    pub(crate) run: NodeRun,
    /// Where other nodes reach it. A lease of another run counts as a restart of this node only if it says the same.
    pub(crate) at: Arc<str>,
    /// The epoch that is held; 0: none was held yet.
    pub(crate) epoch: u64,
    /// The number of the last beat that Redis confirmed. An older one than that in Redis is a snapshot's.
    pub(crate) confirmed: u64,
    /// The number of this beat.
    pub(crate) number: u64,
}

/// What Redis says to a [`Claim`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// It is as it was last written, and goes on.
    Held {
        /// The epoch that is held.
        epoch: u64,
    },
    /// It is written anew.
    Taken {
        /// The epoch that is held from now on.
        epoch: u64,
        /// What was found in its place.
        found: Found,
    },
    /// Another node holds the name.
    Refused {
        /// Where that one is reached.
        at: Arc<str>,
    },
}

/// What stood in Redis in place of the lease that was last written there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing: Redis was flushed, or is another one.
    Nothing,
    /// The lease, over: it was not renewed for too long.
    Over,
    /// An older state of the lease: Redis was rolled back.
    Older,
    /// The lease of another run of this node.
    AnotherRun,
    /// The lease as it should be, which the node gave up itself.
    Renounced,
}

impl Found {
    /// For a log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "gone from Redis",
            Self::Over => "not renewed for too long",
            Self::Older => "rolled back in Redis",
            Self::AnotherRun => "of another run of this node",
            Self::Renounced => "given up, as too much failed while Redis was away",
        }
    }
}

/// What an answer means for the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Everything is as it was.
    Renewed,
    /// The first lease of this run.
    Claimed,
    /// What was written under older epochs is dead.
    Lost(Found),
    /// The node is none of the cluster.
    Refused,
}

pub(super) struct Lease {
    run: NodeRun,
    at: Arc<str>,
    state: State,
    /// The last epoch that was held; 0: none.
    epoch: u64,
    confirmed: u64,
    sent: u64,
    is_renounced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    New,
    Held,
    Taken,
    Left,
}

impl Lease {
    pub(super) fn new(run: NodeRun, at: Arc<str>) -> Self {
        Self { run, at, state: State::New, epoch: 0, confirmed: 0, sent: 0, is_renounced: false }
    }

    /// The epoch that is held, as far as is known.
    pub(super) fn epoch(&self) -> Option<u64> {
        (self.state == State::Held).then_some(self.epoch)
    }

    /// The next beat; none after the node has left.
    pub(super) fn claim(&mut self) -> Option<Claim> {
        if self.state == State::Left {
            return None;
        }
        self.sent += 1;
        Some(Claim {
            run: self.run.clone(),
            at: Arc::clone(&self.at),
            epoch: self.epoch,
            // Whatever is found is older than a beat that is still to come.
            confirmed: if self.is_renounced { u64::MAX } else { self.confirmed },
            number: self.sent,
        })
    }

    /// Whatever is found at the next beat, it is lost.
    pub(super) fn renounce(&mut self) {
        self.is_renounced = true;
    }

    /// The answer to a beat. Beats are made one at a time.
    pub(super) fn answered(&mut self, claim: &Claim, answer: &Answer) -> Step {
        let step = match *answer {
            Answer::Refused { .. } => {
                self.state = State::Taken;
                return Step::Refused;
            }
            // Held too, where the answer to the first claim was lost on its way.
            _ if self.epoch == 0 => Step::Claimed,
            Answer::Held { .. } => Step::Renewed,
            Answer::Taken { found: Found::Older, .. } if self.is_renounced => Step::Lost(Found::Renounced),
            Answer::Taken { found, .. } => Step::Lost(found),
        };
        if let Answer::Held { epoch } | Answer::Taken { epoch, .. } = *answer {
            self.epoch = epoch;
        }
        self.state = State::Held;
        self.confirmed = claim.number;
        self.is_renounced = false;
        step
    }

    /// There are no beats any more.
    pub(super) fn leave(&mut self) {
        self.state = State::Left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease::new(NodeRun { node: "a".into(), epoch: 5 }, "h:1".into())
    }

    fn beat(lease: &mut Lease, answer: &Answer) -> Step {
        let claim = lease.claim().unwrap();
        lease.answered(&claim, answer)
    }

    const FIRST: Answer = Answer::Taken { epoch: 5, found: Found::Nothing };

    #[test]
    fn the_first_lease_is_claimed_and_then_renewed() {
        let mut lease = lease();
        assert_eq!(lease.epoch(), None);
        assert_eq!(beat(&mut lease, &FIRST), Step::Claimed);
        assert_eq!(beat(&mut lease, &Answer::Held { epoch: 5 }), Step::Renewed);
        assert_eq!(lease.epoch(), Some(5));
    }

    #[test]
    fn a_first_claim_whose_answer_was_lost_is_a_claim_still() {
        let mut lease = lease();
        lease.claim();
        let claim = lease.claim().unwrap();
        assert_eq!((claim.epoch, claim.confirmed, claim.number), (0, 0, 2));
        assert_eq!(lease.answered(&claim, &Answer::Held { epoch: 5 }), Step::Claimed);
    }

    #[test]
    fn what_is_found_in_its_place_is_a_lost_lease_and_a_higher_epoch() {
        for found in [Found::Nothing, Found::Over, Found::Older, Found::AnotherRun] {
            let mut lease = lease();
            beat(&mut lease, &FIRST);
            assert_eq!(beat(&mut lease, &Answer::Taken { epoch: 9, found }), Step::Lost(found));
            assert_eq!(lease.epoch(), Some(9));
            assert_eq!(lease.claim().map(|claim| claim.epoch), Some(9));
        }
    }

    #[test]
    fn only_beats_that_were_confirmed_tell_a_snapshot() {
        let mut lease = lease();
        beat(&mut lease, &FIRST);
        // Two that Redis may or may not have seen.
        lease.claim();
        lease.claim();
        let claim = lease.claim().unwrap();
        assert_eq!((claim.confirmed, claim.number), (1, 4));
    }

    #[test]
    fn a_lease_given_up_is_lost_whatever_is_found_until_redis_has_confirmed_it() {
        let mut lease = lease();
        beat(&mut lease, &FIRST);
        lease.renounce();
        assert_eq!(lease.claim().map(|claim| claim.confirmed), Some(u64::MAX), "no answer");
        let answer = Answer::Taken { epoch: 9, found: Found::Older };
        assert_eq!(beat(&mut lease, &answer), Step::Lost(Found::Renounced));
        assert_eq!(lease.claim().map(|claim| claim.confirmed), Some(3));
    }

    #[test]
    fn a_node_whose_name_is_taken_holds_nothing_until_that_is_over() {
        let mut lease = lease();
        beat(&mut lease, &FIRST);
        assert_eq!(beat(&mut lease, &Answer::Refused { at: "other:1".into() }), Step::Refused);
        assert_eq!(lease.epoch(), None);
        assert_eq!(lease.claim().map(|claim| claim.epoch), Some(5), "the next is higher than that");
        let over = Answer::Taken { epoch: 9, found: Found::Over };
        assert_eq!(beat(&mut lease, &over), Step::Lost(Found::Over));
    }

    #[test]
    fn after_leaving_there_are_no_beats() {
        let mut lease = lease();
        beat(&mut lease, &FIRST);
        lease.leave();
        assert_eq!((lease.epoch(), lease.claim()), (None, None));
    }
}
