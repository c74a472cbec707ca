//! Requests over UDP that were let through lately, so that a retransmission gets as far as the transaction that it is of.
//!
//! A limit that its first copy has passed says nothing about it, and the count of its credentials is used up. What knows a
//! retransmission is behind all that, and remembers for no less than 64 T1 (RFC 3261 §17.2.2), so what is let through here
//! again is served once. Only an INVITE that was refused is forgotten there earlier: T4 after its ACK (RFC 3261 §17.2.1,
//! Timer I). So it is here, or whoever has captured it could have it ring once more.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::slack::Slack;
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

/// What a request and its copies have in common: the transaction, all octets, and the address that they come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    transaction: u128,
    likeness: u128,
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

    /// What a request is known by.
    pub fn mark(&self, request: &Message, remote: SocketAddr) -> Mark {
        let mut hash = self.hasher(remote);
        hash.write(request.bytes());
        Mark { transaction: self.transaction(request, remote), likeness: hash.finish128().into() }
    }

    /// Whether it was let through.
    pub fn has(&self, now: Timestamp, mark: Mark) -> bool {
        let found = self.requests.get(&mark.transaction).filter(|passed| passed.until > now);
        found.is_some_and(|passed| passed.likeness == mark.likeness)
    }

    /// It was let through.
    pub fn add(&mut self, now: Timestamp, Mark { transaction, likeness }: Mark) {
        self.make_room(now);
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

    fn make_room(&mut self, now: Timestamp) {
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
    }

    /// RFC 3261 §17.2.3: the same of an INVITE and of the ACK to its refusal.
    fn transaction(&self, request: &Message, remote: SocketAddr) -> u128 {
        let mut hash = self.hasher(remote);
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

    fn hasher(&self, remote: SocketAddr) -> SipHasher13 {
        let mut hash = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        remote.hash(&mut hash);
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { transaction: Duration::from_secs(32), acked: Duration::from_secs(5) };

    fn message(method: &str, branch: &str, subject: &str) -> Message {
        let text = format!(
            "{method} sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch={branch}\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\
             Subject: {subject}\r\n\r\n"
        );
        Message::parse(text.into_bytes().into()).unwrap()
    }

    #[test]
    fn a_copy_is_known_by_its_octets_and_its_address() {
        let mut repeats = Repeats::new(10, PATIENCE, (1, 2));
        let (here, there) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.1:5061".parse().unwrap());
        repeats.add(Timestamp(0), repeats.mark(&message("OPTIONS", "a", ""), here));
        let has = |now, branch, subject, remote| {
            repeats.has(Timestamp(now), repeats.mark(&message("OPTIONS", branch, subject), remote))
        };
        assert!(has(31_999, "a", "", here));
        assert!(!has(0, "b", "", here) && !has(0, "a", "other", here) && !has(0, "a", "", there));
        assert!(!has(32_000, "a", "", here));
    }

    #[test]
    fn s17_2_1_a_refused_invite_is_forgotten_t4_after_its_ack() {
        let mut repeats = Repeats::new(10, PATIENCE, (1, 2));
        let here = "192.0.2.1:5060".parse().unwrap();
        let invite = repeats.mark(&message("INVITE", "a", ""), here);
        repeats.add(Timestamp(0), invite);
        repeats.acked(Timestamp(1000), &message("ACK", "other", ""), here);
        assert!(repeats.has(Timestamp(6000), invite), "the ACK was to another");
        repeats.acked(Timestamp(1000), &message("ACK", "a", ""), here);
        assert!(repeats.has(Timestamp(5999), invite) && !repeats.has(Timestamp(6000), invite));
    }

    #[test]
    fn where_there_is_no_room_the_oldest_goes() {
        let mut repeats = Repeats::new(2, PATIENCE, (1, 2));
        let here = "192.0.2.1:5060".parse().unwrap();
        let marks = ["a", "b", "c"].map(|branch| repeats.mark(&message("OPTIONS", branch, ""), here));
        for mark in marks {
            repeats.add(Timestamp(0), mark);
        }
        assert_eq!(marks.map(|mark| repeats.has(Timestamp(1), mark)), [false, true, true]);
        assert_eq!(repeats.len(), 2);
    }
}
