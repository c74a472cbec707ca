//! Memory that is free, given back to the system.
//!
//! glibc keeps what was freed until it is at the end of a heap, where something small that lives on is enough to keep all of
//! it: what an attack has made a node hold stayed with it for good. Other allocators that were measured in the same attack
//! kept more of it (jemalloc 5.3), or took several times the memory of an idle node (mimalloc 3).

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[path = "glibc.rs"]
mod system;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[path = "other.rs"]
mod system;

use std::io;
use std::thread;
use std::time::Duration;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(10);

/// As much may be free and not given back, in octets: a burst that comes again finds it there.
const SPARE: usize = 2 << 20;

/// What the allocator holds, in octets.
#[derive(Clone, Copy, Debug)]
struct Usage {
    /// In use.
    taken: usize,
    /// In memory, in use or not.
    resident: usize,
}

/// When to give back.
#[derive(Debug, Default)]
struct Watch {
    /// What was free and could not be given back: there is something in use on each of its pages.
    stuck: usize,
}

impl Watch {
    /// Whether it is worth it: all heaps are locked meanwhile, for about a millisecond in each 10 MiB that there are.
    fn is_due(&mut self, usage: Usage) -> bool {
        let free = usage.free();
        self.stuck = self.stuck.min(free);
        free > SPARE + usage.taken / 8 + 2 * self.stuck
    }

    /// It was given back, and this is left.
    fn was_done(&mut self, left: Usage) {
        self.stuck = left.free();
    }
}

impl Usage {
    fn free(self) -> usize {
        self.resident.saturating_sub(self.taken)
    }
}

/// Gives back what is free, where it is much, for as long as the program runs. Does nothing where the system's allocator is
/// not glibc's.
pub fn keep_small() -> io::Result<()> {
    if system::usage().is_none() {
        return Ok(());
    }
    let watch = || {
        let mut watch = Watch::default();
        loop {
            thread::sleep(EVERY);
            if system::usage().is_some_and(|usage| watch.is_due(usage)) {
                system::give_back();
                if let Some(left) = system::usage() {
                    watch.was_done(left);
                }
            }
        }
    };
    thread::Builder::new().name("heap".to_owned()).stack_size(64 << 10).spawn(watch).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn usage(taken: usize, resident: usize) -> Usage {
        Usage { taken: taken * MIB, resident: resident * MIB }
    }

    #[test]
    fn what_is_free_is_given_back_where_it_is_much() {
        let mut watch = Watch::default();
        assert!(!watch.is_due(usage(4, 6)));
        assert!(watch.is_due(usage(4, 40)));
        assert!(!watch.is_due(usage(100, 114)), "little of what there is");
        assert!(watch.is_due(usage(100, 120)));
    }

    #[test]
    fn what_could_not_be_given_back_is_not_tried_again_for_nothing() {
        let mut watch = Watch::default();
        assert!(watch.is_due(usage(4, 40)));
        watch.was_done(usage(4, 30));
        assert!(!watch.is_due(usage(4, 30)) && !watch.is_due(usage(4, 40)));
        assert!(watch.is_due(usage(4, 70)));
        // What was stuck has come into use, and is free now.
        watch.was_done(usage(4, 30));
        assert!(!watch.is_due(usage(29, 30)));
        assert!(watch.is_due(usage(4, 30)));
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_is_held_in_pieces_is_given_back() {
        let holes = |usage: Usage| usage.free() / MIB;
        let mut pieces: Vec<Option<Vec<u8>>> = (0..4096).map(|_| Some(vec![1; 16 << 10])).collect();
        // Each keeps its neighbours from the end of the heap.
        for (number, piece) in pieces.iter_mut().enumerate() {
            if number % 16 != 15 {
                *piece = None;
            }
        }
        let before = system::usage().expect("glibc says what it holds");
        assert!(holes(before) >= 32, "{before:?}");
        system::give_back();
        let after = system::usage().expect("glibc says what it holds");
        assert!(holes(after) < 16, "{after:?}, and {before:?} before");
        assert!(pieces.iter().flatten().all(|piece| piece.iter().all(|octet| *octet == 1)));
    }
}
