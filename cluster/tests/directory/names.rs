//! A node's name belongs to one address.

use flowhold_cluster::directory::BeatError;

use crate::support::wait::wait_until;
use crate::{Cluster, LONG, SHORT};

#[test]
fn a_second_node_with_a_name_that_is_held_is_refused_and_harms_nobody() {
    let cluster = Cluster::start(LONG);
    let (first, second) = (cluster.node_at("a", 10, "one:5070"), cluster.node_at("a", 20, "two:5070"));
    first.beats();
    for _ in 0..3 {
        assert_eq!(second.beat().unwrap_err(), BeatError::NameTaken { at: "one:5070".into() });
        assert_eq!(second.epoch(), None);
        assert!(first.beats().lost.is_none());
    }
    assert_eq!(first.epoch(), Some(10));
}

#[test]
fn a_name_whose_holder_has_died_is_free() {
    let cluster = Cluster::start(SHORT);
    let (first, second) = (cluster.node_at("a", 10, "one:5070"), cluster.node_at("a", 5, "two:5070"));
    first.beats();
    wait_until("the lease of the first is over", || second.beat().is_ok());
    assert!(second.epoch() > Some(10), "no epoch is used twice");
    // Back from its pause the first does not take it back.
    assert_eq!(first.beat().unwrap_err(), BeatError::NameTaken { at: "two:5070".into() });
    assert_eq!(first.epoch(), None);
    second.leaves();
    let lost = first.beats().lost;
    assert!(lost.is_some() && first.epoch() > Some(10));
}

#[test]
fn a_process_that_starts_at_the_same_address_has_the_name_at_once() {
    let cluster = Cluster::start(LONG);
    let other = cluster.node("b", 1);
    cluster.node("a", 10).beats();
    other.beats();
    let restarted = cluster.node("a", 20);
    assert!(restarted.beats().lost.is_none());
    assert_eq!(restarted.epoch(), Some(20));
    let changes = other.beats().changes;
    assert_eq!((changes.restarted.len(), changes.left.len(), changes.joined.len()), (1, 0, 0));
    assert_eq!(changes.restarted[0].run.epoch, 20);
}

#[test]
fn a_process_whose_clock_went_back_has_a_higher_epoch_all_the_same() {
    let cluster = Cluster::start(LONG);
    cluster.node("a", 10).beats();
    let restarted = cluster.node("a", 7);
    restarted.beats();
    assert_eq!(restarted.epoch(), Some(11));
    assert_eq!(restarted.view().member("a").unwrap().run.epoch, 7);
}

#[test]
fn of_two_processes_at_one_address_the_later_goes_on() {
    let cluster = Cluster::start(LONG);
    let (old, new) = (cluster.node("a", 10), cluster.node("a", 20));
    old.beats();
    new.beats();
    assert!(matches!(old.beat(), Err(BeatError::NameTaken { .. })));
    assert!(new.beats().lost.is_none());
}
