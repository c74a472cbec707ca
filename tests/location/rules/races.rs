//! Workers at work on the same AOR at the same time.

use std::sync::Barrier;
use std::thread;

use flowhold_cluster::location::UpdateError;

use crate::make::{Open, Register, contact, flow, instance, node};

const ALICE: &str = "alice@example.com";

/// Runs `work(n)` for n below `count` in as many threads, which start together.
fn race<T: Send>(count: u32, work: impl Fn(u32) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count as usize);
    thread::scope(|scope| {
        let run = |n| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                work(n)
            })
        };
        let threads: Vec<_> = (0..count).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

pub(crate) fn threads_that_race_on_one_aor_lose_no_update(open: Open) {
    let store = open();
    race(8, |thread| {
        for cseq in 1..=50 {
            let key = instance("urn:a", thread + 1);
            let register = Register::new(ALICE, &thread.to_string(), cseq, 0).over(flow(thread)).put(key);
            let after = store.update(register).unwrap();
            let ours = |b: &&std::sync::Arc<_>| key_of(b) == instance("urn:a", thread + 1);
            assert_eq!(after.iter().find(ours).map(|binding| binding.cseq), Some(cseq));
        }
    });
    let mut names = store.names(ALICE, 0);
    names.sort();
    assert_eq!(names, (1..=8).map(|n| format!("urn:a;reg-id={n}")).collect::<Vec<_>>());
    assert_eq!(store.counts().bindings, 8);
}

pub(crate) fn of_two_that_race_on_one_binding_one_wins_everywhere(open: Open) {
    for _ in 0..50 {
        let store = open();
        // With the same Call-ID and CSeq exactly one can be in order.
        let results = race(4, |_| store.update(Register::new(ALICE, "c", 1, 0).put(contact("1", &[]))));
        let lost = results.iter().filter(|result| **result == Err(UpdateError::OutOfOrder)).count();
        assert_eq!(lost, 3);
        // And only as many may come in as there is room for.
        let results = race(4, |n| {
            let key = contact(&format!("room {n}"), &[]);
            store.update(Register::new(ALICE, &n.to_string(), 1, 0).at_most(3).put(key))
        });
        let lost = results.iter().filter(|result| **result == Err(UpdateError::TooManyBindings)).count();
        assert_eq!((lost, store.names(ALICE, 0).len()), (2, 3));
    }
}

pub(crate) fn a_failing_flow_and_a_move_away_from_it_leave_the_moved_binding(open: Open) {
    for _ in 0..200 {
        let store = open();
        let put = |cseq, slot| Register::new(ALICE, "c", cseq, 0).over(flow(slot)).put(instance("urn:a", 1));
        store.update(put(1, 1)).unwrap();
        let failed = race(3, |thread| match thread {
            0 => {
                store.update(put(2, 2)).unwrap();
                0
            }
            1 => store.flow_failed(&node("a", 1), &flow(1), 0),
            _ => {
                store.purge(0);
                0
            }
        });
        assert!(failed[1] <= 1);
        assert_eq!(store.names(ALICE, 0).len(), 1);
        assert_eq!(store.flow_failed(&node("a", 1), &flow(1), 0), 0);
        assert_eq!(store.flow_failed(&node("a", 1), &flow(2), 0), 1);
    }
}

fn key_of(binding: &flowhold_cluster::binding::Binding) -> flowhold_cluster::binding::BindingKey {
    binding.key.clone()
}
