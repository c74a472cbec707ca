//! The directory: which nodes are members of the cluster, each by a lease in Redis.
//!
//! ```text
//!   node a ---- beat, every fifth of `cluster.lease` ----> Redis: prefix:{nodes}
//!          <--- mine goes on, or was lost; all live leases -----
//! ```
//!
//! One script on one key does it all in one round trip and goes by Redis's own clock, so that no node's clock decides
//! who lives. A lease that is not renewed for three fifths of `cluster.lease` is over, and the others hear of it with
//! their next beat, before `cluster.lease` has passed. While Redis cannot be reached nobody is judged, and the view stays
//! as it was; time in which Redis did not run counts against nobody. A Redis that has lost this node's lease has lost the
//! others' as well: those that it does not list count as members for one more `cluster.lease`, in which they take new ones.
//!
//! | file | concept |
//! | --- | --- |
//! | `member` | what a node says of itself, as a readable line |
//! | `lease` | a node's own lease as a state machine (with its diagram) |
//! | `view` | who is a member, who is dead for good, and what changed |
//!
//! A node's name belongs to one address. Who starts under a name that another address holds is refused for as long as
//! that one lives; a process that starts at the same address is a restart, and has the name at once.

mod lease;
mod member;
mod view;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Mutex;

use crate::binding::Timestamp;
use crate::flow::{NodeRun, Transport};
use crate::location::Unavailable;
use crate::redis::{Leases, Reading, Redis};

use lease::{Lease, Step};
use member::Fields;

pub use lease::Found;
pub(crate) use lease::{Answer, Claim};
pub use member::{Load, Member, State};
pub use view::{Changes, Verdict, View};

/// How long after one look into Redis the next may follow, beats apart.
const REFRESH_EVERY: Duration = Duration::from_millis(50);

/// Who a node is in the cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node, and this process.
    pub run: NodeRun,
    /// `host:port` at which other nodes reach it.
    pub at: Arc<str>,
    /// `host:port` at which UAs reach it, for each transport that it serves.
    pub sip: Arc<[(Transport, Box<str>)]>,
    /// Within this time all nodes know that one has died.
    pub lease: Duration,
}

/// What came of a beat.
#[derive(Clone, Debug)]
pub struct Beat {
    /// It is the first lease of this run.
    pub is_first: bool,
    /// The lease was lost, and what was found in its place. There is a new one, with a higher epoch.
    pub lost: Option<Found>,
    /// What is different in the cluster.
    pub changes: Changes,
    /// The members, this node included.
    pub view: Arc<View>,
    /// How far this node's clock and Redis's are apart, at least.
    pub skew: Duration,
}

/// Why a beat came to nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BeatError {
    /// Redis cannot be reached. The lease may or may not have been renewed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Another node holds this one's name: one of the two has a wrong `node.id`.
    #[error("the node at {at} has the same name")]
    NameTaken {
        /// Where that one is reached.
        at: Arc<str>,
    },
    /// This node has left the cluster.
    #[error("this node has left the cluster")]
    Left,
}

/// Which nodes are members, as one of them.
pub struct Directory {
    settings: Settings,
    leases: Leases,
    /// Held while Redis is asked, so that answers come in their order.
    lease: Mutex<Lease>,
    /// What is held; 0: nothing.
    epoch: AtomicU64,
    is_renounced: AtomicBool,
    view: RwLock<Arc<View>>,
    seen: std::sync::Mutex<Seen>,
}

/// What else is known of the view.
#[derive(Default)]
struct Seen {
    /// When the question was asked that the view answers, and when by Redis's clock it was answered.
    asked_at: Option<(Instant, Timestamp)>,
    /// Until then members stay that Redis does not list, because it has lost their leases.
    spares_until: Option<Instant>,
    /// The view that the last beat told the changes up to. Others may have looked since.
    told: Arc<View>,
}

impl Directory {
    /// Nothing is known yet, and nothing is held.
    pub fn new(redis: Redis, settings: Settings) -> Self {
        Self {
            leases: Leases::new(redis, settings.lease * 3 / 5),
            lease: Mutex::new(Lease::new(settings.run.clone(), Arc::clone(&settings.at))),
            epoch: AtomicU64::new(0),
            is_renounced: AtomicBool::new(false),
            view: RwLock::default(),
            seen: std::sync::Mutex::default(),
            settings,
        }
    }

    /// This node, and this process.
    pub fn run(&self) -> &NodeRun {
        &self.settings.run
    }

    /// The members, as far as is known.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The epoch under which this node writes bindings; none while it holds no lease.
    pub fn epoch(&self) -> Option<u64> {
        Some(self.epoch.load(Ordering::SeqCst)).filter(|epoch| *epoch != 0)
    }

