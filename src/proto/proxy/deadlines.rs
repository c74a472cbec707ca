//! Deadlines by slot: a binary heap that knows where each slot stands in it, so that a deadline is moved or taken back
//! without a trace.

use std::time::Instant;

use crate::proto::slack::Slack;

/// At most one deadline per slot.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: Vec<(Instant, u32)>,
    /// Where a slot stands in the heap; `ABSENT` if it has no deadline.
    place: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

impl Deadlines {
    /// The earliest deadline and its slot.
    pub(super) fn first(&self) -> Option<(Instant, u32)> {
        self.heap.first().copied()
    }

    /// Gives the slot this deadline in place of the one it had.
    pub(super) fn set(&mut self, slot: u32, deadline: Option<Instant>) {
        let at = self.place.get(slot as usize).copied().unwrap_or(ABSENT);
        match (at, deadline) {
            (ABSENT, None) => {}
            (ABSENT, Some(deadline)) => {
                if self.place.len() <= slot as usize {
                    self.place.resize(slot as usize + 1, ABSENT);
                }
                self.heap.push((deadline, slot));
                self.rise(self.heap.len() - 1);
            }
            (at, Some(deadline)) => {
                let at = at as usize;
                let before = std::mem::replace(&mut self.heap[at].0, deadline);
                if deadline < before {
                    self.rise(at);
                } else if deadline > before {
                    self.sink(at);
                }
            }
            (at, None) => {
                let at = at as usize;
                self.heap.swap_remove(at);
                self.place[slot as usize] = ABSENT;
                if at < self.heap.len() {
                    // The one that took the place may belong further up or further down.
                    self.rise(at);
                    self.sink(self.place[self.heap[at].1 as usize] as usize);
                }
            }
        }
    }

    /// Gives back what it holds for slots that are not there any more; so many are, and no other has a deadline.
    pub(super) fn give_back(&mut self, slots: usize) {
        debug_assert!(self.place.iter().skip(slots).all(|place| *place == ABSENT));
        self.place.truncate(slots);
        self.place.give_back();
        self.heap.give_back();
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.heap[parent].0 <= self.heap[at].0 {
                break;
            }
            self.heap.swap(parent, at);
            self.settle(at);
            at = parent;
        }
        self.settle(at);
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            let Some(mut child) = (left < self.heap.len()).then_some(left) else { break };
            if left + 1 < self.heap.len() && self.heap[left + 1].0 < self.heap[left].0 {
                child = left + 1;
            }
            if self.heap[at].0 <= self.heap[child].0 {
                break;
            }
            self.heap.swap(at, child);
            self.settle(at);
            at = child;
        }
        self.settle(at);
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are no more entries than slots, which are u32"
    )]
    fn settle(&mut self, at: usize) {
        let slot = self.heap[at].1;
        self.place[slot as usize] = at as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_always_the_earliest(changes in prop::collection::vec((0_u32..20, prop::option::of(0_u64..50)), 1..200)) {
            let start = Instant::now();
            let mut deadlines = Deadlines::default();
            let mut model = BTreeMap::new();
            for (slot, after) in changes {
                let at = after.map(|after| start + Duration::from_millis(after));
                deadlines.set(slot, at);
                match at {
                    Some(at) => model.insert(slot, at),
                    None => model.remove(&slot),
                };
                prop_assert_eq!(deadlines.first().map(|(at, _)| at), model.values().min().copied());
                prop_assert_eq!(deadlines.heap.len(), model.len());
                for (place, (_, slot)) in deadlines.heap.iter().enumerate() {
                    prop_assert_eq!(deadlines.place[*slot as usize] as usize, place);
                }
            }
        }
    }
}
