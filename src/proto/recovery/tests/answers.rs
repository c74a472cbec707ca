//! What a registrar may answer. RFC 5626 §4.2, RFC 3261 §10.2, §22.

use super::*;
use crate::proto::login::Login;
use crate::sip::digest::{Algorithm, Credentials, Ha1};

fn credentials(register: &Message) -> Credentials {
    Credentials::parse(register.first(Name::Authorization).unwrap()).unwrap()
}

#[test]
fn s22_2_a_challenge_is_answered_and_its_nonce_is_used_again() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut ua = Ua::with(1, |settings| settings.login = Login::new("alice", "secret"));
        ua.connected(1);
        assert_eq!(ua.register(1).first(Name::Authorization), None);
        let challenge = format!(
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm={}",
            algorithm.as_str()
        );
        ua.answer(1, 401, &[&challenge]);
        let ha1 = Ha1::of(algorithm, b"alice", b"r", b"secret");
        for (cseq, count) in [(2, 1), (3, 2)] {
            let register = ua.register(1);
            assert_eq!(register.cseq().unwrap().number, cseq);
            let credentials = credentials(register);
            assert!(credentials.is_right(&ha1, b"REGISTER"));
            assert_eq!(credentials.uri, b"sip:example.com");
            assert_eq!(credentials.protection.unwrap().count(), count);
            ua.answer(1, 200, &["Expires: 600"]);
            ua.refreshes(1);
        }
        // The nonce has aged.
        let stale = challenge.replace("\"n\"", "\"m\", stale=true");
        ua.answer(1, 401, &[&stale]);
        let credentials = credentials(ua.register(1));
        assert_eq!((&credentials.nonce[..], credentials.protection.unwrap().count()), (&b"m"[..], 1));
        ua.answer(1, 200, &[]);
        assert_eq!(ua.recovery.up().count(), 1);
    }
}

#[test]
fn a_wrong_password_is_not_tried_again_at_once() {
    let mut ua = Ua::with(1, |settings| settings.login = Login::new("alice", "secret"));
    ua.connected(1);
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    ua.answer(1, 401, &[challenge]);
    ua.answer(1, 401, &[challenge]);
    let (why, failures, _) = ua.failed(1);
    assert_eq!(why.to_string(), "REGISTER refused: 401 the user name or the password is wrong");
    assert_eq!(failures, 1);
}

#[test]
fn what_only_people_can_put_right_is_waited_for() {
    for (status, field, least) in [
        (403, "X: y", seconds(600)),
        (404, "X: y", seconds(600)),
        (403, "Retry-After: 70", seconds(70)),
        (500, "X: y", seconds(30)),
    ] {
        let mut ua = Ua::with(1, |settings| settings.wait_when_denied = seconds(600));
        ua.connected(1);
        ua.answer(1, status, &[field]);
        let retry_in = ua.failed(1).2;
        assert!(retry_in >= least && (retry_in >= seconds(600)) == (least == seconds(600)), "{retry_in:?}");
    }
}

#[test]
fn a_challenge_without_a_password_is_a_failure() {
    let mut ua = Ua::new(1);
    ua.connected(1);
    ua.answer(1, 407, &["Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\""]);
    assert_eq!(ua.failed(1).0.to_string(), "REGISTER refused: 407 no password was given");
}

#[test]
fn s10_2_8_an_interval_that_is_too_brief_is_raised() {
    let mut ua = Ua::with(1, |settings| settings.expires = seconds(60));
    ua.connected(1);
    ua.answer(1, 423, &["Min-Expires: 300"]);
    assert_eq!((field(ua.register(1), Name::Expires), ua.register(1).cseq().unwrap().number), ("300", 2));
    ua.answer(1, 200, &[]);
    assert_eq!(ua.recovery.up().count(), 1);
}

#[test]
fn a_423_that_asks_for_nothing_longer_is_a_failure() {
    for field in ["Min-Expires: 60", "X: y"] {
        let mut ua = Ua::with(1, |settings| settings.expires = seconds(60));
        ua.connected(1);
        ua.answer(1, 423, &[field]);
        assert_eq!(ua.failed(1).1, 1);
    }
}

#[test]
fn a_registrar_that_is_never_content_is_left_alone() {
    let mut ua = Ua::new(1);
    ua.connected(1);
    for round in 1..=8 {
        ua.answer(1, 423, &[&format!("Min-Expires: {}", 3600 + round)]);
    }
    ua.answer(1, 423, &["Min-Expires: 10000"]);
    assert_eq!(ua.failed(1).1, 1);
}

#[test]
fn s4_2_1_after_439_it_registers_without_outbound() {
    let mut ua = Ua::new(1);
    ua.connected(1);
    ua.answer(1, 439, &[]);
    let register = ua.register(1);
    assert_eq!(param(contact(register).params, "reg-id"), None);
    assert!(!register.has_tag(Name::Supported, "outbound") && register.has_tag(Name::Supported, "path"));
    ua.answer(1, 200, &["Expires: 600"]);
    let told = ua.told(1);
    let [Event::Registered { registered, .. }] = &told[..] else { panic!("{told:?}") };
    assert!(!registered.is_outbound);
    // A new flow may lead over another first hop.
    ua.advance(seconds(60));
    ua.lost(1);
    ua.reconnects(1);
    ua.connected(1);
    assert_eq!(param(contact(ua.register(1)).params, "reg-id"), Some("1"));
}

#[test]
fn s4_2_1_a_439_is_a_failure_where_outbound_is_insisted_on() {
    let mut ua = Ua::with(1, |settings| settings.may_register_plainly = false);
    ua.connected(1);
    ua.answer(1, 439, &[]);
    assert!(matches!(ua.failed(1).0, Why::Refused(Refused { status: 439, .. })));
}

#[test]
fn s4_2_2_a_refresh_that_is_refused_with_retry_after_keeps_the_flow() {
    let mut ua = Ua::up(1);
    ua.refreshes(1);
    ua.answer(1, 503, &["Retry-After: 17 (busy)"]);
    let told = ua.told(1);
    let [Event::Refused { retry_in, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*retry_in, seconds(17));
    assert!(!ua.closes(1));
    assert_eq!(ua.recovery.up().count(), 1);
}
