//! The users in Redis, as all workers of a node know them.
//!
//! What is read is remembered for `auth.users_cache`. Whoever changes a user with `flowhold passwd` tells of it, and nodes
//! ask for such news each second; a user that was changed by other means is noticed when it is read again. Either way the
//! trust in its flows ends. Who is trusted and was changed by other means may not be read before the trust is over.
//!
//! The first question about a name takes as long as Redis does, whether there is such a user or not.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flowhold_cluster::binding::Timestamp;
use flowhold_cluster::location::Unavailable;
use flowhold_cluster::redis::{Fields, News, Redis};
use tracing::{debug, warn};

use crate::actor::event_log::Text;
use crate::config;
use crate::proto::auth::{Changed, KnownUsers, Lifetimes, Secrets, User};

/// The users in Redis.
pub struct RedisUsers {
    stored: flowhold_cluster::redis::Users,
    state: Mutex<State>,
    /// As in the state, for who looks often.
    version: AtomicU64,
    /// From where on there is news.
    place: Mutex<Option<Box<[u8]>>>,
}

struct State {
    known: KnownUsers,
    changed: Changed,
}

/// What a lookup came to: the user's secrets, if there is such a user.
pub type Read = Result<Option<Arc<Secrets>>, Unavailable>;

impl RedisUsers {
    /// Of this Redis.
    pub fn new(redis: Redis, auth: &config::Auth) -> Self {
        let lifetimes = Lifetimes { fresh: auth.users_cache, stale: auth.users_stale };
        let known = KnownUsers::new(lifetimes, auth.remembered, (rand::random(), rand::random()));
        Self {
            stored: flowhold_cluster::redis::Users::new(redis),
            state: Mutex::new(State { known, changed: Changed::default() }),
            version: AtomicU64::new(0),
            place: Mutex::default(),
        }
    }

    /// What is known of a user without asking.
    pub fn known(&self, now: Timestamp, user: &User) -> Option<Option<Arc<Secrets>>> {
        self.state().known.get(now, user)
    }

    /// Rises with each change.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Which users have changed since that version; none: it may be any.
    pub fn changed_since(&self, version: u64) -> Option<Vec<User>> {
        self.state().changed.since(version)
    }

    /// Asks for a user. While Redis is away, what was known of it before is good for a while longer.
    pub async fn read(&self, now: Timestamp, user: &User) -> Read {
        loop {
            let version = self.version();
            let fields = match self.stored.get(&user.key()).await {
                Ok(fields) => fields,
                Err(unavailable) => {
                    return self.state().known.get_stale(now, user).map(Some).ok_or(unavailable);
                }
            };
            let secrets = fields.and_then(|fields| read_secrets(user, &fields)).map(Arc::new);
            let mut state = self.state();
            let changed = state.changed.since(version);
            if changed.is_some_and(|users| !users.contains(user)) {
                if state.known.put(now, user, secrets.clone()) {
                    state.changed.add(user.clone());
                    self.publish(&state);
                }
                return Ok(secrets);
            }
            // It was read before it changed, or perhaps was.
        }
    }

    /// Asks which users were changed.
    pub async fn look_again(&self) -> Result<(), Unavailable> {
        let since = self.place().clone();
        let News { place, changed } = self.stored.news(since.as_deref()).await?;
        *self.place() = Some(place);
        // Users may have been read before the first question.
        let changed = changed.filter(|_| since.is_some());
        let mut state = self.state();
        if let Some(names) = changed {
            for user in names.iter().filter_map(|name| User::of_key(name)) {
                debug!(user = %Text(&user.key()), "user changed");
                state.known.forget(&user);
                state.changed.add(user);
            }
        } else {
            state.known.forget_all();
            state.changed.add_all();
        }
        self.publish(&state);
        Ok(())
    }

    fn publish(&self, state: &State) {
        self.version.store(state.changed.version(), Ordering::Release);
    }

    fn place(&self) -> MutexGuard<'_, Option<Box<[u8]>>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// None, and a word to the operator, where what is stored are no hashes.
fn read_secrets(user: &User, fields: &Fields) -> Option<Secrets> {
    let texts = fields.iter().filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, &value[..])));
    match Secrets::read(texts) {
        Ok(secrets) => Some(secrets),
        Err(field) => {
            warn!(user = %Text(&user.key()), field, "what Redis holds is no hash of that kind: the user is not let in");
            None
        }
    }
}

impl fmt::Debug for RedisUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("RedisUsers").field("known", &state.known.len()).finish_non_exhaustive()
    }
}
