//! How a node goes: when each of its flows is closed, and what UAs are told meanwhile.
//!
//! ```text
//!   begun                                                              over
//!     |  flow  flow  flow ... evenly, in random order                    |
//!     +----x-----x-----x-----x-----x-----x-----x-----x-----x-----x-------+---> the node ends
//!                |                                                       |
//!                +- a transaction is under way: when that has ended -----+- or now
//! ```
//!
//! A connection that is closed tells its UA to go elsewhere. A UA over UDP can notice one thing only: that its pings are
//! no longer answered. So pings are left unanswered early enough for it to find that out before the node ends; until then
//! everything that is sent to it still reaches it.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use flowhold_cluster::flow::FlowId;
use rand::Rng;
use rand::seq::SliceRandom;
use siphasher::sip::SipHasher13;

/// The least that refused REGISTERs are spread over, however soon the node ends: it may be back as soon.
const LEAST_SPREAD: Duration = Duration::from_secs(5);

/// One drain, from begin to end.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    begun: Instant,
    length: Duration,
    /// How long a UA over UDP takes to notice that its pings are not answered.
    notice: Duration,
    key: u64,
}

impl Course {
    /// It begins now and is over after `length`; `key` has to be random.
    pub fn new(now: Instant, length: Duration, notice: Duration, key: u64) -> Self {
        Self { begun: now, length, notice, key }
    }

    /// When the node ends, whatever is under way.
    pub fn over(&self) -> Instant {
        self.begun + self.length
    }

    /// RFC 3261 §20.33: in how many seconds a UA may come back whose REGISTER is refused. `lot` is any random number.
    pub fn retry_after(&self, now: Instant, lot: u32) -> u64 {
        let rest = self.over().saturating_duration_since(now);
        let spread = rest.max(LEAST_SPREAD).as_secs().max(1);
        1 + u64::from(lot) % spread
    }

    /// Whether pings of this UDP peer are left unanswered by now, so that its UA goes elsewhere.
    pub fn ignores_pings_of(&self, peer: SocketAddr, now: Instant) -> bool {
        let spread = self.length.saturating_sub(self.notice).as_nanos();
        let waits = (spread * u128::from(self.lot_of(peer))) >> 64;
        now.saturating_duration_since(self.begun).as_nanos() >= waits
    }

    /// A number of the peer's own.
    fn lot_of(&self, peer: SocketAddr) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key, 0);
        match peer.ip() {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        hasher.write_u16(peer.port());
        hasher.finish()
    }
}

/// Which flows are still to be closed.
#[derive(Debug)]
pub struct Closing {
    course: Course,
    flows: Vec<FlowId>,
    /// How many of them have had their turn.
    reached: usize,
    put_off: Vec<FlowId>,
}

impl Closing {
    /// Of these flows, in an order that `rng` decides.
    pub fn new(course: Course, mut flows: Vec<FlowId>, rng: &mut impl Rng) -> Self {
        flows.shuffle(rng);
        Self { course, flows, reached: 0, put_off: Vec::new() }
    }

    /// How many there are in all.
    pub fn count(&self) -> usize {
        self.flows.len()
    }

    /// Whose turn it is by now, those included that were put off. Whoever asks closes them, or puts them off.
    pub fn due(&mut self, now: Instant) -> Vec<FlowId> {
        let mut due = std::mem::take(&mut self.put_off);
        let from = self.reached;
        while self.next_turn().is_some_and(|turn| turn <= now) {
            self.reached += 1;
        }
        due.extend_from_slice(&self.flows[from..self.reached]);
        due
    }

    /// A transaction is under way on this flow: its turn is later. Not when the drain is over.
    pub fn put_off(&mut self, flow: FlowId) {
        self.put_off.push(flow);
    }

    /// When the next flow has its first turn.
    pub fn next_turn(&self) -> Option<Instant> {
        let count = self.flows.len() as u128;
        // Rounded up, so that the last comes no earlier than evenly.
        let nanos = |turn: usize| (self.course.length.as_nanos() * turn as u128).div_ceil(count);
        let after = |nanos| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        (self.reached < self.flows.len()).then(|| self.course.begun + after(nanos(self.reached)))
    }

    /// Whether flows wait that were put off.
    pub fn has_put_off(&self) -> bool {
        !self.put_off.is_empty()
    }

    /// No flow is left.
    pub fn is_done(&self) -> bool {
        self.reached == self.flows.len() && self.put_off.is_empty()
    }
}

#[cfg(test)]
mod tests;
