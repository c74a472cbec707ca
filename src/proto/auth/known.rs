//! What was read of users, so that a store across the network is not asked each time.
//!
//! ```text
//!              put                     fresh is over                   stale is over
//!   not known -----> known, as it was -----------------> asked again ------------------> not known
//!       ^                  |                              | nobody can be asked:
//!       +----- forget -----+                              +-> a user that there was is let in as before
//! ```
//!
//! Names that nobody has are known too, or a flood of them would be a flood of questions. They have a table of their own, so
//! that they push nobody out. What is kept of a name is a hash: it is as long as its sender likes.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::secrets::{Secrets, User};

/// How long what was read is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// Without asking again.
    pub fresh: Duration,
    /// While nobody can be asked.
    pub stale: Duration,
}

/// The users that were read.
#[derive(Debug)]
pub struct KnownUsers {
    lifetimes: Lifetimes,
    seed: (u64, u64),
    there: Table<Arc<Secrets>>,
    absent: Table<()>,
}

impl KnownUsers {
    /// Of up to `limit` users, and as many names that nobody has. `seed` is random.
    pub fn new(lifetimes: Lifetimes, limit: usize, seed: (u64, u64)) -> Self {
        Self { lifetimes, seed, there: Table::new(limit), absent: Table::new(limit) }
    }

    /// What is known of a user without asking: its secrets, or that it is not there. None: that has to be asked.
    pub fn get(&self, now: Timestamp, user: &User) -> Option<Option<Arc<Secrets>>> {
        let key = self.key(user);
        let is_fresh = |read_at: Timestamp| read_at + self.lifetimes.fresh > now;
        if let Some(entry) = self.there.entries.get(&key) {
            return is_fresh(entry.read_at).then(|| Some(Arc::clone(&entry.value)));
        }
        self.absent.entries.get(&key).filter(|entry| is_fresh(entry.read_at)).map(|_| None)
    }

    /// What was known of a user, where nobody can be asked. Of a name that nobody had nothing is: somebody may have it by
    /// now.
    pub fn get_stale(&self, now: Timestamp, user: &User) -> Option<Arc<Secrets>> {
        let entry = self.there.entries.get(&self.key(user))?;
        (entry.read_at + self.lifetimes.stale > now).then(|| Arc::clone(&entry.value))
    }

    /// This was read of a user. True: what was known of it until now was other secrets.
    pub fn put(&mut self, now: Timestamp, user: &User, secrets: Option<Arc<Secrets>>) -> bool {
        let key = self.key(user);
        let Some(secrets) = secrets else {
            self.absent.put(now, key, ());
            return self.there.remove(key).is_some();
        };
        self.absent.remove(key);
        let is_new = |known: Arc<Secrets>| known != secrets;
        self.there.put(now, key, Arc::clone(&secrets)).is_some_and(is_new)
    }

    /// A user has changed.
    pub fn forget(&mut self, user: &User) {
        let key = self.key(user);
        self.there.remove(key);
        self.absent.remove(key);
    }

    /// Any may have changed.
    pub fn forget_all(&mut self) {
        self.there.clear();
        self.absent.clear();
    }

    /// How many users are known, and how many names that nobody has.
    pub fn len(&self) -> (usize, usize) {
        (self.there.entries.len(), self.absent.entries.len())
    }

    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    fn key(&self, user: &User) -> u128 {
        let mut hash = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        hash.write(&user.key());
        hash.finish128().into()
    }
}

/// What was read, of which the oldest that was not read again makes room.
#[derive(Debug)]
struct Table<T> {
    limit: usize,
    entries: HashMap<u128, Entry<T>>,
    /// Each key once.
    order: VecDeque<u128>,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    read_at: Timestamp,
    /// Since it stands at its place in the order.
    is_read_again: bool,
}

impl<T> Table<T> {
    fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), entries: HashMap::new(), order: VecDeque::new() }
    }

    /// What was there before.
    fn put(&mut self, now: Timestamp, key: u128, value: T) -> Option<T> {
        if let Some(entry) = self.entries.get_mut(&key) {
            (entry.read_at, entry.is_read_again) = (now, true);
            return Some(std::mem::replace(&mut entry.value, value));
        }
        while self.entries.len() >= self.limit {
            self.make_room();
        }
        self.entries.insert(key, Entry { value, read_at: now, is_read_again: false });
        self.order.push_back(key);
        None
    }

    fn make_room(&mut self) {
        let Some(oldest) = self.order.pop_front() else { return self.entries.clear() };
        match self.entries.get_mut(&oldest) {
            Some(entry) if entry.is_read_again => {
                entry.is_read_again = false;
                self.order.push_back(oldest);
            }
            _ => drop(self.entries.remove(&oldest)),
        }
    }

    fn remove(&mut self, key: u128) -> Option<T> {
        let entry = self.entries.remove(&key)?;
        // Somebody has changed a user, which is rare enough to look through all of them.
        self.order.retain(|other| *other != key);
        Some(entry.value)
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }
}
