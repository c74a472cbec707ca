use super::{message, options_with, text, wire};
use crate::sip::{Fault, Message, Method, Name, Unintelligible};
use bytes::Bytes;

fn texts<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
    values.map(text).collect()
}

#[test]
fn s7_1_a_request_line_is_method_uri_and_version() {
    let message = options_with("");
    assert!(message.is_request());
    assert_eq!(message.method(), Method::Options);
    assert_eq!(message.request_uri(), b"sip:b@example.com");
    assert_eq!(message.status(), None);
}

#[test]
fn s7_1_methods_are_case_sensitive() {
    let message = message("invite sip:a@b SIP/2.0\n\n");
    assert_eq!(message.method(), Method::Other);
    assert_eq!(message.method_bytes(), b"invite");
}

#[test]
fn s7_1_the_version_is_case_insensitive() {
    assert_eq!(message("OPTIONS sip:a@b sip/2.0\n\n").index.fault, None);
}

#[test]
fn s7_2_a_status_line_is_version_code_and_reason() {
    let message = message("SIP/2.0 486 Busy  Here\nCSeq: 7 INVITE\n\n");
    assert!(!message.is_request());
    assert_eq!(message.status(), Some(486));
    assert_eq!(message.reason(), b"Busy  Here");
    assert_eq!(message.method(), Method::Invite);
}

#[test]
fn s7_2_a_status_line_without_the_space_before_its_reason_is_read() {
    assert_eq!(message("SIP/2.0 100\n\n").status(), Some(100));
}

#[test]
fn s7_2_a_status_code_outside_of_100_to_699_is_dropped() {
    for code in ["099", "700", "20", "2000", "4294967301", "-20", "abc", ""] {
        let parsed = Message::parse(Bytes::from(format!("SIP/2.0 {code} x\r\n\r\n")));
        assert_eq!(parsed.unwrap_err(), Unintelligible::StatusCode, "{code}");
    }
}

#[test]
fn what_is_no_sip_is_unintelligible() {
    for (octets, expected) in [
        ("", Unintelligible::Empty),
        ("\n\n", Unintelligible::Empty),
        ("GET / HTTP/1.1\n\n", Unintelligible::StartLine),
        ("INVITE sip:a@b\n\n", Unintelligible::StartLine),
        ("INVITE SIP/2.0\n\n", Unintelligible::StartLine),
        ("INVITE\n\n", Unintelligible::StartLine),
        ("SIP/3.0 200 OK\n\n", Unintelligible::StartLine),
    ] {
        assert_eq!(Message::parse(wire(octets)).unwrap_err(), expected, "{octets:?}");
    }
    assert_eq!(
        Message::parse(Bytes::from_static(b"INVITE sip:a@b SIP/2.0")).unwrap_err(),
        Unintelligible::StartLine
    );
}

#[test]
fn s7_3_1_a_line_that_begins_with_white_space_continues_the_one_before() {
    let message = options_with("Subject: I know\n you're there,\n\tpick up\nX: y\n");
    assert_eq!(text(message.first(Name::Subject).unwrap()), "I know\r\n you're there,\r\n\tpick up");
    assert_eq!(message.headers().last().unwrap(), (&b"X"[..], &b"y"[..]));
}

#[test]
fn s7_3_1_a_value_may_begin_on_the_next_line() {
    assert_eq!(options_with("Subject:\n  hello \n").first(Name::Subject).unwrap(), b"hello");
}

#[test]
fn s7_3_1_white_space_may_stand_around_the_colon() {
    for line in ["Subject:lunch", "Subject   :    lunch", "Subject\t: lunch\t ", "s : lunch"] {
        assert_eq!(options_with(&format!("{line}\n")).first(Name::Subject).unwrap(), b"lunch", "{line}");
    }
}

#[test]
fn s7_3_1_a_value_may_be_empty() {
    let message = options_with("Subject:\nSupported: \n");
    assert_eq!(message.first(Name::Subject).unwrap(), b"");
    assert_eq!(message.first(Name::Supported).unwrap(), b"");
    assert_eq!(message.values(Name::Supported).count(), 0);
    assert_eq!(message.validate(), Ok(()));
}

#[test]
fn s7_3_1_repeated_fields_are_one_list_in_order() {
    let message =
        options_with("Route: <sip:1>, <sip:2>\nSubject: x\nroute: <sip:3>\nROUTE : <sip:4;a=\"b\">\n");
    assert_eq!(texts(message.values(Name::Route)), ["<sip:1>", "<sip:2>", "<sip:3>", "<sip:4;a=\"b\">"]);
}

#[test]
fn s7_3_1_a_comma_in_quotes_or_brackets_does_not_separate() {
    let message = options_with("m: \"a, \\\", b\" <sip:x,y@z>;q=1 ,, <sip:c>;+sip.x=\"1,2\"\n");
    assert_eq!(
        texts(message.values(Name::Contact)),
        ["\"a, \\\", b\" <sip:x,y@z>;q=1", "<sip:c>;+sip.x=\"1,2\""]
    );
}

#[test]
fn s7_3_1_a_value_is_octets_of_any_encoding() {
    let octets = b"OPTIONS sip:a@b SIP/2.0\r\nSubject: \xff\xfe\x00\x80\r\n\r\n";
    let message = Message::parse(Bytes::from_static(octets)).unwrap();
    assert_eq!(message.first(Name::Subject).unwrap(), b"\xff\xfe\x00\x80");
    assert_eq!(&message.bytes()[..], octets);
}

