//! What there was lately: as many keys as there is room for, each for some time since it was there last. Where there is no
//! room, those go first that came first and have not come again.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;

use super::slack::Slack;

/// The keys.
#[derive(Debug)]
pub struct Lately<K> {
    limit: usize,
    patience: Duration,
    until: HashMap<K, Timestamp>,
    /// When each was to go, before it came again.
    order: VecDeque<(Timestamp, K)>,
}

impl<K: Copy + Eq + Hash> Lately<K> {
    /// Remembers `limit` keys, at least one, for `patience`.
    pub fn new(limit: usize, patience: Duration) -> Self {
        Self { limit: limit.max(1), patience, until: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether it was there lately.
    pub fn has(&self, now: Timestamp, key: &K) -> bool {
        self.until.get(key).is_some_and(|until| *until > now)
    }

    /// It is there.
    pub fn add(&mut self, now: Timestamp, key: K) {
        let until = now + self.patience;
        if let Some(known) = self.until.get_mut(&key) {
            *known = until;
            return;
        }
        self.make_room(now);
        self.until.insert(key, until);
        self.order.push_back((until, key));
    }

    fn make_room(&mut self, now: Timestamp) {
        while let Some(&(due, key)) = self.order.front() {
            let until = self.until.get(&key).copied().unwrap_or(due);
            if until > due && until > now {
                // It has come again.
                self.order.push_back((until, key));
            } else if until <= now || self.until.len() >= self.limit {
                self.until.remove(&key);
            } else {
                break;
            }
            self.order.pop_front();
        }
        self.until.give_back();
        self.order.give_back();
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(minutes: u64) -> Timestamp {
        Timestamp(minutes * 60_000)
    }

    #[test]
    fn a_key_is_remembered_for_its_time_since_it_came_last() {
        let mut lately = Lately::new(10, HOUR);
        lately.add(at(0), 'a');
        assert!(lately.has(at(59), &'a') && !lately.has(at(60), &'a') && !lately.has(at(0), &'b'));
        lately.add(at(59), 'a');
        assert!(lately.has(at(118), &'a') && !lately.has(at(119), &'a'));
    }

    #[test]
    fn where_there_is_no_room_the_one_goes_that_was_there_longest_ago() {
        let mut lately = Lately::new(2, HOUR);
        lately.add(at(0), 'a');
        lately.add(at(1), 'b');
        lately.add(at(2), 'a');
        lately.add(at(3), 'c');
        assert_eq!(['a', 'b', 'c'].map(|key| lately.has(at(3), &key)), [true, false, true]);
        assert_eq!(lately.len(), 2);
    }

    #[test]
    fn what_is_over_is_not_kept() {
        let mut lately = Lately::new(1000, HOUR);
        for key in 0..1000 {
            lately.add(at(key), key);
            lately.add(at(key), key);
        }
        assert!(lately.len() <= 61 && lately.order.len() <= 61, "{}", lately.len());
    }
}
