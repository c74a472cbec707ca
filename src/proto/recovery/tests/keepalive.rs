//! Keep-alives of a registered flow. RFC 5626 §4.4.

use super::*;

#[test]
fn s4_4_no_pong_in_10_seconds_fails_the_flow_exactly_where_outbound_was_required() {
    let mut ua = Ua::new(2);
    for (reg_id, fields) in [(1, OUTBOUND), (2, &["Flow-Timer: 120"][..])] {
        ua.connected(reg_id);
        ua.answer(reg_id, 200, fields);
    }
    ua.told(1);
    ua.told(2);
    let ping = ua.advance_until("a ping", |action| matches!(action, Action::Ping { reg_id: 1, .. }));
    assert!((seconds(96)..=seconds(120)).contains(&ping), "{ping:?}");
    ua.advance(Duration::from_millis(9999));
    assert_eq!(ua.told(1), []);
    ua.advance(Duration::from_millis(1));
    assert_eq!(ua.failed(1).0, Why::KeepAlive(Failure::NoPong));
    assert!(ua.closes(1));
    ua.advance(seconds(1000));
    assert_eq!(ua.told(2), [], "nobody promised a pong");
    assert!(ua.done.iter().any(|action| matches!(action, Action::Ping { reg_id: 2, .. })));
}

#[test]
fn a_pong_is_told_with_its_time() {
    let mut ua = Ua::new(1);
    ua.connected(1);
    ua.answer(1, 200, OUTBOUND);
    ua.told(1);
    ua.advance_until("a ping", |action| matches!(action, Action::Ping { .. }));
    ua.advance(seconds(2));
    ua.recovery.pong(ua.now, 1);
    ua.collect();
    assert_eq!(ua.told(1), [Event::Pong { round_trip: seconds(2) }]);
}

#[test]
fn s4_4_2_udp_is_pinged_by_stun_and_a_new_mapped_address_is_a_failure() {
    let mut ua = Ua::new(1);
    ua.transport = Transport::Udp;
    ua.connected(1);
    ua.answer(1, 200, &["Require: outbound"]);
    ua.told(1);
    for port in [1000, 1000, 1001] {
        ua.done.clear();
        let from = ua.now;
        ua.advance_to(ua.recovery.deadline().unwrap(), |_, _| {});
        assert!((seconds(24)..=seconds(29)).contains(&(ua.now - from)));
        let Some(Action::Ping { octets, .. }) = ua.done.pop() else { panic!("a ping") };
        let request = stun::parse(&octets).unwrap();
        let answer = stun::binding_response(&request, SocketAddr::from(([198, 51, 100, 1], port)));
        ua.recovery.stun_response(ua.now, 1, &stun::parse_response(&answer).unwrap());
        ua.collect();
    }
    assert!(matches!(ua.failed(1).0, Why::KeepAlive(Failure::Moved { .. })));
    assert!(ua.closes(1));
}

#[test]
fn s4_4_2_udp_without_a_stun_response_has_failed() {
    let mut ua = Ua::new(1);
    ua.transport = Transport::Udp;
    ua.connected(1);
    ua.answer(1, 200, &["Require: outbound"]);
    ua.told(1);
    ua.done.clear();
    ua.advance(seconds(29 + 39));
    let pings = ua.done.iter().filter(|action| matches!(action, Action::Ping { .. })).count();
    ua.advance(seconds(1));
    assert_eq!((pings, ua.failed(1).0), (7, Why::KeepAlive(Failure::NoPong)));
}

#[test]
fn the_pace_of_a_battery_is_kept() {
    let mut ua = Ua::with(1, |settings| {
        settings.stream_pace = crate::proto::keepalive::client::Pace::STREAM_ON_BATTERY;
    });
    ua.connected(1);
    ua.answer(1, 200, &["Require: outbound"]);
    let ping = ua.advance_until("a ping", |action| matches!(action, Action::Ping { .. }));
    assert!((seconds(672)..=seconds(840)).contains(&ping), "{ping:?}");
}
