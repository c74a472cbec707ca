//! The INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2.
//!
//! ```text
//!                   | INVITE out
//!                   v
//!              +---------+  A: INVITE again
//!       +------| Calling |------+------------------------+
//!       |      +---------+      | B: timed out           |
//!       |           | 1xx       |                        |
//!       |           v           |                        |
//!       |    +------------+     |                        |
//!       |    | Proceeding |-----+ cancelled and          |
//!       |    +------------+     | no answer in 64*T1     |
//! 2xx   |     |      | 300-699  |                        | 300-699
//!       v     v 2xx  v          |                        |
//!   +----------+  +-----------+ |                        |
//!   | Accepted |  | Completed |<-------------------------+
//!   +----------+  +-----------+ |
//!   2xx | M             | D     |     2xx in Accepted: to the user
//!       v               v       v     300-699 in Completed: ACK again
//!            +------------+
//!            | Terminated |
//!            +------------+
//! ```

use std::time::{Duration, Instant};

use super::{Fired, Received, Repeat, Timers, due, earlier};

/// An INVITE that went out.
#[derive(Clone, Debug)]
pub struct InviteClient {
    state: State,
    reliable: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Calling { a: Option<Repeat>, b: Instant },
    Proceeding { cancelled: Option<Instant> },
    Completed { d: Instant },
    Accepted { m: Instant },
    Terminated,
}

impl InviteClient {
    /// An INVITE goes out now, over a reliable transport or not.
    pub fn new(now: Instant, reliable: bool, timers: &Timers) -> InviteClient {
        let a = Repeat::start(now, timers.t1, reliable);
        InviteClient { state: State::Calling { a, b: now + timers.patience() }, reliable }
    }

    /// A response came that matches.
    pub fn response(&mut self, now: Instant, status: u16, timers: &Timers) -> Received {
        match (self.state, status) {
            (State::Calling { .. }, ..200) => {
                self.state = State::Proceeding { cancelled: None };
                Received::Pass
            }
            (State::Proceeding { .. }, ..200) => Received::Pass,
            (State::Calling { .. } | State::Proceeding { .. }, 200..300) => {
                self.state = State::Accepted { m: now + timers.patience() };
                Received::Pass
            }
            (State::Calling { .. } | State::Proceeding { .. }, _) => {
                // RFC 6026 §8.4: Timer D is zero on reliable transports.
                self.state =
                    if self.reliable { State::Terminated } else { State::Completed { d: now + timers.d() } };
                Received::PassAndAck
            }
            // RFC 6026 §7.2: every 2xx goes up, repeated or from another branch of a fork further down.
            (State::Accepted { .. }, 200..300) => Received::Pass,
            (State::Completed { .. }, 300..) => Received::AckAgain,
            _ => Received::Absorb,
        }
    }

    /// A CANCEL for this INVITE goes out now.
    pub fn cancelled(&mut self, now: Instant, timers: &Timers) {
        if let State::Proceeding { cancelled } = &mut self.state {
            // RFC 3261 §9.1: no final response 64*T1 after the CANCEL, and the transaction counts as cancelled.
            *cancelled = Some(now + timers.patience());
        }
    }

    /// RFC 3261 §9.1: only after a provisional response may a CANCEL go out, and only before a final one.
    pub fn may_cancel(&self) -> bool {
        matches!(self.state, State::Proceeding { cancelled: None })
    }

    /// The request could not be sent or its flow is gone.
    pub fn fail(&mut self) {
        self.state = State::Terminated;
    }

    /// When `expire` has something to say.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Calling { a, b } => Some(earlier(a, b)),
            State::Proceeding { cancelled } => cancelled,
            State::Completed { d: end } | State::Accepted { m: end } => Some(end),
            State::Terminated => None,
        }
    }

    /// What ran out by `now`.
    pub fn expire(&mut self, now: Instant) -> Option<Fired> {
        match &mut self.state {
            State::Calling { b: end, .. } | State::Proceeding { cancelled: Some(end) } if *end <= now => {
                self.state = State::Terminated;
                Some(Fired::TimedOut)
            }
            State::Calling { a, .. } => {
                let repeat = due(*a, now)?;
                // RFC 3261 §17.1.1.2: Timer A doubles without a limit; Timer B ends it.
                *a = Some(repeat.next(now, Duration::MAX));
                Some(Fired::Resend)
            }
            State::Completed { d: end } | State::Accepted { m: end } if *end <= now => {
                self.state = State::Terminated;
                Some(Fired::Ended)
            }
            _ => None,
        }
    }

    /// Neither a final response nor a failure yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding { .. })
    }

    /// A provisional response came and nothing final.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
