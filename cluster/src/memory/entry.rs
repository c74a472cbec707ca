//! What the store knows of one AOR.

use std::time::Duration;

use crate::binding::Timestamp;
use crate::location::Bindings;

#[derive(Default)]
pub(super) struct Entry {
    /// Newest update first; some may have expired.
    pub(super) bindings: Bindings,
    /// When the last binding ended; of meaning while there are none.
    pub(super) ended_at: Timestamp,
}

impl Entry {
    pub(super) fn live(&self, now: Timestamp) -> Bindings {
        self.bindings.iter().filter(|binding| binding.is_live(now)).cloned().collect()
    }

    /// When the last of the expired bindings did; none: all are live.
    pub(super) fn last_expired(&self, now: Timestamp) -> Option<Timestamp> {
        self.bindings.iter().filter(|binding| !binding.is_live(now)).map(|binding| binding.expires_at).max()
    }

    /// Whether it has been without a binding for this long.
    pub(super) fn is_forgotten(&self, now: Timestamp, remember: Duration) -> bool {
        let last = self.bindings.iter().map(|binding| binding.expires_at).max().unwrap_or(self.ended_at);
        now >= last && now.since(last) >= remember
    }
}
