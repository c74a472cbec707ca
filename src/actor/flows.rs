//! The way to a flow from any worker: a table of the sockets and connections that are open now.
//!
//! A flow id is (worker, slot, generation): the slot is found without a hash, and the generation tells a
//! connection from every later one in the same slot, even when that has the same addresses.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix::Recipient;
use actix::prelude::SendError;
use flowhold_cluster::flow::FlowId;

use super::message::Deliver;

/// Why a message was not handed to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The flow is gone.
    #[error("the flow is gone")]
    Gone,
    /// The flow's mailbox is full: it takes less than it is sent.
    #[error("the flow's mailbox is full")]
    Full,
}

/// All open sockets and connections of this node, a part for each worker so that workers do not meet at one lock.
#[derive(Debug)]
pub struct FlowTable {
    workers: Box<[Mutex<Slots>]>,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    to: Option<Recipient<Deliver>>,
}

impl FlowTable {
    /// An empty table for this many workers.
    pub fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| Mutex::default()).collect() }
    }

    /// Enters a socket or connection of `worker` and names it.
    pub fn open(&self, worker: u16, to: Recipient<Deliver>) -> FlowId {
        let mut slots = self.lock(worker).expect("a worker opens flows in its own part");
        if let Some(slot) = slots.free.pop() {
            let entry = &mut slots.slots[slot as usize];
            entry.generation = entry.generation.wrapping_add(1);
            entry.to = Some(to);
            return FlowId { worker, slot, generation: entry.generation };
        }
        let slot = u32::try_from(slots.slots.len()).expect("descriptors run out long before slots");
        slots.slots.push(Slot { generation: 0, to: Some(to) });
        FlowId { worker, slot, generation: 0 }
    }

    /// Forgets it. False when it was forgotten before.
    pub fn close(&self, id: FlowId) -> bool {
        let Some(mut slots) = self.lock(id.worker) else { return false };
        let Some(slot) = slots.slots.get_mut(id.slot as usize) else { return false };
        if slot.generation != id.generation || slot.to.take().is_none() {
            return false;
        }
        slots.free.push(id.slot);
        true
    }

    /// Hands a message to its flow, on whichever worker it lives.
    pub fn deliver(&self, message: Deliver) -> Result<(), Undelivered> {
        let id = message.flow.id;
        let slots = self.lock(id.worker).ok_or(Undelivered::Gone)?;
        let slot = slots.slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation);
        let to = slot.and_then(|slot| slot.to.as_ref()).ok_or(Undelivered::Gone)?;
        to.try_send(message).map_err(|error| match error {
            SendError::Full(_) => Undelivered::Full,
            SendError::Closed(_) => Undelivered::Gone,
        })
    }

    fn lock(&self, worker: u16) -> Option<MutexGuard<'_, Slots>> {
        let part = self.workers.get(usize::from(worker))?;
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
