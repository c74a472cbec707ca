//! The non-INVITE client transaction: RFC 3261 §17.1.2.
//!
//! ```text
//!              | request out
//!              v
//!         +--------+  E: request again
//!         | Trying |-----------------+-----------+
//!         +--------+                 |           |
//!              | 1xx                 | 200-699   | F: timed out
//!              v                     |           |
//!       +------------+  E (= T2):    |           |
//!       | Proceeding |  request again|           |
//!       +------------+---------------|-----------+
//!              | 200-699             |           |
//!              v                     |           |
//!       +-----------+<---------------+           |
//!       | Completed |  any response: absorb      |
//!       +-----------+                            |
//!              | K                               |
//!              v                                 |
//!       +------------+                           |
//!       | Terminated |<--------------------------+
//!       +------------+
//! ```

use std::time::Instant;

use super::{Fired, Received, Repeat, Timers, due, earlier};

/// A request of any method but INVITE and ACK that went out.
#[derive(Clone, Debug)]
pub struct NonInviteClient {
    state: State,
    reliable: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Trying { e: Option<Repeat>, f: Instant },
    Proceeding { e: Option<Repeat>, f: Instant },
    Completed { k: Instant },
    Terminated,
}

impl NonInviteClient {
    /// A request goes out now, over a reliable transport or not.
    pub fn new(now: Instant, reliable: bool, timers: &Timers) -> NonInviteClient {
        let e = Repeat::start(now, timers.t1, reliable);
        NonInviteClient { state: State::Trying { e, f: now + timers.patience() }, reliable }
    }

    /// A response came that matches.
    pub fn response(&mut self, now: Instant, status: u16, timers: &Timers) -> Received {
        match (self.state, status) {
            (State::Trying { e, f }, ..200) => {
                self.state = State::Proceeding { e, f };
                Received::Pass
            }
            (State::Proceeding { .. }, ..200) => Received::Pass,
            (State::Trying { .. } | State::Proceeding { .. }, _) => {
                // RFC 3261 §17.1.2.2: Timer K is T4 on unreliable transports and zero on reliable ones.
                self.state =
                    if self.reliable { State::Terminated } else { State::Completed { k: now + timers.t4 } };
                Received::Pass
            }
            (State::Completed { .. } | State::Terminated, _) => Received::Absorb,
        }
    }

    /// The request could not be sent or its flow is gone.
    pub fn fail(&mut self) {
        self.state = State::Terminated;
    }

    /// When `expire` has something to say.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Trying { e, f } | State::Proceeding { e, f } => Some(earlier(e, f)),
            State::Completed { k } => Some(k),
            State::Terminated => None,
        }
    }

    /// What ran out by `now`.
    pub fn expire(&mut self, now: Instant, timers: &Timers) -> Option<Fired> {
        match &mut self.state {
            State::Trying { f, .. } | State::Proceeding { f, .. } if *f <= now => {
                self.state = State::Terminated;
                Some(Fired::TimedOut)
            }
            State::Trying { e, .. } => {
                let repeat = due(*e, now)?;
                *e = Some(repeat.next(now, timers.t2));
                Some(Fired::Resend)
            }
            State::Proceeding { e, .. } => {
                due(*e, now)?;
                // RFC 3261 §17.1.2.2: in Proceeding Timer E is T2 each time.
                *e = Some(Repeat { at: now + timers.t2, interval: timers.t2 });
                Some(Fired::Resend)
            }
            State::Completed { k } if *k <= now => {
                self.state = State::Terminated;
                Some(Fired::Ended)
            }
            _ => None,
        }
    }

    /// Neither a final response nor a failure yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
    }

    /// Nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
