//! Flows over which a user has proved who it is, and need not again for a while.
//!
//! Only a UA's own flow can be trusted: one over which the requests of several UAs come (an edge proxy's) is told by its
//! second Via, and never is. A flow may have several users all the same, a PBX with a registration for each line.
//!
//! Whom a certificate names is asked no password either; that there is such a user is looked up each time.

use std::collections::{HashMap, HashSet};
use std::hash::Hasher;
use std::net::SocketAddr;
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;
use flowhold_cluster::flow::{Flow, FlowId};
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use super::secrets::User;
use crate::proto::Source;
use crate::proto::slack::Slack;

/// How many users one flow may have; the one whose time ends first gives way.
const USERS: usize = 32;

/// How often a table that is full is looked through for what is over.
const SWEEP: Duration = Duration::from_secs(1);

/// For how long a flow is trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Over a stream; zero: every request has to prove it.
    pub streams: Duration,
    /// Over UDP, where whoever can forge a source address can send in a UA's name.
    pub udp: Duration,
}

/// The flows of one worker that are trusted.
#[derive(Debug)]
pub struct Trust {
    terms: Terms,
    limit: usize,
    seed: (u64, u64),
    streams: HashMap<FlowId, Users>,
    /// UDP flows share their socket's id.
    datagrams: HashMap<(FlowId, SocketAddr), Users>,
    /// Those whose peers have shown certificates, and whom these name.
    certified: HashMap<FlowId, Box<[User]>>,
    /// Those that next hops have proved to be theirs.
    peers: HashSet<FlowId>,
    swept: Timestamp,
    /// Which state of the users it goes by.
    version: u64,
}

type Users = SmallVec<[Trusted; 1]>;

/// A user that a flow is trusted for.
#[derive(Clone, Copy, Debug)]
struct Trusted {
    user: u64,
    /// From then on a REGISTER has to prove it again.
    due: Timestamp,
    /// From then on other requests have to.
    until: Timestamp,
}

impl Trust {
    /// Remembers `limit` flows. `seed` is random.
    pub fn new(terms: Terms, limit: usize, seed: (u64, u64)) -> Self {
        Self {
            terms,
            limit,
            seed,
            streams: HashMap::new(),
            datagrams: HashMap::new(),
            certified: HashMap::new(),
            peers: HashSet::new(),
            swept: Timestamp(0),
            version: 0,
        }
    }

    /// The user has proved who it is over this flow.
    pub fn grant(&mut self, now: Timestamp, source: &Source, user: &User) {
        let time = self.time(source);
        if !time.is_zero() {
            self.enter(now, source, user, now + time);
        }
    }

    fn time(&self, source: &Source) -> Duration {
        if source.transport.is_reliable() { self.terms.streams } else { self.terms.udp }
    }

    /// The certificate that the peer of this flow has shown names these users: for as long as the flow lasts it is as good as
    /// a password of those whom there are.
    pub fn certified(&mut self, source: &Source, users: Vec<User>) {
        if !users.is_empty() && self.len() < self.limit {
            self.certified.insert(source.flow.id, users.into());
        }
    }

    /// Whom the certificate names.
    pub fn certified_users(&self, source: &Source) -> &[User] {
        self.certified.get(&source.flow.id).map_or(&[], |users| users)
    }

    /// The certificate that the peer of this flow has shown has the name of a next hop.
    pub fn certified_peer(&mut self, source: &Source) {
        if self.len() < self.limit {
            self.peers.insert(source.flow.id);
        }
    }

    /// Whether it has.
    pub fn is_certified_peer(&self, source: &Source) -> bool {
        !self.peers.is_empty() && self.peers.contains(&source.flow.id)
    }

    /// Whether the flow is trusted for this user.
    pub fn holds(&self, now: Timestamp, source: &Source, user: &User) -> bool {
        let hash = self.hash(user);
        self.users(source).iter().any(|trusted| trusted.user == hash && trusted.until > now)
    }

