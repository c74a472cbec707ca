//! What is different in draft-ietf-sip-outbound-03. See [`Profile`](crate::proto::Profile).

use super::*;
use crate::proto::Profile;

const SUPPORTED: &[&str] = &["Supported: path, outbound"];

/// A UA whose first proxy announces STUN, and whose second does not.
fn ua(transport: Transport) -> Ua {
    let mut ua = Ua::with(2, |settings| {
        settings.profile = &Profile::DRAFT03;
        settings.proxies[0].push_str(";keepalive=stun");
    });
    ua.transport = transport;
    ua.connected(1);
    ua.connected(2);
    ua
}

#[track_caller]
fn registered(ua: &mut Ua, reg_id: u32) -> Registered {
    let told = ua.told(reg_id);
    let [Event::Registered { registered, .. }] = &told[..] else { panic!("{told:?}") };
    *registered
}

#[test]
fn outbound_is_seen_in_supported_and_not_in_require() {
    let mut ua = ua(Transport::Tcp);
    ua.answer(1, 200, SUPPORTED);
    ua.answer(2, 200, &["Require: outbound"]);
    assert!(registered(&mut ua, 1).is_outbound && !registered(&mut ua, 2).is_outbound);
    let mut ua = Ua::new(1);
    ua.connected(1);
    ua.answer(1, 200, SUPPORTED);
    assert!(!registered(&mut ua, 1).is_outbound, "RFC 5626: in Require");
}

#[test]
fn a_flow_timer_means_nothing() {
    let mut ua = ua(Transport::Tcp);
    ua.answer(1, 200, &["Supported: outbound", "Flow-Timer: 10"]);
    assert_eq!(registered(&mut ua, 1).keepalive.flow_timer, None);
}

#[test]
fn keep_alive_is_stun_on_every_transport_where_it_is_announced_and_none_elsewhere() {
    for (transport, shortest, longest) in [(Transport::Tcp, 95, 120), (Transport::Udp, 24, 29)] {
        let mut ua = ua(transport);
        ua.answer(1, 200, SUPPORTED);
        ua.answer(2, 200, SUPPORTED);
        ua.done.clear();
        let ping = ua.advance_until("a ping", |action| {
            let Action::Ping { reg_id, octets } = action else { return false };
            assert!(*reg_id == 1 && stun::parse(octets).is_some(), "a Binding request over flow 1");
            true
        });
        assert!((seconds(shortest)..=seconds(longest)).contains(&ping), "{ping:?}");
        // Nobody answers: 39.5 s on either transport.
        let failed = ua.advance_until("the failure", |action| matches!(action, Action::Close { reg_id: 1 }));
        assert_eq!(failed, Duration::from_millis(39_500));
        ua.advance(seconds(1000));
        assert!(!ua.done.iter().any(|action| matches!(action, Action::Ping { reg_id: 2, .. })));
    }
}

#[test]
fn a_crlf_is_no_pong() {
    let mut ua = ua(Transport::Tcp);
    ua.answer(1, 200, SUPPORTED);
    ua.told(1);
    ua.advance_until("a ping", |action| matches!(action, Action::Ping { .. }));
    ua.recovery.pong(ua.now, 1);
    ua.collect();
    assert_eq!(ua.told(1), []);
}
