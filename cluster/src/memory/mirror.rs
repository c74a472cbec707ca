//! What a node needs of its mirror: the bindings that were put through it, while the store that counts is another one.
//!
//! Order and limits are that store's to decide. Here its decisions are repeated, whatever they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::binding::{Aor, Binding, BindingKey, Timestamp};
use crate::flow::{Flow, NodeRun};
use crate::location::Bindings;

use super::entry::Entry;
use super::{Memory, lock};

impl Memory {
    /// Whether there is room for this AOR. One that is there has it.
    pub(crate) fn has_room(&self, aor: &Aor, now: Timestamp) -> bool {
        let mut shard = self.shard(aor);
        if shard.aors.contains_key(aor.as_bytes()) {
            return true;
        }
        let has_room = || self.aors.load(Ordering::Relaxed) < self.settings.max_aors;
        has_room() || {
            self.sweep_for_room(&mut shard, now);
            has_room()
        }
    }

    /// The live bindings of an AOR.
    pub(crate) fn read(&self, aor: &Aor, now: Timestamp) -> Bindings {
        self.shard(aor).aors.get(aor.as_bytes()).map(|entry| entry.live(now)).unwrap_or_default()
    }

    /// Puts and removes what was put and removed elsewhere; no `removed`: all that was there. Returns what has gone without
    /// another in its place.
    pub(crate) fn repeat(
        &self,
        aor: &Aor,
        put: &[Arc<Binding>],
        removed: Option<&[BindingKey]>,
        now: Timestamp,
    ) -> Bindings {
        let mut gone = Bindings::new();
        let mut stays = |binding: &Arc<Binding>| {
            let is_out = |key: &BindingKey| binding.key.matches(key);
            if put.iter().any(|new| is_out(&new.key)) {
                return false;
            }
            let stays = removed.is_some_and(|removed| !removed.iter().any(is_out));
            if !stays {
                gone.push(Arc::clone(binding));
            }
            stays
        };
        if put.is_empty() {
            self.retain(aor, now, stays);
            return gone;
        }
        let mut shard = self.shard(aor);
        if !shard.aors.contains_key(aor.as_bytes()) {
            // Room was asked for before; if it is gone meanwhile, what was acknowledged counts more.
            self.aors.fetch_add(1, Ordering::Relaxed);
            shard.aors.insert(aor.clone(), Entry::default());
        }
        let Some(entry) = shard.aors.get_mut(aor.as_bytes()) else { return gone };
        self.drop_expired(aor, entry, now);
        let mut next: Bindings = put.iter().cloned().collect();
        next.extend(entry.bindings.iter().filter(|binding| stays(binding)).cloned());
        self.replace(aor, entry, next, now);
        gone
    }

    /// Keeps those bindings of an AOR that are to stay. Returns whether one went.
    pub(crate) fn retain(
        &self,
        aor: &Aor,
        now: Timestamp,
        mut stays: impl FnMut(&Arc<Binding>) -> bool,
    ) -> bool {
        let mut shard = self.shard(aor);
        let Some(entry) = shard.aors.get_mut(aor.as_bytes()) else { return false };
        self.drop_expired(aor, entry, now);
        let next: Bindings = entry.bindings.iter().filter(|binding| stays(binding)).cloned().collect();
        let has_gone = next.len() < entry.bindings.len();
        if has_gone {
            self.replace(aor, entry, next, now);
        }
        has_gone
    }

    /// Whether this very binding is there.
    pub(crate) fn holds(&self, aor: &Aor, binding: &Arc<Binding>) -> bool {
        let shard = self.shard(aor);
        let entry = shard.aors.get(aor.as_bytes());
        entry.is_some_and(|entry| entry.bindings.iter().any(|other| Arc::ptr_eq(other, binding)))
    }

    /// Removes the bindings of a flow. Returns how many live ones went, and the AORs that had any, each with its last
    /// update over that flow.
    pub(crate) fn take_flow(
        &self,
        holder: &NodeRun,
        flow: &Flow,
        now: Timestamp,
    ) -> (usize, Vec<(Aor, Timestamp)>) {
        let (mut count, mut taken) = (0, Vec::new());
        for aor in self.index.aors(flow) {
            let mut last = None;
            let stays = |binding: &Arc<Binding>| {
                let is_on = binding.is_on(holder, flow);
                if is_on {
                    count += 1;
                    last = last.max(Some(binding.updated_at));
                }
                !is_on
            };
            self.retain(&aor, now, stays);
            taken.extend(last.map(|last| (aor, last)));
        }
        (count, taken)
    }

