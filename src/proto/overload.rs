//! When a worker has more to do than it can, and what it leaves undone then, so that everything else is done in time.
//!
//! ```text
//!             delay > target                     delay > 2 target
//!   calm ---------------------> strangers shed --------------------> everybody shed
//!    ^  <---------------------                 <--------------------
//!             delay < target / 2                 delay < target
//! ```
//!
//! The delay is how long what is done now had to wait, in the queue of the worker's actors or for the worker itself, or how
//! long what is queued now will have to, by how long each takes: a queue that grows fast is too long before its first
//! message has waited. What is shed is what starts something: a REGISTER, an INVITE or another request outside of a dialog. What belongs to
//! something that is under way is always done, and it drains the queue. Pings are answered where they are read, in no queue.

use std::time::Duration;

use super::pace::Asker;

/// Over how many messages it is averaged how long one takes.
const SMOOTH: u32 = 64;

/// The longest that one counts as taking.
const LONGEST: Duration = Duration::from_millis(10);

/// What one worker has to do. `now` is the time since any moment, the same for all calls.
#[derive(Debug)]
pub struct Overload {
    /// The longest delay that is good; zero: nothing is ever shed.
    target: Duration,
    /// How many messages wait.
    waiting: usize,
    /// When the one that waits longest came, or an earlier one.
    head: Duration,
    /// How long the last one that was done had waited.
    waited: Duration,
    /// When the last one was done, while others waited, and how long one takes by and by.
    done: Option<Duration>,
    takes: Duration,
    /// How late the worker came to something that was due, the last time and the one before. A machine that paused for a
    /// moment was late once.
    late: [Duration; 2],
    level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Calm,
    Strangers,
    Everybody,
}

impl Overload {
    /// A worker that has nothing to do, and is to keep within this delay.
    pub fn new(target: Duration) -> Self {
        let zero = Duration::ZERO;
        Self {
            target,
            waiting: 0,
            head: zero,
            waited: zero,
            done: None,
            takes: zero,
            late: [zero; 2],
            level: Level::Calm,
        }
    }

    /// A message is queued.
    pub fn entered(&mut self, now: Duration) {
        if self.waiting == 0 {
            self.head = now;
            // How long another had to wait, who knows when, is nothing to this one.
            self.waited = Duration::ZERO;
        }
        self.waiting += 1;
    }

