//! `[auth]`: who has to prove who they are.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::units;

/// `[auth]`: who has to prove who they are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Whether UAs have to authenticate; none: nothing is said, so that the node stays on loopback.
    #[serde(deserialize_with = "units::auth_mode")]
    pub mode: Option<AuthMode>,
    /// The one realm of all domains, lower case; empty: each domain is its own.
    #[serde(deserialize_with = "units::realm")]
    pub realm: String,
    /// The algorithms that are offered, at least one, the first above the others.
    #[serde(deserialize_with = "units::algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// Whether the URI of a digest has to be the Request-URI.
    pub check_uri: bool,
    /// Where the users are.
    #[serde(deserialize_with = "units::user_store")]
    pub store: UserStore,
    /// The file with the users.
    pub users: PathBuf,
    /// How long what was read of a user in Redis is good without reading it again; zero: it is read each time.
    #[serde(deserialize_with = "units::duration")]
    pub users_cache: Duration,
    /// How long it is good while Redis is away.
    #[serde(deserialize_with = "units::duration")]
    pub users_stale: Duration,
    /// Requests at a time over the whole node that wait for a user to be read, at least one.
    pub user_lookups: usize,
    /// How long a nonce is good.
    #[serde(deserialize_with = "units::duration")]
    pub nonce_lifetime: Duration,
    /// How long a user that has authenticated over a stream is not asked again there; zero: it is asked each time.
    #[serde(deserialize_with = "units::duration")]
    pub flow_trust: Duration,
    /// The same over UDP.
    #[serde(deserialize_with = "units::duration")]
    pub flow_trust_udp: Duration,
    /// What becomes of requests from other domains.
    #[serde(deserialize_with = "units::strangers")]
    pub strangers: Strangers,
    /// Wrong passwords from one address within `failure_window`; 0: no limit.
    pub max_failures: u32,
    /// How long it takes until that many wrong passwords are forgiven.
    #[serde(deserialize_with = "units::duration")]
    pub failure_window: Duration,
    /// Nonces, flows, requests, addresses and users that are remembered at a time, each, at least one.
    pub remembered: usize,
}

impl Auth {
    /// Whether Redis is asked for the users.
    pub fn needs_redis(&self) -> bool {
        self.mode == Some(AuthMode::Digest) && self.store == UserStore::Redis
    }
}

/// Whether UAs have to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Everybody is let in.
    None,
    /// By digest authentication (RFC 7616).
    Digest,
}

/// Where users are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserStore {
    /// In a file.
    File,
    /// In the Redis of `[location]`.
    Redis,
}

/// A hash algorithm of digest authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8760 §2.
    Sha256,
    /// For old UAs.
    Md5,
}

/// What becomes of requests whose From is of another domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strangers {
    /// 403.
    Refuse,
    /// They reach the AORs that are here.
    Accept,
}