    /// How often [`Directory::beat`] is to be called.
    pub fn beat_every(&self) -> Duration {
        self.settings.lease / 5
    }

    /// Renews the lease, or takes it, and sees who else is there.
    pub async fn beat(&self, load: Load) -> Result<Beat, BeatError> {
        let mut lease = self.lease.lock().await;
        if self.is_renounced.swap(false, Ordering::AcqRel) {
            lease.renounce();
        }
        let claim = lease.claim().ok_or(BeatError::Left)?;
        let says = Fields { sip: &self.settings.sip, load }.to_string();
        let (asked, clock) = (Instant::now(), clock());
        let (answer, reading) = self.leases.renew(&claim, &says).await?;
        let skew = skew(clock, asked.elapsed(), reading.now);
        let step = lease.answered(&claim, &answer);
        self.epoch.store(lease.epoch().unwrap_or(0), Ordering::SeqCst);
        let has_lost = matches!(step, Step::Lost(Found::Nothing | Found::Older));
        let view = self.publish(asked, &reading, has_lost);
        let mut seen = self.seen();
        let told = std::mem::replace(&mut seen.told, Arc::clone(&view));
        drop(seen);
        let changes = view.changes_since(&told, &self.settings.run.node);
        if let Answer::Refused { at } = answer {
            return Err(BeatError::NameTaken { at });
        }
        let lost = if let Step::Lost(found) = step { Some(found) } else { None };
        Ok(Beat { is_first: step == Step::Claimed, lost, changes, view, skew })
    }

    /// Gives the lease up: for all others this node and its flows are gone.
    pub async fn leave(&self) -> Result<(), Unavailable> {
        let mut lease = self.lease.lock().await;
        lease.leave();
        self.epoch.store(0, Ordering::SeqCst);
        self.leases.leave(&self.settings.run).await
    }

    /// The next beat takes a new epoch, whatever it finds: what was written under older ones is then dead for everybody.
    pub fn renounce(&self) {
        self.is_renounced.store(true, Ordering::Release);
    }

    /// A view that is younger than this call. Those who want one at the same time share it.
    pub async fn refresh(&self) -> Result<Arc<View>, Unavailable> {
        let wanted_at = Instant::now();
        let lease = self.lease.lock().await;
        let last = self.asked_at();
        if last.is_some_and(|(asked_at, _)| asked_at >= wanted_at) {
            return Ok(self.view());
        }
        if let Some(wait) = last.and_then(|(last, _)| REFRESH_EVERY.checked_sub(last.elapsed())) {
            tokio::time::sleep(wait).await;
        }
        let asked = Instant::now();
        let reading = self.leases.read().await?;
        let me = &*self.settings.run.node;
        let has_lost = lease.epoch().is_some() && !reading.lines.iter().any(|(node, _)| &**node == me);
        let view = self.publish(asked, &reading, has_lost);
        drop(lease);
        Ok(view)
    }

    /// Remembers a holder that was not live in a view younger than what it wrote.
    pub fn bury(&self, dead: &NodeRun) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut view).bury(dead);
    }

    /// The time by Redis's own clock, or a little later; none before the first answer.
    pub(crate) fn redis_time(&self) -> Option<Timestamp> {
        self.asked_at().map(|(asked_at, then)| then + asked_at.elapsed())
    }

    fn asked_at(&self) -> Option<(Instant, Timestamp)> {
        self.seen().asked_at
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an answer of Redis the view. `has_lost`: it does not know of leases that were held.
    fn publish(&self, asked: Instant, reading: &Reading, has_lost: bool) -> Arc<View> {
        let members = reading.lines.iter().filter_map(|(node, line)| Member::parse(node, line));
        let mut seen = self.seen();
        if has_lost {
            seen.spares_until = Some(asked + self.settings.lease);
        }
        let spares = seen.spares_until.is_some_and(|until| asked < until);
        seen.asked_at = Some((asked, reading.now));
        drop(seen);
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        *view = Arc::new(if spares { view.next_with_spared(members) } else { view.next(members) });
        Arc::clone(&view)
    }
}

fn clock() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// How far `theirs` is outside of the time that the question was under way.
fn skew(asked: Timestamp, took: Duration, theirs: Timestamp) -> Duration {
    // Both are cut to milliseconds.
    let answered = asked + took + Duration::from_millis(1);
    asked.since(theirs).max(theirs.since(answered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_the_way_does_not_explain() {
        let millis = Duration::from_millis;
        let skew = |theirs| skew(Timestamp(1000), millis(50), Timestamp(theirs));
        assert_eq!(
            (skew(1000), skew(1051), skew(900), skew(1151)),
            (millis(0), millis(0), millis(100), millis(100))
        );
    }
}
