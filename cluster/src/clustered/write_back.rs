//! One AOR of the mirror into Redis.

use std::sync::Arc;

use crate::binding::{Aor, Timestamp};
use crate::location::{Bindings, Unavailable};
use crate::redis::{RestoreFailed, Restored};

use super::Shared;
use super::pending::Task;

impl Shared {
    /// Puts what the mirror holds of an AOR into Redis, unless a newer binding is there. What has a newer one there leaves
    /// the mirror.
    pub(super) async fn write_back(&self, aor: &Aor, now: Timestamp) -> Result<(), Unavailable> {
        let _turn = self.turns.take(aor).await;
        // What is newer there may be what is to go. When that is settled, the AOR is written back too.
        if self.pending.doubts(aor) {
            return Ok(());
        }
        self.write_back_in_turn(aor, now).await
    }

    /// As `write_back`, for whoever has the AOR's turn.
    pub(super) async fn write_back_in_turn(&self, aor: &Aor, now: Timestamp) -> Result<(), Unavailable> {
        let epoch = self.directory.epoch().ok_or_else(|| self.redis.unavailable())?;
        let mine = self.mirror.read(aor, now);
        if mine.is_empty() {
            return Ok(());
        }
        let mut held = mine.clone();
        self.hold(&mut held, epoch);
        let restored = match self.store.restore(aor, &held, now, self.not_after()).await {
            Ok(restored) => restored,
            Err(RestoreFailed { error, is_doubtful }) => {
                if is_doubtful {
                    let from = self.settled_at();
                    self.later(Task::Doubt { aor: aor.clone(), put: held, from });
                }
                return Err(error);
            }
        };
        for ((mine, held), restored) in mine.iter().zip(held).zip(restored) {
            match restored {
                Restored::Outdated => {
                    self.mirror.retain(aor, now, |other| !Arc::ptr_eq(other, mine));
                }
                // Its flow failed meanwhile: after its removal it was put once more.
                Restored::Put if !self.mirror.holds(aor, mine) => {
                    if self.store.remove_one(aor, &held, now).await.is_err() {
                        let put = Bindings::from_iter([held]);
                        let from = self.settled_at();
                        self.later(Task::Doubt { aor: aor.clone(), put, from });
                    }
                }
                Restored::Put | Restored::Present => {}
            }
        }
        Ok(())
    }
}
