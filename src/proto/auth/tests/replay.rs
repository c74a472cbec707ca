use super::*;
use crate::proto::auth::Nonce;

fn nonce(id: u64, minted: Timestamp) -> Nonce {
    Nonce { minted, id, is_own: true }
}

#[test]
fn rfc7616_s3_4_a_count_is_good_once() {
    let (mut replay, one) = (Replay::new(10, LIFETIME), nonce(1, START));
    for count in 1..200 {
        assert!(replay.take(START, &one, count));
        assert!(!replay.take(START, &one, count));
    }
    assert!(replay.take(START, &nonce(2, START), 1), "each nonce has its own");
}

#[test]
fn requests_over_several_flows_may_overtake_each_other() {
    let (mut replay, one) = (Replay::new(10, LIFETIME), nonce(1, START));
    assert!(replay.take(START, &one, 64));
    for count in (1..64).rev() {
        assert!(replay.take(START, &one, count), "{count}");
        assert!(!replay.take(START, &one, count), "{count}");
    }
    assert!(!replay.take(START, &one, 0), "too far behind");
    assert!(replay.take(START, &one, 1000));
    assert!(!replay.take(START, &one, 64), "far behind");
    assert!(replay.take(START, &one, 999));
    assert!(replay.take(START, &one, u32::MAX));
    assert!(!replay.take(START, &one, u32::MAX));
}

#[test]
fn with_the_nonce_of_another_node_one_request_is_let_through() {
    let mut replay = Replay::new(10, LIFETIME);
    let foreign = Nonce { is_own: false, ..nonce(1, START) };
    assert!(replay.take(START, &foreign, 1));
    assert!(!replay.take(START, &foreign, 2));
}

#[test]
fn what_is_forgotten_for_want_of_room_cannot_be_replayed() {
    let mut replay = Replay::new(3, LIFETIME);
    let at = |seconds| START + Duration::from_secs(seconds);
    for id in 1..=3 {
        assert!(replay.take(at(id), &nonce(id, at(id)), 1));
    }
    assert!(replay.take(at(4), &nonce(4, at(4)), 1), "the oldest gives way");
    assert_eq!(replay.len(), 3);
    assert!(!replay.take(at(4), &nonce(1, at(1)), 1), "it was forgotten");
    assert!(!replay.take(at(4), &nonce(1, at(1)), 2), "and so cannot be told from one that was used");
    assert!(!replay.take(at(4), &nonce(9, at(0)), 1), "nor any other that is as old");
    assert!(replay.take(at(4), &nonce(2, at(2)), 2), "one that is remembered goes on");
}

#[test]
fn what_has_aged_leaves_without_a_mark() {
    let mut replay = Replay::new(3, LIFETIME);
    for id in 1..=3 {
        replay.take(START, &nonce(id, START), 1);
    }
    let late = START + LIFETIME * 2 + Duration::from_secs(1);
    assert!(replay.take(late, &nonce(4, START + LIFETIME), 1));
    assert_eq!(replay.len(), 1);
}
