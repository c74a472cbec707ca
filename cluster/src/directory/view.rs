//! What a node knows of the cluster: the members, and which holders of bindings are dead for good.
//!
//! Epochs of a node only grow, and a lease that was found to be over is never renewed under its epoch. So what was
//! once seen dead stays dead, without asking again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::flow::NodeRun;

use super::member::Member;

/// How many nodes that are gone are remembered. One that is forgotten is only asked for again.
const MAX_GONE: usize = 1024;

/// The live members, as one answer of Redis listed them.
#[derive(Clone, Debug, Default)]
pub struct View {
    members: BTreeMap<Arc<str>, Arc<Member>>,
    /// All epochs of these nodes up to this one are dead.
    gone: BTreeMap<Arc<str>, u64>,
}

/// What a view says of the holder of a binding, which is a node and the epoch of its lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<'v> {
    /// It holds its lease.
    Live(&'v Member),
    /// It never will again.
    Dead,
    /// This view is too old to tell.
    Unknown,
}

/// What is different in a view from the one before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Members that were none before.
    pub joined: Vec<Arc<Member>>,
    /// Members that are another process than before, or reached at another address.
    pub restarted: Vec<Arc<Member>>,
    /// Members that lost their lease and have a new one: the same process, and its flows live.
    pub renewed: Vec<Arc<Member>>,
    /// Members that are none any more, as they were.
    pub left: Vec<Arc<Member>>,
}

impl Changes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.restarted.is_empty() && self.renewed.is_empty() && self.left.is_empty()
    }
}

impl View {
    /// A member by its name.
    pub fn member(&self, node: &str) -> Option<&Arc<Member>> {
        self.members.get(node)
    }

