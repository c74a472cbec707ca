//! A STUN Binding request on its way: sent again until it is answered (RFC 8489 §6.2.1).

use std::time::{Duration, Instant};

/// RFC 8489 §6.2.1: Rc, how often a request is sent in all.
const TRANSMISSIONS: u32 = 7;

/// RFC 8489 §6.2.2: how many RTO a response over a reliable transport is waited for: as long as for all transmissions.
const RELIABLE_WAIT: u32 = 79;

/// RFC 8489 §6.2.1: Rm, how many RTO the last transmission is waited for.
const LAST_WAIT: u32 = 16;

/// A request without a response yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) transaction: [u8; 12],
    pub(super) first_sent: Instant,
    pub(super) last_sent: Instant,
    /// How long after its last transmission the next ping leaves.
    pub(super) interval: Duration,
    sent: u32,
    is_reliable: bool,
}

impl Binding {
    pub(super) fn new(
        (now, is_reliable): (Instant, bool),
        transaction: [u8; 12],
        interval: Duration,
    ) -> Binding {
        Binding { transaction, first_sent: now, last_sent: now, interval, sent: 1, is_reliable }
    }

    /// When it is sent again, or given up.
    pub(super) fn deadline(&self, rto: Duration) -> Instant {
        if self.is_reliable {
            return self.first_sent + rto * RELIABLE_WAIT;
        }
        // RFC 8489 §6.2.1: RTO, doubled after each transmission; at the end 16 times RTO.
        let waits = if self.sent < TRANSMISSIONS { 1 << (self.sent - 1) } else { LAST_WAIT };
        self.last_sent + rto * waits
    }

    /// Sends it once more; `None` when that was done often enough.
    pub(super) fn again(&mut self, now: Instant) -> Option<[u8; 12]> {
        if self.is_reliable || self.sent == TRANSMISSIONS {
            return None;
        }
        self.sent += 1;
        self.last_sent = now;
        Some(self.transaction)
    }
}
