//! The store in Redis as a location service: what a node adds to it, in the simplest form.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use flowhold_cluster::binding::{Aor, Timestamp};
use flowhold_cluster::flow::{Flow, NodeRun};
use flowhold_cluster::location::{Bindings, Counts, Known, Location, Unavailable, Update, UpdateError};
use flowhold_cluster::redis::{Redis, Settings, Settled, Store};
use futures_util::future::BoxFuture;

use crate::support::RedisServer;
use crate::{REMEMBER, make};

/// A Redis that this process's tests share.
pub(crate) struct Shared {
    pub(crate) server: Arc<RedisServer>,
    /// Each store has its own keys.
    pub(crate) settings: Settings,
}

impl Shared {
    pub(crate) fn open() -> Self {
        static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        let mut shared = SERVER.lock().unwrap();
        let server = shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(RedisServer::start());
            *shared = Arc::downgrade(&server);
            server
        });
        let prefix = format!("test{}", OPENED.fetch_add(1, Ordering::Relaxed));
        let settings = Settings { urls: vec![server.url()], prefix, ..Settings::default() };
        Self { server, settings }
    }
}

/// An empty store.
pub(crate) fn open() -> make::Store {
    let Shared { server, settings } = Shared::open();
    make::Store::new(InRedis {
        store: Store::new(Redis::new(settings).unwrap(), REMEMBER),
        seen: Mutex::default(),
        now: AtomicU64::new(0),
        _server: server,
    })
    .trying(64)
}

struct InRedis {
    store: Store,
    /// The AORs that were ever updated.
    seen: Mutex<BTreeSet<Aor>>,
    /// The latest time it was told.
    now: AtomicU64,
    _server: Arc<RedisServer>,
}

impl InRedis {
    fn seen(&self) -> Vec<Aor> {
        self.seen.lock().unwrap().iter().cloned().collect()
    }
}

impl Location for InRedis {
    fn update(&self, update: Update) -> BoxFuture<'_, Result<Bindings, UpdateError>> {
        self.now.fetch_max(update.now.0, Ordering::Relaxed);
        self.seen.lock().unwrap().insert(update.aor.clone());
        Box::pin(async move {
            let update = Settled::from(update);
            let updated = self.store.update(&update, "a", None).await.map_err(|failed| failed.error)?;
            Ok(update.put.into_iter().chain(updated.kept).collect())
        })
    }

    fn lookup<'a>(&'a self, aor: &'a Aor, now: Timestamp) -> BoxFuture<'a, Result<Known, Unavailable>> {
        Box::pin(self.store.lookup(aor, now))
    }

    fn flow_failed<'a>(
        &'a self,
        holder: &'a NodeRun,
        flow: &'a Flow,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Unavailable>> {
        Box::pin(async move {
            let mut failed = 0;
            for aor in self.seen() {
                failed += self.store.remove_on(&aor, holder, flow, now).await?;
            }
            Ok(failed)
        })
    }

    /// Redis forgets by itself.
    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.now.fetch_max(now.0, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(())))
    }

    /// What lookups say now.
    fn counts(&self) -> Counts {
        let now = Timestamp(self.now.load(Ordering::Relaxed));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut counts = Counts::default();
            for aor in self.seen() {
                if let Known::Yes(bindings) = self.store.lookup(&aor, now).await.unwrap() {
                    counts.aors += 1;
                    counts.bindings += bindings.len();
                }
            }
            counts
        })
    }
}