    /// All members by their names, in order.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// What is to be thought of a binding's holder.
    pub fn judge(&self, holder: &NodeRun) -> Verdict<'_> {
        let member = self.members.get(&holder.node);
        let is_gone = |last: &u64| holder.epoch <= *last;
        match member {
            Some(member) if holder.epoch == member.epoch => Verdict::Live(member),
            Some(member) if holder.epoch < member.epoch => Verdict::Dead,
            _ if self.gone.get(&holder.node).is_some_and(is_gone) => Verdict::Dead,
            _ => Verdict::Unknown,
        }
    }

    /// The view after this one.
    pub(super) fn next(&self, members: impl IntoIterator<Item = Member>) -> Self {
        let mut next = Self { members: BTreeMap::new(), gone: self.gone.clone() };
        for member in members {
            // The names that were there are kept, so that bindings share them.
            let member = match self.members.get(&member.run.node) {
                Some(old) if **old == member => Arc::clone(old),
                Some(old) if old.run == member.run => Arc::new(Member { run: old.run.clone(), ..member }),
                _ => Arc::new(member),
            };
            next.members.insert(Arc::clone(&member.run.node), member);
        }
        for (node, old) in &self.members {
            if !next.members.contains_key(node) {
                next.bury(&NodeRun { node: Arc::clone(node), epoch: old.epoch });
            }
        }
        next
    }

    /// The view after this one, in which nobody has left: those that are not listed stay as they were.
    pub(super) fn next_with_spared(&self, members: impl IntoIterator<Item = Member>) -> Self {
        let members: Vec<Member> = members.into_iter().collect();
        let is_listed = |node: &str| members.iter().any(|member| *member.run.node == *node);
        let spared: Vec<Member> = self
            .members
            .values()
            .filter(|old| !is_listed(&old.run.node))
            .map(|old| (**old).clone())
            .collect();
        self.next(members.into_iter().chain(spared))
    }

    /// Remembers a holder that is not live in this view, although the view is younger than what the holder wrote.
    pub(super) fn bury(&mut self, dead: &NodeRun) {
        if self.gone.len() >= MAX_GONE && !self.gone.contains_key(&dead.node) {
            self.gone.pop_first();
        }
        let last = self.gone.entry(Arc::clone(&dead.node)).or_default();
        *last = dead.epoch.max(*last);
    }

    /// What is different from `old`, of all members but `me`.
    pub(super) fn changes_since(&self, old: &Self, me: &str) -> Changes {
        let mut changes = Changes::default();
        for (node, member) in self.members.iter().filter(|(node, _)| &***node != me) {
            match old.members.get(node) {
                None => changes.joined.push(Arc::clone(member)),
                Some(before) if before.run != member.run || before.at != member.at => {
                    changes.restarted.push(Arc::clone(member));
                }
                Some(before) if before.epoch != member.epoch => changes.renewed.push(Arc::clone(member)),
                Some(_) => {}
            }
        }
        let left = old.members.iter().filter(|(node, _)| &***node != me && !self.members.contains_key(*node));
        changes.left.extend(left.map(|(_, member)| Arc::clone(member)));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: &str, run: u64, epoch: u64) -> Member {
        Member::parse(node, &format!("epoch={epoch} run={run} at={node}:5070")).unwrap()
    }

    fn names(members: &[Arc<Member>]) -> Vec<&str> {
        members.iter().map(|member| &*member.run.node).collect()
    }

    fn holder(node: &str, epoch: u64) -> NodeRun {
        NodeRun { node: node.into(), epoch }
    }

    #[test]
    fn a_holder_lives_under_the_epoch_of_its_lease_alone() {
        let view = View::default().next([member("a", 5, 7)]);
        assert!(matches!(view.judge(&holder("a", 7)), Verdict::Live(member) if member.run.epoch == 5));
        assert_eq!(view.judge(&holder("a", 6)), Verdict::Dead);
        assert_eq!(view.judge(&holder("a", 8)), Verdict::Unknown, "it may have a new lease");
        assert_eq!(view.judge(&holder("b", 1)), Verdict::Unknown, "it may have joined");
    }

    #[test]
    fn a_member_that_left_is_dead_up_to_its_last_epoch() {
        let view = View::default().next([member("a", 5, 7)]).next([]);
        assert_eq!(view.judge(&holder("a", 7)), Verdict::Dead);
        assert_eq!(view.judge(&holder("a", 8)), Verdict::Unknown, "it may be back");
        let back = view.next([member("a", 9, 9)]);
        assert_eq!(back.judge(&holder("a", 7)), Verdict::Dead);
        assert!(matches!(back.judge(&holder("a", 9)), Verdict::Live(_)));
    }

    #[test]
    fn whom_a_younger_view_does_not_know_is_buried() {
        let mut view = View::default().next([member("a", 5, 7)]);
        view.bury(&holder("b", 3));
        assert_eq!(view.judge(&holder("b", 3)), Verdict::Dead);
        assert_eq!(view.judge(&holder("b", 4)), Verdict::Unknown);
        view.bury(&holder("a", 8));
        assert_eq!(view.judge(&holder("a", 8)), Verdict::Dead);
        assert!(matches!(view.judge(&holder("a", 7)), Verdict::Live(_)), "it is a member");
    }

    #[test]
    fn who_is_spared_stays_as_it_was_until_it_is_listed_again() {
        let view = View::default().next([member("a", 5, 7), member("b", 1, 1)]);
        let flushed = view.next_with_spared([member("a", 5, 8)]);
        assert!(matches!(flushed.judge(&holder("b", 1)), Verdict::Live(_)));
        assert_eq!(names(&flushed.changes_since(&view, "me").renewed), ["a"]);
        assert!(flushed.changes_since(&view, "me").left.is_empty());
        let over = flushed.next([member("a", 5, 8)]);
        assert_eq!(over.judge(&holder("b", 1)), Verdict::Dead);
        assert_eq!(names(&over.changes_since(&flushed, "me").left), ["b"]);
    }

    #[test]
    fn the_memory_of_those_gone_is_bounded() {
        let mut view = View::default();
        for n in 0..2 * MAX_GONE {
            view.bury(&holder(&format!("pod-{n}"), 1));
        }
        assert_eq!(view.gone.len(), MAX_GONE);
    }

    #[test]
    fn changes_are_told_apart_by_what_they_end() {
        let old = View::default().next([
            member("me", 1, 1),
            member("stays", 1, 1),
            member("restarts", 1, 1),
            member("renews", 1, 1),
            member("leaves", 1, 1),
        ]);
        let new = old.next([
            member("joins", 1, 1),
            member("me", 1, 2),
            member("stays", 1, 1),
            member("restarts", 2, 2),
            member("renews", 1, 2),
        ]);
        let changes = new.changes_since(&old, "me");
        assert_eq!(names(&changes.joined), ["joins"]);
        assert_eq!(names(&changes.restarted), ["restarts"]);
        assert_eq!(names(&changes.renewed), ["renews"]);
        assert_eq!(names(&changes.left), ["leaves"]);
        assert!(new.changes_since(&new, "me").is_empty());
    }
}
