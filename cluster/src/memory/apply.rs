//! What an update makes of the bindings of one AOR (RFC 3261 §10.3 steps 6 and 7). Pure: all or nothing comes for free.

use std::sync::Arc;

use crate::binding::{Binding, BindingKey};
use crate::location::{Bindings, Change, Changes, UpdateError};

/// The bindings that are there afterwards. `stored` are live.
pub(super) fn apply(
    stored: &[Arc<Binding>],
    call_id: &[u8],
    cseq: u32,
    changes: Changes,
    max_bindings: usize,
) -> Result<Bindings, UpdateError> {
    // RFC 3261 §10.3 steps 6 and 7: with the stored Call-ID the CSeq must be higher, or the whole update is aborted;
    // another Call-ID (the UA has restarted) is always in order.
    let is_in_order = |binding: &Arc<Binding>| *binding.call_id != *call_id || cseq > binding.cseq;
    let changes = match changes {
        Changes::None => return Ok(stored.iter().cloned().collect()),
        Changes::RemoveAll if stored.iter().all(is_in_order) => return Ok(Bindings::new()),
        Changes::RemoveAll => return Err(UpdateError::OutOfOrder),
        Changes::Each(changes) => changes,
    };

    let mut kept: Bindings = stored.iter().cloned().collect();
    let mut put = Bindings::new();
    for change in changes {
        let key = key(&change);
        if !stored.iter().filter(|binding| binding.key.matches(key)).all(is_in_order) {
            return Err(UpdateError::OutOfOrder);
        }
        kept.retain(|binding| !binding.key.matches(key));
        put.retain(|binding| !binding.key.matches(key));
        if let Change::Put(binding) = change {
            put.push(Arc::new(binding));
        }
    }
    put.append(&mut kept);
    // An AOR that has too many since the limit was lowered may still refresh them.
    if put.len() > max_bindings && put.len() > stored.len() {
        return Err(UpdateError::TooManyBindings);
    }
    Ok(put)
}

fn key(change: &Change) -> &BindingKey {
    match change {
        Change::Put(binding) => &binding.key,
        Change::Remove(key) => key,
    }
}
