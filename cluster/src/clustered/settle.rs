//! What came of commands that were given up, when it can be told.

use std::sync::Arc;

use crate::binding::{Aor, Binding, Timestamp};
use crate::location::{Bindings, Known, Unavailable};

use super::Shared;

impl Shared {
    /// Removes bindings that are not in the mirror, and puts back what is.
    pub(super) async fn settle(
        &self,
        aor: &Aor,
        put: &[Arc<Binding>],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let _turn = self.turns.take(aor).await;
        let mine = self.mirror.read(aor, now);
        for binding in put {
            if !mine.iter().any(|mine| is_of_one_register(mine, binding)) {
                self.store.remove_one(aor, binding, now).await?;
            }
        }
        // One of those may have taken the place of one that is in the mirror.
        self.write_back_in_turn(aor, now).await
    }

    /// Takes into the mirror what an update put that was given up, if it is there.
    ///
    /// Its UA was told that it failed. But other nodes may have seen by now that it replaced theirs, so that there is no way
    /// back; and the flow is the one that the UA was to be reached over.
    pub(super) async fn settle_given_up(
        &self,
        aor: &Aor,
        put: &[Arc<Binding>],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let _turn = self.turns.take(aor).await;
        let stored = match self.store.lookup(aor, now).await? {
            Known::Yes(stored) => stored,
            Known::No => Bindings::new(),
        };
        let me = self.directory.run();
        let is_put = |stored: &Arc<Binding>| {
            stored.holder.node == me.node && put.iter().any(|put| is_of_one_register(put, stored))
        };
        for stored in stored.into_iter().filter(is_put) {
            let has_failed = || stored.direct && self.pending.has_failed(&stored.flow);
            let mut mine = Arc::clone(&stored);
            Arc::make_mut(&mut mine).holder = me.clone();
            if !has_failed() {
                self.mirror.repeat(aor, &[Arc::clone(&mine)], Some(&[]), now);
            }
            // A flow that fails from here on finds it in the mirror.
            if has_failed() {
                self.mirror.retain(aor, now, |other| !Arc::ptr_eq(other, &mine));
                self.store.remove_one(aor, &stored, now).await?;
            }
        }
        self.write_back_in_turn(aor, now).await
    }
}

/// Whether both were put by the same REGISTER over the same flow.
fn is_of_one_register(one: &Binding, other: &Binding) -> bool {
    one.cseq == other.cseq && one.flow == other.flow && one.call_id == other.call_id
}
