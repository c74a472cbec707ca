//! The way to a flow from any worker: a table of the sockets and connections that are open now.
//!
//! A flow id is (worker, slot, generation): the slot is found without a hash, and the generation tells a
//! connection from every later one in the same slot, even when that has the same addresses.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix::dev::ToEnvelope;
use actix::prelude::SendError;
use actix::{Actor, Addr, Handler, Recipient};
use flowhold_cluster::flow::FlowId;

use super::message::{Close, Deliver};

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
pub struct FlowTable {
    workers: Box<[Mutex<Slots>]>,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

struct Slot {
    generation: u32,
    to: Option<Box<dyn Door>>,
}

/// The way to the actor of a socket or a connection, as small as an address.
trait Door: Send + Sync {
    fn deliver(&self, message: Deliver) -> Result<(), Undelivered>;

    /// Finds room in a full mailbox.
    fn answer(&self, message: Deliver) -> Result<(), Undelivered>;

    /// False where nothing is closed before the node ends.
    fn is_connection(&self) -> bool;

    fn close(&self, message: Close);
}

/// What stays open until the node ends.
impl Door for Recipient<Deliver> {
    fn deliver(&self, message: Deliver) -> Result<(), Undelivered> {
        self.try_send(message).map_err(Undelivered::from)
    }

    fn answer(&self, message: Deliver) -> Result<(), Undelivered> {
        if !self.connected() {
            return Err(Undelivered::Gone);
        }
        self.do_send(message);
        Ok(())
    }

    fn is_connection(&self) -> bool {
        false
    }

