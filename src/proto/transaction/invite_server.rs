//! The INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1.
//!
//! ```text
//!                     | INVITE
//!                     v
//!              +------------+  INVITE: last response again
//!              | Proceeding |  1xx from the user: send
//!              +------------+
//!   300-699 from |        | 2xx from the user: send
//!   the user:    |        |
//!   send         v        v
//!      +-----------+    +----------+  INVITE: absorb
//!      | Completed |    | Accepted |  2xx from the user: send
//!      +-----------+    +----------+  ACK: to the user
//!   ACK |       | H              | L
//!       v       |                |
//! +-----------+ |                |      INVITE in Completed, and Timer G: last response again
//! | Confirmed | |                |
//! +-----------+ |                |
//!       | I     v                v
//!       |    +------------+      |
//!       +--->| Terminated |<-----+
//!            +------------+
//! ```

use std::time::Instant;

use super::{Fired, Repeat, Timers, due, earlier};

/// An INVITE that came in.
#[derive(Clone, Debug)]
pub struct InviteServer {
    state: State,
    reliable: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Proceeding,
    Completed { g: Option<Repeat>, h: Instant },
    Confirmed { i: Instant },
    Accepted { l: Instant },
    Terminated,
}

/// What an ACK that matches means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acked {
    /// It ends this transaction, or repeats one that did.
    Absorb,
    /// It belongs to a 2xx and goes on to the transaction user.
    ToUser,
}

impl InviteServer {
    /// An INVITE came, over a reliable transport or not.
    pub fn new(reliable: bool) -> InviteServer {
        InviteServer { state: State::Proceeding, reliable }
    }

    /// The transaction user has a response. `true`: send it; `false`: it comes too late.
    pub fn respond(&mut self, now: Instant, status: u16, timers: &Timers) -> bool {
        match (self.state, status) {
            (State::Proceeding, ..200) => true,
            (State::Proceeding, 200..300) => {
                // RFC 6026 §7.1: the state stays to absorb repeated INVITEs, on every transport.
                self.state = State::Accepted { l: now + timers.patience() };
                true
            }
            (State::Proceeding, _) => {
                // RFC 3261 §17.2.1: Timer G on unreliable transports only, Timer H on all.
                self.state = State::Completed {
                    g: Repeat::start(now, timers.t1, self.reliable),
                    h: now + timers.patience(),
                };
                true
            }
            // RFC 6026 §7.1: a 2xx in Accepted is sent, be it repeated or from another branch; this machine repeats none itself.
            (State::Accepted { .. }, 200..300) => true,
            _ => false,
        }
    }

    /// The INVITE came once more. `true`: send the last response again.
    pub fn repeated(&self) -> bool {
        matches!(self.state, State::Proceeding | State::Completed { .. })
    }

    /// An ACK came that matches.
    pub fn ack(&mut self, now: Instant, timers: &Timers) -> Acked {
        match self.state {
            State::Completed { .. } => {
                // RFC 3261 §17.2.1: Timer I is T4 on unreliable transports and zero on reliable ones.
                self.state =
                    if self.reliable { State::Terminated } else { State::Confirmed { i: now + timers.t4 } };
                Acked::Absorb
            }
            State::Accepted { .. } => Acked::ToUser,
            State::Proceeding | State::Confirmed { .. } | State::Terminated => Acked::Absorb,
        }
    }

    /// When `expire` has something to say.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Completed { g, h } => Some(earlier(g, h)),
            State::Confirmed { i: end } | State::Accepted { l: end } => Some(end),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// What ran out by `now`.
    pub fn expire(&mut self, now: Instant, timers: &Timers) -> Option<Fired> {
        match &mut self.state {
            State::Completed { h, .. } if *h <= now => {
                self.state = State::Terminated;
                Some(Fired::TimedOut)
            }
            State::Completed { g, .. } => {
                let repeat = due(*g, now)?;
                *g = Some(repeat.next(now, timers.t2));
                Some(Fired::Resend)
            }
            State::Confirmed { i: end } | State::Accepted { l: end } if *end <= now => {
                self.state = State::Terminated;
                Some(Fired::Ended)
            }
            _ => None,
        }
    }

    /// A final response was sent.
    pub fn is_answered(&self) -> bool {
        !matches!(self.state, State::Proceeding)
    }

    /// A 2xx was sent.
    pub fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
    }

    /// Nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
