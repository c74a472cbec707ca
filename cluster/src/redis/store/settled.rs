//! An update as it is written: what its changes, made in turn, come to.

use std::sync::Arc;

use crate::binding::{Aor, BindingKey, Timestamp};
use crate::location::{Bindings, Change, Changes, Update};

/// An update as it is written.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Whose bindings.
    pub aor: Aor,
    /// The REGISTER's Call-ID.
    pub call_id: Box<[u8]>,
    /// The REGISTER's CSeq number.
    pub cseq: u32,
    /// The bindings that are there afterwards, each in place of all that its key matches.
    pub put: Bindings,
    /// The keys of all else that is removed; none: everything.
    pub removed: Option<Vec<BindingKey>>,
    /// How many bindings the AOR may have afterwards.
    pub max_bindings: usize,
    /// When.
    pub now: Timestamp,
}

impl Settled {
    /// Whether it changes nothing.
    pub fn is_query(&self) -> bool {
        self.put.is_empty() && self.removed.as_ref().is_some_and(Vec::is_empty)
    }
}

impl From<Update> for Settled {
    fn from(Update { aor, call_id, cseq, changes, max_bindings, now }: Update) -> Self {
        let (put, removed) = match changes {
            Changes::None => (Bindings::new(), Some(Vec::new())),
            Changes::RemoveAll => (Bindings::new(), None),
            Changes::Each(changes) => {
                let (put, removed) = settle(changes);
                (put, Some(removed))
            }
        };
        Self { aor, call_id, cseq, put, removed, max_bindings, now }
    }
}

fn settle(changes: Vec<Change>) -> (Bindings, Vec<BindingKey>) {
    let mut put = Bindings::new();
    let mut removed = Vec::new();
    for change in changes {
        let key = match &change {
            Change::Put(binding) => &binding.key,
            Change::Remove(key) => key,
        };
        let (undone, left): (Bindings, Bindings) =
            put.into_iter().partition(|binding| binding.key.matches(key));
        put = left;
        removed.extend(undone.iter().map(|binding| binding.key.clone()));
        match change {
            Change::Put(binding) => put.push(Arc::new(binding)),
            Change::Remove(key) => removed.push(key),
        }
    }
    (put, removed)
}
