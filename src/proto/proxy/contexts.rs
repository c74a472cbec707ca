//! The requests in hand, by slot. The lowest slot that is free is taken first, so that what a burst leaves at the end runs
//! empty while others are served, and is given back: a node that has UAs over UDP always has some request in hand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::{Index, IndexMut};

use super::context::Context;
use crate::proto::slack::Slack;

/// In one piece, which goes back to the system as a whole: thousands of small ones would leave holes.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    slots: Vec<Option<Context>>,
    /// What is free, and perhaps some that are not, or are there no more: whoever takes one looks.
    free: BinaryHeap<Reverse<usize>>,
    len: usize,
}

impl Contexts {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, slot: usize) -> Option<&Context> {
        self.slots.get(slot)?.as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Context> {
        self.slots.iter().flatten()
    }

    /// Where it is from now on.
    pub(super) fn insert(&mut self, context: Context) -> usize {
        self.len += 1;
        while let Some(Reverse(slot)) = self.free.pop() {
            if let Some(free @ None) = self.slots.get_mut(slot) {
                *free = Some(context);
                return slot;
            }
        }
        self.slots.push(Some(context));
        self.slots.len() - 1
    }

    /// The one in this slot, which has to be there, is over.
    pub(super) fn remove(&mut self, slot: usize) -> Context {
        let context = self.slots[slot].take().expect("a context is removed once");
        self.len -= 1;
        self.free.push(Reverse(slot));
        context
    }

    /// Gives back what is free at the end. True when that was much.
    pub(super) fn give_back(&mut self) -> bool {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
        }
        let before = self.slots.capacity();
        self.slots.give_back();
        let is_much = self.slots.capacity() < before;
        if is_much {
            let slots = self.slots.len();
            self.free.retain(|Reverse(slot)| *slot < slots);
            self.free.shrink_to(slots);
        }
        is_much
    }
}

impl Index<usize> for Contexts {
    type Output = Context;

    fn index(&self, slot: usize) -> &Context {
        self.slots[slot].as_ref().expect("who knows the slot of a context knows that it is there")
    }
}

impl IndexMut<usize> for Contexts {
    fn index_mut(&mut self, slot: usize) -> &mut Context {
        self.slots[slot].as_mut().expect("who knows the slot of a context knows that it is there")
    }
}