    /// The AORs of one of [`Memory::PURGES`] slices that have live bindings.
    pub(crate) fn slice(&self, slice: usize, now: Timestamp) -> Vec<Aor> {
        let shard = lock(&self.shards[slice % self.shards.len()]);
        let is_live = |entry: &Entry| entry.bindings.iter().any(|binding| binding.is_live(now));
        shard.aors.iter().filter(|(_, entry)| is_live(entry)).map(|(aor, _)| aor.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use crate::flow::{FlowId, Transport};
    use crate::location::{Counts, Location};
    use crate::memory::Settings;

    use super::*;

    const NOW: Timestamp = Timestamp(1000);

    fn flow(slot: u32) -> Flow {
        let remote = SocketAddr::from(([192, 0, 2, 1], 5060));
        Flow { id: FlowId { worker: 0, slot, generation: 0 }, remote }
    }

    fn run() -> NodeRun {
        NodeRun { node: "a".into(), epoch: 1 }
    }

    fn key(reg_id: u32) -> BindingKey {
        BindingKey::Instance { instance_id: b"urn:a"[..].into(), reg_id }
    }

    fn put(reg_id: u32, cseq: u32, slot: u32) -> Arc<Binding> {
        Arc::new(Binding {
            key: key(reg_id),
            contact: Box::default(),
            params: Box::default(),
            path: Box::default(),
            call_id: Box::default(),
            cseq,
            q: 1000,
            expires_at: Timestamp(2000),
            updated_at: Timestamp(0),
            holder: run(),
            flow: flow(slot),
            transport: Transport::Tcp,
            direct: true,
            outbound: true,
            user_agent: Box::default(),
        })
    }

    fn reg_ids(store: &Memory) -> Vec<(u32, u32)> {
        let of = |binding: &Arc<Binding>| match binding.key {
            BindingKey::Instance { reg_id, .. } => (reg_id, binding.cseq),
            BindingKey::Contact { .. } => unreachable!(),
        };
        store.read(&"a@h".into(), NOW).iter().map(of).collect()
    }

    #[test]
    fn changes_made_elsewhere_are_repeated_whatever_their_order_and_number() {
        let store = Memory::new(Settings { remember: Duration::from_secs(60), max_aors: 1 });
        let aor = Aor::from("a@h");
        store.repeat(&aor, &[put(1, 9, 1), put(2, 9, 2)], Some(&[]), NOW);
        store.repeat(&aor, &[put(1, 3, 3)], Some(&[]), NOW);
        assert_eq!(reg_ids(&store), [(1, 3), (2, 9)]);
        let gone = store.repeat(&aor, &[put(3, 2, 3)], Some(&[key(2)]), NOW);
        assert_eq!(gone.iter().map(|binding| &binding.key).collect::<Vec<_>>(), [&key(2)]);
        assert_eq!(reg_ids(&store), [(3, 2), (1, 3)]);
        store.repeat(&aor, &[], Some(&[]), NOW);
        assert_eq!(reg_ids(&store).len(), 2);
        store.repeat(&aor, &[], None, NOW);
        assert_eq!((reg_ids(&store), store.counts()), (vec![], Counts { aors: 1, bindings: 0 }));
        assert_eq!(store.take_flow(&run(), &flow(3), NOW), (0, vec![]), "the index knows");
    }

    #[test]
    fn a_removal_makes_no_aor_known() {
        let store = Memory::new(Settings::default());
        store.repeat(&"a@h".into(), &[], None, NOW);
        store.repeat(&"a@h".into(), &[], Some(&[key(1)]), NOW);
        assert_eq!(store.counts(), Counts::default());
    }

    #[test]
    fn there_is_room_for_those_that_are_there_and_up_to_the_limit() {
        let store = Memory::new(Settings { remember: Duration::from_secs(60), max_aors: 1 });
        let (one, two) = (Aor::from("1@h"), Aor::from("2@h"));
        assert!(store.has_room(&one, NOW));
        store.repeat(&one, &[put(1, 1, 1)], Some(&[]), NOW);
        assert!(store.has_room(&one, NOW) && !store.has_room(&two, NOW));
        store.repeat(&two, &[put(1, 1, 1)], Some(&[]), NOW);
        assert_eq!(store.counts().aors, 2, "what was acknowledged is kept");
    }

    #[test]
    fn slices_have_each_live_binding_once() {
        let store = Memory::new(Settings::default());
        for n in 0..200 {
            store.repeat(&format!("{n}@h").as_str().into(), &[put(1, 1, n)], Some(&[]), NOW);
        }
        let count = |now| -> usize { (0..Memory::PURGES).map(|slice| store.slice(slice, now).len()).sum() };
        assert_eq!((count(NOW), count(Timestamp(2000))), (200, 0));
    }

    #[test]
    fn a_flow_that_is_taken_away_names_the_aors_it_was_of() {
        let store = Memory::new(Settings::default());
        for n in 0..3 {
            store.repeat(&format!("{n}@h").as_str().into(), &[put(1, 1, 7)], Some(&[]), NOW);
        }
        let (count, mut taken) = store.take_flow(&run(), &flow(7), NOW);
        taken.sort();
        let last = |aor: &str| (Aor::from(aor), Timestamp(0));
        assert_eq!((count, taken), (3, vec![last("0@h"), last("1@h"), last("2@h")]));
        assert_eq!(store.counts().bindings, 0);
    }
}
