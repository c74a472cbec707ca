//! The location service of a cluster: bindings in Redis for all nodes, and at each node a mirror of its own.
//!
//! ```text
//!   REGISTER ---> update ---> Redis (one script) ---> mirror ---> answered
//!   request  ---> lookup ---> Redis ---> those of live members, each held by that member's run
//!   flow gone --> mirror (which AORs?) ---> Redis, for each AOR
//! ```
//!
//! The mirror holds what was put through this node and has not moved elsewhere since. It is the memory store itself, so a
//! binding is kept once here and once in Redis. From it come the AORs of a failed flow, the answers while Redis is away, and
//! all that is written again when Redis has lost it.
//!
//! | file | concept |
//! | --- | --- |
//! | `update` | a REGISTER: into Redis, then into the mirror |
//! | `lookup` | what is known of an AOR, by Redis or while that is away |
//! | `flow_failed` | the end of a flow, also while Redis is away |
//! | `write_back` | one AOR of the mirror into Redis |
//! | `catch_up` | all of it, after Redis was away or the lease was lost |
//! | `moved` | bindings of this node that were replaced or removed through another |
//! | `pending` | what could not be carried out, and is carried out later |
//! | `settle` | what came of commands that were given up |
//! | `turns` | one update of an AOR at a time |
//!
//! # Epochs
//!
//! In Redis a binding is held by its node and the epoch of that node's lease. Outside of this module it is held by a run:
//! the directory tells for each live member which run stands behind its epoch. So a lost lease, which makes all that was
//! written under it dead, ends no flow and no dialog.
//!
//! # Redis away and back
//!
//! ```text
//!              a command failed                     a beat succeeded
//!   in step ---------------------> away ---------------------------------> behind
//!      ^                    (mirror answers; REGISTER is                      |
//!      |                     rejected or accepted by `when_down`)             | what others moved is heard,
//!      |                                                                     | what failed is removed,
//!      +---------------------------------------------------------------------+ the mirror is written back
//! ```
//!
//! A lost lease leads from in step straight to behind. While it is behind a node answers from Redis and its mirror together.
//! For a lease's time after either, an AOR that neither knows is not answered as unknown: another node may be about to write
//! it back.
//!
//! # Races, and how each ends
//!
//! - **An update is under way while the epoch changes.** The mirror has it before the epoch is looked at again; if that is
//!   another one by then, the update writes it again before it is answered. If it comes later, the catching up finds it in
//!   the mirror.
//! - **One AOR through two nodes at once.** The script in Redis orders them. One AOR through two workers of a node: they take
//!   turns, so that the mirror has their order too.
//! - **A stale mirror is written back.** A binding never replaces a newer one: of one Call-ID by CSeq, else by time. What
//!   replaces a binding is stored as later than that, whatever the clocks of two nodes say.
//! - **A binding is replaced or removed through another node, and its flow stays open.** The script names the bindings of
//!   other nodes that it displaced. Before the update is answered, a line for each is put where its node looks with each
//!   beat, and before it writes anything back. It names one binding exactly, so it is right however late or often it comes.
//!   What is left open: a node that dies between the two steps tells nobody, and a flushed Redis has no lines. Then, if
//!   the displacing binding is gone from Redis too while the displaced flow is still open, that one is put back.
//!   (Comparing mirror and Redis instead could not tell what was removed from what Redis lost.)
//! - **A flow fails while its bindings are written back.** What was put is looked for in the mirror once more afterwards.
//! - **A flow fails while Redis is away.** The removal is remembered. It names flow and time, so that nothing is meant that
//!   was put later, over the same flow or another. If there is more than can be remembered, the node gives its lease
//!   up: under the next epoch only the mirror's bindings live.
//! - **A command is given up, and Redis carries it out all the same.** What puts bindings says until when it may run, so that
//!   there is a time from which that can be told. Then what an update put is taken into the mirror, or removed if its flow
//!   failed meanwhile; what was written back is removed if the mirror has it no more.
//! - **A dead node's bindings are cleared up while it comes back.** They are named with their epoch, and it has a new one. Only a
//!   view that is younger than the binding counts as proof of a death.

