//! The non-INVITE server transaction: RFC 3261 §17.2.2, and the one 100 of RFC 4320 §4.1.
//!
//! ```text
//!              | request
//!              v
//!         +--------+  request: absorb
//!         | Trying |-------------------------+
//!         +--------+                         |
//!              | 1xx from the user, or       | 200-699 from
//!              | silence until T2: send      | the user: send
//!              v                             |
//!       +------------+  request:             |
//!       | Proceeding |  last response again  |
//!       +------------+                       |
//!              | 200-699 from the user: send |
//!              v                             |
//!       +-----------+  request:              |
//!       | Completed |  last response again <-+
//!       +-----------+          +--------+   from Trying and Proceeding, when the
//!              |               | Silent |<--- user will not answer (RFC 4320 §4.2);
//!              | J             +--------+   request: absorb
//!              |                    | J
//!              v                    |
//!       +------------+              |
//!       | Terminated |<-------------+
//!       +------------+
//! ```

use std::time::Instant;

use super::{Fired, Timers};

/// A request of any method but INVITE and ACK that came in.
#[derive(Clone, Debug)]
pub struct NonInviteServer {
    state: State,
    reliable: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Trying { reassure: Instant },
    Proceeding,
    Completed { j: Instant },
    Silent { j: Instant },
    Terminated,
}

impl NonInviteServer {
    /// A request came, over a reliable transport or not.
    pub fn new(now: Instant, reliable: bool, timers: &Timers) -> NonInviteServer {
        // RFC 4320 §4.1: a 100 when there is no answer by the time the client's Timer E has reached T2, and none earlier.
        NonInviteServer { state: State::Trying { reassure: now + timers.until_t2() }, reliable }
    }

    /// The transaction user has a response. `true`: send it; `false`: it comes too late.
    pub fn respond(&mut self, now: Instant, status: u16, timers: &Timers) -> bool {
        match (self.state, status) {
            // RFC 4320 §4.1: no provisional response but 100, and that one is the timer's.
            (State::Trying { .. } | State::Proceeding, ..200) => false,
            (State::Trying { .. } | State::Proceeding, _) => {
                // RFC 3261 §17.2.2: Timer J is 64*T1 on unreliable transports and zero on reliable ones.
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Completed { j: now + timers.patience() }
                };
                true
            }
            // RFC 3261 §17.2.2: any later final response is discarded.
            (State::Completed { .. } | State::Silent { .. } | State::Terminated, _) => false,
        }
    }

    /// The request came once more. `true`: send the last response again.
    pub fn repeated(&self) -> bool {
        matches!(self.state, State::Proceeding | State::Completed { .. })
    }

    /// There will be no answer. Repetitions are still absorbed for as long as they may come.
    pub fn give_up(&mut self, now: Instant, timers: &Timers) {
        self.state =
            if self.reliable { State::Terminated } else { State::Silent { j: now + timers.patience() } };
    }

    /// When `expire` has something to say.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Trying { reassure: at } | State::Completed { j: at } | State::Silent { j: at } => Some(at),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// What ran out by `now`.
    pub fn expire(&mut self, now: Instant) -> Option<Fired> {
        match self.state {
            State::Trying { reassure } if reassure <= now => {
                self.state = State::Proceeding;
                Some(Fired::Trying)
            }
            State::Completed { j } | State::Silent { j } if j <= now => {
                self.state = State::Terminated;
                Some(Fired::Ended)
            }
            _ => None,
        }
    }

    /// A final response was sent, or never will be.
    pub fn is_answered(&self) -> bool {
        matches!(self.state, State::Completed { .. } | State::Silent { .. } | State::Terminated)
    }

    /// Nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
