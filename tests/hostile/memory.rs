//! What the node holds after an attack: no more than before, but for what its allocator keeps.
//!
//! An allocator does not give back every page that has become free: some have a few octets left on them that are in use. It
//! uses them again, though. So what stays after an attack is no leak if the same attack finds room in it: where more than a
//! little stays, the attack is repeated until it leaves nothing new.

use std::fmt;
use std::time::Duration;

use crate::support::{Node, wait_until_within};

/// How much more the node may hold after all attacks than before, in KiB.
const ALLOWANCE: u64 = 16 << 10;

/// As much more is looked into, in KiB.
const NOTABLE: u64 = 4 << 10;

/// So often an attack is repeated at most until it leaves nothing new.
const REPETITIONS: usize = 4;

/// How long requests that were under way may keep theirs: 64 T1, and then the time until the node gives it back.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// The node's resident memory, in KiB.
pub(crate) struct Memory<'n> {
    node: &'n Node,
    /// Before all attacks.
    level: u64,
    /// After the last one.
    now: u64,
}

impl<'n> Memory<'n> {
    /// As it is now.
    pub(crate) fn of(node: &'n Node) -> Self {
        let level = node.resident();
        Self { node, level, now: level }
    }

    /// It returns to its level after this attack, and if that takes the allocator's habits to explain, it stays where it is
    /// when the attack is repeated.
    #[track_caller]
    pub(crate) fn returns(&mut self, name: &str, mut again: impl FnMut()) {
        let mut before = std::mem::replace(&mut self.now, self.node.resident());
        for _ in 0..REPETITIONS {
            if self.now < before + NOTABLE {
                break;
            }
            again();
            before = std::mem::replace(&mut self.now, self.node.resident());
        }
        assert!(self.now < before + NOTABLE, "after {name} memory grows each time: {self}");
        wait_until_within(AFTERWARDS, &format!("after {name} memory returns to {} KiB", self.level), || {
            self.now = self.node.resident();
            self.now < self.level + ALLOWANCE
        });
    }
}

impl fmt::Display for Memory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB, {} KiB before all", self.now, self.level)
    }
}
