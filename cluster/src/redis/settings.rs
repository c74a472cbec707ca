//! Which Redis, and how long it may take.

use std::fmt;
use std::time::Duration;

use super::breaker;

/// Which Redis, and how long it may take.
#[derive(Clone)]
pub struct Settings {
    /// What the URLs lead to.
    pub mode: Mode,
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, with TLS `rediss://`. One server, or some of those of a Redis
    /// Cluster, or the Sentinels; these all with the same user, password and database.
    pub urls: Vec<String>,
    /// What each key starts with, so that several clusters of Flowhold can share a Redis.
    pub prefix: String,
    /// How long a command may take, waiting for a connection included.
    pub deadline: Duration,
    /// How long it may take until a connection is made, and Redis has answered on it.
    pub connect_deadline: Duration,
    /// What whoever finds Redis away is told to wait.
    pub retry_after: Duration,
    /// When a connection is given up, and when it is tried again.
    pub breaker: breaker::Settings,
    /// For `rediss://`: the certificate of the authority (PEM) that Redis's own must be from. None: those that are widely
    /// trusted.
    pub ca: Option<Vec<u8>>,
    /// For `rediss://`: what this node shows of itself.
    pub certificate: Option<ClientCertificate>,
}

/// What a client shows of itself with TLS, both in PEM.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate, and those between it and its authority.
    pub chain: Vec<u8>,
    /// Its private key.
    pub private_key: Vec<u8>,
}

/// What the URLs lead to.
#[derive(Clone, PartialEq, Eq)]
pub enum Mode {
    /// One Redis.
    Single,
    /// A Redis Cluster. One master that answers is enough to find the others.
    Cluster,
    /// Sentinels, which are asked for the master again after each lost connection. User, password and database of the
    /// URLs are the master's.
    Sentinel {
        /// What the Sentinels call the master.
        master: String,
        /// The Sentinels' own user, where they have one.
        user: Option<String>,
        /// The Sentinels' own password, where they have one.
        password: Option<String>,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Single,
            urls: vec!["redis://127.0.0.1:6379".to_owned()],
            prefix: "flowhold".to_owned(),
            deadline: Duration::from_millis(500),
            connect_deadline: Duration::from_secs(1),
            retry_after: Duration::from_secs(5),
            breaker: breaker::Settings::default(),
            ca: None,
            certificate: None,
        }
    }
}

/// Without the URLs, in which there may be a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match &self.mode {
            Mode::Single => "single",
            Mode::Cluster => "cluster",
            Mode::Sentinel { .. } => "sentinel",
        };
        f.debug_struct("Settings")
            .field("mode", &mode)
            .field("prefix", &self.prefix)
            .field("deadline", &self.deadline)
            .field("connect_deadline", &self.connect_deadline)
            .finish_non_exhaustive()
    }
}

/// Settings that cannot work. No password is in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no URL, or several where one is meant.
    #[error("{0} Redis URLs where one is needed")]
    UrlCount(usize),
    /// It is none, or not what this mode takes.
    #[error("the Redis URL number {number} is not valid: {reason}")]
    Url {
        /// Which, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// It cannot be read.
    #[error("the certificates for Redis are not valid: {0}")]
    Certificate(String),
    /// It would part the hash tag that holds an AOR's key in one slot.
    #[error("the prefix of Redis keys has a brace in it")]
    Prefix,
}
