//! Nodes die, come back and join, and their bindings with them.

use flowhold_cluster::location::Known;

use crate::support::wait::wait_until;
use crate::{ALICE, Cluster, Register, SHORT};
use flowhold_cluster::clustered::WhenDown;

#[test]
fn a_dead_nodes_binding_is_skipped_and_cleared_up_and_the_others_stay() {
    let cluster = Cluster::with(SHORT, WhenDown::Reject);
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let (flow_a, flow_b, proxy) = (a.new_flow(), b.new_flow(), a.new_flow());
    a.registers(&Register::new(ALICE, 1, flow_a));
    b.registers(&Register { reg_id: 2, ..Register::new(ALICE, 2, flow_b) });
    a.registers(&Register { reg_id: 3, direct: false, ..Register::new(ALICE, 3, proxy) });
    assert_eq!(b.finds(ALICE).len(), 3);
    wait_until("a is dead to b", || {
        b.beats();
        b.directory().view().member("a").is_none()
    });
    // Reached by its Path, whoever took its REGISTER.
    assert_eq!(b.finds(ALICE), [a.way(&proxy), b.way(&flow_b)].concat());
    wait_until("it is cleared up", || !cluster.stored(ALICE).contains("reg-id=1"));
    assert!(cluster.stored(ALICE).contains("reg-id=2") && cluster.stored(ALICE).contains("reg-id=3"));
}

#[test]
fn a_node_back_under_a_new_epoch_is_not_harmed_by_the_clearing_up_of_the_old_one() {
    let cluster = Cluster::with(SHORT, WhenDown::Reject);
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    let paused = a.epoch();
    wait_until("a is dead to b", || {
        b.beats();
        b.directory().view().member("a").is_none()
    });
    assert!(a.beats().lost.is_some());
    a.is_in_step();
    // b has not heard that a is back.
    assert_eq!(b.finds(ALICE), a.way(&flow));
    wait_until("it stays", || {
        assert!(cluster.stored(ALICE).contains(&format!("epoch={} ", a.epoch())));
        assert!(!cluster.stored(ALICE).contains(&format!("epoch={paused} ")));
        b.beats();
        b.directory().view().member("a").is_some_and(|member| member.epoch == a.epoch())
    });
    assert_eq!(b.finds(ALICE), a.way(&flow));
}

#[test]
fn flows_of_a_process_end_with_it_also_when_its_node_is_back_at_once() {
    let cluster = Cluster::start();
    let b = cluster.node("b");
    {
        let a = cluster.node("a");
        a.registers(&Register::new(ALICE, 1, a.new_flow()));
    }
    let a = cluster.node("a");
    assert_eq!(a.finds(ALICE), []);
    b.beats();
    assert_eq!(b.finds(ALICE), []);
    assert!(matches!(b.lookup(ALICE), Ok(Known::Yes(_))), "480, not 404");
}

#[test]
fn who_has_just_joined_is_asked_for_and_not_taken_for_dead() {
    let cluster = Cluster::start();
    let b = cluster.node("b");
    let a = cluster.node("a");
    assert!(b.directory().view().member("a").is_none(), "b has not beaten since");
    let flow = a.new_flow();
    a.registers(&Register::new(ALICE, 1, flow));
    assert_eq!(b.finds(ALICE), a.way(&flow));
    assert!(b.directory().view().member("a").is_some());
}

#[test]
fn a_holder_that_nobody_knows_is_asked_for_once() {
    let cluster = Cluster::start();
    let (a, b) = (cluster.process("a", 1), cluster.node("b"));
    // It joins, registers and leaves between two beats of the other.
    a.beats();
    a.registers(&Register::new(ALICE, 1, a.new_flow()));
    cluster.runtime.block_on(a.leave()).unwrap();
    assert_eq!(b.finds(ALICE), []);
    wait_until("it is cleared up", || !cluster.stored(ALICE).contains("cseq"));
}

#[test]
fn bindings_of_the_dead_take_nobodys_room() {
    let cluster = Cluster::start();
    let b = cluster.node("b");
    {
        let a = cluster.node("a");
        for reg_id in 1..=16 {
            a.registers(&Register { reg_id, ..Register::new(ALICE, reg_id, a.new_flow()) });
        }
    }
    let _a = cluster.node("a");
    b.beats();
    let flow = b.new_flow();
    b.registers(&Register { reg_id: 17, ..Register::new(ALICE, 17, flow) });
    assert_eq!(b.finds(ALICE), b.way(&flow));
}

#[test]
fn a_node_without_a_lease_puts_nothing() {
    let cluster = Cluster::start();
    let a = cluster.process("a", 1);
    assert!(a.register(&Register::new(ALICE, 1, a.new_flow())).is_err());
    a.beats();
    assert!(a.register(&Register::new(ALICE, 1, a.new_flow())).is_ok());
}
