//! Turns: one update of an AOR at a time, so that the mirror sees them in the order in which Redis does.
//!
//! Each worker has its own connection, and the answers to two updates may come in another order than Redis made them in.
//! AORs share turns by their hash; there are far more turns than updates at a time.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::binding::Aor;

const TURNS: usize = 1024;

pub(super) struct Turns {
    hasher: RandomState,
    turns: Box<[Mutex<()>]>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), turns: (0..TURNS).map(|_| Mutex::default()).collect() }
    }

    /// Waits for the turn of an AOR. Who has one asks for no other.
    pub(super) async fn take(&self, aor: &Aor) -> MutexGuard<'_, ()> {
        let turn = self.hasher.hash_one(aor) % TURNS as u64;
        self.turns[usize::try_from(turn).expect("less than the number of turns")].lock().await
    }
}