#[test]
fn s7_3_1_a_line_that_is_no_field_is_a_fault() {
    for line in ["Foobar roobar", ": value", "Na me: x", "N\u{e9}: x", "(x): y"] {
        assert_eq!(options_with(&format!("{line}\n")).validate(), Err(Fault::HeaderLine), "{line}");
    }
}

#[test]
fn s7_3_1_the_first_field_cannot_be_a_continuation() {
    assert_eq!(message("OPTIONS sip:a@b SIP/2.0\n x\n\n").validate(), Err(Fault::HeaderLine));
}

#[test]
fn a_bare_cr_or_lf_in_a_field_is_a_fault_and_never_ends_it() {
    for bare in ["\r", "\n"] {
        let octets = format!("OPTIONS sip:a@b SIP/2.0\r\nSubject: x{bare}Via: evil\r\nX: y\r\n\r\n");
        let message = Message::parse(Bytes::from(octets)).unwrap();
        assert_eq!(message.validate(), Err(Fault::HeaderLine));
        assert_eq!(message.first(Name::Via), None);
        assert_eq!(message.headers().count(), 2);
    }
}

#[test]
fn s7_5_line_ends_before_the_start_line_are_skipped() {
    let message = message("\n\nOPTIONS sip:a@b SIP/2.0\n\n");
    assert_eq!(&message.bytes()[..], b"OPTIONS sip:a@b SIP/2.0\r\n\r\n");
}

#[test]
fn s18_3_octets_behind_the_body_are_cut_off() {
    let message = options_with("Content-Length: 3\n\nabcdef");
    assert_eq!(message.body(), b"abc");
    assert!(message.bytes().ends_with(b"\r\n\r\nabc"));
}

#[test]
fn s18_3_without_content_length_the_body_is_the_rest_of_the_datagram() {
    assert_eq!(options_with("\nabcdef").body(), b"abcdef\r\n");
}

#[test]
fn s18_3_a_body_that_is_shorter_than_stated_is_a_fault() {
    let message = options_with("Content-Length: 30\n\nabc");
    assert_eq!(message.validate(), Err(Fault::Truncated));
    assert_eq!(message.body(), b"abc\r\n");
}

#[test]
fn s20_14_several_content_lengths_that_agree_are_one() {
    assert_eq!(options_with("l: 3\nContent-Length: 03\n\nabc").body(), b"abc");
}

#[test]
fn s20_14_a_bad_content_length_is_a_fault() {
    for lines in
        ["l: 3\nl: 4\n", "l: -1\n", "l: +1\n", "l: five\n", "l:\n", "l: 1, 1\n", "l: 99999999999999999999\n"]
    {
        assert_eq!(options_with(lines).validate(), Err(Fault::ContentLength), "{lines}");
    }
}

#[test]
fn s20_16_cseq_may_have_zeros_in_front_and_folding_inside() {
    let message = message("OPTIONS sip:a@b SIP/2.0\nCSeq: 0009\n  OPTIONS\n\n");
    let cseq = message.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (9, &b"OPTIONS"[..]));
}

#[test]
fn s8_1_1_5_cseq_is_below_2_to_the_31() {
    let with = |number: &str| message(&format!("OPTIONS sip:a@b SIP/2.0\nCSeq: {number} OPTIONS\n\n"));
    assert_eq!(with("2147483647").cseq().unwrap().number, 2_147_483_647);
    for number in ["2147483648", "4294967296", "36893488147419103232", "-1", "1.0", ""] {
        assert_eq!(with(number).cseq(), Err(Fault::CSeq), "{number}");
    }
}

#[test]
fn s19_2_option_tags_are_found_in_any_case_and_over_all_fields() {
    let message = options_with("Supported: path,gruu\nk: Outbound\n");
    assert!(message.has_tag(Name::Supported, "outbound"));
    assert!(message.has_tag(Name::Supported, "path"));
    assert!(!message.has_tag(Name::Supported, "gru"));
    assert!(!message.has_tag(Name::Require, "outbound"));
}

#[test]
fn numbers_are_digits_up_to_32_bits() {
    assert_eq!(options_with("Expires: 007\n").number(Name::Expires), Some(Ok(7)));
    assert_eq!(options_with("Expires: 4294967296\n").number(Name::Expires), Some(Err(Fault::Number)));
    assert_eq!(options_with("").number(Name::Expires), None);
}

#[test]
fn an_unfinished_head_is_a_fault_with_its_whole_lines_read() {
    let message =
        Message::parse(Bytes::from_static(b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: x\r\nTo: y")).unwrap();
    assert_eq!(message.validate(), Err(Fault::UnfinishedHead));
    assert_eq!(message.first(Name::CallId).unwrap(), b"x");
    assert_eq!(message.first(Name::To), None);
    assert_eq!(message.body(), b"");
}

#[test]
fn an_unfinished_head_outranks_a_bad_line() {
    let message =
        Message::parse(Bytes::from_static(b"OPTIONS sip:a@b SIP/2.0\r\nno field\r\nTo: y")).unwrap();
    assert_eq!(message.validate(), Err(Fault::UnfinishedHead));
}

#[test]
fn debug_shows_the_start_line_only() {
    let debug = format!("{:?}", options_with(""));
    assert!(debug.starts_with("Message(OPTIONS sip:b@example.com SIP/2.0, "), "{debug}");
}
