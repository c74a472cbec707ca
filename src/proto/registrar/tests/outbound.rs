//! RFC 5626 §6: bindings of a UA instance over a flow.

use super::*;

const FLOW_2: &str = "<sip:a@192.0.2.1:5062;ob>;+sip.instance=\"<urn:uuid:0001>\";reg-id=2";
const EDGE: &str = "<sip:token@edge.example.com;lr;ob>";

#[test]
fn s6_outbound_is_applied_and_told() {
    let registrar = Registrar::new();
    let answer = registrar.send(&Register::outbound()).ok();
    assert_eq!(answer.all(Name::Require), ["outbound"]);
    assert_eq!(answer.first(Name::FlowTimer).as_deref(), Some("120"));
    assert_eq!(answer.flow_timer, Some(Duration::from_secs(120)));
    let binding = &registrar.bindings("alice@example.com")[0];
    assert!(binding.outbound && binding.direct);
}

#[test]
fn s6_a_ua_that_does_not_know_outbound_is_not_told_but_its_binding_is_by_instance_and_reg_id() {
    let registrar = Registrar::new();
    let answer = registrar.send(&Register::new(1).contact(OUTBOUND)).ok();
    assert_eq!((answer.first(Name::Require), answer.first(Name::FlowTimer)), (None, None));
    assert_eq!(answer.flow_timer, None);
    assert!(registrar.bindings("alice@example.com")[0].outbound);
    registrar.send(&Register::new(2).contact(&OUTBOUND.replace(":5060", ":5062"))).ok();
    assert_eq!(registrar.bindings("alice@example.com").len(), 1);
}

#[test]
fn s6_without_a_reg_id_that_counts_require_is_left_out() {
    let registrar = Registrar::new();
    let contacts = [
        "<sip:a@h>",
        "<sip:a@h>;+sip.instance=\"<urn:uuid:0001>\"",
        "<sip:a@h>;reg-id=1",
        "<sip:a@h>;reg-id=1;+sip.instance=\"<>\"",
        "<sip:a@h>;reg-id=1;+sip.instance",
    ];
    for contact in contacts {
        let register = Register::new(1).call_id(contact).with("Supported", "outbound").contact(contact);
        let answer = registrar.send(&register).ok();
        assert_eq!((answer.first(Name::Require), answer.flow_timer), (None, None), "{contact}");
        // It is a binding by its Contact URI, and each replaces the one before.
        assert_eq!(answer.uris().len(), 1);
        assert!(!registrar.bindings("alice@example.com")[0].outbound);
    }
    let query = registrar.send(&Register::new(2).with("Supported", "outbound")).ok();
    assert_eq!((query.first(Name::Require), query.flow_timer), (None, None));
}

#[test]
fn s6_the_same_instance_and_reg_id_replace_whatever_contact_and_call_id() {
    let mut registrar = Registrar::new();
    registrar.send(&Register::outbound()).ok();
    registrar.source.flow.id.slot += 1;
    let moved = "<sip:other@203.0.113.9>;reg-id=1;+sip.instance=\"<URN:UUID:0001>\"";
    let answer =
        registrar.send(&Register::new(1).call_id("new").with("Supported", "outbound").contact(moved)).ok();
    assert_eq!(answer.uris(), ["sip:other@203.0.113.9"]);
    // RFC 5626 §6: what identifies the flow is updated.
    assert_eq!(registrar.bindings("alice@example.com")[0].flow, registrar.source.flow);
}

#[test]
fn s6_another_reg_id_is_another_binding_of_the_instance() {
    let registrar = Registrar::new();
    registrar.send(&Register::outbound()).ok();
    let answer = registrar.send(&Register::new(2).with("Supported", "outbound").contact(FLOW_2)).ok();
    assert_eq!(answer.uris(), ["sip:a@192.0.2.1:5062;ob", "sip:a@192.0.2.1:5060;ob"]);
    // Side by side with registrations that are not outbound.
    assert_eq!(registrar.send(&Register::new(3).contact("<sip:a@192.0.2.1:5060;ob>")).ok().uris().len(), 3);
}

#[test]
fn s6_two_live_contacts_with_a_reg_id_are_400() {
    let registrar = Registrar::new();
    for other in [FLOW_2, "<sip:b@h>"] {
        assert_eq!(registrar.plan(&Register::outbound().contact(other)).unwrap_err(), Reject::SeveralFlows);
        assert_eq!(registrar.send(&Register::outbound().contact(other)).status(), 400);
    }
    assert!(registrar.bindings("alice@example.com").is_empty());
}

#[test]
fn s6_a_registration_of_a_flow_may_remove_others() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(1).contact("<sip:old@h>, <sip:older@h>")).ok();
    let register = Register::new(2).with("Supported", "outbound").contact(OUTBOUND);
    let register = register
        .contact("<sip:old@h>;expires=0, <sip:older@h>;expires=0")
        .contact(&format!("{FLOW_2};expires=0"));
    assert_eq!(registrar.send(&register).ok().uris(), ["sip:a@192.0.2.1:5060;ob"]);
}

#[test]
fn s4_2_1_a_reg_id_is_1_to_2_to_the_31_less_1() {
    let registrar = Registrar::new();
    let contact = |reg_id: &str| format!("<sip:a@h>;+sip.instance=\"<urn:uuid:1>\";reg-id{reg_id}");
    for reg_id in ["=0", "=2147483648", "=4294967297", "=-1", "=+1", "=x", "=1.0", "=\"1\"", ""] {
        let register = Register::new(1).contact(&contact(reg_id));
        assert_eq!(registrar.plan(&register).unwrap_err(), Reject::BadRegId, "{reg_id}");
    }
    for (reg_id, cseq) in [("=1", 1), ("=2147483647", 2), ("=01", 3)] {
        registrar.send(&Register::new(cseq).contact(&contact(reg_id))).ok();
    }
    assert_eq!(registrar.bindings("alice@example.com").len(), 2);
}

