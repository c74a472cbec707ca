use std::collections::{BTreeMap, HashSet};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const LENGTH: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(100);

fn course(now: Instant) -> Course {
    Course::new(now, LENGTH, Duration::from_secs(65), 7)
}

fn flows(count: u32) -> Vec<FlowId> {
    (0..count).map(|slot| FlowId { worker: 0, slot, generation: 1 }).collect()
}

/// Steps through a drain; `busy_until` says for how long a flow has a transaction under way. Returns when each was closed.
fn run(count: u32, seed: u64, busy_until: impl Fn(FlowId) -> Duration) -> BTreeMap<u32, Duration> {
    let begun = Instant::now();
    let course = course(begun);
    let mut closing = Closing::new(course, flows(count), &mut StdRng::seed_from_u64(seed));
    let (mut closed, mut now) = (BTreeMap::new(), begun);
    while !closing.is_done() {
        for flow in closing.due(now) {
            if now < course.over() && now - begun < busy_until(flow) {
                closing.put_off(flow);
            } else {
                assert_eq!(closed.insert(flow.slot, now - begun), None, "closed once");
            }
        }
        now += STEP;
        assert!(now <= course.over() + STEP, "it ends");
    }
    closed
}

#[test]
fn flows_are_closed_evenly_over_the_whole_time() {
    for count in [1, 2, 3, 7, 300, 1000] {
        let closed = run(count, 1, |_| Duration::ZERO);
        assert_eq!(closed.len(), count as usize);
        let mut times: Vec<Duration> = closed.into_values().collect();
        times.sort();
        for (turn, time) in (0..).zip(times) {
            let even = LENGTH * turn / count;
            assert!(even <= time && time < even + 2 * STEP, "{turn} of {count} at {time:?}, not {even:?}");
        }
    }
}

#[test]
fn a_single_flow_is_closed_at_once() {
    assert_eq!(run(1, 1, |_| Duration::ZERO)[&0], Duration::ZERO);
}

#[test]
fn the_order_is_another_each_time() {
    let order = |seed| {
        let mut closed: Vec<_> = run(100, seed, |_| Duration::ZERO).into_iter().collect();
        closed.sort_by_key(|(_, time)| *time);
        closed.into_iter().map(|(flow, _)| flow).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    assert_ne!(order(1), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_flow_with_a_transaction_under_way_is_put_off_until_that_has_ended() {
    let busy = Duration::from_secs(20);
    let closed = run(10, 1, |flow| if flow.slot == 3 { busy } else { Duration::ZERO });
    assert!(closed[&3] >= busy && closed[&3] < busy + 2 * STEP + LENGTH / 10, "{closed:?}");
    let others: HashSet<_> = closed.iter().filter(|(flow, _)| **flow != 3).map(|(_, time)| *time).collect();
    assert_eq!(others.len(), 9, "all others keep to their turns: {closed:?}");
}

#[test]
fn a_flow_that_is_always_busy_is_closed_when_the_drain_is_over() {
    let closed = run(10, 1, |flow| if flow.slot == 3 { Duration::MAX } else { Duration::ZERO });
    assert!(closed[&3] >= LENGTH, "{closed:?}");
}

#[test]
fn without_flows_there_is_nothing_to_close() {
    let mut closing = Closing::new(course(Instant::now()), Vec::new(), &mut StdRng::seed_from_u64(1));
    assert!(closing.is_done() && closing.next_turn().is_none());
    assert_eq!(closing.due(Instant::now()), []);
}

#[test]
fn refused_registers_are_spread_over_the_rest_and_a_few_seconds_at_the_least() {
    let begun = Instant::now();
    let course = course(begun);
    let spread = |now: Instant| {
        let all: Vec<u64> = (0..10_000).map(|lot| course.retry_after(now, lot)).collect();
        (*all.iter().min().unwrap(), *all.iter().max().unwrap())
    };
    assert_eq!(spread(begun), (1, 30));
    assert_eq!(spread(begun + Duration::from_secs(20)), (1, 10));
    assert_eq!(spread(begun + Duration::from_secs(29)), (1, 5));
    assert_eq!(spread(begun + Duration::from_secs(40)), (1, 5));
}

fn peer(number: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::from((0x0A00_0000 + number).to_be_bytes()), 5060)
}

#[test]
fn a_short_drain_answers_no_ping_from_the_begin_so_that_uas_notice_in_time() {
    let begun = Instant::now();
    let course = course(begun);
    assert!((0..1000).all(|number| course.ignores_pings_of(peer(number), begun)));
}

#[test]
fn a_long_drain_spreads_when_pings_stop_being_answered_and_leaves_all_time_to_notice() {
    let begun = Instant::now();
    let (length, notice) = (Duration::from_secs(665), Duration::from_secs(65));
    let course = Course::new(begun, length, notice, 7);
    let ignored = |after: u64| {
        let now = begun + Duration::from_secs(after);
        (0..1000).filter(|number| course.ignores_pings_of(peer(*number), now)).count()
    };
    assert!(ignored(0) < 10, "{}", ignored(0));
    for (after, even) in [(150, 250), (300, 500), (450, 750)] {
        assert!(ignored(after).abs_diff(even) < 60, "{} after {after} s", ignored(after));
    }
    assert_eq!(ignored(600), 1000);
    let once = |number| {
        (0..600).map(move |after| course.ignores_pings_of(peer(number), begun + Duration::from_secs(after)))
    };
    assert!((0..100).all(|number| once(number).is_sorted()), "who is ignored stays so");
}
