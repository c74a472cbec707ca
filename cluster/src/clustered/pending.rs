//! What is to be carried out in Redis: what could not be, what is not known to have been, and what Redis may have lost.
//!
//! A Redis that comes back may have lost its last moments: it was started again from its disk, or a replica took over. What
//! was put then is in the mirror; what was removed is remembered here for a while, and removed again.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::binding::{Aor, Binding, Timestamp};
use crate::flow::Flow;
use crate::location::Bindings;

/// How much is remembered that was not carried out.
const MOST: usize = 100_000;
/// How much is remembered that was, and for how long.
const MOST_RECENT: usize = 10_000;
const RECENT: Duration = Duration::from_secs(30);

/// Something to carry out.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// A flow has failed: an AOR's bindings on it that were updated until then are to go.
    Failed { aor: Aor, flow: Flow, until: Timestamp },
    /// Bindings may be there and are to go, unless the mirror has them. They are as they would be stored.
    Doubt {
        aor: Aor,
        put: Bindings,
        /// Whoever was to put them has done so by then, or never will.
        from: Instant,
    },
    /// An update was given up. Where it was carried out all the same, what it put is taken into the mirror, or goes if its
    /// flow has failed.
    GivenUp {
        aor: Aor,
        put: Bindings,
        /// As above.
        from: Instant,
    },
    /// Another node is to be told that its binding is no longer there.
    Moved { aor: Aor, binding: Arc<Binding> },
}

/// Tasks in the order in which they came.
#[derive(Default)]
pub(super) struct Pending {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// How many doubts there are about an AOR, those included that are being settled.
    doubts: HashMap<Aor, usize>,
    /// The flows that failed while there are doubts.
    failed: HashSet<Flow>,
    /// Those that were carried out not long ago.
    recent: VecDeque<(Instant, Task)>,
}

impl Queue {
    fn push(&mut self, task: Task) {
        if let Task::Doubt { aor, .. } | Task::GivenUp { aor, .. } = &task {
            *self.doubts.entry(aor.clone()).or_default() += 1;
        }
        self.tasks.push_back(task);
    }
}

impl Task {
    fn is_ready(&self, now: Instant) -> bool {
        !matches!(self, Self::Doubt { from, .. } | Self::GivenUp { from, .. } if *from > now)
    }
}

impl Pending {
    /// False: there is no room. Nothing is remembered then, of what came before neither.
    #[must_use]
    pub(super) fn push(&self, task: Task) -> bool {
        let mut queue = self.queue();
        if queue.tasks.len() >= MOST {
            *queue = Queue::default();
            return false;
        }
        queue.push(task);
        true
    }

    /// One is carried out, and may have to be once more.
    pub(super) fn remember(&self, task: Task, now: Instant) {
        let recent = &mut self.queue().recent;
        while recent
            .front()
            .is_some_and(|(at, _)| recent.len() >= MOST_RECENT || now.duration_since(*at) > RECENT)
        {
            recent.pop_front();
        }
        recent.push_back((now, task));
    }

    /// Redis may have forgotten what was done not long ago.
    pub(super) fn repeat_recent(&self) {
        let mut queue = self.queue();
        for (_, task) in std::mem::take(&mut queue.recent) {
            queue.push(task);
        }
    }

    /// Takes those that can be carried out.
    pub(super) fn take(&self, now: Instant) -> VecDeque<Task> {
        let mut queue = self.queue();
        let (ready, later) =
            std::mem::take(&mut queue.tasks).into_iter().partition(|task| task.is_ready(now));
        queue.tasks = later;
        ready
    }

    /// One that was taken is carried out.
    pub(super) fn done(&self, task: &Task) {
        let (Task::Doubt { aor, .. } | Task::GivenUp { aor, .. }) = task else { return };
        let mut queue = self.queue();
        if let Entry::Occupied(mut doubts) = queue.doubts.entry(aor.clone()) {
            *doubts.get_mut() -= 1;
            if *doubts.get() == 0 {
                doubts.remove();
            }
        }
        if queue.doubts.is_empty() {
            queue.failed = HashSet::new();
        }
    }

