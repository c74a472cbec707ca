//! Which target is tried next, and which of the answers goes back: RFC 3261 §16.7 and RFC 5626 §7 without a message in them.
//!
//! Targets come by instance: the flows to one UA, of which one is tried at a time. Instances of one q value are tried
//! together, and those of a lower one when nothing of the higher is out any more.
//!
//! ```text
//!              +------ failed, 430, 408, silent, while its instance has another target
//!              v                                          |
//!   waiting ──next──> branch out ──ended──> 2xx           Forward   at once, the rest is unwanted
//!                                           6xx           no new branch, the rest is unwanted
//!                                           300-599       kept if it is the best so far; its instance is over
//!                                           nothing left  Answer    the best
//! ```
//!
//! A branch that is silent stays out behind the one that takes its place, because a UA may be slow rather than gone: its late
//! answer counts until the instance has given one on the other flow.

use smallvec::SmallVec;

/// The targets of one instance.
#[derive(Debug)]
pub struct Instance<T> {
    /// Preference in thousandths.
    pub q: u16,
    /// In the order in which to try them; never empty.
    pub targets: SmallVec<[T; 1]>,
}

/// The targets of one request and what came of them. `T` is a target, `R` a response. Branches are numbered from 0 in the
/// order in which [`Forking::next`] hands out their targets.
#[derive(Debug)]
pub struct Forking<T, R> {
    /// The highest q first.
    instances: SmallVec<[Line<T>; 1]>,
    /// How many of them were begun.
    begun: usize,
    branches: SmallVec<[Branch; 1]>,
    best: Option<(u16, R)>,
    /// 401 and 407 besides the best.
    challenges: Vec<R>,
    /// A 2xx went back, or the best response was handed out.
    answered: bool,
}

#[derive(Debug)]
struct Line<T> {
    q: u16,
    /// Targets not tried yet, the next one last.
    waiting: SmallVec<[T; 1]>,
    /// The branch that the instance is expected to answer on.
    current: Option<usize>,
    /// The next target is to be tried now.
    due: bool,
}

#[derive(Debug)]
struct Branch {
    instance: usize,
    /// The answer to the whole waits for it.
    out: bool,
    heard: Heard,
    /// To be cancelled, at once or as soon as it may be.
    unwanted: bool,
}

/// What was heard of a branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    Nothing,
    /// Nothing, and another took its place for that.
    Silence,
    /// A provisional response.
    Life,
}

/// A target to try.
#[derive(PartialEq, Eq, Debug)]
pub struct Try<T> {
    /// The target.
    pub target: T,
    /// Another target of its instance was tried before.
    pub again: bool,
    /// Its instance has a further target.
    pub more: bool,
    /// Which of the instances that are tried together it is of, from 0.
    pub nth: usize,
    /// How many those are.
    pub of: usize,
}

/// What the end of a branch means for the whole. After each, [`Forking::next`] is asked for targets, and branches that
/// [`Forking::is_unwanted`] tells of are cancelled.
#[derive(PartialEq, Eq, Debug)]
pub enum Step<R> {
    /// Send this 2xx back now.
    Forward(R),
    /// Something is still out, or all is answered.
    Wait,
    /// All is over: send this back.
    Answer {
        /// The best status.
        status: u16,
        /// The best response.
        response: R,
        /// If that is a 401 or 407: all other 401 and 407, in the order in which they came.
        challenges: Vec<R>,
    },
}

impl<T, R> Default for Forking<T, R> {
    fn default() -> Self {
        Forking {
            instances: SmallVec::new(),
            begun: 0,
            branches: SmallVec::new(),
            best: None,
            challenges: Vec::new(),
            answered: false,
        }
    }
}

impl<T, R> Forking<T, R> {
    /// Of instances of the same q, the first is tried first.
    pub fn new(instances: impl IntoIterator<Item = Instance<T>>) -> Self {
        let line = |Instance { q, mut targets }: Instance<T>| {
            targets.reverse();
            Line { q, waiting: targets, current: None, due: false }
        };
        let mut instances: SmallVec<[Line<T>; 1]> = instances.into_iter().map(line).collect();
        // RFC 3261 §16.6: targets of a higher q before those of a lower one.
        instances.sort_by_key(|line| std::cmp::Reverse(line.q));
        Forking { instances, ..Forking::default() }
    }

    /// One target, and no other in its place.
    pub fn to(target: T) -> Self {
        Forking::new([Instance { q: 1000, targets: SmallVec::from_iter([target]) }])
    }

