//! Which AORs have a binding on a flow, so that a failed flow costs no search.
//!
//! A flow is known by a hash, as it would be half of the index otherwise. Two flows with one hash share their AORs; whoever
//! asks looks at the bindings anyway.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use smallvec::SmallVec;

use crate::binding::{Aor, Binding};
use crate::flow::Flow;

use super::lock;

pub(super) struct Index {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

type Shard = HashMap<FlowHash, Aors>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct FlowHash(u64);

/// A UA's flow carries one AOR, a trunk's may carry thousands.
enum Aors {
    One(Aor),
    // Boxed so that the rare case does not make the common one three times as large.
    #[allow(clippy::box_collection)]
    Many(Box<HashSet<Aor>>),
}

impl Index {
    pub(super) fn new(shards: usize) -> Self {
        Self { hasher: RandomState::new(), shards: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Those that may have a binding on this flow; all that do are among them. In no order.
    pub(super) fn aors(&self, flow: &Flow) -> Vec<Aor> {
        let flow = self.hash(flow);
        match lock(self.shard(flow)).get(&flow) {
            None => Vec::new(),
            Some(Aors::One(aor)) => vec![aor.clone()],
            Some(Aors::Many(aors)) => aors.iter().cloned().collect(),
        }
    }

    /// An AOR had these bindings and now has those. A refresh over the same flow touches nothing.
    pub(super) fn moved(&self, aor: &Aor, from: &[Arc<Binding>], to: &[Arc<Binding>]) {
        if let ([from], [to]) = (from, to)
            && from.flow == to.flow
            && from.direct == to.direct
        {
            return;
        }
        let flows = |bindings: &[Arc<Binding>]| -> SmallVec<[FlowHash; 4]> {
            bindings.iter().filter(|binding| binding.direct).map(|binding| self.hash(&binding.flow)).collect()
        };
        let (from, to) = (flows(from), flows(to));
        to.iter().filter(|flow| !from.contains(flow)).for_each(|flow| self.add(*flow, aor));
        from.iter().filter(|flow| !to.contains(flow)).for_each(|flow| self.remove(*flow, aor));
    }

    fn add(&self, flow: FlowHash, aor: &Aor) {
        match lock(self.shard(flow)).entry(flow) {
            Entry::Vacant(vacant) => {
                vacant.insert(Aors::One(aor.clone()));
            }
            Entry::Occupied(mut occupied) => match occupied.get_mut() {
                Aors::One(one) if one == aor => {}
                Aors::One(one) => {
                    let many = HashSet::from([one.clone(), aor.clone()]);
                    occupied.insert(Aors::Many(Box::new(many)));
                }
                Aors::Many(many) => {
                    many.insert(aor.clone());
                }
            },
        }
    }

    fn remove(&self, flow: FlowHash, aor: &Aor) {
        let mut shard = lock(self.shard(flow));
        let is_last = match shard.get_mut(&flow) {
            None => false,
            Some(Aors::One(one)) => one == aor,
            Some(Aors::Many(many)) => {
                many.remove(aor);
                many.is_empty()
            }
        };
        if is_last {
            shard.remove(&flow);
            if shard.capacity() / 4 > shard.len() + 16 {
                let keep = shard.len() * 2;
                shard.shrink_to(keep);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn hash(&self, flow: &Flow) -> FlowHash {
        FlowHash(self.hasher.hash_one(flow))
    }

    fn shard(&self, flow: FlowHash) -> &Mutex<Shard> {
        let shard = flow.0 % self.shards.len() as u64;
        &self.shards[usize::try_from(shard).expect("less than the number of shards")]
    }
}
