//! Starts a node: opens its listeners, starts its workers' actors, says that it is ready, and waits for the signal to
//! end.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::prelude::*;
use flowhold_cluster::flow::NodeRun;
use flowhold_cluster::location::Location;
use flowhold_cluster::memory::Memory;
use flowhold_cluster::redis::{Redis, SettingsError};
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

use super::auth::Auth;
use super::auth::user_file::UserFileError;
use super::cluster::join;
use super::drain::drain;
use super::expiry;
use super::flows::FlowTable;
use super::gate::Gate;
use super::key_ring;
use super::listeners::Listeners;
use super::load::Load;
use super::membership::Membership;
use super::message::{AskUnderWay, Unregister};
use super::next_hops::{NextHops, NotFound};
use super::notices::Said;
use super::reach::Reach;
use super::relayed::RelayedRequests;
use super::reload::reload;
use super::settings;
use super::tls::{Tls, connector};
use super::worker::{Clock, Node};
use super::workers::{self, Started};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::net::admission::Admission;
use crate::net::listen::Listener;
use crate::net::service_manager::{self, State};
use crate::net::{admin, descriptors, tls};

/// How often the location service clears up what has expired.
const PURGE_EVERY: Duration = Duration::from_secs(1);

/// How often what was refused is summed up in the log.
const SUM_UP_EVERY: Duration = Duration::from_secs(10);

