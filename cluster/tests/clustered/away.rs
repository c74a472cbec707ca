//! Redis is away, hangs, and comes back.

use std::time::{Duration, Instant};

use flowhold_cluster::clustered::WhenDown;
use flowhold_cluster::location::UpdateError;

use crate::support::wait::wait_until;
use crate::{ALICE, Cluster, LONG, Node, Register};

const BOB: &str = "bob@example.com";

/// Redis is back, and so is the node.
fn catches_up(node: &Node) {
    wait_until("the node beats again", || node.beat().is_ok());
    node.is_in_step();
}

#[test]
fn what_this_node_knows_is_found_and_all_else_is_unavailable() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    b.registers(&Register::new(BOB, 1, b.new_flow()));
    cluster.server().freeze();
    assert_eq!(a.finds(ALICE), a.way(&flow));
    assert!(a.lookup(BOB).is_err() && a.lookup("nobody@example.com").is_err(), "503, not 404");
    let rejected = a.register(&Register::new(ALICE, 2, a.new_flow()));
    assert!(matches!(rejected, Err(UpdateError::Unavailable { .. })));
    assert_eq!(a.finds(ALICE), a.way(&flow));
    cluster.server().thaw();
    catches_up(&a);
    assert_eq!(a.finds(BOB).len(), 1);
}

#[test]
fn a_redis_that_comes_back_empty_has_all_live_bindings_again() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let (flow_a, flow_b) = (a.new_flow(), b.new_flow());
    a.registers(&Register::new(ALICE, 1, flow_a));
    b.registers(&Register::new(BOB, 1, flow_b));
    cluster.server().start_again();
    catches_up(&a);
    catches_up(&b);
    a.beats();
    for node in [&a, &b] {
        assert_eq!((node.finds(ALICE), node.finds(BOB)), (a.way(&flow_a), b.way(&flow_b)));
    }
}

#[test]
fn a_connection_that_was_lost_is_reason_enough_to_write_back() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    let epoch = a.epoch();
    // A replica that takes over may lack the last writes, while the lease is there.
    cluster.server().command(&["DEL", &format!("flowhold:aor:{{{ALICE}}}")]);
    cluster.server().command(&["CLIENT", "KILL", "TYPE", "normal"]);
    wait_until("it is written back", || {
        let _ = a.beat();
        cluster.stored(ALICE).contains("cseq=1")
    });
    a.is_in_step();
    assert_eq!((a.epoch(), b.finds(ALICE)), (epoch, a.way(&flow)));
}

#[test]
fn a_register_is_accepted_where_that_is_wanted_and_written_when_redis_is_back() {
    let cluster = Cluster::with(LONG, WhenDown::Accept);
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let (old, new, bobs) = (a.new_flow(), a.new_flow(), a.new_flow());
    a.registers(&Register::new(ALICE, 1, old));
    cluster.server().freeze();
    a.registers(&Register::new(ALICE, 2, new));
    a.registers(&Register::new(BOB, 1, bobs));
    assert_eq!((a.finds(ALICE), a.finds(BOB)), (a.way(&new), a.way(&bobs)));
    // The mirror holds the order, and says nothing of what it cannot know.
    assert_eq!(a.register(&Register::new(ALICE, 2, new)), Err(UpdateError::OutOfOrder));
    let mut removal = Register::new(ALICE, 3, new).update(a.run(), cluster.now());
    removal.changes = flowhold_cluster::location::Changes::RemoveAll;
    assert!(matches!(a.update(removal), Err(UpdateError::Unavailable { .. })));
    cluster.server().thaw();
    catches_up(&a);
    for node in [&a, &b] {
        assert_eq!((node.finds(ALICE), node.finds(BOB)), (a.way(&new), a.way(&bobs)));
    }
}

