use crate::sip::{Fault, Params, unquote};

#[test]
fn s7_3_1_names_are_found_in_any_case_and_values_keep_theirs() {
    let params = Params::parse(b";Tag = aBc ; LR;x=\"a;b=c\"").unwrap();
    assert_eq!(params.value("tag"), Some(&b"aBc"[..]));
    assert_eq!(params.get("lr"), Some(None));
    assert_eq!(params.get("x"), Some(Some(&b"\"a;b=c\""[..])));
    assert_eq!(params.get("b"), None);
    assert_eq!(params.iter().count(), 3);
}

#[test]
fn an_instance_id_is_one_value() {
    let params =
        Params::parse(b";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\";reg-id=1")
            .unwrap();
    let instance = params.value("+sip.instance").unwrap();
    assert_eq!(&*unquote(instance), b"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>");
    assert_eq!(params.value("reg-id"), Some(&b"1"[..]));
}

#[test]
fn s25_1_malformed_parameters_are_faults() {
    for raw in [
        "x",
        ";",
        ";;",
        ";a;",
        ";a=",
        ";=b",
        ";a b",
        ";a=b c",
        ";a=\"b",
        ";a=\"b\"c",
        ";a=b\"c\"",
        ";a=<b>",
        ";(=b",
    ] {
        assert_eq!(Params::parse(raw.as_bytes()), Err(Fault::Params), "{raw}");
    }
}

#[test]
fn s25_1_a_backslash_in_quotes_is_taken_off() {
    assert_eq!(&*unquote(br#""a \"b\" \\ c""#), br#"a "b" \ c"#);
    assert_eq!(&*unquote(b"\"plain\""), b"plain");
    assert_eq!(&*unquote(b"token"), b"token");
    assert_eq!(&*unquote(b"\"open"), b"\"open");
    assert_eq!(&*unquote(b"\"\""), b"");
}