    /// How many branches will be out at most, not counting silent ones.
    pub fn width(&self) -> usize {
        self.instances.chunk_by(|one, two| one.q == two.q).map(<[_]>::len).max().unwrap_or_default()
    }

    /// The next target to try now, which from now on is a branch.
    #[expect(clippy::should_implement_trait, reason = "it makes branches, it does not iterate")]
    pub fn next(&mut self) -> Option<Try<T>> {
        let due = self.instances.iter().position(|line| line.due);
        let instance = due.or_else(|| self.begin())?;
        let line = &mut self.instances[instance];
        let target = line.waiting.pop()?;
        let more = !line.waiting.is_empty();
        line.due = false;
        line.current = Some(self.branches.len());
        let q = line.q;
        self.branches.push(Branch { instance, out: true, heard: Heard::Nothing, unwanted: false });
        let first = self.instances.partition_point(|line| line.q > q);
        let of = self.instances.partition_point(|line| line.q >= q) - first;
        Some(Try { target, again: due.is_some(), more, nth: instance - first, of })
    }

    /// One more instance is begun, if it is its turn.
    fn begin(&mut self) -> Option<usize> {
        let instance = self.begun;
        let q = self.instances.get(instance)?.q;
        let together = instance == 0 || self.instances[instance - 1].q == q;
        if !together && self.is_out() {
            return None;
        }
        self.begun += 1;
        Some(instance)
    }

    /// No further target is tried: the request was cancelled, or there is no time left.
    pub fn close(&mut self) {
        self.begun = self.instances.len();
        for line in &mut self.instances {
            line.waiting.clear();
            line.due = false;
        }
    }

    /// The request was cancelled: no branch is wanted any more.
    pub fn cancel(&mut self) {
        self.close();
        self.branches.iter_mut().for_each(|branch| branch.unwanted = true);
    }

    /// The branch's instance was given all the time that it gets: no other target of it is tried.
    pub fn exhaust(&mut self, branch: usize) {
        let line = &mut self.instances[self.branches[branch].instance];
        line.waiting.clear();
        line.due = false;
    }

    /// A branch has a provisional response.
    pub fn heard(&mut self, branch: usize) {
        let (instance, out) = (self.branches[branch].instance, self.branches[branch].out);
        self.branches[branch].heard = Heard::Life;
        let current = self.instances[instance].current.filter(|current| *current != branch);
        if current
            .is_some_and(|current| self.branches[current].out && self.branches[current].heard == Heard::Life)
        {
            // The UA has the request over another flow: one of the two is enough.
            self.release(branch);
        } else if out {
            self.instances[instance].current = Some(branch);
        }
    }

    /// A branch was silent for long enough. `true`: another target of its instance is tried now; `false`: there is none, or
    /// no reason.
    pub fn silent(&mut self, branch: usize) -> bool {
        let Branch { instance, out, heard, unwanted } = self.branches[branch];
        let line = &mut self.instances[instance];
        if !out
            || heard != Heard::Nothing
            || unwanted
            || line.current != Some(branch)
            || line.waiting.is_empty()
        {
            return false;
        }
        line.due = true;
        self.branches[branch].heard = Heard::Silence;
        true
    }

    /// The branches whose silence means that their flows are dead, now that their instance has answered on this one. Each is
    /// told once.
    pub fn take_dead(&mut self, branch: usize) -> SmallVec<[usize; 2]> {
        let instance = self.branches[branch].instance;
        let mut dead = SmallVec::new();
        for (index, other) in self.branches.iter_mut().enumerate() {
            if other.instance == instance && other.heard == Heard::Silence {
                other.heard = Heard::Nothing;
                dead.push(index);
            }
        }
        dead
    }

    /// A branch has its first final response.
    pub fn ended(&mut self, branch: usize, status: u16, response: R) -> Step<R> {
        let was_out = self.end(branch);
        // RFC 3261 §16.7 step 5: any 2xx goes back at once; whether a second one may is the server transaction's affair.
        if (200..300).contains(&status) {
            self.cancel();
            self.branches.iter_mut().for_each(|branch| branch.out = false);
            self.answered = true;
            return Step::Forward(response);
        }
        if self.answered || !was_out {
            return Step::Wait;
        }
        match status {
            // RFC 5626 §7: on a 430 or a 408 another target of the same instance takes the branch's place.
            408 | 430 => self.replace(branch),
            // RFC 3261 §8.2.2.2: the UA has the request already, over the flow that seemed silent; that one is waited for.
            482 if self.rival(branch).is_some() => {
                self.exhaust(branch);
                self.replace(branch);
            }
            // RFC 5626 §7: any other final response is the instance's, and no other target of it is tried.
            _ => self.instance_answered(branch),
        }
        // RFC 3261 §16.7 step 5: after a 6xx no new branch is made, and those that are out are cancelled.
        if status >= 600 {
            self.cancel();
        }
        self.keep(status, response);
        self.step()
    }

