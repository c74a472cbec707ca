//! Which AORs have a binding on a flow, so that a failed flow costs no search.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::RandomState;
use std::sync::{Arc, Mutex};

use crate::binding::{Aor, Binding};
use crate::flow::Flow;

use super::{lock, shard_of};

pub(super) struct Index {
    hasher: RandomState,
    shards: Box<[Mutex<HashMap<Flow, Aors>>]>,
}

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

    /// In no order.
    pub(super) fn aors(&self, flow: &Flow) -> Vec<Aor> {
        match lock(self.shard(flow)).get(flow) {
            None => Vec::new(),
            Some(Aors::One(aor)) => vec![aor.clone()],
            Some(Aors::Many(aors)) => aors.iter().cloned().collect(),
        }
    }

    /// An AOR had these bindings and now has those. A refresh over the same flow touches nothing.
    pub(super) fn moved(&self, aor: &Aor, from: &[Arc<Binding>], to: &[Arc<Binding>]) {
        let among =
            |flow: &Flow, bindings: &[Arc<Binding>]| bindings.iter().any(|binding| binding.flow == *flow);
        for binding in to.iter().filter(|binding| !among(&binding.flow, from)) {
            self.add(binding.flow, aor);
        }
        for binding in from.iter().filter(|binding| !among(&binding.flow, to)) {
            self.remove(&binding.flow, aor);
        }
    }

    fn add(&self, flow: Flow, aor: &Aor) {
        match lock(self.shard(&flow)).entry(flow) {
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

    fn remove(&self, flow: &Flow, aor: &Aor) {
        let mut flows = lock(self.shard(flow));
        let is_last = match flows.get_mut(flow) {
            None => false,
            Some(Aors::One(one)) => one == aor,
            Some(Aors::Many(many)) => {
                many.remove(aor);
                many.is_empty()
            }
        };
        if is_last {
            flows.remove(flow);
            if flows.capacity() / 4 > flows.len() + 16 {
                let keep = flows.len() * 2;
                flows.shrink_to(keep);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, flow: &Flow) -> &Mutex<HashMap<Flow, Aors>> {
        &self.shards[shard_of(&self.hasher, flow, self.shards.len())]
    }
}
