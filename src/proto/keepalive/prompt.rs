//! When a server pings a peer that may have nothing to say for long, so that whoever is between them sees octets.
//!
//! ```text
//!   waits until due --- nothing heard lately ---> pings, and is due again in 80 to 100 % of `every`
//!         ^                                |
//!         '---- heard not long ago: due that long after it
//! ```
//!
//! Proxies in front of a WebSocket listener close what is silent for a minute, and a page in a browser cannot ping. Whatever
//! answers is a sign of life; what does not is left to the deadlines of the flow.

use std::time::{Duration, Instant};

use crate::proto::random::between;

/// When the next ping of one flow is due, if ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prompt {
    due: Option<Instant>,
}

impl Prompt {
    /// Of a flow that begins now. `every` is the longest time between two, zero: there are none; `random` is uniform.
    pub fn new(now: Instant, every: Duration, random: u32) -> Self {
        // All that were opened at once, after a restart, ping at times of their own.
        let first = between(every / 2, every, random);
        Self { due: (!every.is_zero()).then(|| now + first) }
    }

    /// When to ask [`expire`](Self::expire); `None`: never.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a ping is to leave now, over a flow that was last `heard` of then. Moves the deadline on when it has passed.
    pub fn expire(&mut self, now: Instant, heard: Instant, every: Duration, random: u32) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let next = between(every * 4 / 5, every, random);
        // What was heard was answered, as a rule: octets went both ways.
        let is_quiet = now.saturating_duration_since(heard) >= every / 2;
        self.due = Some(if is_quiet { now } else { heard } + next);
        is_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(25);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_flow_is_never_without_a_ping_for_longer_than_that() {
        let start = Instant::now();
        for random in [0, 1 << 30, u32::MAX] {
            let mut prompt = Prompt::new(start, EVERY, random);
            let (mut last, mut pings) = (start, 0);
            while last < start + seconds(3600) {
                let due = prompt.deadline().unwrap();
                assert!(due > last && due <= last + EVERY, "{random}");
                // Its pong, if one came, came at once.
                pings += u32::from(prompt.expire(due, last, EVERY, random));
                last = due;
            }
            assert!((144..=181).contains(&pings), "{random}: {pings}");
        }
    }

    #[test]
    fn what_was_heard_lately_spares_a_ping() {
        let start = Instant::now();
        let mut prompt = Prompt::new(start, EVERY, u32::MAX);
        assert_eq!(prompt.deadline(), Some(start + EVERY));
        assert!(!prompt.expire(start + seconds(24), start, EVERY, 0), "it is not due");
        assert!(!prompt.expire(start + EVERY, start + seconds(20), EVERY, u32::MAX));
        assert_eq!(prompt.deadline(), Some(start + seconds(45)));
        assert!(prompt.expire(start + seconds(45), start + seconds(20), EVERY, 0));
        assert_eq!(prompt.deadline(), Some(start + seconds(65)), "80 % of it");
    }

    #[test]
    fn those_that_begin_together_do_not_ping_together() {
        let start = Instant::now();
        let due = |random| Prompt::new(start, EVERY, random).deadline().unwrap() - start;
        assert_eq!([due(0), due(u32::MAX)], [EVERY / 2, EVERY]);
    }

    #[test]
    fn zero_is_never() {
        let start = Instant::now();
        let mut prompt = Prompt::new(start, Duration::ZERO, 7);
        assert_eq!(prompt.deadline(), None);
        assert!(!prompt.expire(start + seconds(1_000_000), start, Duration::ZERO, 7));
    }
}
