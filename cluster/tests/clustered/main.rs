//! The location service of a cluster over a real Redis: what becomes of bindings when nodes, flows and Redis come and go.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod away;
mod dead;
mod displaced;
mod model;
mod races;
mod written_back;

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use flowhold_cluster::binding::{Aor, Binding, BindingKey, Timestamp};
use flowhold_cluster::clustered::{Clustered, Settings, WhenDown};
use flowhold_cluster::directory::{self, Beat, BeatError, Directory, Load};
use flowhold_cluster::flow::{Flow, FlowId, NodeRun, Transport};
use flowhold_cluster::location::{
    Bindings, Change, Changes, Known, Location, Unavailable, Update, UpdateError,
};
use flowhold_cluster::memory;
use flowhold_cluster::redis::{self, Redis};
use support::RedisServer;
use support::wait::wait_until;
use tokio::runtime::Runtime;

const ALICE: &str = "alice@example.com";
/// Long enough that a slow machine does not end it by itself, where that is not what is waited for.
const LONG: Duration = Duration::from_secs(600);
/// Short, since its end is waited for.
const SHORT: Duration = Duration::from_millis(500);

/// A runtime, a Redis, and a clock.
struct Cluster {
    server: Mutex<RedisServer>,
    runtime: Runtime,
    lease: Duration,
    when_down: WhenDown,
    started: (Instant, u64),
}

impl Cluster {
    fn start() -> Self {
        Self::with(LONG, WhenDown::Reject)
    }

    fn with(lease: Duration, when_down: WhenDown) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let started = (Instant::now(), u64::try_from(clock.as_millis()).unwrap());
        Self { server: Mutex::new(RedisServer::start()), runtime, lease, when_down, started }
    }

    /// Never twice the same.
    fn now(&self) -> Timestamp {
        std::thread::sleep(Duration::from_millis(1));
        Timestamp(self.started.1) + self.started.0.elapsed()
    }

    /// A node that has joined and is in step.
    fn node(&self, node: &str) -> Node<'_> {
        let node = self.process(node, self.now().0);
        node.beats();
        node.is_in_step();
        node
    }

    /// A process of a node, which has not said anything yet.
    fn process(&self, node: &str, run: u64) -> Node<'_> {
        let settings = redis::Settings {
            urls: vec![self.server().url()],
            deadline: Duration::from_millis(200),
            ..redis::Settings::default()
        };
        let settings_of_node = directory::Settings {
            run: NodeRun { node: node.into(), epoch: run },
            at: format!("{node}:5070").into(),
            sip: Arc::new([]),
            lease: self.lease,
        };
        let redis = Redis::new(settings).unwrap();
        let directory = Arc::new(Directory::new(redis.clone(), settings_of_node));
        let memory = memory::Settings { remember: Duration::from_secs(600), max_aors: 100_000 };
        let clustered = Clustered::new(redis, directory, Settings { memory, when_down: self.when_down });
        Node { clustered, cluster: self, next_flow: AtomicU32::new(0) }
    }

    fn server(&self) -> MutexGuard<'_, RedisServer> {
        self.server.lock().unwrap()
    }

    fn flush(&self) {
        assert_eq!(self.server().command(&["FLUSHALL"]), "OK");
    }

    /// What stands in Redis of an AOR.
    fn stored(&self, aor: &str) -> String {
        self.server().command(&["HGETALL", &format!("flowhold:aor:{{{aor}}}")])
    }
}

struct Node<'c> {
    clustered: Clustered,
    cluster: &'c Cluster,
    next_flow: AtomicU32,
}

impl Deref for Node<'_> {
    type Target = Clustered;

    fn deref(&self) -> &Clustered {
        &self.clustered
    }
}

