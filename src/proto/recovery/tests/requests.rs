//! What a REGISTER says. RFC 5626 §4.2.

use super::*;

#[test]
fn s4_2_1_each_proxy_of_the_set_gets_a_register_of_its_own() {
    let mut ua = Ua::new(2);
    let connects = ua.done.iter().filter(|action| matches!(action, Action::Connect { .. })).count();
    assert_eq!(connects, 2);
    ua.connected(1);
    ua.connected(2);
    let (one, other) = (ua.register(1), ua.register(2));
    assert_eq!(one.request_uri(), b"sip:example.com");
    assert_ne!(one.first(Name::CallId), other.first(Name::CallId));
    assert_eq!(field(one, Name::Route), "<sip:a.example.com;transport=tcp;lr>");
    assert_eq!(field(other, Name::Route), "<sip:b.example.com;lr>");
    for (register, reg_id, port) in [(one, "1", 40_001), (other, "2", 40_002)] {
        assert!(register.has_tag(Name::Supported, "outbound") && register.has_tag(Name::Supported, "path"));
        let contact = contact(register);
        assert_eq!(text_of(contact.uri), format!("sip:alice@192.0.2.1:{port};transport=tcp"));
        assert_eq!(param(contact.params, "reg-id"), Some(reg_id));
        assert_eq!(param(contact.params, "+sip.instance").unwrap(), format!("\"<{INSTANCE}>\""));
        assert_eq!(field(register, Name::To), "<sip:alice@example.com>");
        assert_eq!(field(register, Name::Expires), "3600");
        let via = register.top_via().unwrap();
        assert_eq!((via.rport(), via.unique_branch().is_some()), (Some(None), true));
    }
}

#[test]
fn a_proxy_that_is_a_loose_router_already_stays_as_it_is() {
    let mut ua = Ua::new(3);
    ua.connected(3);
    assert_eq!(field(ua.register(3), Name::Route), "<sip:c.example.com;lr>");
}

#[test]
fn s4_2_2_a_refresh_has_the_same_ids_and_goes_over_the_same_flow() {
    let mut ua = Ua::new(1);
    ua.connected(1);
    let first = ua.register(1).clone();
    ua.answer(1, 200, &["Expires: 600"]);
    ua.done.clear();
    let after = ua.advance_until("a refresh", |action| matches!(action, Action::Send { reg_id: 1, .. }));
    assert!((seconds(300)..=seconds(480)).contains(&after), "well before the binding ends: {after:?}");
    let refresh = ua.register(1);
    for name in [Name::CallId, Name::Contact, Name::From, Name::To] {
        assert_eq!(refresh.first(name), first.first(name));
    }
    assert_eq!((first.cseq().unwrap().number, refresh.cseq().unwrap().number), (1, 2));
    assert_ne!(refresh.top_via().unwrap().branch(), first.top_via().unwrap().branch());
    assert!(!ua.closes(1));
    ua.answer(1, 200, &["Expires: 600"]);
    let told = ua.told(1);
    assert!(matches!(told.last(), Some(Event::Registered { is_refresh: true, .. })), "{told:?}");
}

#[test]
fn the_expiry_of_its_own_contact_counts() {
    let mut ua = Ua::new(2);
    ua.connected(2);
    let other = format!("Contact: <sip:x@y>;expires=10;+sip.instance=\"<{INSTANCE}>\";reg-id=1");
    let own = format!("Contact: <sip:x@y>;expires=100;+sip.instance=\"<{INSTANCE}>\";reg-id=2");
    ua.answer(2, 200, &["Expires: 50", &other, &own]);
    let told = ua.told(2);
    let [Event::Registered { registered, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(registered.expires, seconds(100));
}

#[test]
fn a_register_without_an_answer_is_sent_again_over_udp_alone() {
    for (transport, expected) in [(Transport::Udp, 11), (Transport::Tcp, 1)] {
        let mut ua = Ua::new(1);
        ua.transport = transport;
        ua.connected(1);
        ua.advance(Duration::from_millis(31_900));
        let sent = ua.done.iter().filter(|action| matches!(action, Action::Send { .. })).count();
        assert_eq!(sent, expected, "{transport:?}");
        // RFC 3261 §17.1.2.2: Timer F.
        ua.advance(Duration::from_millis(100));
        let (why, failures, _) = ua.failed(1);
        assert_eq!((why, failures), (Why::NoAnswer, 1));
        assert!(ua.closes(1));
    }
}

#[test]
fn bindings_are_removed_before_the_flows_are_closed() {
    let mut ua = Ua::up(2);
    ua.recovery.stop(ua.now);
    ua.collect();
    for reg_id in [1, 2] {
        let register = ua.register(reg_id);
        assert_eq!(field(register, Name::Expires), "0");
        // RFC 5626 §4.2.2: a removal has the same instance-id and reg-id.
        assert_eq!(param(contact(register).params, "reg-id"), Some(reg_id.to_string().as_str()));
    }
    ua.answer(1, 200, &[]);
    assert_eq!((ua.told(1), ua.closes(1)), (vec![Event::Removed], true));
    assert!(!ua.recovery.is_down());
    // The other registrar does not answer.
    ua.advance(seconds(32));
    assert_eq!((ua.told(2), ua.closes(2)), (vec![Event::Removed], true));
    assert!(ua.recovery.is_down());
    assert_eq!(ua.recovery.deadline(), None);
}

#[test]
fn a_ua_that_ends_while_it_waits_asks_for_nothing() {
    let mut ua = Ua::new(2);
    ua.unreachable(1);
    ua.recovery.stop(ua.now);
    ua.collect();
    assert!(ua.recovery.is_down());
    assert!(ua.closes(2), "the connection that is being opened");
}
