use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn rate(count: u32) -> Rate {
    Rate::per_second(count).unwrap()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn no_limit_is_no_rate() {
    assert_eq!(Rate::per_second(0), None);
}

#[test]
fn a_burst_of_two_seconds_worth_passes_and_then_the_rate() {
    let (rate, mut bucket) = (rate(10), Bucket::default());
    for _ in 0..20 {
        assert_eq!(bucket.take(rate, millis(5000)), Ok(()));
    }
    assert_eq!(bucket.take(rate, millis(5000)), Err(Full::Over));
    assert_eq!(bucket.take(rate, millis(5200)), Ok(()), "what was refused took a place too");
    assert_eq!(bucket.take(rate, millis(5200)), Err(Full::Over));
}

#[test]
fn who_keeps_on_is_found_out() {
    let (rate, mut bucket) = (rate(10), Bucket::default());
    let outcomes: Vec<_> = (0..50).map(|_| bucket.take(rate, millis(0))).collect();
    assert_eq!(outcomes.iter().filter(|taken| taken.is_ok()).count(), 20);
    assert_eq!(outcomes.iter().filter(|taken| **taken == Err(Full::Over)).count(), 20);
    assert_eq!(outcomes[40..], [Err(Full::Flood); 10]);
    assert_eq!(bucket.take(rate, millis(2100)), Ok(()), "and forgiven");
}

#[test]
fn who_is_known_finds_room_where_strangers_do_not() {
    let (rate, shared) = (rate(10), Shared::default());
    let strangers = (0..100).filter(|_| shared.take(rate, millis(0), Asker::Stranger)).count();
    let known = (0..100).filter(|_| shared.take(rate, millis(0), Asker::Known)).count();
    assert_eq!((strangers, known), (10, 10));
    assert!(!shared.take(rate, millis(900), Asker::Stranger));
    assert!(shared.take(rate, millis(1100), Asker::Stranger), "what was refused took no place");
}

#[test]
fn a_rate_of_one_lets_a_stranger_in() {
    let (rate, shared) = (rate(1), Shared::default());
    assert!(shared.take(rate, millis(0), Asker::Stranger));
    assert!(!shared.take(rate, millis(999), Asker::Stranger));
    assert!(shared.take(rate, millis(1000), Asker::Stranger));
}

#[test]
fn one_address_that_floods_leaves_the_others_theirs() {
    let (rate, addresses) = (rate(10), Addresses::new((1, 2)));
    let flooding = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!((0..100).filter(|_| addresses.take(flooding, rate, millis(0))).count(), 20);
    let others = (0..1000_u32).map(|number| IpAddr::V4(Ipv4Addr::from(0x0A00_0000 + number)));
    let refused = others.filter(|other| !addresses.take(*other, rate, millis(0))).count();
    assert!(refused < 5, "{refused} of 1000 share its bucket");
}

#[test]
fn a_flood_from_more_addresses_than_there_are_buckets_fills_none() {
    let (rate, addresses) = (rate(1000), Addresses::new((1, 2)));
    // A million forged datagrams in a second.
    let forged =
        (0..1_000_000_u32).map(|number| IpAddr::V4(Ipv4Addr::from(number.wrapping_mul(0x9E37_79B1))));
    let refused = forged.filter(|address| !addresses.take(*address, rate, millis(0))).count();
    assert_eq!(refused, 0);
}

#[test]
fn the_addresses_of_one_network_of_ipv6_are_one() {
    let (rate, addresses) = (rate(10), Addresses::new((1, 2)));
    let of_host = |host| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host));
    assert_eq!((0..100).filter(|host| addresses.take(of_host(*host), rate, millis(0))).count(), 20);
    let mapped = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    assert_eq!((0..100).filter(|_| addresses.take(mapped, rate, millis(0))).count(), 20);
    assert!(!addresses.take(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), rate, millis(0)));
}

/// All UAs of a node ask at once, and each comes back when it was told to: how often each was refused at most, and when the
/// last one was served, in seconds.
fn restart(uas: u32, per_second: u32) -> (u32, u64) {
    let (rate, shared, turns) = (rate(per_second), Shared::default(), Turns::default());
    let mut lots = 0x2545_F491_u32;
    let mut lot = || {
        lots = lots.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        lots
    };
    // In the first second, and from then on as they were told, each at its own moment of a second.
    let mut due: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for _ in 0..uas {
        due.entry(u64::from(lot() % 1000)).or_default().push(0);
    }
    let (mut most, mut last) = (0, 0);
    while let Some((at, refusals)) = due.pop_first() {
        for refused in refusals {
            if shared.take(rate, millis(at), Asker::Stranger) {
                (most, last) = (most.max(refused), at);
            } else {
                let retry_after = turns.retry_after(rate, millis(at), lot());
                due.entry(at + 1000 * retry_after).or_default().push(refused + 1);
            }
        }
    }
    (most, last / 1000)
}

#[test]
fn a_whole_population_that_comes_back_is_an_orderly_queue() {
    for (uas, per_second) in [(50_000, 5000), (50_000, 1000), (10_000, 100), (500, 10), (100, 5000)] {
        let (most, last) = restart(uas, per_second);
        let needed = u64::from(uas / per_second);
        assert!(most <= 3, "{uas} at {per_second}: one was turned away {most} times");
        assert!(
            last <= needed + needed / 5 + 4,
            "{uas} at {per_second}: {last} s, where {needed} s are needed"
        );
    }
}

#[test]
fn a_flood_does_not_send_anybody_away_for_long() {
    let (rate, turns) = (rate(10), Turns::default());
    let told: Vec<u64> = (0..10_000_u32)
        .map(|number| turns.retry_after(rate, millis(0), number.wrapping_mul(0x9E37_79B1)))
        .collect();
    assert!(told.iter().all(|seconds| (1..=122).contains(seconds)), "{:?}", told.iter().max());
    let mean = told[2000..].iter().sum::<u64>() / 8000;
    assert!((55..65).contains(&mean), "past that, at random: {mean} s on the average");
}

proptest! {
    #[test]
    fn over_any_time_no_more_passes_than_the_rate_and_its_burst(
        per_second in 1_u32..5000,
        steps in prop::collection::vec(0_u64..50, 1..500),
    ) {
        let (rate, shared) = (rate(per_second), Shared::default());
        let (mut now, mut passed) = (0, 0_u64);
        for step in steps {
            now += step;
            passed += u64::from(shared.take(rate, millis(now), Asker::Known));
        }
        prop_assert!(passed <= 2 * u64::from(per_second) + now * u64::from(per_second) / 1000 + 1);
    }

    #[test]
    fn who_stays_below_the_rate_is_never_refused(per_second in 1_u32..1000, count in 1_u64..500) {
        let (rate, mut bucket) = (rate(per_second), Bucket::default());
        for number in 0..count {
            let now = Duration::from_nanos(number * 1_000_000_000 / u64::from(per_second) + number);
            prop_assert_eq!(bucket.take(rate, now), Ok(()));
        }
    }
}