impl Node<'_> {
    fn run(&self) -> &NodeRun {
        self.clustered.directory().run()
    }

    fn epoch(&self) -> u64 {
        self.clustered.directory().epoch().unwrap()
    }

    fn beat(&self) -> Result<Beat, BeatError> {
        let now = self.cluster.now();
        self.cluster.runtime.block_on(self.clustered.tend(Load::default(), now))
    }

    #[track_caller]
    fn beats(&self) -> Beat {
        self.beat().unwrap()
    }

    /// Beats until nothing is left to be written or removed.
    #[track_caller]
    fn is_in_step(&self) {
        wait_until("the node is in step", || {
            let is_behind = self.clustered.is_behind();
            if is_behind {
                let _ = self.beat();
            }
            !is_behind
        });
    }

    fn new_flow(&self) -> Flow {
        let slot = self.next_flow.fetch_add(1, Ordering::Relaxed);
        Flow { id: FlowId { worker: 0, slot, generation: 0 }, remote: "192.0.2.1:40000".parse().unwrap() }
    }

    fn update(&self, update: Update) -> Result<Bindings, UpdateError> {
        self.cluster.runtime.block_on(self.clustered.update(update))
    }

    /// A REGISTER that must succeed.
    #[track_caller]
    fn registers(&self, register: &Register) {
        self.register(register).unwrap();
    }

    fn register(&self, register: &Register) -> Result<Bindings, UpdateError> {
        self.update(register.update(self.run(), self.cluster.now()))
    }

    #[track_caller]
    fn unregisters(&self, register: &Register) {
        let mut update = register.update(self.run(), self.cluster.now());
        update.changes = Changes::Each(vec![Change::Remove(register.key())]);
        self.update(update).unwrap();
    }

    fn lookup(&self, aor: &str) -> Result<Known, Unavailable> {
        let now = self.cluster.now();
        self.cluster.runtime.block_on(self.clustered.lookup(&Aor::from(aor), now))
    }

    /// Where the bindings of an AOR lead: nodes and their slots, newest first.
    #[track_caller]
    fn finds(&self, aor: &str) -> Vec<(String, u32)> {
        match self.lookup(aor).unwrap() {
            Known::No => Vec::new(),
            Known::Yes(bindings) => ways(&bindings),
        }
    }

    fn flow_fails(&self, flow: &Flow) -> usize {
        let now = self.cluster.now();
        self.cluster.runtime.block_on(self.clustered.flow_failed(self.run(), flow, now)).unwrap()
    }

    fn purges(&self, times: usize) {
        let now = self.cluster.now();
        for _ in 0..times {
            self.cluster.runtime.block_on(self.clustered.purge(now)).unwrap();
        }
    }

    /// How many bindings its mirror holds.
    fn mirrored(&self) -> usize {
        self.clustered.counts().bindings
    }

    /// A binding over a flow of this node, as lookups tell it.
    fn way(&self, flow: &Flow) -> Vec<(String, u32)> {
        vec![(self.run().node.to_string(), flow.id.slot)]
    }
}

fn ways(bindings: &[Arc<Binding>]) -> Vec<(String, u32)> {
    bindings.iter().map(|binding| (binding.holder.node.to_string(), binding.flow.id.slot)).collect()
}

/// What a UA registers with.
#[derive(Clone, Copy)]
struct Register {
    aor: &'static str,
    reg_id: u32,
    call_id: &'static str,
    cseq: u32,
    flow: Flow,
    direct: bool,
    ahead: Duration,
}

impl Register {
    fn new(aor: &'static str, cseq: u32, flow: Flow) -> Self {
        Self { aor, reg_id: 1, call_id: "c", cseq, flow, direct: true, ahead: Duration::ZERO }
    }

    fn key(&self) -> BindingKey {
        BindingKey::Instance { instance_id: b"urn:uuid:1"[..].into(), reg_id: self.reg_id }
    }

    fn update(&self, holder: &NodeRun, now: Timestamp) -> Update {
        let now = now + self.ahead;
        let binding = Binding {
            key: self.key(),
            contact: b"sip:alice@192.0.2.1"[..].into(),
            params: Box::default(),
            path: Box::default(),
            call_id: self.call_id.as_bytes().into(),
            cseq: self.cseq,
            q: 1000,
            expires_at: now + Duration::from_secs(3600),
            updated_at: now,
            holder: holder.clone(),
            flow: self.flow,
            transport: Transport::Tcp,
            direct: self.direct,
            outbound: true,
            user_agent: Box::default(),
        };
        Update {
            aor: self.aor.into(),
            call_id: self.call_id.as_bytes().into(),
            cseq: self.cseq,
            changes: Changes::Each(vec![Change::Put(binding)]),
            max_bindings: 16,
            now,
        }
    }
}
