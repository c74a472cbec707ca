//! Which branches are out on which flow, so that a flow's end is known to them at once.

use std::collections::HashMap;

use flowhold_cluster::flow::Flow;
use smallvec::SmallVec;

use super::context::BranchId;
use super::keys::{Keys, Seeded};

/// Branches without a final response, by flow.
#[derive(Debug)]
pub(super) struct Outstanding {
    by_flow: HashMap<Flow, Branches, Seeded>,
}

type Branches = SmallVec<[BranchId; 2]>;

impl Outstanding {
    pub(super) fn new(keys: Keys) -> Outstanding {
        Outstanding { by_flow: HashMap::with_hasher(Seeded(keys)) }
    }

    pub(super) fn add(&mut self, flow: Flow, branch: BranchId) {
        self.by_flow.entry(flow).or_default().push(branch);
    }

    pub(super) fn remove(&mut self, flow: &Flow, branch: BranchId) {
        let Some(branches) = self.by_flow.get_mut(flow) else { return };
        if let Some(at) = branches.iter().position(|out| *out == branch) {
            branches.swap_remove(at);
        }
        if branches.is_empty() {
            self.by_flow.remove(flow);
        }
    }

    /// All that are out on a flow that is gone.
    pub(super) fn take(&mut self, flow: &Flow) -> Branches {
        self.by_flow.remove(flow).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_flow.is_empty()
    }
}
