use super::{message, options_with};
use crate::sip::Fault;

/// A good MESSAGE with one line taken out or put in the place of another.
fn with(line: &str, instead: &str) -> Result<(), Fault> {
    let good = "MESSAGE sip:b@example.com SIP/2.0\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa\nMax-Forwards: 70\n\
                From: <sip:a@example.com>;tag=1\nTo: <sip:b@example.com>\nCall-ID: c\nCSeq: 1 MESSAGE\n\
                Content-Length: 0\n\n";
    assert!(good.contains(line));
    message(&good.replace(line, instead)).validate()
}

#[test]
fn s8_1_1_a_whole_request_is_accepted() {
    assert_eq!(with("", ""), Ok(()));
}

#[test]
fn s8_1_1_each_mandatory_field_is_missed() {
    assert_eq!(with("Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa\n", ""), Err(Fault::Via));
    assert_eq!(with("From: <sip:a@example.com>;tag=1\n", ""), Err(Fault::From));
    assert_eq!(with("To: <sip:b@example.com>\n", ""), Err(Fault::To));
    assert_eq!(with("Call-ID: c\n", ""), Err(Fault::CallId));
    assert_eq!(with("CSeq: 1 MESSAGE\n", ""), Err(Fault::CSeq));
}

#[test]
fn s16_3_3_a_request_without_max_forwards_passes() {
    assert_eq!(with("Max-Forwards: 70\n", ""), Ok(()));
}

#[test]
fn s7_3_1_fields_that_are_single_must_not_be_repeated() {
    for (line, fault) in [
        ("From: <sip:a@example.com>;tag=1\n", Fault::From),
        ("To: <sip:b@example.com>\n", Fault::To),
        ("Call-ID: c\n", Fault::CallId),
        ("CSeq: 1 MESSAGE\n", Fault::CSeq),
        ("Max-Forwards: 70\n", Fault::MaxForwards),
    ] {
        assert_eq!(with(line, &line.repeat(2)), Err(fault), "{line}");
    }
}

#[test]
fn s7_3_1_the_compact_form_is_a_repetition_too() {
    assert_eq!(with("Call-ID: c\n", "Call-ID: c\ni: c\n"), Err(Fault::CallId));
}

#[test]
fn s8_1_1_5_the_cseq_method_is_that_of_the_request() {
    assert_eq!(with("1 MESSAGE", "1 INVITE"), Err(Fault::CSeqMethod));
    assert_eq!(with("1 MESSAGE", "1 Message"), Err(Fault::CSeqMethod));
    assert_eq!(with("MESSAGE sip:", "NEWMETHOD sip:"), Err(Fault::UnknownMethod));
    assert_eq!(Fault::CSeqMethod.status(), 400);
    assert_eq!(Fault::UnknownMethod.status(), 501);
}

#[test]
fn s16_3_2_an_unknown_scheme_is_416() {
    assert_eq!(with("sip:b@example.com SIP", "mailto:b@example.com SIP"), Err(Fault::UnsupportedScheme));
    assert_eq!(Fault::UnsupportedScheme.status(), 416);
    assert_eq!(with("sip:b@example.com SIP", "tel:+1-201-555-0123 SIP"), Ok(()));
    assert_eq!(with("sip:b@example.com SIP", "SIPS:b@example.com SIP"), Ok(()));
}

#[test]
fn s19_1_1_a_request_uri_has_no_headers() {
    assert_eq!(with("example.com SIP", "example.com?Route=x SIP"), Err(Fault::RequestUri));
}

#[test]
fn s7_1_a_malformed_request_uri_is_400() {
    for uri in [
        "sip:",
        "sip:b@",
        "sip:@example.com",
        "b@example.com",
        "<sip:b@example.com>",
        "sip:b@example.com; lr",
    ] {
        assert_eq!(with("sip:b@example.com SIP", &format!("{uri} SIP")), Err(Fault::RequestUri), "{uri}");
    }
}

#[test]
fn s21_5_6_another_version_is_505() {
    assert_eq!(with(" SIP/2.0\n", " SIP/7.0\n"), Err(Fault::Version));
    assert_eq!(Fault::Version.status(), 505);
}

#[test]
fn s7_1_white_space_where_none_belongs_in_the_request_line_is_400() {
    assert_eq!(with("MESSAGE sip", "MESSAGE  sip"), Err(Fault::StartLine));
    assert_eq!(with("com SIP/2.0\n", "com  SIP/2.0\n"), Err(Fault::StartLine));
    assert_eq!(with("com SIP/2.0\n", "com SIP/2.0 \n"), Err(Fault::StartLine));
    assert_eq!(with("MESSAGE sip", "MES(SAGE sip"), Err(Fault::StartLine));
}

#[test]
fn s20_22_max_forwards_is_a_number_up_to_255() {
    assert_eq!(with("Max-Forwards: 70", "Max-Forwards: 0068"), Ok(()));
    assert_eq!(with("Max-Forwards: 70", "Max-Forwards: 255"), Ok(()));
    for value in ["256", "-1", "", "x", "7 0"] {
        assert_eq!(
            with("Max-Forwards: 70", &format!("Max-Forwards: {value}")),
            Err(Fault::MaxForwards),
            "{value}"
        );
    }
}

#[test]
fn s20_10_a_display_name_with_a_comma_needs_quotes() {
    assert_eq!(with("<sip:b@", "Bell, A <sip:b@"), Err(Fault::To));
    assert_eq!(with("<sip:b@", "\"Bell, A\" <sip:b@"), Ok(()));
}

#[test]
fn a_field_that_a_proxy_does_not_act_on_is_not_judged() {
    let lines = "Date: yesterday\nContent-Type: ???\nAuthorization: x\nContact: \"\nExpires: x\n";
    assert_eq!(options_with(lines).validate(), Ok(()));
}

#[test]
fn a_response_is_judged_too() {
    let good = "SIP/2.0 200 OK\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa\nFrom: <sip:a@example.com>;tag=1\n\
                To: <sip:b@example.com>;tag=2\nCall-ID: c\nCSeq: 1 MESSAGE\nContent-Length: 0\n\n";
    assert_eq!(message(good).validate(), Ok(()));
    assert_eq!(
        message(&good.replace("CSeq: 1 M", "CSeq: 9292394834772304023312 M")).validate(),
        Err(Fault::CSeq)
    );
    assert_eq!(message(&good.replace("/TCP", "")).validate(), Err(Fault::Via));
}
