//! From the configuration, and the listeners that were opened for it, to a node's part in the cluster.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flowhold_cluster::clustered::{self, Clustered};
use flowhold_cluster::directory::{self, Directory};
use flowhold_cluster::flow::{self, NodeRun};
use flowhold_cluster::memory;
use flowhold_cluster::redis::{ClientCertificate, Mode, Redis, Settings};
use tokio::sync::Semaphore;

use super::Cluster;
use super::link_table::LinkTable;
use crate::actor::node::StartError;
use crate::actor::settings::RETRY_AFTER;
use crate::config::{self, Config, RedisMode, Store, WhenDown};
use crate::net::tls;
use crate::proto::edge::cluster_transport;
use crate::proto::hello::Me;
use crate::sip::Transport;

/// Makes a node a part of its cluster, as far as that goes without asking anybody. It listens for other nodes at `local`,
/// and is `served` to UAs there.
pub fn join(
    config: &Config,
    run: &NodeRun,
    local: SocketAddr,
    served: &[(Transport, SocketAddr)],
    redis: Redis,
) -> Result<Cluster, StartError> {
    let Config { cluster, node, limits, .. } = config;
    let tls = certificates(cluster).map_err(|fault| StartError::Tls { section: "cluster", fault })?;
    let at = cluster.at(local);
    let sip = served.iter().map(|(transport, local)| {
        (cluster_transport(*transport), config.listen.sent_by(*local).into_boxed_str())
    });
    let settings = directory::Settings {
        run: run.clone(),
        at: at.as_str().into(),
        sip: first_of_each(sip),
        lease: cluster.lease,
    };
    let directory = Arc::new(Directory::new(redis.clone(), settings));
    let secret = cluster.secret.as_ref().map(|secret| secret.as_bytes().into());
    Ok(Cluster {
        me: Me {
            run: run.clone(),
            at: at.into_boxed_str(),
            transport: if tls.is_some() { Transport::Tls } else { Transport::Tcp },
            links: node.worker_count().into(),
            // Certificates prove more than a secret.
            secret: secret.filter(|_| tls.is_none()),
        },
        tls,
        location: Clustered::new(redis, directory, location(config)),
        links: Arc::new(LinkTable::default()),
        handshakes: Arc::new(Semaphore::new(limits.link_handshakes)),
        // A node that has not said hello by then counts as dead anyway.
        patience: cluster.lease,
        look_again: OnceLock::new(),
    })
}

/// Where several listeners speak the same, the first is named.
fn first_of_each(
    listeners: impl Iterator<Item = (flow::Transport, Box<str>)>,
) -> Arc<[(flow::Transport, Box<str>)]> {
    let mut first: Vec<(flow::Transport, Box<str>)> = Vec::new();
    for (transport, at) in listeners {
        if first.iter().all(|(named, _)| *named != transport) {
            first.push((transport, at));
        }
    }
    first.into()
}

/// What links are encrypted with, if they are.
pub fn certificates(cluster: &config::Cluster) -> Result<Option<tls::Links>, tls::Fault> {
    match (&cluster.certificate, &cluster.private_key, &cluster.ca) {
        (Some(certificate), Some(key), Some(ca)) => tls::Links::read(certificate, key, ca).map(Some),
        _ => Ok(None),
    }
}

/// Reads the same files again, for links from now on.
pub fn read_again(links: &tls::Links, cluster: &config::Cluster) -> Result<(), tls::Fault> {
    match (&cluster.certificate, &cluster.private_key, &cluster.ca) {
        (Some(certificate), Some(key), Some(ca)) => links.reload(certificate, key, ca),
        _ => Ok(()),
    }
}

/// What the location service goes by, in its memory or in its mirror of Redis.
pub fn memory(config: &Config) -> memory::Settings {
    memory::Settings { remember: config.location.remember, max_aors: config.location.max_aors }
}

fn location(config: &Config) -> clustered::Settings {
    let when_down = match config.location.when_down {
        WhenDown::Reject => clustered::WhenDown::Reject,
        WhenDown::Accept => clustered::WhenDown::Accept,
    };
    clustered::Settings { memory: memory(config), when_down }
}

/// The Redis that the configuration names, where something is kept in it.
pub fn redis_of(config: &Config) -> Result<Option<Redis>, StartError> {
    let is_needed = config.location.store == Store::Redis || config.auth.needs_redis();
    Ok(if is_needed { Some(Redis::new(redis(&config.location)?)?) } else { None })
}

/// How the Redis of the configuration is reached.
pub fn redis(location: &config::Location) -> Result<Settings, StartError> {
    let deadline = location.redis_deadline;
    let read =
        |path: &Path| fs::read(path).map_err(|error| StartError::RedisFile { path: path.to_owned(), error });
    let certificate = match (&location.redis_certificate, &location.redis_private_key) {
        (Some(certificate), Some(key)) => {
            Some(ClientCertificate { chain: read(certificate)?, private_key: read(key)? })
        }
        _ => None,
    };
    Ok(Settings {
        mode: match location.redis_mode {
            RedisMode::Single => Mode::Single,
            RedisMode::Cluster => Mode::Cluster,
            RedisMode::Sentinel => Mode::Sentinel {
                master: location.redis_master.clone(),
                user: Some(location.redis_sentinel_user.clone()).filter(|user| !user.is_empty()),
                password: location.redis_sentinel_password.as_ref().map(|secret| secret.as_str().to_owned()),
            },
        },
        urls: location.redis_url.as_str().split(',').map(|url| url.trim().to_owned()).collect(),
        prefix: location.prefix.clone(),
        deadline,
        connect_deadline: deadline.max(Duration::from_secs(1)),
        retry_after: RETRY_AFTER,
        ca: location.redis_ca.as_deref().map(read).transpose()?,
        certificate,
        ..Settings::default()
    })
}
