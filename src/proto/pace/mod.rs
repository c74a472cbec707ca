//! How often something may happen: token buckets, in virtual time.
//!
//! ```text
//!               each taken: + 1/rate
//!   empty -------------------------------> half ------------------------> full ----------------> overflow
//!     ^       anybody is served              |   who is known is served     |   nobody is served    |
//!     +---------- runs dry by itself --------+------------------------------+-----------------------+
//! ```
//!
//! A bucket is one number: the moment at which it will have run dry. So it takes eight octets, needs no timer, and one that
//! all workers share needs no lock.
//!
//! - `addresses`: a bucket for each address that sends, in memory that does not grow
//! - `turns`: when those may come back who were turned away

mod addresses;
mod turns;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use self::addresses::Addresses;
pub use self::turns::Turns;

/// How much of what a rate allows may come at once: what it allows in this time.
const DEPTH: Duration = Duration::from_secs(2);

/// So often in a second, evenly or in bursts of two seconds' worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds that each one takes.
    every: u64,
    /// Nanoseconds that a full bucket takes to run dry.
    depth: u64,
}

/// Who asks for a place in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Anybody, for whom half of it is.
    Stranger,
    /// One who was served before: strangers cannot take the other half away.
    Known,
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// For now. It was counted too, so that who keeps on gets to the other one.
    Over,
    /// It came so often that as much again was refused.
    Flood,
}

impl Rate {
    /// Of so many in a second; 0: no limit, for which there is no rate.
    pub fn per_second(count: u32) -> Option<Self> {
        let every = 1_000_000_000_u64.checked_div(count.into())?;
        Some(Self { every, depth: nanos(DEPTH) })
    }

    /// The moment at which a bucket will have run dry that would have at `level`, with as many more in it.
    fn fill(self, level: u64, now: Duration, count: u64, asker: Asker) -> (u64, Result<(), Full>) {
        let now = nanos(now);
        let level = level.max(now);
        let filled = (level - now).saturating_add(self.every.saturating_mul(count));
        let room = match asker {
            Asker::Known => self.depth,
            Asker::Stranger => (self.depth / 2).max(self.every),
        };
        if filled <= room {
            (now + filled, Ok(()))
        } else if filled <= 2 * self.depth {
            (now + filled, Err(Full::Over))
        } else {
            (level, Err(Full::Flood))
        }
    }
}

/// A bucket of one owner. `now` is the time since any moment, the same for all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    level: u64,
}

impl Bucket {
    /// One more, if there is a place for it.
    pub fn take(&mut self, rate: Rate, now: Duration) -> Result<(), Full> {
        self.take_several(rate, now, 1)
    }

    /// As many more, if there is a place for all of them.
    pub fn take_several(&mut self, rate: Rate, now: Duration, count: u64) -> Result<(), Full> {
        let (level, taken) = rate.fill(self.level, now, count, Asker::Known);
        self.level = level;
        taken
    }
}

/// A bucket that several threads share. What it refuses is not counted.
#[derive(Debug, Default)]
pub struct Shared {
    level: AtomicU64,
}

impl Shared {
    /// One more, if there is a place for it.
    pub fn take(&self, rate: Rate, now: Duration, asker: Asker) -> bool {
        let fill = |level| match rate.fill(level, now, 1, asker) {
            (level, Ok(())) => Some(level),
            (_, Err(Full::Over | Full::Flood)) => None,
        };
        self.level.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill).is_ok()
    }
}

/// Centuries fit.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests;
