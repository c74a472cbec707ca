//! The store of a cluster as a location service, at the only node that there is.

use std::sync::Arc;
use std::time::Duration;

use flowhold_cluster::binding::{Aor, Timestamp};
use flowhold_cluster::clustered::{Clustered, Settings, WhenDown};
use flowhold_cluster::directory::{self, Directory, Load};
use flowhold_cluster::flow::{Flow, NodeRun};
use flowhold_cluster::location::{Bindings, Counts, Known, Location, Unavailable, Update, UpdateError};
use flowhold_cluster::memory;
use flowhold_cluster::redis::Redis;
use futures_util::future::BoxFuture;

use crate::make::{self, at, node};
use crate::redis::Shared;
use crate::support::{RedisServer, wait_until};
use crate::{MAX_AORS, REMEMBER};

/// An empty store whose node has joined, under an epoch that is not its run's.
pub(crate) fn open() -> make::Store {
    let Shared { server, settings } = Shared::open();
    server.command(&["HSET", &format!("{}:{{nodes}}", settings.prefix), "a", "over=1 epoch=41"]);
    let run = node("a", 1);
    let of_node = directory::Settings {
        run: run.clone(),
        at: "127.0.0.1:5070".into(),
        sip: Arc::new([]),
        lease: Duration::from_secs(3600),
    };
    let memory = memory::Settings { remember: REMEMBER, max_aors: MAX_AORS };
    let settings_of_store = Settings { memory, when_down: WhenDown::Reject };
    let redis = Redis::new(settings).unwrap();
    let directory = Arc::new(Directory::new(redis.clone(), of_node));
    let clustered = Clustered::new(redis, directory, settings_of_store);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(clustered.join(Load::default(), at(0))).unwrap();
    wait_until("the node is in step", || {
        runtime.block_on(tokio::task::yield_now());
        !clustered.is_behind()
    });
    assert_eq!(clustered.directory().epoch(), Some(42));
    make::Store::new(Member { clustered, _server: server }).trying(64).only_of(run)
}

struct Member {
    clustered: Clustered,
    _server: Arc<RedisServer>,
}

impl Location for Member {
    fn update(&self, update: Update) -> BoxFuture<'_, Result<Bindings, UpdateError>> {
        self.clustered.update(update)
    }

    fn lookup<'a>(&'a self, aor: &'a Aor, now: Timestamp) -> BoxFuture<'a, Result<Known, Unavailable>> {
        self.clustered.lookup(aor, now)
    }

    fn flow_failed<'a>(
        &'a self,
        holder: &'a NodeRun,
        flow: &'a Flow,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Unavailable>> {
        self.clustered.flow_failed(holder, flow, now)
    }

    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.clustered.purge(now)
    }

    fn counts(&self) -> Counts {
        self.clustered.counts()
    }
}