#[test]
fn s6_not_the_first_hop_and_no_ob_is_439_when_outbound_is_asked_for() {
    let registrar = Registrar::new();
    let no_path = Register::outbound().hops(2);
    let no_ob = no_path.clone().with("Path", "<sip:edge.example.com;lr>");
    // The edge proxy is the one that wrote first, at the bottom.
    let ob_elsewhere = no_path.clone().with("Path", EDGE).with("Path", "<sip:edge.example.com;lr>");
    for register in [no_path, no_ob, ob_elsewhere] {
        assert_eq!(registrar.plan(&register).unwrap_err(), Reject::FirstHopLacksOutbound);
        assert_eq!(registrar.send(&register).status(), 439);
    }
}

#[test]
fn s6_not_the_first_hop_and_no_ob_ignores_the_reg_id_when_outbound_is_not_asked_for() {
    let registrar = Registrar::new();
    let answer = registrar.send(&Register::new(1).hops(2).contact(OUTBOUND)).ok();
    assert_eq!((answer.first(Name::Require), answer.flow_timer), (None, None));
    let binding = &registrar.bindings("alice@example.com")[0];
    assert!(!binding.outbound && !binding.direct);
    // Ignored means that it is not judged either, and that many may be registered.
    let register =
        Register::new(2).hops(2).contact("<sip:b@h>;+sip.instance=\"<urn:x:1>\";reg-id=0, <sip:c@h>");
    registrar.send(&register).ok();
}

#[test]
fn s6_an_edge_proxy_with_ob_makes_outbound_possible_without_a_flow_timer_of_ours() {
    let registrar = Registrar::new();
    let register = Register::outbound().hops(3).with("Path", &format!("<sip:core.example.com;lr>, {EDGE}"));
    let answer = registrar.send(&register).ok();
    assert_eq!(answer.all(Name::Require), ["outbound"]);
    // RFC 5626 §5.4: the Flow-Timer is the edge proxy's to give.
    assert_eq!((answer.first(Name::FlowTimer), answer.flow_timer), (None, None));
    let binding = &registrar.bindings("alice@example.com")[0];
    assert!(binding.outbound && !binding.direct);
    assert_eq!(text(&binding.path), format!("<sip:core.example.com;lr>, {EDGE}"));
}

#[test]
fn s6_udp_has_a_flow_timer_of_its_own() {
    let mut registrar = Registrar::new();
    registrar.source.transport = Transport::Udp;
    let answer = registrar.send(&Register::outbound()).ok();
    assert_eq!((answer.all(Name::Require), answer.first(Name::FlowTimer)), (vec!["outbound".into()], None));
    registrar.settings.flow_timer_udp = Duration::from_secs(29);
    let answer = registrar.send(&Register::new(2).with("Supported", "outbound").contact(OUTBOUND)).ok();
    assert_eq!(answer.first(Name::FlowTimer).as_deref(), Some("29"));
    assert_eq!(answer.flow_timer, Some(Duration::from_secs(29)));
}

#[test]
fn s6_removing_the_flows_binding_needs_no_flow_timer() {
    let registrar = Registrar::new();
    registrar.send(&Register::outbound()).ok();
    let remove = Register::new(2).with("Supported", "outbound").contact(OUTBOUND).with("Expires", "0");
    let answer = registrar.send(&remove).ok();
    assert!(answer.uris().is_empty());
    assert_eq!((answer.all(Name::Require), answer.flow_timer), (vec!["outbound".into()], None));
    assert_eq!(answer.first(Name::FlowTimer), None);
}

#[test]
fn s4_4_only_a_success_that_touches_bindings_changes_the_keep_alive() {
    let registrar = Registrar::new();
    assert!(registrar.send(&Register::outbound()).ok().changes_keepalive);
    assert!(!registrar.send(&Register::new(2)).ok().changes_keepalive, "a query");
    let plain = Register::new(3).contact("<sip:plain@h>");
    let answer = registrar.send(&plain).ok();
    assert!(answer.changes_keepalive, "the most recent success has no Flow-Timer");
    assert_eq!(answer.flow_timer, None);
    assert!(!registrar.send(&plain).changes_keepalive, "out of order");
}

#[test]
fn s6_by_configuration_only_outbound_is_accepted() {
    let mut registrar = Registrar::new();
    registrar.send(&Register::new(1).contact("<sip:old@h>")).ok();
    registrar.settings.require_outbound = true;
    let plain = Register::new(2).contact("<sip:a@h>");
    for register in [plain.clone(), plain.with("Supported", "outbound"), Register::new(2).contact(OUTBOUND)] {
        // RFC 3261 §21.4.16: 421 lists what is required.
        let answer = registrar.send(&register);
        assert_eq!((answer.status(), answer.all(Name::Require)), (421, vec!["outbound".into()]));
    }
    registrar.send(&Register::outbound().call_id("new")).ok();
    // Asking and removing are not registering.
    registrar.send(&Register::new(3)).ok();
    registrar.send(&Register::new(3).contact("<sip:old@h>;expires=0")).ok();
    registrar.send(&Register::new(4).contact("*").with("Expires", "0")).ok();
}
