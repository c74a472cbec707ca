//! What Redis lost is written again, and nothing else.

use std::time::{Duration, Instant};

use flowhold_cluster::location::Known;

use crate::support::wait::wait_until;
use crate::{ALICE, Cluster, Register};

const BOB: &str = "bob@example.com";

#[test]
fn after_a_flush_all_live_bindings_are_there_again_without_any_ua() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let (flow_a, flow_b, proxy) = (a.new_flow(), b.new_flow(), a.new_flow());
    a.registers(&Register::new(ALICE, 1, flow_a));
    b.registers(&Register { reg_id: 2, cseq: 2, ..Register::new(ALICE, 1, flow_b) });
    a.registers(&Register { direct: false, ..Register::new(BOB, 1, proxy) });
    let epochs = (a.epoch(), b.epoch());

    cluster.flush();
    a.beats();
    b.beats();
    a.is_in_step();
    b.is_in_step();
    assert!(a.epoch() > epochs.0 && b.epoch() > epochs.1);
    a.beats();
    for node in [&a, &b] {
        assert_eq!(node.finds(ALICE), [b.way(&flow_b), a.way(&flow_a)].concat());
        assert_eq!(node.finds(BOB), a.way(&proxy));
    }
}

#[test]
fn outside_a_binding_is_held_by_its_run_whatever_its_lease() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    a.registers(&Register::new(ALICE, 1, a.new_flow()));
    let before = a.lookup(ALICE).unwrap();
    assert_eq!(b.lookup(ALICE).unwrap(), before);
    cluster.flush();
    a.beats();
    a.is_in_step();
    assert_ne!(a.epoch(), a.run().epoch);
    // Who does not know the new epoch yet asks for it.
    assert_eq!(b.lookup(ALICE).unwrap(), before);
    assert_eq!(a.lookup(ALICE).unwrap(), before);
    let Known::Yes(bindings) = before else { panic!("not known") };
    assert_eq!(&bindings[0].holder, a.run());
}

#[test]
fn after_a_roll_back_all_live_bindings_are_there_again_and_nothing_older() {
    let cluster = Cluster::start();
    let a = cluster.node("a");
    let (old, new, bobs) = (a.new_flow(), a.new_flow(), a.new_flow());
    a.registers(&Register::new(ALICE, 1, old));
    a.beats();
    let keys = cluster.server().command(&["KEYS", "flowhold:*"]);
    for key in keys.lines() {
        cluster.server().command(&["COPY", key, &format!("snapshot:{key}")]);
    }
    a.registers(&Register::new(ALICE, 2, new));
    a.registers(&Register::new(BOB, 1, bobs));
    a.flow_fails(&old);
    a.beats();

    let later = cluster.server().command(&["KEYS", "flowhold:*"]);
    for key in later.lines() {
        cluster.server().command(&["DEL", key]);
    }
    for key in keys.lines() {
        cluster.server().command(&["RENAME", &format!("snapshot:{key}"), key]);
    }
    let lost = a.beats().lost;
    assert_eq!(lost.map(flowhold_cluster::directory::Found::as_str), Some("rolled back in Redis"));
    a.is_in_step();
    let b = cluster.node("b");
    assert_eq!((b.finds(ALICE), b.finds(BOB)), (a.way(&new), a.way(&bobs)));
}

#[test]
fn before_it_is_written_back_a_node_answers_from_its_mirror() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    cluster.flush();
    // Nobody has beaten yet, so nobody has been told.
    assert_eq!(a.finds(ALICE), a.way(&flow));
    wait_until("who asks has it written back", || cluster.stored(ALICE).contains("cseq=1"));
    cluster.flush();
    b.beats();
    assert!(b.lookup(ALICE).is_err(), "503 rather than 404: another node may know it");
    assert!(b.lookup("nobody@example.com").is_err());
}

#[test]
fn a_stale_mirror_takes_the_place_of_nothing_newer() {
    for (a_is_first, ahead) in [(true, 0), (false, 0), (true, 10), (false, 10)] {
        let cluster = Cluster::start();
        let (a, b) = (cluster.node("a"), cluster.node("b"));
        let (old, new) = (a.new_flow(), b.new_flow());
        // The clock of a is ahead of that of b; the UA was restarted between the two.
        let ahead = Duration::from_secs(ahead);
        a.registers(&Register { ahead, ..Register::new(ALICE, 1, old) });
        b.registers(&Register { call_id: "d", ..Register::new(ALICE, 1, new) });
        assert_eq!(a.finds(ALICE), b.way(&new));
        // It goes before a could hear of it.
        cluster.flush();
        for node in if a_is_first { [&a, &b] } else { [&b, &a] } {
            node.beats();
            node.is_in_step();
        }
        a.beats();
        for node in [&a, &b] {
            assert_eq!(node.finds(ALICE), b.way(&new), "{a_is_first} {ahead:?}");
        }
        if !a_is_first {
            assert_eq!(a.mirrored(), 0, "what is outdated leaves the mirror when that is seen");
        }
    }
}

#[test]
fn what_was_lost_without_a_trace_is_written_again_in_time() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    cluster.server().command(&["DEL", &format!("flowhold:aor:{{{ALICE}}}")]);
    assert_eq!(b.finds(ALICE), []);
    a.purges(64);
    assert_eq!(b.finds(ALICE), a.way(&flow));
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let cluster = Cluster::start();
    let a = cluster.node("a");
    a.registers(&Register::new(ALICE, 1, a.new_flow()));
    let before = cluster.stored(ALICE);
    a.purges(64);
    assert_eq!(cluster.stored(ALICE), before);
}

/// The figure that counts is measured with a build for release; this one is only not to be hopeless.
#[test]
fn thousands_of_bindings_are_written_back_within_seconds() {
    const AORS: usize = 2_000;
    let cluster = Cluster::start();
    let a = cluster.node("a");
    let flow = a.new_flow();
    cluster.runtime.block_on(async {
        for n in 0..AORS {
            let mut update =
                Register::new(ALICE, 1, flow).update(a.run(), flowhold_cluster::binding::Timestamp(1));
            update.aor = format!("{n}@example.com").as_str().into();
            let flowhold_cluster::location::Changes::Each(changes) = &mut update.changes else {
                unreachable!()
            };
            let flowhold_cluster::location::Change::Put(binding) = &mut changes[0] else { unreachable!() };
            binding.expires_at = cluster.now() + Duration::from_secs(3600);
            flowhold_cluster::location::Location::update(&a.clustered, update).await.unwrap();
        }
    });
    cluster.flush();
    let since = Instant::now();
    a.beats();
    a.is_in_step();
    println!("{AORS} in {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let keys: usize = cluster.server().command(&["DBSIZE"]).parse().unwrap();
    assert!(keys >= AORS, "{keys}");
}
