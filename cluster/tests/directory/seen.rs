//! Members see each other come, change and go.

use std::time::{Duration, Instant};

use flowhold_cluster::directory::{Found, Load, State, Verdict};
use flowhold_cluster::flow::{NodeRun, Transport};

use crate::support::wait::wait_until;
use crate::{Cluster, LONG, SHORT};

#[test]
fn who_beats_is_a_member_for_all_with_what_it_says_of_itself() {
    let cluster = Cluster::start(LONG);
    let (a, b) = (cluster.node("a", 10), cluster.node("b", 20));
    assert_eq!(a.epoch(), None);
    let first = a.beats();
    assert!(first.lost.is_none() && first.changes.is_empty(), "{first:?}");
    assert_eq!((a.epoch(), a.sees()), (Some(10), vec!["a".to_owned()]));

    let load = Load { flows: 17, state: State::Draining };
    cluster.runtime.block_on(b.directory.beat(load)).unwrap();
    let joined = a.beats().changes.joined;
    assert_eq!(joined.len(), 1);
    assert_eq!(
        (&*joined[0].at, joined[0].sip_at(Transport::Udp)),
        ("b.example.com:5070", Some("192.0.2.1:5060"))
    );
    assert_eq!((joined[0].flows, joined[0].state, joined[0].run.epoch), (17, State::Draining, 20));
    assert_eq!((a.sees(), b.sees()), (vec!["a".to_owned(), "b".to_owned()], a.sees()));
}

#[test]
fn a_lease_is_a_line_that_a_person_can_read() {
    let cluster = Cluster::start(LONG);
    cluster.node("a", 10).beats();
    let line = cluster.lease_of("a");
    let fields: Vec<&str> = line.split(' ').map(|field| field.split_once('=').unwrap().0).collect();
    assert_eq!(fields, ["epoch", "run", "at", "udp", "flows", "state", "beat", "until", "seq"], "{line}");
}

#[test]
fn who_leaves_is_gone_with_the_next_beat_of_the_others() {
    let cluster = Cluster::start(LONG);
    let (a, b) = (cluster.node("a", 10), cluster.node("b", 20));
    b.beats();
    a.beats();
    b.leaves();
    b.leaves();
    let left = a.beats().changes.left;
    assert_eq!(left.iter().map(|member| &*member.run.node).collect::<Vec<_>>(), ["b"]);
    assert_eq!(a.view().judge(&NodeRun { node: "b".into(), epoch: 20 }), Verdict::Dead);
    assert!(b.beat().is_err());
    assert_eq!(b.epoch(), None);
}

#[test]
fn who_dies_is_known_dead_to_all_within_the_lease() {
    let lease = Duration::from_secs(3);
    let cluster = Cluster::start(lease);
    let (a, b, dies) = (cluster.node("a", 10), cluster.node("b", 20), cluster.node("dies", 30));
    dies.beats();
    a.beats();
    b.beats();
    let died_at = Instant::now();
    let mut last = Instant::now();
    wait_until("it is dead to both", || {
        // As often as nodes do; nothing but this test can make them late.
        if last.elapsed() >= a.beat_every() / 2 {
            last = Instant::now();
            a.beats();
            b.beats();
        }
        !a.sees().contains(&"dies".to_owned()) && !b.sees().contains(&"dies".to_owned())
    });
    assert!(died_at.elapsed() < lease, "{:?}", died_at.elapsed());
    assert!(cluster.lease_of("dies").starts_with("over="), "{}", cluster.lease_of("dies"));
}

