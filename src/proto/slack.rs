//! Memory that a table has taken for a burst, and gives back when it is mostly empty: what a node holds is what its flows
//! need, however many of whatever it has seen.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// Room for as many entries is always kept: to take it anew costs more than it is worth.
const KEPT: usize = 1024;

/// A table that can be told to give back what it does not use.
pub trait Slack {
    /// Gives it back if most of it is not used. Cheap when there is nothing to do, and rarely anything else: it takes as many
    /// entries as are there now to come to that again.
    fn give_back(&mut self);
}

impl<K, V, S> Slack for HashMap<K, V, S>
where
    K: Eq + Hash,
    S: BuildHasher,
{
    fn give_back(&mut self) {
        if let Some(room) = enough(self.len(), self.capacity()) {
            self.shrink_to(room);
        }
    }
}

impl<T> Slack for VecDeque<T> {
    fn give_back(&mut self) {
        if let Some(room) = enough(self.len(), self.capacity()) {
            self.shrink_to(room);
        }
    }
}

impl<T> Slack for Vec<T> {
    fn give_back(&mut self) {
        if let Some(room) = enough(self.len(), self.capacity()) {
            self.shrink_to(room);
        }
    }
}

/// Room for how many is enough, if that is much less than there is.
fn enough(len: usize, capacity: usize) -> Option<usize> {
    let room = KEPT.max(2 * len);
    (capacity / 2 > room).then_some(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_mostly_empty_gives_back_and_any_other_does_not() {
        let mut table: HashMap<usize, usize> = (0..10 * KEPT).map(|key| (key, key)).collect();
        let most = table.capacity();
        table.retain(|key, _| *key < 5 * KEPT);
        let before = table.capacity();
        table.give_back();
        assert_eq!(table.capacity(), before);
        table.retain(|key, _| *key < KEPT);
        table.give_back();
        assert!(table.capacity() < most / 2, "{} of {most}", table.capacity());
        assert_eq!(table.len(), KEPT);
    }

    #[test]
    fn room_for_a_few_is_kept() {
        let mut queue: VecDeque<usize> = (0..KEPT).collect();
        let most = queue.capacity();
        queue.clear();
        queue.give_back();
        assert_eq!(queue.capacity(), most);
    }
}
