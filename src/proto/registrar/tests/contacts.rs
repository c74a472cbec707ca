//! Contact values: what is kept of them, and which are the same binding. RFC 3261 §10.3 steps 6 and 7.

use super::*;

#[test]
fn s10_3_all_parameters_are_kept_and_given_back() {
    let registrar = Registrar::new();
    let contact = "\"A, B\" <sip:a@h;transport=tcp?x=1>;q=0.5 ; Expires=600;+sip.instance=\"<urn:x:1>\";methods=\"INVITE,BYE\";flag";
    let answer = registrar.send(&Register::new(1).contact(contact)).ok();
    let expected = "<sip:a@h;transport=tcp?x=1>;q=0.5;+sip.instance=\"<urn:x:1>\";methods=\"INVITE,BYE\";flag;expires=600";
    assert_eq!(answer.contacts(), [expected]);
    let binding = &registrar.bindings("alice@example.com")[0];
    assert_eq!((binding.q, text(&binding.contact)), (500, "sip:a@h;transport=tcp?x=1".to_owned()));
}

#[test]
fn s20_10_parameters_behind_a_uri_without_brackets_are_the_fields() {
    let registrar = Registrar::new();
    let answer = registrar.send(&Register::new(1).contact("sip:a@h;expires=100;x=1")).ok();
    assert_eq!(answer.contacts(), ["<sip:a@h>;x=1;expires=100"]);
}

#[test]
fn s10_2_1_any_scheme_may_be_registered() {
    let registrar = Registrar::new();
    let register = Register::new(1).contact("<mailto:a@h?subject=x>, <tel:+1-555>, <im:a@h>");
    let answer = registrar.send(&register).ok();
    assert_eq!(answer.uris(), ["mailto:a@h?subject=x", "tel:+1-555", "im:a@h"]);
    let refresh = Register::new(2).contact("<MAILTO:a@h?subject=x>;expires=0, <tel:+1555>;expires=0");
    assert_eq!(registrar.send(&refresh).ok().uris(), ["im:a@h"]);
}

#[test]
fn s10_3_equivalent_uris_are_one_binding() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(1).contact("<sip:%61@HOST;x=1>")).ok();
    assert_eq!(registrar.send(&Register::new(2).contact("<sip:a@host>")).ok().uris(), ["sip:a@host"]);
    assert_eq!(registrar.send(&Register::new(3).contact("<sip:A@host>")).ok().uris().len(), 2);
    assert_eq!(registrar.send(&Register::new(4).contact("<sip:a@host:5060>")).ok().uris().len(), 3);
}

#[test]
fn s10_3_of_two_values_for_one_binding_the_last_counts() {
    let registrar = Registrar::new();
    let register = Register::new(1).contact("<sip:a@h>;q=0.1, <sip:b@h>, <sip:A@h>, <sip:a@H>;q=0.2");
    assert_eq!(registrar.send(&register).status(), 403, "four values for three bindings");
    let register = Register::new(1).contact("<sip:a@h>;q=0.1, <sip:b@h>").contact("<sip:a@H>;q=0.2");
    assert_eq!(registrar.send(&register).ok().uris(), ["sip:b@h", "sip:a@H"]);
}

#[test]
fn s10_3_step_6_a_star_with_expires_0_removes_all() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(1).contact("<sip:a@h>, <sip:b@h>")).ok();
    let star = Register::new(2).contact("*").with("Expires", "0");
    assert!(registrar.send(&star).ok().contacts().is_empty());
    assert!(registrar.bindings("alice@example.com").is_empty());
}

#[test]
fn s10_3_step_6_a_star_without_expires_0_is_400() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(1).contact("<sip:a@h>")).ok();
    let star = Register::new(2).contact("*");
    for register in
        [star.clone(), star.clone().with("Expires", "3600"), star.clone().with("Expires", "never")]
    {
        assert_eq!(registrar.plan(&register).unwrap_err(), Reject::StarWithoutZeroExpires);
    }
    assert_eq!(registrar.send(&Register::new(2).contact("*;expires=0")).status(), 400);
    assert_eq!(registrar.bindings("alice@example.com").len(), 1);
}