    /// Puts back what was taken and not carried out, before all that came meanwhile.
    pub(super) fn put_back(&self, mut undone: VecDeque<Task>) {
        let mut queue = self.queue();
        undone.append(&mut queue.tasks);
        queue.tasks = undone;
    }

    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.queue().tasks.iter().any(|task| task.is_ready(now))
    }

    pub(super) fn is_empty(&self) -> bool {
        let queue = self.queue();
        queue.tasks.is_empty() && queue.doubts.is_empty()
    }

    /// Whether Redis may hold something of an AOR that is to go.
    pub(super) fn doubts(&self, aor: &Aor) -> bool {
        self.queue().doubts.contains_key(aor.as_bytes())
    }

    /// A flow has failed. Whoever settles a doubt asks for it after the mirror has what the flow may be of.
    pub(super) fn flow_failed(&self, flow: &Flow) {
        let mut queue = self.queue();
        if !queue.doubts.is_empty() {
            queue.failed.insert(*flow);
        }
    }

    /// Whether a flow has failed since the doubt that is being settled came up.
    pub(super) fn has_failed(&self, flow: &Flow) -> bool {
        self.queue().failed.contains(flow)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn doubt(aor: &str, from: Instant) -> Task {
        Task::Doubt { aor: aor.into(), put: Bindings::new(), from }
    }

    fn names(tasks: &VecDeque<Task>) -> Vec<String> {
        let name = |task: &Task| match task {
            Task::Failed { aor, .. }
            | Task::Doubt { aor, .. }
            | Task::GivenUp { aor, .. }
            | Task::Moved { aor, .. } => aor.to_string(),
        };
        tasks.iter().map(name).collect()
    }

    #[test]
    fn a_doubt_waits_for_its_time_and_nothing_waits_for_it() {
        let (pending, now) = (Pending::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        assert!(pending.push(doubt("later", later)) && pending.push(doubt("now", now)));
        assert!(pending.is_ready(now));
        assert_eq!(names(&pending.take(now)), ["now"]);
        assert!(!pending.is_ready(now) && pending.take(now).is_empty());
        assert_eq!(names(&pending.take(later)), ["later"]);
    }

    #[test]
    fn an_aor_is_in_doubt_until_each_doubt_is_settled() {
        let (pending, now) = (Pending::default(), Instant::now());
        assert!(
            pending.push(doubt("a", now)) && pending.push(doubt("a", now)) && pending.push(doubt("b", now))
        );
        let taken = pending.take(now);
        pending.done(&taken[0]);
        pending.done(&taken[2]);
        assert!(pending.doubts(&"a".into()) && !pending.doubts(&"b".into()) && !pending.is_empty());
        pending.done(&taken[1]);
        assert!(!pending.doubts(&"a".into()) && pending.is_empty());
    }

    #[test]
    fn a_failed_flow_is_remembered_while_there_are_doubts() {
        let (pending, now) = (Pending::default(), Instant::now());
        let id = crate::flow::FlowId { worker: 0, slot: 1, generation: 2 };
        let flow = Flow { id, remote: ([192, 0, 2, 1], 5060).into() };
        pending.flow_failed(&flow);
        assert!(!pending.has_failed(&flow));
        assert!(pending.push(doubt("a", now)));
        pending.flow_failed(&flow);
        let taken = pending.take(now);
        assert!(pending.has_failed(&flow));
        pending.done(&taken[0]);
        assert!(!pending.has_failed(&flow));
    }

    #[test]
    fn what_was_not_carried_out_comes_first_again() {
        let (pending, now) = (Pending::default(), Instant::now());
        assert!(pending.push(doubt("1", now)) && pending.push(doubt("2", now)));
        let mut taken = pending.take(now);
        assert!(pending.push(doubt("3", now)));
        taken.pop_front();
        pending.put_back(taken);
        assert_eq!(names(&pending.take(now)), ["2", "3"]);
    }

    #[test]
    fn what_was_done_not_long_ago_is_done_again_where_redis_may_have_forgotten_it() {
        let (pending, now) = (Pending::default(), Instant::now());
        pending.remember(doubt("long ago", now), now);
        let later = now + RECENT + Duration::from_secs(1);
        pending.remember(doubt("1", later), later);
        pending.remember(doubt("2", later), later);
        assert!(pending.is_empty());
        pending.repeat_recent();
        assert_eq!(names(&pending.take(later)), ["1", "2"]);
        for _ in 0..2 * MOST_RECENT {
            pending.remember(doubt("1", later), later);
        }
        assert_eq!(pending.queue().recent.len(), MOST_RECENT);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (pending, now) = (Pending::default(), Instant::now());
        for _ in 0..MOST {
            assert!(pending.push(doubt("1", now)));
        }
        assert!(!pending.push(doubt("1", now)));
        assert!(!pending.is_ready(now), "there is another way for all of them");
        assert!(pending.push(doubt("1", now)));
    }
}
