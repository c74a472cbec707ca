//! What happens at the same time.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use flowhold_cluster::binding::Aor;
use flowhold_cluster::directory::Load;
use flowhold_cluster::location::{Known, Location, UpdateError};

use crate::{ALICE, Cluster, Register};

#[test]
fn an_update_under_way_while_the_epoch_changes_is_there_under_the_new_one() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    for round in 1..=100 {
        let flow = a.new_flow();
        let update = Register::new(ALICE, round, flow).update(a.run(), cluster.now());
        let now = cluster.now();
        cluster.server().command(&["HDEL", "flowhold:{nodes}", "a"]);
        cluster.runtime.block_on(async {
            let clustered = a.clustered.clone();
            let beat = tokio::spawn(async move { clustered.tend(Load::default(), now).await });
            a.clustered.update(update).await.unwrap();
            assert!(beat.await.unwrap().unwrap().lost.is_some());
        });
        a.is_in_step();
        assert!(cluster.stored(ALICE).contains(&format!("epoch={} ", a.epoch())), "round {round}");
        assert_eq!(b.finds(ALICE), a.way(&flow));
    }
}

#[test]
fn of_two_nodes_that_serve_one_ua_at_once_one_is_later_for_all() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    for round in 1..=50_u32 {
        let barrier = Barrier::new(2);
        let served: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = [&a, &b]
                .into_iter()
                .map(|node| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let register = Register::new(ALICE, round, node.new_flow());
                        barrier.wait();
                        (node.register(&register).is_ok(), node.way(&register.flow))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<_> = served.iter().filter(|(is_ok, _)| *is_ok).map(|(_, way)| way).collect();
        assert_eq!(winners.len(), 1, "the same Call-ID and CSeq");
        for node in [&a, &b] {
            assert_eq!(node.finds(ALICE), *winners[0]);
        }
        a.beats();
        b.beats();
        assert_eq!(a.mirrored() + b.mirrored(), 1);
    }
}

#[test]
fn workers_of_one_node_that_serve_one_ua_at_once_leave_the_mirror_as_redis_is() {
    let cluster = Cluster::start();
    let a = cluster.node("a");
    // Each worker has a runtime, and so a connection, of its own.
    let barrier = Barrier::new(4);
    let flows: BTreeSet<u32> = thread::scope(|scope| {
        let work = |worker: u32| {
            let (a, barrier) = (&a, &barrier);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                barrier.wait();
                let mut last = 0;
                for n in 1..=100 {
                    let flow = a.new_flow();
                    let update =
                        Register::new(ALICE, worker * 1000 + n, flow).update(a.run(), a.cluster.now());
                    match runtime.block_on(a.clustered.update(update)) {
                        Ok(_) => last = flow.id.slot,
                        Err(error) => assert_eq!(error, UpdateError::OutOfOrder),
                    }
                }
                last
            }
        };
        let threads: Vec<_> = (0..4).map(|worker| scope.spawn(work(worker))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let found = a.finds(ALICE);
    assert!(found.len() == 1 && flows.contains(&found[0].1));
    assert_eq!(a.mirrored(), 1);
    cluster.flush();
    a.beats();
    a.is_in_step();
    assert_eq!(a.finds(ALICE), found);
}

#[test]
fn a_flow_that_fails_while_its_bindings_are_written_back_leaves_none() {
    let cluster = Cluster::start();
    let a = cluster.node("a");
    for round in 0..50_u32 {
        let flow = a.new_flow();
        let aors: Vec<String> = (0..20).map(|n| format!("{round}-{n}@example.com")).collect();
        for aor in &aors {
            let mut update = Register::new(ALICE, 1, flow).update(a.run(), cluster.now());
            update.aor = aor.as_str().into();
            a.update(update).unwrap();
        }
        cluster.flush();
        let (now, later) = (cluster.now(), cluster.now());
        cluster.runtime.block_on(async {
            a.clustered.tend(Load::default(), now).await.unwrap();
            let failed = a.clustered.flow_failed(a.run(), &flow, later).await.unwrap();
            assert_eq!(failed, aors.len());
        });
        a.is_in_step();
        for aor in &aors {
            let known = cluster.runtime.block_on(a.clustered.lookup(&Aor::from(aor.as_str()), cluster.now()));
            assert!(!matches!(known, Ok(Known::Yes(bindings)) if !bindings.is_empty()), "{aor}");
            assert!(!cluster.stored(aor).contains("cseq"), "{}", cluster.stored(aor));
        }
    }
}
