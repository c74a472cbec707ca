//! A binding is replaced or removed through another node while its flow stays open.

use crate::{ALICE, Cluster, Register};

#[test]
fn a_node_hears_with_its_next_beat_that_its_binding_is_another_nodes() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let (old, new) = (a.new_flow(), b.new_flow());
    a.registers(&Register::new(ALICE, 1, old));
    b.registers(&Register::new(ALICE, 2, new));
    assert_eq!((a.mirrored(), b.mirrored()), (1, 1));
    a.beats();
    assert_eq!((a.mirrored(), b.mirrored()), (0, 1));
    assert_eq!(cluster.server().command(&["EXISTS", "flowhold:moved:a"]), "0", "seen to");
    assert_eq!(a.flow_fails(&old), 0);
    assert_eq!(a.finds(ALICE), b.way(&new));
}

#[test]
fn what_was_removed_through_another_node_is_not_put_back() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    a.registers(&Register::new(ALICE, 1, a.new_flow()));
    b.unregisters(&Register::new(ALICE, 2, b.new_flow()));
    a.beats();
    cluster.flush();
    a.beats();
    a.is_in_step();
    assert_eq!(cluster.stored(ALICE), "");
}

#[test]
fn it_is_heard_before_anything_is_written_back() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    a.registers(&Register::new(ALICE, 1, a.new_flow()));
    // Others take a for dead while it is paused.
    cluster.server().command(&["HDEL", "flowhold:{nodes}", "a"]);
    b.beats();
    b.unregisters(&Register::new(ALICE, 2, b.new_flow()));
    assert!(a.beats().lost.is_some());
    a.is_in_step();
    assert_eq!((a.mirrored(), b.finds(ALICE).len()), (0, 0));
    assert!(!cluster.stored(ALICE).contains("cseq"));
}

#[test]
fn what_was_put_back_before_it_was_heard_of_goes_again() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    a.registers(&Register::new(ALICE, 1, a.new_flow()));
    b.unregisters(&Register::new(ALICE, 2, b.new_flow()));
    a.purges(64);
    assert!(cluster.stored(ALICE).contains("cseq=1"));
    a.beats();
    assert!(!cluster.stored(ALICE).contains("cseq=1"));
    assert_eq!((a.mirrored(), b.finds(ALICE).len()), (0, 0));
}

#[test]
fn what_is_heard_late_means_nothing_that_came_later() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    b.registers(&Register::new(ALICE, 2, b.new_flow()));
    a.registers(&Register::new(ALICE, 3, flow));
    a.beats();
    b.beats();
    assert_eq!((a.mirrored(), b.mirrored()), (1, 0));
    assert_eq!(b.finds(ALICE), a.way(&flow));
}

#[test]
fn what_a_node_was_told_is_nothing_to_its_next_process() {
    let cluster = Cluster::start();
    let b = cluster.node("b");
    {
        let a = cluster.node("a");
        a.registers(&Register::new(ALICE, 1, a.new_flow()));
    }
    b.registers(&Register::new(ALICE, 2, b.new_flow()));
    assert_eq!(cluster.server().command(&["SCARD", "flowhold:moved:a"]), "1");
    let a = cluster.node("a");
    assert_eq!(cluster.server().command(&["EXISTS", "flowhold:moved:a"]), "0");
    // A process that is known to be gone is told nothing.
    b.beats();
    let held_by_dead = cluster.stored(ALICE).contains("node=b");
    assert!(held_by_dead);
    a.registers(&Register::new(ALICE, 3, a.new_flow()));
    assert_eq!(cluster.server().command(&["SCARD", "flowhold:moved:b"]), "1");
}
