use super::*;
use std::net::IpAddr;

fn at(millis: u64) -> Timestamp {
    START + Duration::from_millis(millis)
}

fn peer(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

#[test]
fn after_so_many_failures_the_next_has_to_wait() {
    let mut failures = Failures::new(10, 3, Duration::from_secs(30));
    for _ in 0..3 {
        assert_eq!(failures.wait(START, peer(1)), None);
        failures.failed(START, peer(1));
    }
    assert_eq!(failures.wait(START, peer(1)), Some(Duration::from_secs(10)));
    assert_eq!(failures.wait(at(9_999), peer(1)), Some(Duration::from_millis(1)));
    assert_eq!(failures.wait(at(10_000), peer(1)), None, "one is forgiven");
    assert_eq!(failures.wait(START, peer(2)), None, "another address");
    failures.failed(at(10_000), peer(1));
    assert!(failures.wait(at(10_000), peer(1)).is_some());
}

#[test]
fn failures_that_are_far_apart_are_forgiven() {
    let mut failures = Failures::new(10, 3, Duration::from_secs(30));
    for count in 0..100 {
        assert_eq!(failures.wait(at(count * 10_000), peer(1)), None);
        failures.failed(at(count * 10_000), peer(1));
    }
}

#[test]
fn without_a_limit_nobody_waits() {
    let mut failures = Failures::new(10, 0, Duration::from_secs(30));
    for _ in 0..100 {
        failures.failed(START, peer(1));
    }
    assert_eq!(failures.wait(START, peer(1)), None);
    assert!(failures.is_empty());
}

#[test]
fn a_host_has_a_whole_network_of_ipv6() {
    let mut failures = Failures::new(10, 1, Duration::from_secs(30));
    failures.failed(START, "2001:db8::1".parse().unwrap());
    assert!(failures.wait(START, "2001:db8::ffff:2".parse().unwrap()).is_some());
    assert_eq!(failures.wait(START, "2001:db8:0:1::1".parse().unwrap()), None);
}

#[test]
fn addresses_that_are_remembered_have_a_limit() {
    let mut failures = Failures::new(3, 1, Duration::from_secs(30));
    for last in 1..=5 {
        failures.failed(START, peer(last));
    }
    assert_eq!(failures.len(), 3);
    assert_eq!(failures.wait(START, peer(1)), None);
    assert!(failures.wait(START, peer(5)).is_some());
}
