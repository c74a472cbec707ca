//! What all connections to a Redis share: what is known of it as a whole, and what is counted.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::location::Unavailable;

use super::failure::Failure;
use super::map::Map;
use super::settings::{Settings, SettingsError};
use super::slots::Slots;
use super::target::{Endpoint, Target};

/// How many commands failed, by what was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Failures {
    /// There was no connection.
    pub not_connected: u64,
    /// The connection broke before the answer came.
    pub lost: u64,
    /// The answer did not come in time.
    pub late: u64,
    /// Redis answered that it cannot do it: it is out of memory, loads its data, or does not permit it.
    pub refused: u64,
}

pub(super) struct Hub {
    pub(super) settings: Settings,
    pub(super) target: Target,
    /// Of a Redis Cluster.
    pub(super) map: Map,
    random: RandomState,
    attempts: AtomicU64,
    /// Those that were lost, not found, or do not serve, and are not there again.
    lost: Mutex<BTreeSet<Endpoint>>,
    /// Whether there are any.
    is_lost: AtomicBool,
    /// Whether the last answer was a refusal.
    is_refusing: AtomicBool,
    reconnects: AtomicU64,
    failures: Counters,
}

#[derive(Default)]
struct Counters {
    not_connected: AtomicU64,
    lost: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
}

impl Hub {
    pub(super) fn new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            target: Target::new(&settings)?,
            map: Map::new(settings.breaker),
            settings,
            random: RandomState::new(),
            attempts: AtomicU64::new(0),
            lost: Mutex::default(),
            is_lost: AtomicBool::new(false),
            is_refusing: AtomicBool::new(false),
            reconnects: AtomicU64::new(0),
            failures: Counters::default(),
        })
    }

    /// How long an attempt to connect may take. Sentinels are asked one after the other, and then there is the master.
    pub(super) fn connect_deadline(&self) -> Duration {
        let hops = u32::try_from(self.settings.urls.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.settings.connect_deadline.saturating_mul(hops)
    }

    pub(super) fn random(&self) -> u64 {
        self.random.hash_one(self.attempts.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection was lost or could not be made, or what it leads to does not serve.
    pub(super) fn lost(&self, endpoint: &Endpoint, reason: &str) {
        let is_new = self.change(|lost| !lost.contains(endpoint) && lost.insert(endpoint.clone()));
        if is_new {
            tracing::warn!(at = %endpoint, reason, "Redis is away");
        }
    }

    /// A connection was made, or a command was answered as it should be.
    pub(super) fn serves(&self, endpoint: &Endpoint) {
        if self.is_lost() && self.change(|lost| lost.remove(endpoint)) {
            self.back(endpoint);
        }
    }

    /// The masters of a Redis Cluster are these. The keys of one that is no longer among them have another by now.
    pub(super) fn masters_are(&self, slots: &Slots) {
        let is_gone = |endpoint: &Endpoint| match endpoint {
            Endpoint::Whole => false,
            Endpoint::Master(address) => !slots.has(address),
        };
        let gone: BTreeSet<Endpoint> = self.change(|lost| {
            let (gone, still) = std::mem::take(lost).into_iter().partition(is_gone);
            *lost = still;
            gone
        });
        for endpoint in &gone {
            self.back(endpoint);
        }
    }

    /// Whether Redis, or a part of it, is away.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<Endpoint>) -> T) -> T {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut lost);
        self.is_lost.store(!lost.is_empty(), Ordering::Release);
        changed
    }

    fn back(&self, endpoint: &Endpoint) {
        self.reconnects.fetch_add(1, Ordering::AcqRel);
        tracing::info!(at = %endpoint, "Redis is back");
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Acquire)
    }

    /// A command was answered as it should be.
    pub(super) fn answered(&self, endpoint: &Endpoint) {
        self.serves(endpoint);
        // Read first: all threads write here otherwise, with each answer.
        if self.is_refusing.load(Ordering::Relaxed) {
            self.is_refusing.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn failed(&self, failure: &Failure) -> Unavailable {
        let counter = match failure {
            Failure::NotConnected => &self.failures.not_connected,
            Failure::Lost => &self.failures.lost,
            Failure::Late => &self.failures.late,
            _ => &self.failures.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Failure::Refused(reason) = failure
            && !self.is_refusing.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(reason, "Redis refuses a command");
        }
        self.unavailable()
    }

    pub(super) fn unavailable(&self) -> Unavailable {
        Unavailable { retry_after: self.settings.retry_after }
    }

    pub(super) fn failures(&self) -> Failures {
        let Counters { not_connected, lost, late, refused } = &self.failures;
        Failures {
            not_connected: not_connected.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
            late: late.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
        }
    }
}