    /// A branch can have no response: its flow is gone or does not take the request. `status` stands for the response.
    pub fn failed(&mut self, branch: usize, status: u16, response: R) -> Step<R> {
        if !self.end(branch) || self.answered {
            return Step::Wait;
        }
        self.replace(branch);
        self.keep(status, response);
        self.step()
    }

    /// Whether any branch is waited for.
    pub fn is_out(&self) -> bool {
        self.branches.iter().any(|branch| branch.out)
    }

    /// Whether nothing is to come of a branch any more, so that it should be cancelled.
    pub fn is_unwanted(&self, branch: usize) -> bool {
        self.branches[branch].unwanted
    }

    /// Whether it is the one that its instance is expected to answer on.
    pub fn is_current(&self, branch: usize) -> bool {
        self.instances[self.branches[branch].instance].current == Some(branch)
    }

    /// Whether even a late final response of it would be of no use: another branch of its instance is, and it is not waited
    /// for.
    pub fn is_superseded(&self, branch: usize) -> bool {
        !self.branches[branch].out && !self.is_current(branch)
    }

    /// Whether it was waited for.
    fn end(&mut self, branch: usize) -> bool {
        self.branches[branch].heard = Heard::Nothing;
        std::mem::take(&mut self.branches[branch].out)
    }

    /// The instance's next target takes the place of a branch that is over, or else a silent one takes it back.
    fn replace(&mut self, branch: usize) {
        let rival = self.rival(branch);
        let line = &mut self.instances[self.branches[branch].instance];
        if line.current != Some(branch) {
            return;
        }
        line.due = !line.waiting.is_empty();
        line.current = if line.due { None } else { rival };
    }

    /// Another branch of the same instance that is out.
    fn rival(&self, branch: usize) -> Option<usize> {
        let instance = self.branches[branch].instance;
        let rival =
            |(index, other): (usize, &Branch)| index != branch && other.instance == instance && other.out;
        self.branches.iter().enumerate().position(rival)
    }

    fn instance_answered(&mut self, branch: usize) {
        self.exhaust(branch);
        let instance = self.branches[branch].instance;
        self.instances[instance].current = Some(branch);
        while let Some(rival) = self.rival(branch) {
            self.release(rival);
        }
    }

    /// A branch is not waited for any more.
    fn release(&mut self, branch: usize) {
        self.branches[branch].out = false;
        self.branches[branch].unwanted = true;
    }

    fn keep(&mut self, status: u16, response: R) {
        let better = self.best.as_ref().is_none_or(|(best, _)| rank(status) < rank(*best));
        let other = if better { self.best.replace((status, response)) } else { Some((status, response)) };
        if let Some((401 | 407, response)) = other {
            self.challenges.push(response);
        }
    }

    fn step(&mut self) -> Step<R> {
        let more = self.begun < self.instances.len() || self.instances.iter().any(|line| line.due);
        if more || self.is_out() {
            return Step::Wait;
        }
        self.answered = true;
        let (status, response) = self.best.take().expect("the branch that just ended has set it");
        let mut challenges = std::mem::take(&mut self.challenges);
        // RFC 3261 §16.7 step 7: challenges are put together only if a challenge is chosen.
        if !matches!(status, 401 | 407) {
            challenges.clear();
        }
        Step::Answer { status, response, challenges }
    }
}

/// RFC 3261 §16.7 step 6: any 6xx before all others, then the lowest class; within 4xx those that tell the client how to
/// ask again come first. A 430 tells of one flow, a 408 and the 482 of a request that was there on two ways tell nothing, and
/// a 503 is to be passed on only when there is nothing else.
fn rank(status: u16) -> u16 {
    let within = match status {
        401 | 407 | 415 | 420 | 484 => 0,
        430 => 2,
        408 | 482 | 503 => 3,
        _ => 1,
    };
    let class = if status >= 600 { 0 } else { status / 100 };
    class * 10 + within
}

#[cfg(test)]
mod tests;
