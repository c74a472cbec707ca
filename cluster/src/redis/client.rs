//! The handle that runs scripts.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::location::Unavailable;

use super::failure::{self, Failure};
use super::hub::{Failures, Hub};
use super::lane::{Lane, NoConnection};
use super::script::{Arg, Script};
use super::settings::{Settings, SettingsError};
use super::slots;
use super::target::Endpoint;
use super::value::Value;

/// How often a command is sent on from one master of a Redis Cluster to another.
const REDIRECTS: usize = 4;

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
        let hub = Arc::new(Hub::new(settings)?);
        Ok(Self { shared: Arc::new(Shared { hub, lanes: RwLock::default() }) })
    }

    /// What each key starts with.
    pub fn prefix(&self) -> &str {
        &self.shared.hub.settings.prefix
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
        self.run(key, &Request::Eval { script, args }).await
    }

    /// The fields of a hash: each, and behind it its value. None where there is no such key.
    pub(super) async fn hash(&self, key: &[u8]) -> Result<Vec<Value>, Unavailable> {
        match self.run(key, &Request::Hash).await? {
            Value::List(fields) => Ok(fields),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Of an answer that is not what it should be: somebody else writes to the same keys.
    pub(super) fn unexpected(&self, value: &Value) -> Unavailable {
        self.shared.hub.failed(&Failure::Refused(format!("an unexpected answer: {value:?}")))
    }

    /// How long a command may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.shared.hub.settings.deadline
    }

    /// What whoever finds Redis away is told.
    pub(crate) fn unavailable(&self) -> Unavailable {
        self.shared.hub.unavailable()
    }

    /// Of a command that came too late to Redis to be carried out.
    pub(super) fn too_late(&self) -> Failed {
        Failed { error: self.shared.hub.failed(&Failure::Late), is_doubtful: false }
    }

    /// Runs a command on a connection of this runtime, within the deadline.
    async fn run(&self, key: &[u8], request: &Request<'_>) -> Result<Value, Failed> {
        let hub = &self.shared.hub;
        let mut used = None;
        let result = timeout(hub.settings.deadline, self.send(key, request, &mut used)).await;
        let failure = match result.unwrap_or(Err(Failure::Late)) {
            Ok(value) => {
                if let Some((lane, generation)) = used {
                    lane.answered(generation);
                    hub.answered(lane.endpoint());
                }
                return Ok(value);
            }
            Err(failure) => failure,
        };
        let was_sent = used.is_some();
        if let Some((lane, generation)) = used {
            match &failure {
                Failure::Lost | Failure::NoMaster => lane.lost(hub, generation, &failure.to_string()),
                Failure::Late => lane.late(hub, generation, Instant::now()),
                // It answers, so that there is nothing to spare it or to wait for.
                Failure::NotServing(reason) => lane.note_lost(hub, reason),
                _ => {}
            }
        }
        // What was never sent is known not to have been carried out.
        let is_doubtful = was_sent && matches!(failure, Failure::Lost | Failure::Late);
        Err(Failed { error: hub.failed(&failure), is_doubtful })
    }

    /// Sends a command to the master that has the key, and tells which connection it used last.
    async fn send(
        &self,
        key: &[u8],
        request: &Request<'_>,
        used: &mut Option<(Arc<Lane>, u64)>,
    ) -> Result<Value, Failure> {
        let hub = &self.shared.hub;
        let mut endpoint = Endpoint::Whole;
        if hub.target.is_cluster() {
            let master = hub.map.master(hub, slots::slot(key)).await;
            endpoint = master.ok_or(Failure::NotConnected)?;
        }
        let mut is_asking = false;
        for _ in 0..=REDIRECTS {
            let lane = self.lane(&endpoint);
            let mut taken = lane.connection().await.map_err(|NoConnection| Failure::NotConnected)?;
            *used = Some((lane, taken.generation));
            (endpoint, is_asking) = match request.send(key, &mut taken.connection, is_asking).await {
                Err(Failure::Moved(address)) => {
                    hub.map.look_again(hub);
                    (Endpoint::Master(address), false)
                }
                Err(Failure::Ask(address)) => (Endpoint::Master(address), true),
                result => return result,
            };
        }
        Err(Failure::NotServing("the masters send a command on from one to the other".to_owned()))
    }

    /// How often a connection was there again after Redis had been lost. Whatever was written before may then be gone.
    pub fn reconnects(&self) -> u64 {
        self.shared.hub.reconnects()
    }

    /// Whether all of it serves, as far as is known. True before the first command.
    pub fn is_available(&self) -> bool {
        !self.shared.hub.is_lost() && !self.shared.hub.map.is_down()
    }

    /// How many commands failed so far.
    pub fn failures(&self) -> Failures {
        self.shared.hub.failures()
    }

    /// The lane of the runtime that this is called in.
    fn lane(&self, endpoint: &Endpoint) -> Arc<Lane> {
        let runtime = Handle::current();
        let id = runtime.id();
        let leads =
            |(lane, keeper): &&(Arc<Lane>, AbortHandle)| lane.leads(id, endpoint) && !keeper.is_finished();
        if let Some((lane, _)) = self.shared.lanes().iter().find(leads) {
            return lane.clone();
        }
        let mut lanes = self.shared.lanes.write().unwrap_or_else(PoisonError::into_inner);
        // A multi-threaded runtime may have come here twice.
        if let Some((lane, _)) = lanes.iter().find(leads) {
            return lane.clone();
        }
        // Those of runtimes that have ended, and to servers that are no masters any more.
        lanes.retain(|(_, keeper)| !keeper.is_finished());
        let (lane, keeper) = Lane::open(&self.shared.hub, &runtime, endpoint.clone());
        lanes.push((lane.clone(), keeper));
        lane
    }
}

struct Shared {
    hub: Arc<Hub>,
    lanes: RwLock<Lanes>,
}

type Lanes = Vec<(Arc<Lane>, AbortHandle)>;

impl Shared {
    fn lanes(&self) -> RwLockReadGuard<'_, Lanes> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.hub.map.close();
        for (_, keeper) in self.lanes().iter() {
            keeper.abort();
        }
    }
}

/// A command on one key.
enum Request<'a> {
    Eval { script: &'static Script, args: &'a [Arg<'a>] },
    Hash,
}

impl Request<'_> {
    async fn send(
        &self,
        key: &[u8],
        connection: &mut MultiplexedConnection,
        is_asking: bool,
    ) -> Result<Value, Failure> {
        match self {
            Self::Hash => {
                let mut command = Cmd::with_capacity(2, 7 + key.len());
                command.arg("HGETALL").arg(key);
                call(connection, command, is_asking).await
            }
            Self::Eval { script, args } => {
                let by_hash = command("EVALSHA", script.hash(), key, args);
                match call(connection, by_hash, is_asking).await {
                    Err(Failure::UnknownScript) => {
                        call(connection, command("EVAL", script.source(), key, args), is_asking).await
                    }
                    result => result,
                }
            }
        }
    }
}

async fn call(
    connection: &mut MultiplexedConnection,
    command: Cmd,
    is_asking: bool,
) -> Result<Value, Failure> {
    if !is_asking {
        return failure::read(connection.send_packed_command(&command).await);
    }
    // It holds for the next command on the connection only, so that nothing may come between the two.
    let mut both = Pipeline::with_capacity(2);
    both.cmd("ASKING").add_command(command);
    let answers = connection.send_packed_commands(&both, 0, 2).await;
    failure::read(answers.map(|mut answers| answers.pop().unwrap_or_default()))
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
