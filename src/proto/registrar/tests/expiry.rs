//! How long bindings last. RFC 3261 §10.2.1.1, §10.3 step 7.

use super::*;

fn granted(register: &Register) -> Vec<u64> {
    Registrar::new().send(register).ok().expires()
}

#[test]
fn s10_3_step_7_the_parameter_goes_before_the_field_and_the_field_before_the_default() {
    let both = Register::new(1).contact("<sip:a@h>;expires=100, <sip:b@h>");
    assert_eq!(granted(&both.clone().with("Expires", "200")), [100, 200]);
    assert_eq!(granted(&both), [100, 1800]);
}

#[test]
fn s10_3_step_7_a_longer_time_is_cut_down() {
    assert_eq!(granted(&Register::new(1).contact("<sip:a@h>;expires=7201")), [7200]);
    assert_eq!(granted(&Register::new(1).contact("<sip:a@h>;expires=4294967296")), [7200]);
}

#[test]
fn s10_2_a_malformed_time_is_an_hour() {
    assert_eq!(granted(&Register::new(1).contact("<sip:a@h>;expires=soon")), [3600]);
    assert_eq!(granted(&Register::new(1).contact("<sip:a@h>;expires")), [3600]);
    assert_eq!(granted(&Register::new(1).contact("<sip:a@h>").with("Expires", "1 hour")), [3600]);
    // And is in the parameter's place all the same.
    assert_eq!(granted(&Register::new(1).contact("<sip:a@h>;expires=x").with("Expires", "100")), [3600]);
}

#[test]
fn s10_3_step_7_too_brief_is_423_with_the_minimum() {
    let registrar = Registrar::new();
    for seconds in ["1", "59"] {
        let register = Register::new(1).contact("<sip:b@h>").contact(&format!("<sip:a@h>;expires={seconds}"));
        let answer = registrar.send(&register);
        assert_eq!((answer.status(), answer.first(Name::MinExpires).as_deref()), (423, Some("60")));
    }
    assert!(registrar.bindings("alice@example.com").is_empty());
    assert_eq!(registrar.send(&Register::new(1).contact("<sip:a@h>;expires=60")).ok().expires(), [60]);
}

#[test]
fn s10_3_step_7_an_hour_is_never_too_brief() {
    let mut registrar = Registrar::new();
    registrar.settings.min_expires = Duration::from_secs(5000);
    assert_eq!(registrar.send(&Register::new(1).contact("<sip:a@h>;expires=3599")).status(), 423);
    assert_eq!(registrar.send(&Register::new(1).contact("<sip:a@h>;expires=3600")).ok().expires(), [3600]);
    // Zero is no time but a removal.
    assert!(registrar.send(&Register::new(2).contact("<sip:a@h>;expires=0")).ok().contacts().is_empty());
}

#[test]
fn s10_3_step_8_what_is_left_is_rounded_up_and_never_zero() {
    let mut registrar = Registrar::new();
    registrar.send(&Register::new(1).contact("<sip:a@h>;expires=60, <sip:b@h>;expires=100")).ok();
    registrar.now = Timestamp(registrar.now.0 + 59_999);
    assert_eq!(registrar.send(&Register::new(2)).ok().expires(), [1, 41]);
    registrar.now = Timestamp(registrar.now.0 + 1);
    assert_eq!(registrar.send(&Register::new(2)).ok().expires(), [40]);
    registrar.wait(40);
    assert!(registrar.send(&Register::new(2)).ok().contacts().is_empty());
}

#[test]
fn s10_3_a_store_that_takes_its_time_grants_no_less() {
    let registrar = Registrar::new();
    let register = Register::new(1).contact("<sip:a@h>;expires=60");
    let Plan { update, terms } = registrar.plan(&register).unwrap();
    let outcome = registrar.store.update(update).now_or_never().unwrap();
    let later = Timestamp(registrar.now.0 + 300);
    let answer = terms.answer(&register.message(), &registrar.source, outcome, "tag", later);
    assert!(text(&answer.wire.to_bytes()).contains(";expires=60\r\n"));
}
