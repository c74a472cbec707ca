//! How long a connection may say nothing that was given no Flow-Timer.
//!
//! ```text
//!   opened --- first ping or message ---> heard --+ any octets
//!     |                                     |   <-+
//!     | `first` over                        | `idle` over, and no Flow-Timer
//!     v                                     v
//!   closed: nobody is there who wants anything, or nobody is there any more
//! ```

use std::time::{Duration, Instant};

/// How long each may take; zero: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the first ping or message.
    pub first: Duration,
    /// Between octets.
    pub idle: Duration,
}

/// The silence of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    since: Instant,
    has_spoken: bool,
}

impl Silence {
    /// From now on; of a peer that is to speak first, or of one that need not.
    pub fn new(now: Instant, speaks_first: bool) -> Self {
        Self { since: now, has_spoken: !speaks_first }
    }

    /// Octets came, and among them the end of a ping or a message, if `has_spoken`.
    pub fn heard(&mut self, now: Instant, has_spoken: bool) {
        self.has_spoken |= has_spoken;
        if self.has_spoken {
            self.since = now;
        }
    }

    /// When it was last heard; before it has said anything, when it began.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Whether it has said anything yet.
    pub fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// When it will have lasted too long; `None`: never.
    pub fn deadline(&self, patience: Patience) -> Option<Instant> {
        let lasts = if self.has_spoken { patience.idle } else { patience.first };
        (!lasts.is_zero()).then(|| self.since + lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { first: Duration::from_secs(30), idle: Duration::from_secs(7200) };

    #[test]
    fn a_peer_that_speaks_first_has_less_time_until_it_does() {
        let start = Instant::now();
        let mut silence = Silence::new(start, true);
        assert_eq!(silence.deadline(PATIENCE), Some(start + PATIENCE.first));
        silence.heard(start + Duration::from_secs(29), false);
        assert_eq!(silence.deadline(PATIENCE), Some(start + PATIENCE.first), "octets that are not whole");
        let then = start + Duration::from_secs(30);
        silence.heard(then, true);
        assert_eq!(silence.deadline(PATIENCE), Some(then + PATIENCE.idle));
        silence.heard(then + PATIENCE.first, false);
        assert_eq!(silence.deadline(PATIENCE), Some(then + PATIENCE.first + PATIENCE.idle));
    }

    #[test]
    fn a_peer_that_need_not_speak_is_not_hurried() {
        let start = Instant::now();
        assert_eq!(Silence::new(start, false).deadline(PATIENCE), Some(start + PATIENCE.idle));
    }

    #[test]
    fn without_a_limit_there_is_no_deadline() {
        let (start, patience) = (Instant::now(), Patience { first: Duration::ZERO, idle: Duration::ZERO });
        assert_eq!(Silence::new(start, true).deadline(patience), None);
        assert_eq!(Silence::new(start, false).deadline(patience), None);
    }
}
