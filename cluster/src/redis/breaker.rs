//! When a connection is used, waited for and left alone. Pure: it is told the time and what happened.
//!
//! ```text
//!                    lost
//!      +--------------------------------------+
//!      |                                      v
//!   closed <------- connected ---------- half-open (one attempt to connect is under way)
//!      |                                   |     ^
//!      |                    not connected  |     | the pause is over
//!      |                                   v     |
//!      +------ failures in a row -------> open --+
//! ```
//!
//! Closed: commands are sent. Half-open straight after a loss: they wait for the connection, since it may only have been
//! a restart. Open, and half-open after that: they fail at once, so that nothing queues up for a Redis that is away.

use std::time::{Duration, Instant};

/// How a `Breaker` decides.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Commands in a row without an answer in time, after which the connection is given up.
    pub failures: u32,
    /// The first pause before Redis is tried again. Each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { failures: 5, first_pause: Duration::from_millis(100), longest_pause: Duration::from_secs(1) }
    }
}

/// What to do with a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// Send it.
    Send,
    /// A connection may be there soon.
    Wait,
    /// Fail it at once.
    Refuse,
}

#[derive(Debug)]
pub(super) struct Breaker {
    settings: Settings,
    state: State,
    pause: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { is_first: bool },
}

impl Breaker {
    /// Of a connection that is about to be made.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, state: State::HalfOpen { is_first: true }, pause: settings.first_pause }
    }

    pub(super) fn admit(&self) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Send,
            State::HalfOpen { is_first: true } => Admission::Wait,
            State::HalfOpen { is_first: false } | State::Open { .. } => Admission::Refuse,
        }
    }

    /// A command was answered.
    pub(super) fn answered(&mut self) {
        if let State::Closed { failures } = &mut self.state {
            *failures = 0;
        }
    }

    /// A command was not answered in time. True: the connection is given up.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let State::Closed { failures } = &mut self.state else { return false };
        *failures += 1;
        if *failures < self.settings.failures {
            return false;
        }
        self.state = State::Open { until: now + self.pause };
        true
    }

    /// The connection broke.
    pub(super) fn lost(&mut self) {
        if let State::Closed { .. } = self.state {
            self.state = State::HalfOpen { is_first: true };
        }
    }

    /// When the next attempt to connect is due; none: there is a connection, or an attempt is under way.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            _ => None,
        }
    }

    /// An attempt to connect begins, if one is due.
    pub(super) fn attempt(&mut self, now: Instant) {
        if let State::Open { until } = self.state
            && now >= until
        {
            self.state = State::HalfOpen { is_first: false };
        }
    }

    /// There is a connection, and Redis answers on it.
    pub(super) fn connected(&mut self) {
        self.state = State::Closed { failures: 0 };
        self.pause = self.settings.first_pause;
    }

    /// The attempt failed. The pause is shortened by up to a half, as `random` says, so that the connections of a cluster
    /// do not all come back at once.
    pub(super) fn not_connected(&mut self, now: Instant, random: u64) {
        let half = self.pause / 2;
        let share = u32::try_from(random % 1024).expect("less than 1024");
        self.state = State::Open { until: now + half + half * share / 1024 };
        self.pause = (self.pause * 2).min(self.settings.longest_pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        failures: 3,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(300),
    };

    fn closed() -> (Breaker, Instant) {
        let mut breaker = Breaker::new(SETTINGS);
        breaker.connected();
        (breaker, Instant::now())
    }

    #[test]
    fn a_command_waits_for_the_first_connection_and_for_one_just_lost() {
        let mut breaker = Breaker::new(SETTINGS);
        assert_eq!(breaker.admit(), Admission::Wait);
        breaker.connected();
        assert_eq!(breaker.admit(), Admission::Send);
        breaker.lost();
        assert_eq!(breaker.admit(), Admission::Wait);
        breaker.connected();
        assert_eq!(breaker.admit(), Admission::Send);
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let (mut breaker, now) = closed();
        for _ in 0..10 {
            assert!(!breaker.failed(now));
            assert!(!breaker.failed(now));
            breaker.answered();
        }
        assert_eq!(breaker.admit(), Admission::Send);
        assert!(!breaker.failed(now));
        assert!(!breaker.failed(now));
        assert!(breaker.failed(now), "the third in a row");
        assert_eq!(breaker.admit(), Admission::Refuse);
        assert_eq!(breaker.next_attempt(), Some(now + SETTINGS.first_pause));
    }

    #[test]
    fn late_news_of_a_connection_given_up_changes_nothing() {
        let (mut breaker, now) = closed();
        for _ in 0..3 {
            breaker.failed(now);
        }
        let due = breaker.next_attempt();
        breaker.answered();
        breaker.lost();
        assert!(!breaker.failed(now + SETTINGS.first_pause));
        assert_eq!((breaker.admit(), breaker.next_attempt()), (Admission::Refuse, due));
    }

    #[test]
    fn one_attempt_after_the_pause_closes_it_or_opens_it_again() {
        let (mut breaker, now) = closed();
        breaker.lost();
        breaker.not_connected(now, 1023);
        let due = breaker.next_attempt().unwrap();
        breaker.attempt(now);
        assert_eq!(breaker.next_attempt(), Some(due), "it is not due yet");
        breaker.attempt(due);
        assert_eq!((breaker.admit(), breaker.next_attempt()), (Admission::Refuse, None));
        breaker.not_connected(due, 0);
        assert!(breaker.next_attempt() > Some(due));
        breaker.attempt(due + SETTINGS.longest_pause);
        breaker.connected();
        assert_eq!(breaker.admit(), Admission::Send);
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_a_connection() {
        let (mut breaker, now) = closed();
        let mut pauses = |count: usize, random: u64| -> Vec<Duration> {
            breaker.connected();
            breaker.lost();
            let pause = |_| {
                breaker.not_connected(now, random);
                breaker.next_attempt().unwrap() - now
            };
            (0..count).map(pause).collect()
        };
        let millis = Duration::from_millis;
        assert_eq!(pauses(4, 0), [millis(50), millis(100), millis(150), millis(150)]);
        for (pause, longest) in pauses(4, u64::MAX).into_iter().zip([100, 200, 300, 300]) {
            assert!(pause <= millis(longest) && pause > millis(longest * 9 / 10), "{pause:?} {longest}");
        }
    }
}
