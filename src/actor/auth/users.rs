//! The users of a node: in a file of its own, or in a Redis that nodes share.

use std::sync::Arc;

use flowhold_cluster::binding::Timestamp;
use flowhold_cluster::redis::Redis;

use super::algorithms;
use super::redis_users::RedisUsers;
use super::user_file::{UserFile, UserFileError};
use crate::config::{Config, UserStore};
use crate::proto::auth::{Secrets, User};

/// The users of a node.
#[derive(Debug)]
pub enum Users {
    /// They are all known.
    File(Arc<UserFile>),
    /// Some are known, for a time.
    Redis(Arc<RedisUsers>),
}

impl Users {
    /// Those that the configuration means; `redis` is there if it is one that needs it.
    pub fn open(config: &Config, redis: Option<&Redis>) -> Result<Self, UserFileError> {
        match (config.auth.store, redis) {
            (UserStore::Redis, Some(redis)) => {
                Ok(Self::Redis(Arc::new(RedisUsers::new(redis.clone(), &config.auth))))
            }
            _ => Ok(Self::File(Arc::new(UserFile::open(
                &config.auth.users,
                algorithms(&config.auth.algorithms),
            )?))),
        }
    }

    /// What is known of a user without asking: its secrets, or that it is not there. None: that has to be asked.
    pub fn known(&self, now: Timestamp, user: &User) -> Option<Option<Arc<Secrets>>> {
        match self {
            Self::File(file) => Some(file.get(user)),
            Self::Redis(redis) => redis.known(now, user),
        }
    }

    /// Rises whenever users have changed.
    pub fn version(&self) -> u64 {
        match self {
            Self::File(file) => file.version(),
            Self::Redis(redis) => redis.version(),
        }
    }

    /// Which users have changed since that version; none: it may be any.
    pub fn changed_since(&self, version: u64) -> Option<Vec<User>> {
        match self {
            Self::File(_) => None,
            Self::Redis(redis) => redis.changed_since(version),
        }
    }

    /// Whether they are those of before, since what is there now is of no use.
    pub fn is_stale(&self) -> bool {
        match self {
            Self::File(file) => file.is_stale(),
            // Which has counters of its own.
            Self::Redis(_) => false,
        }
    }

    /// Finds out what has changed; false: Redis is away.
    pub async fn look_again(&self) -> bool {
        match self {
            Self::File(file) => {
                let file = Arc::clone(file);
                // A long list takes its time.
                let _ = tokio::task::spawn_blocking(move || file.look_again()).await;
                true
            }
            Self::Redis(redis) => redis.look_again().await.is_ok(),
        }
    }
}
