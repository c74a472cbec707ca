//! What could not be carried out in Redis, or is not known to have been: carried out when Redis is there.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::binding::{Aor, Binding, Timestamp};
use crate::flow::Flow;
use crate::location::Bindings;

/// How much is remembered.
const MOST: usize = 100_000;

/// Something to carry out.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// A flow has failed: an AOR's bindings on it that were updated until then are to go.
    Failed { aor: Aor, flow: Flow, until: Timestamp },
    /// Bindings may have been put and are to go, unless the mirror has them. They are as they would be stored.
    Doubt {
        aor: Aor,
        put: Bindings,
        /// Whoever was to put them has done so by then, or never will.
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
}

impl Task {
    fn is_ready(&self, now: Instant) -> bool {
        !matches!(self, Self::Doubt { from, .. } if *from > now)
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
        if let Task::Doubt { aor, .. } = &task {
            *queue.doubts.entry(aor.clone()).or_default() += 1;
        }
        queue.tasks.push_back(task);
        true
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
        let Task::Doubt { aor, .. } = task else { return };
        let mut queue = self.queue();
        if let Entry::Occupied(mut doubts) = queue.doubts.entry(aor.clone()) {
            *doubts.get_mut() -= 1;
            if *doubts.get() == 0 {
                doubts.remove();
            }
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
            Task::Failed { aor, .. } | Task::Doubt { aor, .. } | Task::Moved { aor, .. } => aor.to_string(),
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
