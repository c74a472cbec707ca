use super::text;
use crate::sip::{Address, Fault};

fn parts(value: &str) -> (&str, &str, &str) {
    let address = Address::parse(value.as_bytes()).unwrap();
    (text(address.display), text(address.uri), text(address.params.as_bytes()))
}

#[test]
fn s20_10_a_name_addr_has_display_name_uri_and_parameters() {
    assert_eq!(
        parts("\"A. G. Bell\" <sip:agb@bell-telephone.com;x=1> ;tag=a48s"),
        ("\"A. G. Bell\"", "sip:agb@bell-telephone.com;x=1", ";tag=a48s")
    );
    assert_eq!(
        parts("Anonymous <sip:c8oqz84zk7z@privacy.org>"),
        ("Anonymous", "sip:c8oqz84zk7z@privacy.org", "")
    );
    assert_eq!(parts(" < sip:a@b>".replace("< ", "<").as_str()), ("", "sip:a@b", ""));
}

#[test]
fn s20_10_without_brackets_the_parameters_are_the_fields() {
    assert_eq!(
        parts("sip:+12125551212@server.phone2net.com;tag=887s"),
        ("", "sip:+12125551212@server.phone2net.com", ";tag=887s")
    );
}

#[test]
fn s20_10_without_brackets_a_uri_with_comma_or_question_mark_is_a_fault() {
    for value in ["sip:a@b?x=y", "sip:a,b@c"] {
        assert_eq!(Address::parse(value.as_bytes()).map(|_| ()), Err(Fault::Address), "{value}");
    }
}

#[test]
fn rfc4475_s3_1_1_6_no_space_is_needed_before_the_bracket() {
    assert_eq!(
        parts("caller<sip:caller@example.com>;tag=323"),
        ("caller", "sip:caller@example.com", ";tag=323")
    );
    assert_eq!(parts("\"c\"<sip:c@d>").0, "\"c\"");
}

#[test]
fn s25_1_brackets_and_escaped_quotes_inside_quotes_are_text() {
    assert_eq!(parts(r#""a <sip:no> \" \\" <sip:yes>"#), (r#""a <sip:no> \" \\""#, "sip:yes", ""));
}

#[test]
fn s25_1_malformed_addresses_are_faults() {
    for value in [
        "",
        "<>",
        "sip:",
        "<sip:>",
        "a@b",
        "\"open <sip:a@b>",
        "\"x\" sip:a@b",
        "Bell, A <sip:a@b>",
        "A (B) <sip:a@b>",
        "< sip:a@b >",
        "<sip:a@b",
        "<sip:a@b> x",
        "<sip:a@b>;",
        "<sip:a@b>;tag=",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>;x=\"y",
        "<1sip:a@b>",
    ] {
        assert_eq!(Address::parse(value.as_bytes()).map(|_| ()), Err(Fault::Address), "{value}");
    }
}

#[test]
fn a_display_name_in_utf8_without_quotes_is_read() {
    assert_eq!(parts("Jürgen Groß <sip:j@example.com>").0, "Jürgen Groß");
}

#[test]
fn rfc4475_s3_3_4_any_scheme_is_an_address() {
    assert_eq!(parts("isbn:2983792873").1, "isbn:2983792873");
    assert_eq!(parts("<http://www.example.com>;tag=3234233").1, "http://www.example.com");
}

#[test]
fn s19_3_the_tag_is_a_header_parameter_not_one_of_the_uri() {
    assert_eq!(Address::parse(b"<sip:a@b;tag=no>;TAG=yes").unwrap().tag(), Some(&b"yes"[..]));
    assert_eq!(Address::parse(b"<sip:a@b;tag=no>").unwrap().tag(), None);
}