#[test]
fn a_flow_that_failed_while_redis_was_away_is_gone_when_it_is_back() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let (flow, other) = (a.new_flow(), a.new_flow());
    a.registers(&Register::new(ALICE, 1, flow));
    a.registers(&Register { reg_id: 2, ..Register::new(ALICE, 2, other) });
    cluster.server().freeze();
    assert_eq!(a.flow_fails(&flow), 1);
    assert_eq!(a.finds(ALICE), a.way(&other));
    cluster.server().thaw();
    catches_up(&a);
    assert_eq!(b.finds(ALICE), a.way(&other));
    assert!(!cluster.stored(ALICE).contains("reg-id=1"));
}

#[test]
fn its_removal_means_nothing_that_moved_meanwhile() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let (alices, bobs, new) = (a.new_flow(), a.new_flow(), b.new_flow());
    a.registers(&Register::new(ALICE, 1, alices));
    a.registers(&Register::new(BOB, 1, bobs));
    cluster.server().freeze();
    a.flow_fails(&alices);
    a.flow_fails(&bobs);
    cluster.server().thaw();
    wait_until("redis answers", || a.lookup(ALICE).is_ok() && b.lookup(ALICE).is_ok());
    // One moves to another node; the other registers over the same flow again, which over UDP is a pair of addresses.
    b.registers(&Register::new(ALICE, 2, new));
    a.registers(&Register::new(BOB, 2, bobs));
    catches_up(&a);
    catches_up(&b);
    for node in [&a, &b] {
        assert_eq!((node.finds(ALICE), node.finds(BOB)), (b.way(&new), a.way(&bobs)));
    }
}

#[test]
fn an_update_that_was_given_up_is_carried_out_for_all_or_for_none() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let (old, new) = (a.new_flow(), a.new_flow());
    a.registers(&Register::new(ALICE, 1, old));
    cluster.server().freeze();
    assert!(a.register(&Register::new(ALICE, 2, new)).is_err());
    cluster.server().thaw();
    catches_up(&a);
    let found = a.finds(ALICE);
    assert!(found == a.way(&old) || found == a.way(&new));
    assert_eq!((b.finds(ALICE), a.mirrored()), (found.clone(), 1));
    let flow = if found == a.way(&old) { old } else { new };
    assert_eq!((a.flow_fails(&flow), b.finds(ALICE).len()), (1, 0));
}

#[test]
fn an_update_that_was_given_up_long_ago_is_not_carried_out() {
    let cluster = Cluster::start();
    let a = cluster.node("a");
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    cluster.server().freeze();
    assert!(a.register(&Register::new(ALICE, 2, a.new_flow())).is_err());
    let since = Instant::now();
    wait_until("its time is over", || since.elapsed() > Duration::from_secs(1));
    cluster.server().thaw();
    wait_until("redis answers", || a.lookup(ALICE).is_ok());
    assert!(cluster.stored(ALICE).contains("cseq=1"));
    assert_eq!(a.finds(ALICE), a.way(&flow));
}

#[test]
fn a_node_that_gives_its_lease_up_keeps_what_its_mirror_holds_and_nothing_else() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    a.registers(&Register::new(BOB, 1, a.new_flow()));
    // As if the removal had been forgotten.
    let stale = cluster.server().command(&["DUMP", &format!("flowhold:aor:{{{BOB}}}")]);
    assert!(!stale.is_empty());
    cluster.server().command(&["COPY", &format!("flowhold:aor:{{{BOB}}}"), "kept"]);
    b.unregisters(&Register::new(BOB, 2, b.new_flow()));
    a.beats();
    cluster.server().command(&["DEL", &format!("flowhold:aor:{{{BOB}}}")]);
    cluster.server().command(&["RENAME", "kept", &format!("flowhold:aor:{{{BOB}}}")]);
    assert_eq!(b.finds(BOB).len(), 1);
    a.directory().renounce();
    assert!(a.beats().lost.is_some());
    a.is_in_step();
    b.beats();
    assert_eq!((b.finds(ALICE), b.finds(BOB)), (a.way(&flow), vec![]));
}
