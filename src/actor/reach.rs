//! Which next hops cannot be reached, for the metrics and the log: said when it begins, summed up each 10 s, and said when
//! it is over. Calls go on meanwhile, and each of them finds it out anew.
//!
//! ```text
//!   reached --- an attempt fails: said ---> down --- each period: how many attempts failed ---> down
//!      ^                                      |
//!      '----------- one succeeds: said -------'
//! ```

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{debug, info, warn};

use crate::metrics::Metrics;
use crate::proto::NextHop;

/// The next hops of a node that cannot be reached; all workers have the same.
#[derive(Debug, Default)]
pub struct Reach {
    /// How many attempts failed since that was said last.
    down: Mutex<HashMap<NextHop, u64>>,
}

impl Reach {
    /// An attempt to reach it failed.
    pub fn failed(&self, next: NextHop, error: impl Display, metrics: &Metrics) {
        metrics.next_hop_failures.inc();
        if self.is_first(next) {
            warn!(next_hop = %next.address, %error, "the next hop cannot be reached; more of it is summed up each 10s");
        } else {
            debug!(next_hop = %next.address, %error, "the next hop cannot be reached");
        }
    }

    /// There is a connection to it.
    pub fn reached(&self, next: NextHop) {
        if self.lock().remove(&next).is_some() {
            info!(next_hop = %next.address, "the next hop is reached again");
        }
    }

    /// How many cannot be reached.
    pub fn down(&self) -> usize {
        self.lock().len()
    }

    /// Says of each that cannot be reached how many more attempts failed.
    pub fn sum_up(&self) {
        for (next, more) in self.lock().iter_mut().filter(|(_, more)| **more > 0) {
            warn!(next_hop = %next.address, more, "the next hop could not be reached in the last 10s");
            *more = 0;
        }
    }

    fn is_first(&self, next: NextHop) -> bool {
        let mut down = self.lock();
        let is_first = !down.contains_key(&next);
        let more = down.entry(next).or_default();
        *more += u64::from(!is_first);
        is_first
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NextHop, u64>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    #[test]
    fn it_is_said_once_until_it_is_reached_again() {
        let hop = |text: &str| NextHop { transport: Transport::Tcp, address: text.parse().unwrap() };
        let (one, other) = (hop("192.0.2.1:5060"), hop("192.0.2.2:5060"));
        let reach = Reach::default();
        assert!(reach.is_first(one));
        assert!(!reach.is_first(one) && !reach.is_first(one));
        assert!(reach.is_first(other), "another one");
        assert_eq!((reach.down(), reach.lock()[&one]), (2, 2));
        reach.sum_up();
        assert_eq!((reach.down(), reach.lock()[&one]), (2, 0));
        reach.reached(one);
        assert_eq!(reach.down(), 1);
        assert!(reach.is_first(one));
    }
}