#[test]
fn s10_3_step_6_a_star_with_other_contacts_is_400() {
    let registrar = Registrar::new();
    for contact in ["*, <sip:a@h>", "<sip:a@h>, *", "*, *"] {
        let register = Register::new(1).contact(contact).with("Expires", "0");
        assert_eq!(registrar.plan(&register).unwrap_err(), Reject::StarNotAlone, "{contact}");
    }
    let register = Register::new(1).contact("<sip:a@h>").contact("*").with("Expires", "0");
    assert_eq!(registrar.send(&register).status(), 400);
}

#[test]
fn s10_3_one_bad_contact_refuses_all() {
    let registrar = Registrar::new();
    for contact in ["<sip:a@h", "<sip:>", "sip", "<sip:a@h> x", "<sip:@h>", "\"x <sip:a@h>"] {
        let register = Register::new(1).contact("<sip:good@h>").contact(contact);
        assert_eq!(registrar.send(&register).status(), 400, "{contact}");
    }
    assert!(registrar.bindings("alice@example.com").is_empty());
}

#[test]
fn s20_10_q_is_0_to_1_with_three_decimals() {
    let registrar = Registrar::new();
    for (q, thousandths) in
        [("0", 0), ("1", 1000), ("0.7", 700), ("0.", 0), ("1.000", 1000), ("0.125", 125), ("0.05", 50)]
    {
        registrar.send(&Register::new(1).call_id(q).contact(&format!("<sip:a@h>;q={q}"))).ok();
        assert_eq!(registrar.bindings("alice@example.com")[0].q, thousandths, "{q}");
    }
    for q in ["2", "1.001", "0.1234", "-0.1", ".5", "x", "0,5", "\"0.5\"", "0.5x"] {
        let contact = format!("<sip:a@h>;q={q}");
        assert_eq!(registrar.send(&Register::new(2).contact(&contact)).status(), 400, "{q}");
    }
    assert_eq!(registrar.plan(&Register::new(2).contact("<sip:a@h>;q")).unwrap_err(), Reject::BadQ);
    registrar.send(&Register::new(3).call_id("c").contact("<sip:a@h>")).ok();
    assert_eq!(registrar.bindings("alice@example.com")[0].q, 1000);
}

#[test]
fn a_binding_over_the_limit_is_403_and_adds_nothing() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(1).contact("<sip:a@h>, <sip:b@h>")).ok();
    assert_eq!(registrar.send(&Register::new(2).contact("<sip:c@h>, <sip:d@h>")).status(), 403);
    assert_eq!(registrar.bindings("alice@example.com").len(), 2);
    registrar.send(&Register::new(3).contact("<sip:c@h>")).ok();
    // Any number may be removed.
    let all = "<sip:a@h>;expires=0, <sip:b@h>;expires=0, <sip:c@h>;expires=0, <sip:d@h>;expires=0";
    assert!(registrar.send(&Register::new(4).contact(all)).ok().contacts().is_empty());
}

#[test]
fn a_binding_carries_the_flow_that_its_register_came_over() {
    let registrar = Registrar::new();
    let long = "x".repeat(500);
    registrar.send(&Register::new(7).with("User-Agent", &long).contact("<sip:a@h>")).ok();
    let binding = &registrar.bindings("alice@example.com")[0];
    assert_eq!((binding.flow, &*binding.call_id, binding.cseq), (registrar.source.flow, &b"call"[..], 7));
    assert_eq!((binding.direct, binding.outbound, binding.updated_at), (true, false, registrar.now));
    assert!(long.as_bytes().starts_with(&binding.user_agent) && binding.user_agent.len() == 64);
}
