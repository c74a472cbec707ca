//! Who sends wrong passwords, by address: after so many of them the next has to wait, right or wrong.
//!
//! Each failure costs its address one of `max` that come back evenly in `window`. What is kept of an address is the time
//! at which it has all of them again.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;

use crate::proto::slack::Slack;
use crate::sip::peer_of;

/// The addresses that failed.
#[derive(Debug)]
pub struct Failures {
    limit: usize,
    /// How long one failure takes to be forgiven.
    each: Duration,
    window: Duration,
    whole_again: HashMap<IpAddr, Timestamp>,
    /// As they came.
    order: VecDeque<IpAddr>,
}

impl Failures {
    /// `max` failures in a `window`, of `limit` addresses at a time; a `max` of 0: no limit.
    pub fn new(limit: usize, max: u32, window: Duration) -> Self {
        let each = window.checked_div(max).unwrap_or_default();
        Self { limit: limit.max(1), each, window, whole_again: HashMap::new(), order: VecDeque::new() }
    }

    /// How long that address has to wait before a password of it is looked at again; none: it need not.
    pub fn wait(&self, now: Timestamp, peer: IpAddr) -> Option<Duration> {
        let whole_again = *self.whole_again.get(&peer_of(peer))?;
        let until = whole_again + self.each;
        let free = now + self.window;
        (until > free).then(|| until.since(free))
    }

    /// A password from that address was wrong.
    pub fn failed(&mut self, now: Timestamp, peer: IpAddr) {
        if self.each.is_zero() {
            return;
        }
        let peer = peer_of(peer);
        if let Some(whole_again) = self.whole_again.get_mut(&peer) {
            *whole_again = now.max(*whole_again) + self.each;
            return;
        }
        self.forget(now);
        self.whole_again.insert(peer, now + self.each);
        self.order.push_back(peer);
    }

    /// How many addresses are remembered.
    pub fn len(&self) -> usize {
        self.whole_again.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.whole_again.is_empty()
    }

    /// Makes room for one more.
    fn forget(&mut self, now: Timestamp) {
        self.whole_again.give_back();
        self.order.give_back();
        while let Some(oldest) = self.order.front() {
            let is_whole = self.whole_again.get(oldest).is_none_or(|whole_again| *whole_again <= now);
            if !is_whole && self.whole_again.len() < self.limit {
                return;
            }
            self.whole_again.remove(oldest);
            self.order.pop_front();
        }
    }
}
