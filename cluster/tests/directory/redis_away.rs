//! What becomes of leases when Redis is flushed, rolled back, hung or away.

use std::time::Instant;

use flowhold_cluster::directory::{BeatError, Found};

use crate::support::wait::wait_until;
use crate::{Cluster, LONG, Node, SHORT};

/// The reason for which the next beat finds the lease lost.
fn lost(node: &Node) -> Option<&'static str> {
    node.beats().lost.map(Found::as_str)
}

#[test]
fn a_flushed_redis_is_a_lost_lease_for_all() {
    let cluster = Cluster::start(LONG);
    let (a, b) = (cluster.node("a", 10), cluster.node("b", 20));
    a.beats();
    b.beats();
    cluster.server.command(&["FLUSHALL"]);
    assert_eq!(lost(&a), Some("gone from Redis"));
    assert_eq!(lost(&b), Some("gone from Redis"));
    assert!(a.epoch() > Some(10) && b.epoch() > Some(20));
    assert_eq!((lost(&a), lost(&b)), (None, None));
}

#[test]
fn a_redis_rolled_back_to_a_snapshot_is_a_lost_lease() {
    let cluster = Cluster::start(LONG);
    let a = cluster.node("a", 10);
    a.beats();
    let snapshot = cluster.lease_of("a");
    a.beats();
    cluster.server.command(&["HSET", "flowhold:{nodes}", "a", &snapshot]);
    assert_eq!(lost(&a), Some("rolled back in Redis"));
    let epoch = a.epoch();
    // The same once more, to a state under the older epoch.
    cluster.server.command(&["HSET", "flowhold:{nodes}", "a", &snapshot]);
    assert_eq!(lost(&a), Some("rolled back in Redis"));
    assert!(a.epoch() > epoch);
}

#[test]
fn beats_that_redis_carried_out_after_their_deadline_lose_nothing() {
    let cluster = Cluster::start(LONG);
    let a = cluster.node("a", 10);
    a.beats();
    cluster.server.freeze();
    assert!(matches!(a.beat(), Err(BeatError::Unavailable(_))));
    cluster.server.thaw();
    wait_until("it beats again", || match a.beat() {
        Ok(beat) => {
            assert!(beat.lost.is_none(), "{beat:?}");
            true
        }
        Err(_) => false,
    });
    assert_eq!(a.epoch(), Some(10));
}

#[test]
fn while_redis_is_away_the_view_stays_as_it_was() {
    let cluster = Cluster::start(LONG);
    let (a, b) = (cluster.node("a", 10), cluster.node("b", 20));
    b.beats();
    a.beats();
    cluster.server.freeze();
    for _ in 0..10 {
        assert!(a.beat().is_err());
    }
    assert_eq!((a.sees().len(), a.epoch()), (2, Some(10)));
    cluster.server.thaw();
}

#[test]
fn time_in_which_redis_hung_counts_against_nobody() {
    let cluster = Cluster::start(SHORT);
    let (a, b) = (cluster.node("a", 10), cluster.node("b", 20));
    a.beats();
    b.beats();
    cluster.server.freeze();
    let since = Instant::now();
    wait_until("every lease has run out", || since.elapsed() > SHORT);
    cluster.server.thaw();
    wait_until("it beats again", || a.beat().is_ok());
    assert_eq!(a.sees(), ["a", "b"], "b could not renew its lease either");
    wait_until("the other beats again", || match b.beat() {
        Ok(beat) => {
            assert!(beat.lost.is_none());
            true
        }
        Err(_) => false,
    });
    assert_eq!((a.epoch(), b.epoch()), (Some(10), Some(20)));
}

#[test]
fn a_lease_from_before_redis_clock_was_set_back_does_not_outlast_its_node() {
    let cluster = Cluster::start(LONG);
    let a = cluster.node("a", 10);
    a.beats();
    let future = "epoch=5 run=5 at=b:5070 flows=0 state=up beat=9999999999999 until=9999999999999 seq=1";
    cluster.server.command(&["HSET", "flowhold:{nodes}", "b", future]);
    a.beats();
    assert_eq!(a.sees(), ["a"]);
}

#[test]
fn a_line_that_nobody_can_read_harms_nobody() {
    let cluster = Cluster::start(LONG);
    cluster.server.command(&["HSET", "flowhold:{nodes}", "b", "what is this", "a", "epoch=x"]);
    let a = cluster.node("a", 10);
    a.beats();
    a.refreshes();
    assert_eq!((a.sees(), a.epoch()), (vec!["a".to_owned()], Some(10)));
}
