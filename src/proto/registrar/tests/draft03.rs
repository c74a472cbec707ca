//! What is different in draft-ietf-sip-outbound-03. See [`Profile`].

use super::*;

const EDGE: &str = "<sip:token@edge.example.com;lr>";

fn registrar(profile: &'static Profile) -> Registrar {
    let mut registrar = Registrar::new();
    registrar.source.profile = profile;
    registrar
}

#[test]
fn outbound_is_shown_in_supported_and_not_in_require() {
    let registrar = registrar(&Profile::DRAFT03);
    let answer = registrar.send(&Register::outbound()).ok();
    assert_eq!(
        (answer.first(Name::Require), answer.all(Name::Supported)),
        (None, vec!["path".into(), "outbound".into()])
    );
    assert!(registrar.bindings("alice@example.com")[0].outbound);
    let plain = Register::new(1).call_id("plain").with("Supported", "path, outbound").contact("<sip:a@h>");
    let answer = registrar.send(&plain).ok();
    assert_eq!((answer.first(Name::Require), answer.all(Name::Supported)), (None, vec!["path".into()]));
}

#[test]
fn there_is_no_flow_timer() {
    let answer = registrar(&Profile::DRAFT03).send(&Register::outbound()).ok();
    assert_eq!((answer.first(Name::FlowTimer), answer.flow_timer), (None, None));
    assert!(answer.changes_keepalive, "a Flow-Timer of before holds no more");
}

#[test]
fn the_first_path_counts_whether_it_has_ob_or_not() {
    for (profile, counts) in [(&Profile::DRAFT03, true), (&Profile::RFC5626, false)] {
        let registrar = registrar(profile);
        let register = Register::outbound().hops(2).with("Path", EDGE);
        let answer = registrar.send(&register);
        let bindings = registrar.bindings("alice@example.com");
        assert_eq!(
            bindings.iter().any(|binding| binding.outbound),
            counts,
            "{}: {}",
            profile.name,
            answer.status()
        );
    }
}

#[test]
fn each_difference_is_a_switch_of_its_own() {
    let of = |profile: Profile| {
        let answer = registrar(Box::leak(Box::new(profile))).send(&Register::outbound()).ok();
        (answer.first(Name::Require).is_some(), answer.flow_timer.is_some())
    };
    assert_eq!(of(Profile::RFC5626), (true, true));
    assert_eq!(of(Profile { has_flow_timer: false, ..Profile::RFC5626 }), (true, false));
    assert_eq!(of(Profile { shown_in: Profile::DRAFT03.shown_in, ..Profile::RFC5626 }), (false, true));
    assert_eq!(of(Profile::DRAFT03), (false, false));
}