mod catch_up;
mod flow_failed;
mod lookup;
mod moved;
mod pending;
mod settle;
#[cfg(test)]
mod tests;
mod turns;
mod update;
mod write_back;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::binding::{Aor, Timestamp};
use crate::directory::{Beat, BeatError, Directory, Load};
use crate::flow::{Flow, NodeRun};
use crate::location::{Bindings, Counts, Known, Location, Unavailable, Update, UpdateError};
use crate::memory::{self, Memory};
use crate::redis::{Redis, Store};

use catch_up::Progress;
use pending::Pending;
use turns::Turns;

/// How much longer than its deadline a command that puts bindings may take to reach Redis.
const SLACK: Duration = Duration::from_millis(500);
/// Clearings up of dead nodes' bindings at a time. Those beyond are left to the next lookup.
const MAX_CLEARINGS: usize = 32;

/// How a clustered location service behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long an AOR is remembered after its last binding, and how many AORs may be registered through this node.
    pub memory: memory::Settings,
    /// What becomes of a REGISTER while Redis is away.
    pub when_down: WhenDown,
}

/// What becomes of a REGISTER while Redis is away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenDown {
    /// It fails.
    #[default]
    Reject,
    /// One that only puts bindings succeeds: this node knows them at once, the others when Redis is back. One that removes
    /// some fails all the same, since nobody can say what it would remove.
    Accept,
}

/// The location service of one node of a cluster. A clone is the same one.
#[derive(Clone)]
pub struct Clustered {
    shared: Arc<Shared>,
}

struct Shared {
    redis: Redis,
    store: Store,
    directory: Arc<Directory>,
    mirror: Memory,
    when_down: WhenDown,
    turns: Turns,
    pending: Pending,
    progress: Progress,
    clearings: Arc<Semaphore>,
}

impl Clustered {
    /// With an empty mirror. Both are of the same Redis.
    pub fn new(redis: Redis, directory: Arc<Directory>, settings: Settings) -> Self {
        let Settings { memory, when_down } = settings;
        let shared = Shared {
            store: Store::new(redis.clone(), memory.remember),
            directory,
            mirror: Memory::new(memory),
            when_down,
            turns: Turns::new(),
            pending: Pending::default(),
            progress: Progress::new(&redis),
            clearings: Arc::new(Semaphore::new(MAX_CLEARINGS)),
            redis,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Where the bindings of all nodes are.
    pub fn redis(&self) -> &Redis {
        &self.shared.redis
    }

    /// Which nodes are members.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.shared.directory
    }

    /// The first beat. A name that is held is asked for again until a lease of a dead node would be over.
    pub async fn join(&self, load: Load, now: Timestamp) -> Result<Beat, BeatError> {
        let started = Instant::now();
        let every = self.directory().beat_every();
        loop {
            match self.tend(load, now + started.elapsed()).await {
                Err(BeatError::NameTaken { .. }) if started.elapsed() < every * 5 => {
                    tokio::time::sleep(every).await;
                }
                result => return result,
            }
        }
    }

    /// Beats, and has done in the background what is to be done then: to be called every [`Directory::beat_every`], in
    /// place of [`Directory::beat`]. `now` is the time that bindings are measured in.
    pub async fn tend(&self, load: Load, now: Timestamp) -> Result<Beat, BeatError> {
        let beat = self.directory().beat(load).await?;
        self.shared.beaten(beat.is_first, beat.lost.is_some(), now).await;
        Ok(beat)
    }

    /// Takes the node out of the cluster: for all others its flows are gone.
    pub async fn leave(&self) -> Result<(), Unavailable> {
        self.directory().leave().await
    }

    /// Whether Redis may lack some of this node's bindings.
    pub fn is_behind(&self) -> bool {
        self.shared.is_behind()
    }
}

impl Location for Clustered {
    fn update(&self, update: Update) -> BoxFuture<'_, Result<Bindings, UpdateError>> {
        Box::pin(self.shared.update(update))
    }

    fn lookup<'a>(&'a self, aor: &'a Aor, now: Timestamp) -> BoxFuture<'a, Result<Known, Unavailable>> {
        Box::pin(Shared::lookup(&self.shared, aor, now))
    }

    fn flow_failed<'a>(
        &'a self,
        holder: &'a NodeRun,
        flow: &'a Flow,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Unavailable>> {
        Box::pin(self.shared.flow_failed(holder, flow, now))
    }

    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.shared.purge(now))
    }

    /// Those of this node.
    fn counts(&self) -> Counts {
        self.shared.mirror.counts()
    }
}
