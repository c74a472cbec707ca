//! Which requests were made with a nonce: each count once, in any order as far as parallel flows mix it. RFC 7616 §3.4,
//! §5.4.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;

use super::nonce::Nonce;
use crate::proto::slack::Slack;

/// How many counts below the highest may still come: requests of one UA over several flows overtake each other.
const WIDTH: u32 = u64::BITS;

/// The nonces that were used. Only right credentials get a nonce in here, so nobody else can fill it.
#[derive(Debug)]
pub struct Replay {
    limit: usize,
    lifetime: Duration,
    windows: HashMap<u64, Window>,
    /// As they came, with the time that each was made.
    order: VecDeque<(Timestamp, u64)>,
    /// A nonce that is as old as one that was forgotten may be that one: it counts as used up.
    forgotten: Timestamp,
}

/// The counts that were seen.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    /// Bit n: the count `highest - n`.
    seen: u64,
}

impl Replay {
    /// Remembers `limit` nonces, at least one. `lifetime` is that of nonces.
    pub fn new(limit: usize, lifetime: Duration) -> Self {
        Self {
            limit: limit.max(1),
            lifetime,
            windows: HashMap::new(),
            order: VecDeque::new(),
            forgotten: Timestamp(0),
        }
    }

    /// Notes that a request was made with this nonce and count. False: it was before, or it can no longer be told.
    pub fn take(&mut self, now: Timestamp, nonce: &Nonce, count: u32) -> bool {
        // RFC 7616 §3.4: the count lets the server see a request that is replayed.
        if let Some(window) = self.windows.get_mut(&nonce.id) {
            return nonce.is_own && window.take(count);
        }
        if nonce.minted <= self.forgotten {
            return false;
        }
        self.forget(now);
        self.windows.insert(nonce.id, Window { highest: count, seen: 1 });
        self.order.push_back((nonce.minted, nonce.id));
        true
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    fn forget(&mut self, now: Timestamp) {
        self.windows.give_back();
        self.order.give_back();
        while let Some((minted, id)) = self.order.front().copied() {
            // Twice the lifetime: a nonce of another node is good for a moment longer, by that node's clock.
            let is_over = minted + self.lifetime * 2 < now;
            if !is_over && self.windows.len() < self.limit {
                return;
            }
            if !is_over {
                self.forgotten = self.forgotten.max(minted);
            }
            self.windows.remove(&id);
            self.order.pop_front();
        }
    }
}

impl Window {
    fn take(&mut self, count: u32) -> bool {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|&ahead| ahead > 0) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if behind >= WIDTH || self.seen & (1 << behind) != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}
