//! Requests over UDP that were let through lately, so that a retransmission gets as far as the transaction that it is of.
//!
//! It has the credentials of its first copy, whose count is used up. What knows a retransmission is behind it, and
//! remembers for no less than 64 T1 (RFC 3261 §17.2.2), so what is let through here again is served once.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::net::SocketAddr;
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::proto::slack::Slack;
use crate::sip::Message;

/// The requests.
#[derive(Debug)]
pub struct Repeats {
    limit: usize,
    patience: Duration,
    seed: (u64, u64),
    until: HashMap<u128, Timestamp>,
    order: VecDeque<u128>,
}

impl Repeats {
    /// Remembers `limit` requests, at least one, for `patience` (64 T1). `seed` is random.
    pub fn new(limit: usize, patience: Duration, seed: (u64, u64)) -> Self {
        Self { limit: limit.max(1), patience, seed, until: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether this is a request that was let through, octet for octet and from the same address.
    pub fn has(&self, now: Timestamp, request: &Message, remote: SocketAddr) -> bool {
        let is_fresh = |until: &Timestamp| *until > now;
        !self.until.is_empty() && self.until.get(&self.likeness(request, remote)).is_some_and(is_fresh)
    }

    /// A request was let through.
    pub fn add(&mut self, now: Timestamp, request: &Message, remote: SocketAddr) {
        while let Some(oldest) = self.order.front() {
            let is_over = self.until.get(oldest).is_none_or(|until| *until <= now);
            if !is_over && self.until.len() < self.limit {
                break;
            }
            self.until.remove(oldest);
            self.order.pop_front();
        }
        self.until.give_back();
        self.order.give_back();
        let likeness = self.likeness(request, remote);
        if self.until.insert(likeness, now + self.patience).is_none() {
            self.order.push_back(likeness);
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    fn likeness(&self, request: &Message, remote: SocketAddr) -> u128 {
        let mut hash = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        std::hash::Hash::hash(&remote, &mut hash);
        hash.write(request.bytes());
        hash.finish128().into()
    }
}
