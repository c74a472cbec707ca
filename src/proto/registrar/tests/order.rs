//! RFC 3261 §10.3 steps 6 and 7: Call-ID and CSeq.

use super::*;

#[test]
fn s10_3_step_7_a_cseq_that_is_not_higher_is_500_and_changes_nothing() {
    let registrar = Registrar::new();
    for contact in ["<sip:a@h>", OUTBOUND] {
        let register =
            |cseq| Register::new(cseq).to("<sip:bob@example.com>").call_id(contact).contact(contact);
        registrar.send(&register(5)).ok();
        let before = registrar.bindings("bob@example.com");
        assert_eq!(registrar.send(&register(5)).status(), 500);
        assert_eq!(registrar.send(&register(4).with("Expires", "0")).status(), 500);
        assert_eq!(registrar.bindings("bob@example.com"), before);
        registrar.send(&register(6)).ok();
    }
}

#[test]
fn s10_3_step_7_another_call_id_is_applied() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(5).contact("<sip:a@h>")).ok();
    registrar.send(&Register::new(1).call_id("other").contact("<sip:a@h>;q=0.1")).ok();
    assert_eq!(registrar.bindings("alice@example.com")[0].q, 100);
    assert!(
        registrar
            .send(&Register::new(1).call_id("third").contact("<sip:a@h>;expires=0"))
            .ok()
            .uris()
            .is_empty()
    );
}

#[test]
fn s10_3_step_6_a_star_out_of_order_is_500_and_removes_nothing() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(5).contact("<sip:a@h>")).ok();
    registrar.send(&Register::new(1).call_id("other").contact("<sip:b@h>")).ok();
    let star = |cseq| Register::new(cseq).contact("*").with("Expires", "0");
    assert_eq!(registrar.send(&star(5)).status(), 500);
    assert_eq!(registrar.bindings("alice@example.com").len(), 2);
    assert!(registrar.send(&star(6)).ok().uris().is_empty());
}

#[test]
fn s10_3_step_7_one_value_out_of_order_refuses_all() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(5).contact("<sip:a@h>")).ok();
    assert_eq!(registrar.send(&Register::new(5).contact("<sip:b@h>, <sip:a@h>")).status(), 500);
    assert_eq!(registrar.send(&Register::new(6)).ok().uris(), ["sip:a@h"]);
}