#[test]
fn who_paused_beyond_its_lease_has_lost_it_and_takes_a_higher_epoch() {
    let cluster = Cluster::start(SHORT);
    let (a, paused) = (cluster.node("a", 10), cluster.node("paused", 20));
    paused.beats();
    wait_until("its lease is over", || {
        a.beats();
        a.sees().len() == 1
    });
    let lost = paused.beats().lost;
    assert_eq!(lost.map(Found::as_str), Some("not renewed for too long"));
    let epoch = paused.epoch().unwrap();
    assert!(epoch > 20);
    let back = a.beats();
    assert_eq!(back.changes.joined.len(), 1);
    assert_eq!(
        (back.view.member("paused").unwrap().epoch, back.view.member("paused").unwrap().run.epoch),
        (epoch, 20)
    );
    assert_eq!(back.view.judge(&NodeRun { node: "paused".into(), epoch: 20 }), Verdict::Dead);
    assert!(paused.beats().lost.is_none());
}

#[test]
fn who_is_alone_and_pauses_loses_nothing() {
    let cluster = Cluster::start(SHORT);
    let alone = cluster.node("alone", 10);
    alone.beats();
    let since = Instant::now();
    wait_until("its lease has run out", || since.elapsed() > SHORT);
    assert!(alone.beats().lost.is_none(), "nobody can have taken it for dead");
    assert_eq!(alone.epoch(), Some(10));
}

#[test]
fn many_who_want_a_younger_view_share_one() {
    let cluster = Cluster::start(LONG);
    let (a, b) = (cluster.node("a", 10), cluster.node("b", 20));
    a.beats();
    b.beats();
    let commands = || {
        let info = cluster.server.command(&["INFO", "commandstats"]);
        let evalsha = info.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap().to_owned();
        evalsha.split([':', '=', ',']).nth(2).unwrap().parse::<u64>().unwrap()
    };
    let before = commands();
    cluster.runtime.block_on(async {
        let refreshes = (0..100).map(|_| a.directory.refresh());
        for view in futures_util::future::join_all(refreshes).await {
            assert!(view.unwrap().member("b").is_some());
        }
    });
    assert!(commands() - before <= 2, "{}", commands() - before);
}

#[test]
fn what_a_look_in_between_has_seen_is_told_with_the_next_beat() {
    let cluster = Cluster::start(LONG);
    let (a, b) = (cluster.node("a", 10), cluster.node("b", 20));
    a.beats();
    b.beats();
    let view = cluster.runtime.block_on(a.directory.refresh()).unwrap();
    assert!(view.member("b").is_some());
    let joined = a.beats().changes.joined;
    assert_eq!(joined.iter().map(|member| &*member.run.node).collect::<Vec<_>>(), ["b"]);
    assert!(a.beats().changes.is_empty());
}

#[test]
fn a_redis_that_was_emptied_makes_nobody_leave_who_beats_again() {
    let cluster = Cluster::start(LONG);
    let (a, b, c) = (cluster.node("a", 10), cluster.node("b", 20), cluster.node("c", 30));
    for node in [&a, &b, &c, &a, &b] {
        node.beats();
    }
    cluster.server.command(&["FLUSHALL"]);
    // One looks and one beats before the others have a new lease.
    let looked = cluster.runtime.block_on(b.directory.refresh()).unwrap();
    assert_eq!(looked.members().count(), 3);
    let beat = a.beats();
    assert_eq!(beat.lost, Some(Found::Nothing));
    assert!(beat.changes.is_empty(), "{:?}", beat.changes);
    b.beats();
    c.beats();
    let changes = a.beats().changes;
    assert_eq!((changes.renewed.len(), changes.left.len(), changes.joined.len()), (2, 0, 0), "{changes:?}");
}

#[test]
fn who_does_not_come_back_after_redis_was_emptied_is_gone_after_the_lease() {
    let cluster = Cluster::start(SHORT);
    let (a, b) = (cluster.node("a", 10), cluster.node("b", 20));
    b.beats();
    a.beats();
    cluster.server.command(&["FLUSHALL"]);
    assert!(a.beats().changes.left.is_empty());
    let mut left = 0;
    wait_until("b has left", || {
        left += a.beats().changes.left.len();
        left == 1
    });
}