    /// Whether a REGISTER of this user passes on trust. From then on other requests pass for as long as after a proof: a UA
    /// that registers in time is asked nothing between its REGISTERs, and each trust ends within two such times.
    pub fn registers(&mut self, now: Timestamp, source: &Source, user: &User) -> bool {
        let (hash, until) = (self.hash(user), now + self.time(source));
        let mut users = self.users_mut(source).into_iter().flatten();
        let found = users.find(|trusted| trusted.user == hash && trusted.due > now);
        found.map(|trusted| trusted.until = until).is_some()
    }

    /// Whether the flow is trusted for any user.
    pub fn holds_any(&self, now: Timestamp, source: &Source) -> bool {
        self.users(source).iter().any(|trusted| trusted.until > now)
    }

    /// The user is not trusted on this flow any more.
    pub fn revoke(&mut self, source: &Source, user: &User) {
        let hash = self.hash(user);
        if let Some(users) = self.users_mut(source) {
            users.retain(|trusted| trusted.user != hash);
        }
    }

    /// The flow is over.
    pub fn end(&mut self, flow: &Flow) {
        self.peers.remove(&flow.id);
        self.certified.remove(&flow.id);
        if self.streams.remove(&flow.id).is_none() && !self.datagrams.is_empty() {
            self.datagrams.remove(&(flow.id, flow.remote));
            self.datagrams.give_back();
        }
        self.streams.give_back();
    }

    /// Which state of the users it goes by.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The users are in another state: the secrets of these have changed, or may have of any. What was proved was proved with
    /// the old ones.
    pub fn follow(&mut self, version: u64, changed: Option<&[User]>) {
        if self.version == version {
            return;
        }
        self.version = version;
        let changed: Option<HashSet<u64>> =
            changed.map(|users| users.iter().map(|user| self.hash(user)).collect());
        let has_changed = |user: u64| changed.as_ref().is_none_or(|changed| changed.contains(&user));
        let stays = |users: &mut Users| {
            users.retain(|trusted| !has_changed(trusted.user));
            !users.is_empty()
        };
        self.streams.retain(|_, users| stays(users));
        self.datagrams.retain(|_, users| stays(users));
    }

    /// How many flows are trusted.
    pub fn len(&self) -> usize {
        self.streams.len() + self.datagrams.len() + self.certified.len() + self.peers.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn enter(&mut self, now: Timestamp, source: &Source, user: &User, until: Timestamp) {
        let entry = Trusted { user: self.hash(user), due: until, until };
        if let Some(users) = self.users_mut(source) {
            users.retain(|trusted| trusted.user != entry.user && trusted.until > now);
            if users.len() == USERS
                && let Some(first) = (0..USERS).min_by_key(|&index| users[index].until)
            {
                users.remove(first);
            }
            users.push(entry);
            return;
        }
        self.sweep(now);
        // A flow for which there is no room is asked each time.
        if self.len() >= self.limit {
            return;
        }
        let users = SmallVec::from([entry]);
        if source.transport.is_reliable() {
            self.streams.insert(source.flow.id, users);
        } else {
            self.datagrams.insert((source.flow.id, source.flow.remote), users);
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.len() >= self.limit && self.swept + SWEEP < now {
            self.swept = now;
            let lives = |users: &Users| users.iter().any(|trusted| trusted.until > now);
            self.streams.retain(|_, users| lives(users));
            self.datagrams.retain(|_, users| lives(users));
        }
    }

    fn users(&self, source: &Source) -> &[Trusted] {
        let users = if source.transport.is_reliable() {
            self.streams.get(&source.flow.id)
        } else {
            self.datagrams.get(&(source.flow.id, source.flow.remote))
        };
        users.map_or(&[], |users| users)
    }

    fn users_mut(&mut self, source: &Source) -> Option<&mut Users> {
        if source.transport.is_reliable() {
            self.streams.get_mut(&source.flow.id)
        } else {
            self.datagrams.get_mut(&(source.flow.id, source.flow.remote))
        }
    }

    fn hash(&self, user: &User) -> u64 {
        let mut hash = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        hash.write(&user.name);
        hash.write_u8(b'@');
        hash.write(&user.realm);
        hash.finish()
    }
}
