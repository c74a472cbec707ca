//! When those may come back who were turned away: one after the other, each with a turn of its own.
//!
//! A node that starts anew is asked by all of its UAs at once. Told to come back at random, they would come in clumps and
//! be turned away again; told the same time, all of them would. So the turns of those who were refused are counted out at
//! the rate at which they can be served, and what is random is only where in its second each comes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Rate, nanos};

/// The longest that anybody is told to wait. Whoever floods a node with requests takes turns and does not use them: past
/// this, turns are given at random.
const LONGEST: Duration = Duration::from_secs(120);

/// The turns that were given out.
#[derive(Debug, Default)]
pub struct Turns {
    /// The last one's moment.
    last: AtomicU64,
}

impl Turns {
    /// RFC 3261 §20.33: in how many seconds somebody may come back who is turned away now. `lot` is any random number.
    pub fn retry_after(&self, rate: Rate, now: Duration, lot: u32) -> u64 {
        let (now, longest) = (nanos(now), nanos(LONGEST));
        let next = |last: u64| {
            let turn = last.max(now).saturating_add(rate.every);
            (turn - now <= longest).then_some(turn)
        };
        let taken = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let wait = match taken {
            Ok(last) => last.max(now) - now,
            Err(_) => (longest >> 32) * u64::from(lot),
        };
        // A fraction of a second would be lost: it is the chance to come one later.
        let chance = (1_000_000_000 * u64::from(lot)) >> 32;
        1 + (wait + chance) / 1_000_000_000
    }
}
