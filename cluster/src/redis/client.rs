//! The handle that runs scripts.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::Cmd;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::location::Unavailable;

use super::breaker;
use super::failure::{self, Failure};
use super::lane::{Lane, NoConnection};
use super::script::{Arg, Script};
use super::settings::{Settings, SettingsError};
use super::target::{Connection, Target};
use super::value::Value;

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

/// A command came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Failed {
    pub(super) error: Unavailable,
    /// It may have been carried out all the same, or still be.
    pub(super) is_doubtful: bool,
}

impl From<Failed> for Unavailable {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A Redis. Connects when it is first used, and by itself after a connection was lost; a clone is the same Redis.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

impl Redis {
    /// Nothing is connected yet.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        if settings.prefix.contains(['{', '}']) {
            return Err(SettingsError::Prefix);
        }
        let core = Core {
            target: Target::new(&settings)?,
            breaker: settings.breaker,
            settings,
            random: RandomState::new(),
            attempts: AtomicU64::new(0),
            is_lost: AtomicBool::new(false),
            is_refusing: AtomicBool::new(false),
            reconnects: AtomicU64::new(0),
            failures: Counters::default(),
        };
        Ok(Self { shared: Arc::new(Shared { core: Arc::new(core), lanes: RwLock::default() }) })
    }

    /// What each key starts with.
    pub fn prefix(&self) -> &str {
        &self.shared.core.settings.prefix
    }

    /// Runs a script on one key. Whether it ran is not known when this fails. To be called within a tokio runtime.
    pub async fn eval(
        &self,
        script: &'static Script,
        key: &[u8],
        args: &[Arg<'_>],
    ) -> Result<Value, Unavailable> {
        Ok(self.eval_or_doubt(script, key, args).await?)
    }

    /// As [`Redis::eval`], and when it fails tells whether the script may have run.
    pub(super) async fn eval_or_doubt(
        &self,
        script: &'static Script,
        key: &[u8],
        args: &[Arg<'_>],
    ) -> Result<Value, Failed> {
        self.run(async |connection| {
            let by_hash = command("EVALSHA", script.hash(), key, args);
            match failure::read(connection.call(&by_hash).await) {
                Err(Failure::UnknownScript) => {
                    let whole = command("EVAL", script.source(), key, args);
                    failure::read(connection.call(&whole).await)
                }
                result => result,
            }
        })
        .await
    }

    /// The fields of a hash: each, and behind it its value. None where there is no such key.
    pub(super) async fn hash(&self, key: &[u8]) -> Result<Vec<Value>, Unavailable> {
        let fields = self.run(async |connection| {
            let mut command = Cmd::with_capacity(2, 7 + key.len());
            command.arg("HGETALL").arg(key);
            failure::read(connection.call(&command).await)
        });
        match fields.await? {
            Value::List(fields) => Ok(fields),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Of an answer that is not what it should be: somebody else writes to the same keys.
    pub(super) fn unexpected(&self, value: &Value) -> Unavailable {
        let core = &self.shared.core;
        let failure = Failure::Refused(format!("an unexpected answer: {value:?}"));
        core.count(&failure);
        core.refused(&failure);
        core.unavailable()
    }

    /// How long a command may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.shared.core.settings.deadline
    }

    /// What whoever finds Redis away is told.
    pub(crate) fn unavailable(&self) -> Unavailable {
        self.shared.core.unavailable()
    }

    /// Of a command that came too late to Redis to be carried out.
    pub(super) fn too_late(&self) -> Failed {
        self.shared.core.count(&Failure::Late);
        Failed { error: self.shared.core.unavailable(), is_doubtful: false }
    }

    /// Runs a command on the connection of this runtime, within the deadline.
    async fn run(
        &self,
        command: impl AsyncFnOnce(&mut Connection) -> Result<Value, Failure>,
    ) -> Result<Value, Failed> {
        let core = &self.shared.core;
        let lane = self.lane();
        let mut generation = 0;
        let run = async {
            let mut used = lane.connection().await.map_err(|NoConnection| Failure::NotConnected)?;
            generation = used.generation;
            command(&mut used.connection).await
        };
        let result = tokio::time::timeout(core.settings.deadline, run).await.unwrap_or(Err(Failure::Late));
        let failure = match result {
            Ok(value) => {
                lane.answered(generation);
                core.is_refusing.store(false, Ordering::Relaxed);
                return Ok(value);
            }
            Err(failure) => failure,
        };
        core.count(&failure);
        let is_lost = match &failure {
            Failure::Lost | Failure::NoMaster => lane.lost(generation),
            Failure::Late | Failure::NotServing(_) => lane.failed(generation, Instant::now()),
            Failure::NotConnected | Failure::UnknownScript => false,
            Failure::Refused(_) => {
                lane.answered(generation);
                core.refused(&failure);
                false
            }
        };
        if is_lost {
            core.lost(&failure.to_string());
        }
        let is_doubtful = matches!(failure, Failure::Lost | Failure::Late);
        Err(Failed { error: core.unavailable(), is_doubtful })
    }

    /// How often a connection was there again after Redis had been lost. Whatever was written before may then be gone.
    pub fn reconnects(&self) -> u64 {
        self.shared.core.reconnects.load(Ordering::Acquire)
    }

    /// Whether a command has a chance. True before the first.
    pub fn is_available(&self) -> bool {
        !self.shared.lanes().iter().any(|(lane, keeper)| !keeper.is_finished() && lane.is_down())
    }

    /// How many commands failed so far.
    pub fn failures(&self) -> Failures {
        let Counters { not_connected, lost, late, refused } = &self.shared.core.failures;
        Failures {
            not_connected: not_connected.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
            late: late.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
        }
    }

    /// The lane of the runtime that this is called in.
    fn lane(&self) -> Arc<Lane> {
        let runtime = Handle::current();
        let id = runtime.id();
        if let Some((lane, _)) = self.shared.lanes().iter().find(|(lane, _)| lane.runtime() == id) {
            return lane.clone();
        }
        let mut lanes = self.shared.lanes.write().unwrap_or_else(PoisonError::into_inner);
        // A multi-threaded runtime may have come here twice.
        if let Some((lane, _)) = lanes.iter().find(|(lane, _)| lane.runtime() == id) {
            return lane.clone();
        }
        // Those of runtimes that have ended.
        lanes.retain(|(_, keeper)| !keeper.is_finished());
        let (lane, keeper) = Lane::open(&self.shared.core, &runtime);
        lanes.push((lane.clone(), keeper));
        lane
    }
}

struct Shared {
    core: Arc<Core>,
    lanes: RwLock<Lanes>,
}

type Lanes = Vec<(Arc<Lane>, AbortHandle)>;

impl Shared {
    fn lanes(&self) -> std::sync::RwLockReadGuard<'_, Lanes> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for (_, keeper) in self.lanes().iter() {
            keeper.abort();
        }
    }
}