    fn close(&self, _: Close) {}
}

impl<A> Door for Addr<A>
where
    A: Actor + Handler<Deliver> + Handler<Close>,
    A::Context: ToEnvelope<A, Deliver> + ToEnvelope<A, Close>,
{
    fn deliver(&self, message: Deliver) -> Result<(), Undelivered> {
        self.try_send(message).map_err(Undelivered::from)
    }

    fn answer(&self, message: Deliver) -> Result<(), Undelivered> {
        if !self.connected() {
            return Err(Undelivered::Gone);
        }
        self.do_send(message);
        Ok(())
    }

    fn is_connection(&self) -> bool {
        true
    }

    fn close(&self, message: Close) {
        self.do_send(message);
    }
}

impl From<SendError<Deliver>> for Undelivered {
    fn from(error: SendError<Deliver>) -> Self {
        match error {
            SendError::Full(_) => Self::Full,
            SendError::Closed(_) => Self::Gone,
        }
    }
}

impl FlowTable {
    /// An empty table for this many workers.
    pub fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| Mutex::default()).collect() }
    }

    /// Enters a socket of `worker`, or whatever else stays open until the node ends, and names it.
    pub fn open(&self, worker: u16, to: Recipient<Deliver>) -> FlowId {
        self.enter(worker, Box::new(to))
    }

    /// Enters a connection of `worker`, which can be told to close, and names it.
    pub fn open_connection<A>(&self, worker: u16, to: Addr<A>) -> FlowId
    where
        A: Actor + Handler<Deliver> + Handler<Close>,
        A::Context: ToEnvelope<A, Deliver> + ToEnvelope<A, Close>,
    {
        self.enter(worker, Box::new(to))
    }

    fn enter(&self, worker: u16, to: Box<dyn Door>) -> FlowId {
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
        self.reach(message.flow.id, |to| to.deliver(message))
    }

    /// Hands over what answers a request: nobody would send that again over a stream, so it finds room in a full
    /// mailbox. There are as many of them as requests in hand, which have their own limits, and `limits.write_queue`
    /// ends a flow whose peer does not read them.
    pub fn answer(&self, message: Deliver) -> Result<(), Undelivered> {
        self.reach(message.flow.id, |to| to.answer(message))
    }

    /// The connections that are open now.
    pub fn connections(&self) -> Vec<FlowId> {
        let mut open = Vec::new();
        for worker in 0..u16::try_from(self.workers.len()).unwrap_or(u16::MAX) {
            let Some(slots) = self.lock(worker) else { continue };
            for (slot, entry) in (0..).zip(&slots.slots) {
                if entry.to.as_ref().is_some_and(|to| to.is_connection()) {
                    open.push(FlowId { worker, slot, generation: entry.generation });
                }
            }
        }
        open
    }

    /// Tells a connection to close. False when it has.
    pub fn tell_to_close(&self, id: FlowId, message: Close) -> bool {
        let told = self.reach(id, |to| {
            to.close(message);
            Ok(())
        });
        told.is_ok()
    }

    /// Whether the flow is open.
    pub fn is_open(&self, id: FlowId) -> bool {
        self.reach(id, |_| Ok(())).is_ok()
    }

    fn reach(
        &self,
        id: FlowId,
        hand_over: impl FnOnce(&dyn Door) -> Result<(), Undelivered>,
    ) -> Result<(), Undelivered> {
        let slots = self.lock(id.worker).ok_or(Undelivered::Gone)?;
        let slot = slots.slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation);
        hand_over(slot.and_then(|slot| slot.to.as_deref()).ok_or(Undelivered::Gone)?)
    }

    fn lock(&self, worker: u16) -> Option<MutexGuard<'_, Slots>> {
        let part = self.workers.get(usize::from(worker))?;
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix::prelude::*;
    use bytes::Bytes;
    use flowhold_cluster::flow::Flow;
    use std::sync::mpsc::{Sender, channel};

    use crate::metrics::FlowClosed;
    use crate::sip::Wire;

    /// Stands for a connection: says which flow each message was for.
    struct Peer(Sender<FlowId>);

    impl Actor for Peer {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Peer {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
            self.0.send(deliver.flow.id).unwrap();
        }
    }

    fn deliver(id: FlowId) -> Deliver {
        let flow = Flow { id, remote: ([192, 0, 2, 1], 5060).into() };
        Deliver { flow, wire: Wire::from(Bytes::from_static(b"octets")), assign: None }
    }

    #[test]
    fn a_flow_is_reached_from_anywhere_until_it_is_closed() {
        let (sender, received) = channel();
        System::new().block_on(async {
            let table = FlowTable::new(2);
            let id = table.open(1, Peer(sender).start().recipient());
            assert_eq!(id.worker, 1);
            assert_eq!(table.deliver(deliver(id)), Ok(()));
            assert!(table.close(id));
            assert!(!table.close(id), "it is closed once");
            assert_eq!(table.deliver(deliver(id)), Err(Undelivered::Gone));
            actix_rt::task::yield_now().await;
            assert_eq!(received.try_recv(), Ok(id));
        });
    }

    #[test]
    fn a_later_connection_in_the_same_place_is_another_flow() {
        let (sender, _received) = channel();
        System::new().block_on(async {
            let table = FlowTable::new(1);
            let peer = Peer(sender).start().recipient();
            let first = table.open(0, peer.clone());
            table.close(first);
            let second = table.open(0, peer);
            assert_eq!(second.slot, first.slot);
            assert_ne!(second, first);
            assert_eq!(table.deliver(deliver(first)), Err(Undelivered::Gone));
            assert!(!table.close(first), "the later one stays open");
            assert_eq!(table.deliver(deliver(second)), Ok(()));
        });
    }

    #[test]
    fn a_flow_that_takes_nothing_is_full_and_not_gone() {
        let (sender, _received) = channel();
        System::new().block_on(async {
            let table = FlowTable::new(1);
            // Its context is not polled while this one runs.
            let id = table.open(0, Peer(sender).start().recipient());
            let outcomes: Vec<_> = (0..100).map(|_| table.deliver(deliver(id))).collect();
            assert_eq!(outcomes[0], Ok(()));
            assert_eq!(outcomes[99], Err(Undelivered::Full));
            assert_eq!(table.answer(deliver(id)), Ok(()), "nobody would send an answer again");
        });
    }

    #[test]
    fn connections_are_told_to_close_and_sockets_are_not() {
        struct Closing(Sender<FlowClosed>);

        impl Actor for Closing {
            type Context = Context<Self>;
        }

        impl Handler<Deliver> for Closing {
            type Result = ();

            fn handle(&mut self, _: Deliver, _: &mut Self::Context) {}
        }

        impl Handler<Close> for Closing {
            type Result = ();

            fn handle(&mut self, Close(reason): Close, _: &mut Self::Context) {
                self.0.send(reason).unwrap();
            }
        }

        let ((told, closed), (sender, _received)) = (channel(), channel());
        System::new().block_on(async {
            let table = FlowTable::new(2);
            let socket = table.open(0, Peer(sender).start().recipient());
            let first = table.open_connection(1, Closing(told.clone()).start());
            let second = table.open_connection(1, Closing(told).start());
            assert_eq!(table.connections(), [first, second]);
            assert!(table.tell_to_close(first, Close(FlowClosed::Drain)));
            actix_rt::task::yield_now().await;
            assert_eq!(closed.try_recv(), Ok(FlowClosed::Drain));
            table.close(first);
            assert!(!table.tell_to_close(first, Close(FlowClosed::Drain)));
            assert_eq!(table.connections(), [second]);
            assert!(table.is_open(socket) && table.is_open(second) && !table.is_open(first));
        });
    }

    #[test]
    fn ids_of_nothing_are_gone() {
        let table = FlowTable::new(1);
        for id in [FlowId { worker: 0, slot: 7, generation: 0 }, FlowId { worker: 9, slot: 0, generation: 0 }]
        {
            assert_eq!(table.deliver(deliver(id)), Err(Undelivered::Gone));
            assert!(!table.close(id));
        }
    }
}