/// How long other providers may take to answer that a binding is removed.
const UNREGISTERS: Duration = Duration::from_secs(2);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be opened.
    #[error("{key}: {address}: {error}")]
    Listen {
        /// The key of the configuration that names it.
        key: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// A next hop has no address.
    #[error(transparent)]
    NextHop(#[from] NotFound),
    /// There are no users to be had.
    #[error("auth.users: {0}")]
    Users(#[from] UserFileError),
    /// A certificate or key is of no use.
    #[error("{section}: {fault}")]
    Tls {
        /// The section of the configuration that names it.
        section: &'static str,
        /// What is wrong with it.
        fault: tls::Fault,
    },
    /// What the configuration says of Redis is of no use.
    #[error("location: {0}")]
    Redis(#[from] SettingsError),
    /// A certificate or key for Redis cannot be read.
    #[error("location: {}: {error}", .path.display())]
    RedisFile {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system refused something else that a node needs.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Runs a node until SIGTERM or SIGINT.
///
/// ```text
///   starting ---> ready --- SIGTERM ---> draining --- nothing left, node.drain over, a second signal ---> ended
///                   |                                                                                       ^
///                   +--- SIGINT, or SIGTERM where node.drain is 0s ------------------------------------------+
/// ```
pub fn run(config: Config) -> Result<(), StartError> {
    descriptors::raise_limit(config.limits.max_connections + config.limits.link_handshakes);
    let workers = NonZeroUsize::new(config.node.worker_count().into()).unwrap_or(NonZeroUsize::MIN);
    let listeners = Listeners::open(&config, workers)?;
    let next_hops = NextHops::look_up(&config.proxy, &config.upstream)?;
    let ready = listeners.ready(&config.node.id);
    System::new().block_on(async {
        let admin = listeners.admin.as_ref().map(std::net::TcpListener::try_clone).transpose()?;
        let node = Arc::new(node(config, next_hops, &listeners, workers)?);
        expiry::look(&node);
        let arbiters: Vec<Arbiter> = (0..workers.get()).map(|_| Arbiter::new()).collect();
        let Started { under_way, links, upstreams } = workers::start(&node, &arbiters, listeners).await?;
        let membership = node.cluster.as_ref().map(|cluster| Membership::start(&node, cluster, links));
        // Listened for before the node says that it is ready: whoever waits for that may end it at once.
        let (signals, hangup) = (Signals::new()?, signal(SignalKind::hangup())?);
        tokio::select! {
            never = announce(&ready, &node, membership.as_ref()) => match never {},
            never = purge(&node) => match never {},
            never = sum_up(&node) => match never {},
            never = serve_admin(admin, &node) => match never? {},
            never = reload(hangup, &node) => match never {},
            never = expiry::watch(&node) => match never {},
            () = told_to_end(signals, &node, &under_way, &upstreams) => {}
        }
        if let Some(membership) = membership {
            membership.end().await;
        }
        for arbiter in arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
        Ok(())
    })
}

/// Says that the node is ready, when it is.
async fn announce(ready: &str, node: &Node, membership: Option<&Membership>) -> Infallible {
    if let Some(membership) = membership {
        membership.ready().await;
    }
    // A line of its own on standard output, for whoever started the node and waits for it; if nobody does, and
    // the stream is closed, the node runs on.
    let _ = writeln!(io::stdout(), "{ready}");
    info!("{ready}");
    service_manager::notify(State::Ready);
    node.is_ready.store(true, Ordering::Relaxed);
    std::future::pending().await
}

fn node(
    config: Config,
    next_hops: NextHops,
    listeners: &Listeners,
    workers: NonZeroUsize,
) -> Result<Node, StartError> {
    let clock = Clock::start();
    // A node that starts twice in a millisecond does not get as far as its first binding in between.
    let run = NodeRun { node: config.node.id.as_str().into(), epoch: clock.now().0 };
    let served = listeners.served();
    let redis = join::redis_of(&config)?;
    let join = |(listener, redis): (&Listener<_>, &Redis)| {
        join::join(&config, &run, listener.local, &served, redis.clone())
    };
    let cluster = listeners.cluster.iter().zip(&redis).map(join).next().transpose()?.map(Arc::new);
    let location: Arc<dyn Location> = match &cluster {
        Some(cluster) => Arc::new(cluster.location.clone()),
        None => Arc::new(Memory::new(join::memory(&config))),
    };
    let tokens = Arc::new(key_ring::of_node(&config));
    let stateless = key_ring::for_answers(&config);
    let auth = Auth::new(&config, &run, &next_hops, (&tokens, &stateless), redis.as_ref())?;
    Ok(Node {
        run,
        tokens,
        stateless,
        auth,
        ping_wait: settings::ping_wait(&config),
        registrar: settings::registrar(&config),
        loads: (0..workers.get()).map(|_| Load::new(config.limits.max_queue_delay)).collect(),
        gate: Gate::new(&config.limits, &next_hops),
        connector: connector(&config).map_err(|fault| StartError::Tls { section: "tls", fault })?,
        next_hops,
        reach: Reach::default(),
        metrics: Metrics::new(),
        said: Said::default(),
        flows: FlowTable::new(workers.get()),
        tls: Tls::read(&config).map_err(|fault| StartError::Tls { section: "tls", fault })?,
        relayed: RelayedRequests::new(workers.get(), &config),
        admission: Admission::new(config.limits.max_connections, config.limits.max_connections_per_address),
        location,
        cluster,
        clock,
        is_ready: AtomicBool::new(false),
        course: OnceLock::new(),
        config,
    })
}

/// Has the location service clear up, for as long as the node runs.
async fn purge(node: &Node) -> Infallible {
    let (mut every, mut users_are_there) = (tokio::time::interval(PURGE_EVERY), true);
    loop {
        every.tick().await;
        node.relayed.purge();
        if let Some(auth) = &node.auth {
            let were_there = std::mem::replace(&mut users_are_there, auth.users.look_again().await);
            // In a cluster whoever renews the lease has noticed.
            if were_there && !users_are_there && node.cluster.is_none() {
                node.metrics.redis_unavailable.inc();
            }
        }
        if let Err(error) = node.location.purge(node.clock.now()).await {
            warn!(%error, "clearing up has to wait");
        }
    }
}

/// Says what was refused, for as long as the node runs.
async fn sum_up(node: &Node) -> Infallible {
    let mut every = tokio::time::interval(SUM_UP_EVERY);
    loop {
        every.tick().await;
        node.sum_up();
        node.reach.sum_up();
    }
}

/// Serves what operators ask for, for as long as the node runs.
async fn serve_admin(listener: Option<std::net::TcpListener>, node: &Arc<Node>) -> io::Result<Infallible> {
    let Some(listener) = listener else { return std::future::pending().await };
    admin::serve(TcpListener::from_std(listener)?, Arc::clone(node)).await;
    std::future::pending().await
}

/// Returns when the node is to end: it was told so, and has drained unless it was told not to.
async fn told_to_end(
    mut signals: Signals,
    node: &Node,
    proxies: &[Recipient<AskUnderWay>],
    upstreams: &[Recipient<Unregister>],
) {
    let signal = signals.next().await;
    service_manager::notify(State::Stopping);
    if signal == SIGTERM && !node.config.node.drain.is_zero() {
        tokio::select! {
            () = drain(node, proxies) => {}
            signal = signals.next() => info!(signal, "ending before all is drained"),
        }
    } else {
        info!(signal, "ending");
    }
    tokio::select! {
        () = unregister(upstreams) => {}
        signal = signals.next() => info!(signal, "ending before other providers know"),
    }
}

/// Removes the bindings with other providers, so that they send nothing here any more. Last of all, because calls go over
/// their flows until then.
async fn unregister(upstreams: &[Recipient<Unregister>]) {
    let told = upstreams.iter().map(|upstream| {
        let (done, wait) = oneshot::channel();
        upstream.do_send(Unregister(done));
        wait
    });
    let _ = timeout(UNREGISTERS, join_all(told.collect::<Vec<_>>())).await;
}

const SIGTERM: &str = "SIGTERM";

/// The signals that ask the node to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => SIGTERM,
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