/// What all lanes share.
pub(super) struct Core {
    pub(super) target: Target,
    pub(super) breaker: breaker::Settings,
    settings: Settings,
    random: RandomState,
    attempts: AtomicU64,
    /// Whether a connection was lost and none was made since.
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

impl Core {
    /// How long a keeper waits for a connection. The Sentinels are asked one after the other.
    pub(super) fn connect_deadline(&self) -> Duration {
        let hops = u32::try_from(self.settings.urls.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.settings.connect_deadline.saturating_mul(hops)
    }

    pub(super) fn random(&self) -> u64 {
        self.random.hash_one(self.attempts.fetch_add(1, Ordering::Relaxed))
    }

    /// A lane has lost Redis, or did not find it.
    pub(super) fn lost(&self, reason: &str) {
        if !self.is_lost.swap(true, Ordering::AcqRel) {
            tracing::warn!(reason, "Redis is away");
        }
    }

    /// A lane has a connection.
    pub(super) fn connected(&self) {
        if self.is_lost.swap(false, Ordering::AcqRel) {
            self.reconnects.fetch_add(1, Ordering::AcqRel);
            tracing::info!("Redis is back");
        }
    }

    fn unavailable(&self) -> Unavailable {
        Unavailable { retry_after: self.settings.retry_after }
    }

    fn refused(&self, failure: &Failure) {
        if !self.is_refusing.swap(true, Ordering::Relaxed) {
            tracing::warn!(reason = %failure, "Redis refuses a script");
        }
    }

    fn count(&self, failure: &Failure) {
        let counter = match failure {
            Failure::NotConnected => &self.failures.not_connected,
            Failure::Lost => &self.failures.lost,
            Failure::Late => &self.failures.late,
            Failure::Refused(_) | Failure::NotServing(_) | Failure::NoMaster | Failure::UnknownScript => {
                &self.failures.refused
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn command(name: &str, script: &str, key: &[u8], args: &[Arg<'_>]) -> Cmd {
    let octets: usize =
        args.iter().map(|arg| if let Arg::Octets(octets) = arg { octets.len() } else { 20 }).sum();
    let mut command = Cmd::with_capacity(4 + args.len(), name.len() + script.len() + 1 + key.len() + octets);
    command.arg(name).arg(script).arg(1).arg(key);
    for arg in args {
        match arg {
            Arg::Octets(octets) => command.arg(*octets),
            Arg::Number(number) => command.arg(*number),
        };
    }
    command
}
