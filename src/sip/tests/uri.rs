use super::text;
use crate::sip::{Fault, Scheme, Transport, Uri};

fn uri(octets: &str) -> Uri<'_> {
    Uri::parse(octets.as_bytes()).unwrap()
}

fn equivalent(left: &str, right: &str) -> bool {
    let (left, right) = (uri(left), uri(right));
    let there = left.equivalent(&right);
    assert_eq!(there, right.equivalent(&left), "comparison is symmetric");
    there
}

#[test]
fn s19_1_1_a_uri_is_taken_apart() {
    let uri = uri("sips:alice:secret@example.com:5061;transport=TCP;lr?subject=x&priority=urgent");
    assert_eq!(uri.scheme, Scheme::Sips);
    assert_eq!(uri.user, Some(&b"alice"[..]));
    assert_eq!(uri.password, Some(&b"secret"[..]));
    assert_eq!(text(uri.host), "example.com");
    assert_eq!(uri.port, Some(5061));
    assert_eq!(uri.transport(), Some(Transport::Tcp));
    assert!(uri.params.has("lr"));
    let headers: Vec<_> = uri.headers().map(|(name, value)| (text(name), text(value))).collect();
    assert_eq!(headers, [("subject", "x"), ("priority", "urgent")]);
}

#[test]
fn s19_1_1_a_user_part_may_hold_what_separates_elsewhere() {
    let uri = uri("sip:user;par=u%40example.net@example.com");
    assert_eq!(text(uri.user.unwrap()), "user;par=u%40example.net");
    let uri = self::uri("sip:a?b/c&d@example.com?x=y");
    assert_eq!(text(uri.user.unwrap()), "a?b/c&d");
    assert_eq!(uri.headers, Some(&b"x=y"[..]));
}

#[test]
fn s19_1_1_a_uri_needs_no_user() {
    let uri = uri("sip:example.com:5060;lr");
    assert_eq!(uri.user, None);
    assert_eq!((text(uri.host), uri.port), ("example.com", Some(5060)));
}

#[test]
fn rfc5118_s4_1_an_ipv6_host_stands_in_brackets() {
    let uri = uri("sip:[2001:db8::10]:5070;lr");
    assert_eq!(text(uri.host), "[2001:db8::10]");
    assert_eq!(uri.port, Some(5070));
    // RFC 5118 §4.2 and §4.3: without brackets address and port cannot be told apart.
    assert!(Uri::parse(b"sip:2001:db8::10").is_err());
    assert!(Uri::parse(b"sip:user@2001:db8::10:5070").is_err());
    assert!(Uri::parse(b"sip:user@[2001:db8::10:5070").is_err());
    assert!(Uri::parse(b"sip:user@[192.0.2.1]").is_err());
}

#[test]
fn s19_1_1_malformed_uris_are_faults() {
    for octets in [
        "",
        ":",
        "sip",
        "sip:",
        "1sip:a",
        "sip:@b",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:65536",
        "sip:a b@c",
        "sip:a@b c",
        "<sip:a@b>",
        "sip:a@b>",
        "sip:%4@b",
        "sip:%zz@b",
        "sip:a@b;x=%",
        "sip:a@b%41",
        "sip:a@b\r\n",
        "sip:a@\"b\"",
        "tel:",
        "tel:+x",
    ] {
        assert_eq!(Uri::parse(octets.as_bytes()).map(|_| ()), Err(Fault::Uri), "{octets:?}");
    }
}

#[test]
fn other_schemes_are_kept_as_they_came() {
    let uri = uri("soap.beep://192.0.2.103:3002");
    assert_eq!(uri.scheme, Scheme::Other);
    assert_eq!(uri.opaque, b"//192.0.2.103:3002");
}

#[test]
fn s19_1_4_examples_that_are_equivalent() {
    for set in [
        &["sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"][..],
        &["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"],
        &["sip:carol@chicago.com", "sip:carol@chicago.com;security=on"],
        &["sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"],
        &[
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ],
        &[
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ],
    ] {
        assert!(equivalent(set[0], set[1]), "{set:?}");
    }
}

#[test]
fn s19_1_4_examples_that_are_not_equivalent() {
    for set in [
        ["SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"],
        ["sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"],
        ["sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"],
    ] {
        assert!(!equivalent(set[0], set[1]), "{set:?}");
    }
}

#[test]
fn s19_1_4_equivalence_is_not_transitive() {
    let [plain, on, off] =
        ["sip:carol@chicago.com", "sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"];
    assert!(equivalent(plain, on));
    assert!(equivalent(plain, off));
    assert!(!equivalent(on, off));
}

#[test]
fn s19_1_4_a_sip_and_a_sips_uri_are_never_equivalent() {
    assert!(!equivalent("sip:a@b", "sips:a@b"));
}

#[test]
fn s19_1_4_components_that_are_missing_on_one_side_do_not_match() {
    assert!(!equivalent("sip:b", "sip:a@b"));
    assert!(!equivalent("sip:a@b", "sip:a:@b"));
    for param in ["user=phone", "ttl=1", "method=INVITE", "maddr=239.1.1.1"] {
        assert!(!equivalent("sip:a@b", &format!("sip:a@b;{param}")), "{param}");
    }
}

#[test]
fn s19_1_4_a_reserved_octet_is_not_its_escape() {
    assert!(!equivalent("sip:a;b@c", "sip:a%3Bb@c"));
    assert!(equivalent("sip:a%3bb@c", "sip:a%3Bb@c"));
    // RFC 4475 §3.1.1.3: escapes are undone once, never twice.
    assert!(!equivalent("sip:h;name=v%61lue%25%34%31", "sip:h;name=valueA"));
    assert!(equivalent("sip:h;n%61me=v%61lue%25%34%31", "sip:h;name=value%2541"));
}

#[test]
fn rfc4475_s3_1_1_4_escaped_nulls_make_different_users() {
    assert!(!equivalent("sip:%00@host5.example.com", "sip:%00%00@host5.example.com"));
}

#[test]
fn an_ipv6_address_is_compared_as_an_address() {
    assert!(equivalent("sip:a@[2001:DB8:0:0::1]", "sip:a@[2001:db8::1]"));
}

#[test]
fn rfc3966_s5_telephone_numbers_are_compared_without_separators() {
    assert!(equivalent("tel:+1-201-555-0123", "TEL:+1(201)5550123"));
    assert!(equivalent("tel:7042;phone-context=example.com;a=b", "tel:7042;A=b;phone-context=Example.com"));
    assert!(!equivalent("tel:7042;phone-context=example.com", "tel:7042"));
    assert!(!equivalent("tel:+12015550123", "tel:12015550123"));
}

#[test]
fn s10_3_5_the_aor_has_no_parameters_and_no_escapes() {
    let aor = |octets: &str| uri(octets).canonical_aor();
    assert_eq!(aor("sip:%75se%72:pw@EXAMPLE.com:5060;transport=tcp?x=y").unwrap(), b"user@example.com");
    assert_eq!(aor("sips:User@example.com").unwrap(), b"User@example.com");
    assert_eq!(aor("sip:null-%00-null@example.com").unwrap(), b"null-\0-null@example.com");
    assert_eq!(aor("sip:a@[2001:DB8::0:1]").unwrap(), b"a@[2001:db8::1]");
    assert_eq!(aor("sip:example.com").unwrap(), b"example.com");
    assert_eq!(aor("tel:+1"), Err(Fault::UnsupportedScheme));
    assert_eq!(aor("isbn:2983792873"), Err(Fault::UnsupportedScheme));
}