    /// There was no room for it after all.
    pub fn left(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// The message that was queued at `entered` is about to be done.
    pub fn handled(&mut self, entered: Duration, now: Duration) {
        self.left();
        if let Some(done) = self.done {
            // No message takes so long; it was the machine that paused.
            let took = now.saturating_sub(done).min(LONGEST);
            self.takes = (self.takes * (SMOOTH - 1) + took) / SMOOTH;
        }
        self.done = (self.waiting > 0).then_some(now);
        self.head = entered;
        self.waited = now.saturating_sub(entered);
    }

    /// The worker came to something this much later than it was due.
    pub fn late(&mut self, late: Duration) {
        self.late = [late, self.late[0]];
    }

    /// Whether there is something to do, so that whoever brings more should bring little at a time.
    pub fn is_busy(&self) -> bool {
        self.waiting > 0 || self.level != Level::Calm
    }

    /// Whether a request that starts something is refused now.
    pub fn sheds(&mut self, now: Duration, asker: Asker) -> bool {
        if self.target.is_zero() {
            return false;
        }
        let delay = self.delay(now);
        self.level = match self.level {
            _ if delay > 2 * self.target => Level::Everybody,
            Level::Everybody if delay >= self.target => Level::Everybody,
            _ if delay > self.target => Level::Strangers,
            Level::Strangers | Level::Everybody if delay >= self.target / 2 => Level::Strangers,
            _ => Level::Calm,
        };
        match asker {
            Asker::Stranger => self.level >= Level::Strangers,
            Asker::Known => self.level == Level::Everybody,
        }
    }

    /// How long what is done now had to wait.
    pub fn delay(&self, now: Duration) -> Duration {
        let queue = if self.waiting > 0 {
            let waiting = u32::try_from(self.waiting).unwrap_or(u32::MAX);
            let expected = self.takes.saturating_mul(waiting);
            self.waited.max(now.saturating_sub(self.head)).max(expected)
        } else {
            Duration::ZERO
        };
        queue.max(self.late[0].min(self.late[1]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use Asker::{Known, Stranger};

    const TARGET: Duration = Duration::from_millis(200);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_worker_that_keeps_up_sheds_nothing() {
        let mut overload = Overload::new(TARGET);
        for number in 0..1000 {
            overload.entered(millis(number));
            assert!(!overload.sheds(millis(number), Stranger));
            overload.handled(millis(number), millis(number + 150));
        }
    }

    #[test]
    fn strangers_are_shed_first_and_let_in_last() {
        let mut overload = Overload::new(TARGET);
        let mut delayed = |delay: u64| {
            overload.late(millis(delay));
            overload.late(millis(delay));
            (overload.sheds(millis(0), Stranger), overload.sheds(millis(0), Known))
        };
        assert_eq!(delayed(200), (false, false));
        assert_eq!(delayed(201), (true, false));
        assert_eq!(delayed(400), (true, false));
        assert_eq!(delayed(401), (true, true));
        assert_eq!(delayed(200), (true, true));
        assert_eq!(delayed(199), (true, false));
        assert_eq!(delayed(100), (true, false));
        assert_eq!(delayed(99), (false, false));
    }

    #[test]
    fn a_message_that_waits_and_is_not_done_counts() {
        let mut overload = Overload::new(TARGET);
        overload.entered(millis(1000));
        assert!(!overload.sheds(millis(1200), Stranger));
        assert!(overload.sheds(millis(1201), Stranger));
        overload.handled(millis(1000), millis(1500));
        assert!(!overload.sheds(millis(1500), Stranger), "nothing waits any more");
    }

    #[test]
    fn what_waited_before_a_worker_was_idle_counts_no_more() {
        let mut overload = Overload::new(TARGET);
        overload.entered(millis(0));
        overload.handled(millis(0), millis(500));
        let hour = millis(3_600_000);
        overload.entered(hour);
        assert!(!overload.sheds(hour, Stranger), "the second of two that come at once");
        assert!(!overload.sheds(hour, Known));
    }

    #[test]
    fn a_machine_that_paused_for_a_moment_sheds_nothing() {
        let mut overload = Overload::new(TARGET);
        overload.late(Duration::from_secs(10));
        assert!(!overload.sheds(millis(0), Stranger));
        overload.late(Duration::from_secs(10));
        assert!(overload.sheds(millis(0), Stranger));
    }

    #[test]
    fn without_a_target_nothing_is_shed() {
        let mut overload = Overload::new(Duration::ZERO);
        overload.late(Duration::from_secs(10));
        overload.late(Duration::from_secs(10));
        assert!(!overload.sheds(millis(0), Stranger));
    }

    /// A worker that takes a millisecond for each request is sent `per_second` of them for 10 s: how many it served, how
    /// many it shed, and the longest that one had to wait.
    fn driven(per_second: u64) -> (u64, u64, Duration) {
        let (mut overload, mut queue) = (Overload::new(TARGET), VecDeque::new());
        let (mut served, mut shed, mut longest, mut due) = (0, 0, Duration::ZERO, 0);
        for now in 0..10_000 {
            due += per_second;
            for _ in 0..due / 1000 {
                if overload.sheds(millis(now), Stranger) {
                    shed += 1;
                } else {
                    overload.entered(millis(now));
                    queue.push_back(millis(now));
                }
            }
            due %= 1000;
            if let Some(entered) = queue.pop_front() {
                overload.handled(entered, millis(now));
                served += 1;
                longest = longest.max(millis(now).saturating_sub(entered));
            }
        }
        (served, shed, longest)
    }

    #[test]
    fn at_several_times_its_capacity_a_worker_does_all_it_can_and_nothing_waits_for_long() {
        assert_eq!(driven(900).1, 0, "nothing is shed that can be done");
        for per_second in [1500, 3000, 10_000] {
            let (served, shed, longest) = driven(per_second);
            assert!(served > 9900, "at {per_second} it served {served}");
            assert!(shed > 0 && longest < 5 * TARGET, "at {per_second} one waited for {longest:?}");
        }
    }
}
