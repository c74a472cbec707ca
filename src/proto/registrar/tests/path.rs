//! RFC 3327 §5.3: Path.

use super::*;

#[test]
fn s5_3_the_path_is_stored_in_its_order_and_given_back() {
    let registrar = Registrar::new();
    let register = Register::new(1).hops(3).with("Supported", "path").contact("<sip:a@h>");
    let register = register
        .with("Path", "<sip:p3.example.com;lr>,<sip:p2;lr>;x=1")
        .with("Path", "\"One, 1\" <sip:p1;lr>");
    let answer = registrar.send(&register).ok();
    let values = ["<sip:p3.example.com;lr>", "<sip:p2;lr>;x=1", "\"One, 1\" <sip:p1;lr>"];
    assert_eq!(answer.all(Name::Path), values);
    assert_eq!(text(&registrar.bindings("alice@example.com")[0].path), values.join(", "));
}

#[test]
fn s5_3_every_binding_has_the_path_of_its_own_register() {
    let registrar = Registrar::new();
    let by = |cseq, proxy: &str| Register::new(cseq).hops(2).with("Supported", "path").with("Path", proxy);
    registrar.send(&by(1, "<sip:p1;lr>").contact("<sip:a@h>")).ok();
    registrar.send(&by(2, "<sip:p2;lr>").contact("<sip:b@h>")).ok();
    let answer = registrar.send(&Register::new(3).contact("<sip:c@h>")).ok();
    assert!(answer.all(Name::Path).is_empty());
    let paths: Vec<_> =
        registrar.bindings("alice@example.com").iter().map(|binding| text(&binding.path)).collect();
    assert_eq!(paths, ["", "<sip:p2;lr>", "<sip:p1;lr>"]);
}

#[test]
fn s5_3_a_path_for_a_ua_that_does_not_know_it_is_420() {
    let registrar = Registrar::new();
    for register in [Register::new(1), Register::new(1).with("Supported", "outbound")] {
        let answer = registrar.send(&register.hops(2).with("Path", "<sip:p1;lr>").contact("<sip:a@h>"));
        assert_eq!((answer.status(), answer.all(Name::Unsupported)), (420, vec!["path".into()]));
    }
    assert!(registrar.bindings("alice@example.com").is_empty());
}

#[test]
fn s4_a_path_that_cannot_be_read_is_400() {
    let registrar = Registrar::new();
    for path in ["<sip:p1", "<sip:>", "p1", "<sip:p1;lr>, <>"] {
        let register = Register::new(1).hops(2).with("Supported", "path").with("Path", path);
        assert_eq!(registrar.plan(&register.contact("<sip:a@h>")).unwrap_err(), Reject::BadPath, "{path}");
    }
}
