//! Leases in a real Redis: who is a member, who has died, and who lost what.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod names;
mod redis_away;
mod seen;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use flowhold_cluster::directory::{Beat, BeatError, Directory, Load, Settings};
use flowhold_cluster::flow::{NodeRun, Transport};
use flowhold_cluster::redis::{self, Redis};
use support::RedisServer;
use tokio::runtime::Runtime;

/// Long enough that a slow machine does not end it by itself, where that is not what is waited for.
const LONG: Duration = Duration::from_secs(600);
/// Short, since its end is waited for.
const SHORT: Duration = Duration::from_millis(500);

/// A runtime and a Redis.
struct Cluster {
    server: RedisServer,
    runtime: Runtime,
    lease: Duration,
}

impl Cluster {
    fn start(lease: Duration) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { server: RedisServer::start(), runtime, lease }
    }

    /// A process of a node, which has not said anything yet.
    fn node(&self, node: &str, run: u64) -> Node<'_> {
        self.node_at(node, run, &format!("{node}.example.com:5070"))
    }

    fn node_at(&self, node: &str, run: u64, at: &str) -> Node<'_> {
        let settings = redis::Settings {
            urls: vec![self.server.url()],
            deadline: Duration::from_millis(200),
            ..redis::Settings::default()
        };
        let settings_of_node = Settings {
            run: NodeRun { node: node.into(), epoch: run },
            at: at.into(),
            sip: Arc::new([(Transport::Udp, "192.0.2.1:5060".into())]),
            lease: self.lease,
        };
        let directory = Directory::new(Redis::new(settings).unwrap(), settings_of_node);
        Node { directory, runtime: &self.runtime }
    }

    /// A field of the hash of leases.
    fn lease_of(&self, node: &str) -> String {
        self.server.command(&["HGET", "flowhold:{nodes}", node])
    }
}

struct Node<'c> {
    directory: Directory,
    runtime: &'c Runtime,
}

impl Deref for Node<'_> {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl Node<'_> {
    fn beat(&self) -> Result<Beat, BeatError> {
        self.runtime.block_on(self.directory.beat(Load::default()))
    }

    /// A beat that must succeed.
    #[track_caller]
    fn beats(&self) -> Beat {
        self.beat().unwrap()
    }

    fn leaves(&self) {
        self.runtime.block_on(self.directory.leave()).unwrap();
    }

    fn refreshes(&self) {
        self.runtime.block_on(self.directory.refresh()).unwrap();
    }

    /// The members that it knows.
    fn sees(&self) -> Vec<String> {
        self.directory.view().members().map(|member| member.run.node.to_string()).collect()
    }
}
