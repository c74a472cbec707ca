//! Keep-alive deadlines of a flow at the server (RFC 5626 §4.4, §5.4).
//!
//! ```text
//!                 assign(Some(flow_timer))
//!   +-----------+ -------------------------> +------------------+
//!   | Unwatched |                            | Watched(deadline)| --+ ping: deadline = now + wait
//!   +-----------+ <------------------------- +------------------+ <-+
//!                 assign(None)                      |
//!                                                   | now >= deadline
//!                                                   v
//!                                               flow failed
//! ```
//!
//! A flow is watched only while the most recent 200 to a REGISTER over it carried a Flow-Timer. The wait is
//! Flow-Timer and a grace for what the network delays, or a time that the operator set. A peer that cannot ping by itself
//! may be asked for a sign of life before that ([`Server::extend`]). Whoever owns the flow
//! arms one timer for [`Server::deadline`] and asks [`Server::expire`] when it fires; a ping in between moves
//! the deadline and leaves the armed timer alone.

use std::time::{Duration, Instant};

/// How long a server waits for the next ping of a flow that was given a Flow-Timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingWait {
    /// Flow-Timer and this much more.
    FlowTimerAnd(Duration),
    /// This long, whatever Flow-Timer says.
    Fixed(Duration),
    /// For ever: no flow is closed for want of a ping.
    Unlimited,
}

/// The flow's keep-alive changes with the 200 to a REGISTER that leaves over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assign {
    /// The Flow-Timer that the response carries, if it carries one.
    pub flow_timer: Option<Duration>,
}

/// What [`Server::expire`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// No ping came in time: the flow has failed.
    Failed,
    /// A ping came since the timer was armed: arm it for this instant.
    NotBefore(Instant),
    /// The flow is no longer watched.
    Unwatched,
}

/// The server's side of one flow's keep-alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Server {
    watch: Option<Watch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watch {
    wait: Duration,
    deadline: Instant,
}

impl Server {
    /// The 200 to a REGISTER is about to leave over this flow, with a Flow-Timer or without one.
    pub fn assign(&mut self, now: Instant, Assign { flow_timer }: Assign, policy: PingWait) {
        // RFC 5626 §4.4: the most recent successful response decides; without a Flow-Timer in it the UA pings
        // at its own discretion, so there is nothing to wait for.
        let wait = flow_timer.and_then(|flow_timer| match policy {
            // RFC 5626 §5.4: the server waits for longer than Flow-Timer, to allow for transport delay.
            PingWait::FlowTimerAnd(grace) => Some(flow_timer + grace),
            PingWait::Fixed(wait) => Some(wait),
            PingWait::Unlimited => None,
        });
        self.watch = wait.map(|wait| Watch { wait, deadline: now + wait });
    }

    /// A ping arrived.
    pub fn ping(&mut self, now: Instant) {
        if let Some(watch) = &mut self.watch {
            watch.deadline = now + watch.wait;
        }
    }

    /// A ping is overdue, and the peer is asked for another sign of life, which has this long.
    pub fn extend(&mut self, now: Instant, by: Duration) {
        if let Some(watch) = &mut self.watch {
            watch.deadline = now + by;
        }
    }

    /// When the flow fails if no ping arrives until then; `None`: never.
    pub fn deadline(&self) -> Option<Instant> {
        self.watch.map(|watch| watch.deadline)
    }

    /// The timer that was armed for an earlier [`deadline`](Self::deadline) fired.
    pub fn expire(&self, now: Instant) -> Expiry {
        match self.deadline() {
            None => Expiry::Unwatched,
            Some(deadline) if deadline <= now => Expiry::Failed,
            Some(deadline) => Expiry::NotBefore(deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: PingWait = PingWait::FlowTimerAnd(Duration::from_secs(1));

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn s5_4_the_wait_is_longer_than_flow_timer() {
        let start = Instant::now();
        let mut server = Server::default();
        server.assign(start, Assign { flow_timer: Some(seconds(120)) }, GRACE);
        assert_eq!(server.deadline(), Some(start + seconds(121)));
        assert_eq!(server.expire(start + seconds(120)), Expiry::NotBefore(start + seconds(121)));
        assert_eq!(server.expire(start + seconds(121)), Expiry::Failed);
    }

    #[test]
    fn each_ping_renews_the_wait() {
        let start = Instant::now();
        let mut server = Server::default();
        server.assign(start, Assign { flow_timer: Some(seconds(10)) }, GRACE);
        for ping in 1..100 {
            let now = start + seconds(ping * 10);
            assert_eq!(server.expire(now), Expiry::NotBefore(now + seconds(1)), "before ping {ping}");
            server.ping(now);
            assert_eq!(server.deadline(), Some(now + seconds(11)));
        }
    }

    #[test]
    fn without_flow_timer_nothing_ever_expires() {
        let start = Instant::now();
        let mut server = Server::default();
        assert_eq!(server.expire(start + seconds(1_000_000)), Expiry::Unwatched);
        server.assign(start, Assign { flow_timer: None }, GRACE);
        server.ping(start);
        assert_eq!(server.deadline(), None);
        assert_eq!(server.expire(start + seconds(1_000_000)), Expiry::Unwatched);
    }

    #[test]
    fn s4_4_the_most_recent_response_decides() {
        let start = Instant::now();
        let mut server = Server::default();
        server.assign(start, Assign { flow_timer: Some(seconds(10)) }, GRACE);
        server.assign(start + seconds(5), Assign { flow_timer: Some(seconds(60)) }, GRACE);
        assert_eq!(server.deadline(), Some(start + seconds(66)));
        server.assign(start + seconds(6), Assign { flow_timer: None }, GRACE);
        assert_eq!(server.deadline(), None);
    }

    #[test]
    fn a_peer_that_is_asked_has_its_time_and_goes_on_as_before() {
        let start = Instant::now();
        let mut server = Server::default();
        server.extend(start, seconds(10));
        assert_eq!(server.deadline(), None, "nobody is waited for");
        server.assign(start, Assign { flow_timer: Some(seconds(20)) }, GRACE);
        server.extend(start + seconds(21), seconds(10));
        assert_eq!(server.deadline(), Some(start + seconds(31)));
        server.ping(start + seconds(22));
        assert_eq!(server.deadline(), Some(start + seconds(43)));
    }

    #[test]
    fn ping_timeout_sets_the_wait_apart_from_flow_timer() {
        let start = Instant::now();
        let mut server = Server::default();
        server.assign(start, Assign { flow_timer: Some(seconds(120)) }, PingWait::Fixed(seconds(300)));
        assert_eq!(server.deadline(), Some(start + seconds(300)));
        server.ping(start + seconds(7));
        assert_eq!(server.deadline(), Some(start + seconds(307)));
        server.assign(start, Assign { flow_timer: Some(seconds(120)) }, PingWait::Unlimited);
        assert_eq!(server.deadline(), None);
        server.assign(start, Assign { flow_timer: None }, PingWait::Fixed(seconds(300)));
        assert_eq!(server.deadline(), None, "no Flow-Timer, no timer");
    }
}
