//! Requests over UDP that were let through lately, so that a retransmission gets as far as the transaction that it is of.
//!
//! It has the credentials of its first copy, whose count is used up. What knows a retransmission is behind it, and
//! remembers for no less than 64 T1 (RFC 3261 §17.2.2), so what is let through here again is served once. Only an INVITE
//! that was refused is forgotten there earlier: T4 after its ACK (RFC 3261 §17.2.1, Timer I). So it is here, or whoever has
//! captured it could have it ring once more.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::net::SocketAddr;
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::proto::slack::Slack;
use crate::sip::{Message, Method, Name};

/// The requests.
#[derive(Debug)]
pub struct Repeats {
    limit: usize,
    patience: Patience,
    seed: (u64, u64),
    /// By what tells the transaction.
    requests: HashMap<u128, Passed>,
    order: VecDeque<u128>,
}

/// For how long requests come again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// 64 T1
    pub transaction: Duration,
    /// T4: an INVITE after the ACK to its refusal.
    pub acked: Duration,
}

/// A request that was let through.
#[derive(Clone, Copy, Debug)]
struct Passed {
    likeness: u128,
    until: Timestamp,
}

impl Repeats {
    /// Remembers `limit` requests, at least one. `seed` is random.
    pub fn new(limit: usize, patience: Patience, seed: (u64, u64)) -> Self {
        Self { limit: limit.max(1), patience, seed, requests: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether this is a request that was let through, octet for octet and from the same address.
    pub fn has(&self, now: Timestamp, request: &Message, remote: SocketAddr) -> bool {
        let found = self.requests.get(&self.transaction(request, remote)).filter(|passed| passed.until > now);
        found.is_some_and(|passed| passed.likeness == self.likeness(request, remote))
    }

    /// A request was let through.
    pub fn add(&mut self, now: Timestamp, request: &Message, remote: SocketAddr) {
        while let Some(oldest) = self.order.front() {
            let is_over = self.requests.get(oldest).is_none_or(|passed| passed.until <= now);
            if !is_over && self.requests.len() < self.limit {
                break;
            }
            self.requests.remove(oldest);
            self.order.pop_front();
        }
        self.requests.give_back();
        self.order.give_back();
        let (transaction, likeness) = (self.transaction(request, remote), self.likeness(request, remote));
        let passed = Passed { likeness, until: now + self.patience.transaction };
        if self.requests.insert(transaction, passed).is_none() {
            self.order.push_back(transaction);
        }
    }

    /// An ACK has come: the INVITE that it is to, if it was refused, comes again for T4 at most. The ACK to a 2xx is of
    /// a transaction of its own.
    pub fn acked(&mut self, now: Timestamp, ack: &Message, remote: SocketAddr) {
        let transaction = self.transaction(ack, remote);
        if let Some(passed) = self.requests.get_mut(&transaction) {
            passed.until = passed.until.min(now + self.patience.acked);
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// RFC 3261 §17.2.3: the same of an INVITE and of the ACK to its refusal.
    fn transaction(&self, request: &Message, remote: SocketAddr) -> u128 {
        let mut hash = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        std::hash::Hash::hash(&remote, &mut hash);
        let method = match request.method() {
            Method::Ack => b"INVITE",
            _ => request.method_bytes(),
        };
        let branch = request.top_via().ok().and_then(|via| via.branch()).unwrap_or_default();
        for part in [method, branch, request.first(Name::CallId).unwrap_or_default()] {
            hash.write_usize(part.len());
            hash.write(part);
        }
        hash.write_u32(request.cseq().map_or(0, |cseq| cseq.number));
        hash.finish128().into()
    }

    fn likeness(&self, request: &Message, remote: SocketAddr) -> u128 {
        let mut hash = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        std::hash::Hash::hash(&remote, &mut hash);
        hash.write(request.bytes());
        hash.finish128().into()
    }
}
