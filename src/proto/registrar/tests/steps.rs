//! RFC 3261 §10.3 steps 1, 2, 5 and 8, and what holds for every response.

use flowhold_cluster::location::{Bindings, UpdateError};

use super::*;

#[test]
fn s10_3_step_1_a_request_uri_of_another_domain_is_not_for_us() {
    let registrar = Registrar::new();
    let register = Register::new(1).uri("sip:example.net");
    assert_eq!(registrar.plan(&register).unwrap_err(), Reject::ForeignDomain);
    assert_eq!(registrar.send(&register).status(), 404);
    assert_eq!(registrar.send(&Register::new(1).uri("sip:EXAMPLE.com:5070;transport=tcp")).status(), 200);
    assert_eq!(registrar.send(&Register::new(1).uri("sips:example.com")).status(), 200);
}

#[test]
fn s10_3_step_2_unknown_extensions_in_require_are_420_and_only_they_are_listed() {
    let registrar = Registrar::new();
    let answer =
        registrar.send(&Register::new(1).with("Require", "path, gruu, OUTBOUND").with("Require", "x"));
    assert_eq!((answer.status(), answer.all(Name::Unsupported)), (420, vec!["gruu".into(), "x".into()]));
    registrar.send(&Register::new(1).with("Require", "Path, outbound")).ok();
}

#[test]
fn s10_3_step_2_comes_before_to_is_looked_at() {
    let register = Register::new(1).with("Require", "x").to("<sip:alice@example.net>");
    assert_eq!(Registrar::new().send(&register).status(), 420);
}

#[test]
fn s10_3_step_5_an_aor_that_is_not_ours_is_404() {
    let registrar = Registrar::new();
    for to in ["<sip:alice@example.net>", "<tel:+15551234>", "<sip:example.com>"] {
        let answer = registrar.send(&Register::new(1).to(to).contact("<sip:a@h>"));
        assert_eq!(answer.status(), 404, "{to}");
    }
    registrar.send(&Register::new(1).to("<sip:alice@example.org>").contact("<sip:a@h>")).ok();
    assert_eq!(registrar.bindings("alice@example.org").len(), 1);
}

#[test]
fn s10_3_step_5_the_aor_is_canonical() {
    let registrar = Registrar::new();
    registrar.send(&Register::new(1).contact("<sip:a@h>")).ok();
    for to in [
        "Alice <sip:%61lice@Example.COM;user=phone>",
        "sips:alice@example.com:5061",
        "<sip:alice:pw@example.com>",
    ] {
        assert_eq!(registrar.send(&Register::new(2).to(to)).ok().uris(), ["sip:a@h"], "{to}");
    }
    assert!(registrar.send(&Register::new(2).to("<sip:Alice@example.com>")).ok().uris().is_empty());
}

#[test]
fn s10_3_a_query_lists_the_bindings_and_changes_none() {
    let registrar = Registrar::new();
    assert!(registrar.send(&Register::new(1)).ok().contacts().is_empty());
    registrar.send(&Register::new(2).contact("<sip:a@h>")).ok();
    let before = registrar.bindings("alice@example.com");
    // Not even an Expires of zero or a stale CSeq matter to it.
    assert_eq!(registrar.send(&Register::new(1).with("Expires", "0")).ok().uris(), ["sip:a@h"]);
    assert_eq!(registrar.bindings("alice@example.com"), before);
}

#[test]
fn s10_3_step_8_a_200_tells_the_date() {
    let answer = Registrar::new().send(&Register::new(1));
    assert_eq!(answer.first(Name::Date).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
}

#[test]
fn s10_3_no_response_has_a_record_route() {
    let register = Register::new(1).with("Record-Route", "<sip:p;lr>").contact("<sip:a@h>");
    assert_eq!(Registrar::new().send(&register).ok().first(Name::RecordRoute), None);
}

#[test]
fn s8_2_6_2_the_to_tag_and_the_source_are_told() {
    let answer = Registrar::new().send(&Register::new(1).with("Supported", "x"));
    assert_eq!(answer.first(Name::To).unwrap(), format!("{ALICE};tag=tag"));
    assert!(answer.first(Name::Via).unwrap().contains(";received=198.51.100.7"));
}

#[test]
fn every_response_names_the_extensions() {
    let registrar = Registrar::new();
    let registers = [
        Register::new(1),
        Register::new(1).uri("sip:example.net"),
        Register::new(1).with("Require", "x"),
        Register::new(1).contact("*"),
        Register::new(1).contact("<sip:a@h>;expires=1"),
    ];
    for register in registers {
        assert_eq!(registrar.send(&register).all(Name::Supported), ["path", "outbound"]);
    }
}

#[test]
fn s10_3_what_the_store_refuses_is_told_and_never_with_6xx() {
    let registrar = Registrar::new();
    let register = Register::outbound();
    let retry_after = Duration::from_millis(1500);
    let cases = [
        (UpdateError::OutOfOrder, 500, None),
        (UpdateError::TooManyBindings, 403, None),
        (UpdateError::TooManyAors, 503, Some("60")),
        (UpdateError::Unavailable { retry_after }, 503, Some("2")),
    ];
    for (error, status, retry) in cases {
        let Plan { terms, .. } = registrar.plan(&register).unwrap();
        let answer = terms.answer(&register.message(), &registrar.source, Err(error), "tag", registrar.now);
        let response = Message::parse(answer.wire.to_bytes()).unwrap();
        assert_eq!((answer.status, response.status()), (status, Some(status)));
        assert_eq!(response.first(Name::RetryAfter).map(text).as_deref(), retry);
        // Nothing was registered, so outbound was not applied and the flow is told nothing.
        assert_eq!((response.first(Name::Require), answer.keepalive), (None, None));
    }
    let Plan { terms, .. } = registrar.plan(&register).unwrap();
    let answer =
        terms.answer(&register.message(), &registrar.source, Ok(Bindings::new()), "tag", registrar.now);
    assert_eq!(answer.status, 200);
}
