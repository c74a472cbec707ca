//! The four transaction state machines of RFC 3261 §17, as amended by RFC 6026 and RFC 4320.
//!
//! A machine holds its state and its deadlines, nothing else: no message, no address, no clock. It is told what happened and
//! when, and says what the event means; whoever owns it keeps the messages and carries out the answer. `deadline()` is when it
//! wants to be asked next, and `expire(now)` is asked again and again until it says `None`.
//!
//! ```text
//!                      request out                      request in
//!   INVITE             InviteClient     A B D M         InviteServer     G H I L
//!   any other method   NonInviteClient  E F K           NonInviteServer  J and the 100 of RFC 4320
//! ```

#![allow(clippy::match_same_arms, reason = "each arm is a transition with its own rule")]

mod invite_client;
mod invite_server;
mod non_invite_client;
mod non_invite_server;

use std::time::{Duration, Instant};

pub use invite_client::InviteClient;
pub use invite_server::{Acked, InviteServer};
pub use non_invite_client::NonInviteClient;
pub use non_invite_server::NonInviteServer;

/// The three values of RFC 3261 §17 from which all timers are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// Estimate of a round trip.
    pub t1: Duration,
    /// The longest interval between retransmissions of anything but an INVITE.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timers {
    /// 64*T1: how long a peer is waited for (timers B, F, H, J, L and M).
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }

    /// How long the ACK to a 2xx is given to come: a few round trips, so that one may be lost.
    pub fn ack_travels(&self) -> Duration {
        self.t1 * 4
    }

    /// Timer D.
    pub fn d(&self) -> Duration {
        // RFC 6026 §8.4: the client does not know the server's T1, so 32 seconds at least, whatever ours is.
        self.patience().max(Duration::from_secs(32))
    }

    /// How long a client's Timer E takes to grow to T2: 3.5 s with the defaults.
    pub fn until_t2(&self) -> Duration {
        let mut sum = Duration::ZERO;
        let mut interval = self.t1.max(Duration::from_millis(1));
        while interval < self.t2 {
            sum += interval;
            interval *= 2;
        }
        sum
    }
}

/// What a timer that ran out asks the machine's owner for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fired {
    /// Send the last message again.
    Resend,
    /// Send a 100 (non-INVITE server only).
    Trying,
    /// Nobody answered: Timer B or F, Timer H, or a cancelled INVITE that stays without an answer. The machine is terminated.
    TimedOut,
    /// The machine has served its time and is terminated.
    Ended,
}

/// What a response means to a client transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// Pass it to the transaction user.
    Pass,
    /// Pass it to the transaction user and acknowledge it (INVITE, 300 to 699).
    PassAndAck,
    /// A repeated final response: acknowledge it again, tell nobody.
    AckAgain,
    /// A repetition that means nothing any more.
    Absorb,
}

/// A retransmission that is due at `at`, and again after a growing interval.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    at: Instant,
    interval: Duration,
}

impl Repeat {
    /// `None` on a reliable transport: there nothing is ever sent twice.
    fn start(now: Instant, first: Duration, reliable: bool) -> Option<Repeat> {
        (!reliable).then(|| Repeat { at: now + first, interval: first })
    }

    /// The one after this, its interval doubled up to `cap`.
    fn next(self, now: Instant, cap: Duration) -> Repeat {
        let interval = (self.interval * 2).min(cap);
        Repeat { at: now + interval, interval }
    }
}

/// The earlier of a retransmission, if there is one, and an end.
fn earlier(repeat: Option<Repeat>, end: Instant) -> Instant {
    repeat.map_or(end, |repeat| repeat.at.min(end))
}

fn due(repeat: Option<Repeat>, now: Instant) -> Option<Repeat> {
    repeat.filter(|repeat| repeat.at <= now)
}

#[cfg(test)]
mod tests;
