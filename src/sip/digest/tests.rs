use super::*;
use proptest::prelude::*;

/// The example of RFC 7616 §3.9.1.
const CHALLENGE: &str = "Digest\r\n realm=\"http-auth@example.org\",\r\n qop=\"auth, auth-int\",\r\n algorithm=ALGORITHM,\
    \r\n nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\",\
    \r\n opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
const GET: (&[u8], &[u8]) = (b"GET", b"/dir/index.html");

fn example(algorithm: Algorithm) -> Credentials {
    let challenge = Challenge::parse(CHALLENGE.replace("ALGORITHM", algorithm.as_str()).as_bytes()).unwrap();
    challenge.answer(b"Mufasa", &ha1(algorithm), GET, 1, CNONCE)
}

fn ha1(algorithm: Algorithm) -> Ha1 {
    Ha1::of(algorithm, b"Mufasa", b"http-auth@example.org", b"Circle of Life")
}

#[test]
fn rfc7616_s3_9_1_example_with_md5() {
    assert_eq!(example(Algorithm::Md5).response[..], *b"8ca523f5e9506fed4657c9700eebdbec");
}

#[test]
fn rfc7616_s3_9_1_example_with_sha_256() {
    let expected = b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
    assert_eq!(example(Algorithm::Sha256).response[..], *expected);
}

#[test]
fn rfc3261_s22_4_a_challenge_without_qop_is_answered_without() {
    let challenge = Challenge::parse(b"Digest realm=\"r\", nonce=\"n\"").unwrap();
    let ha1 = Ha1::of(Algorithm::Md5, b"u", b"r", b"p");
    let credentials = challenge.answer(b"u", &ha1, (b"REGISTER", b"sip:r"), 1, "unused");
    let a2 = Algorithm::Md5.hash(&[b"REGISTER", b"sip:r"]);
    assert_eq!(credentials.response, Algorithm::Md5.hash(&[&ha1.hex, b"n", &a2]));
    let value = String::from_utf8(credentials.to_value()).unwrap();
    assert!(!value.contains("cnonce") && !value.contains("nc=") && !value.contains("algorithm"), "{value}");
    assert!(Credentials::parse(value.as_bytes()).unwrap().is_right(&ha1, b"REGISTER"));
}

#[test]
fn both_sides_prove_the_secret_to_each_other() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let sent = example(algorithm);
        let received = Credentials::parse(&sent.to_value()).unwrap();
        assert_eq!(received, sent);
        assert!(received.is_right(&ha1(algorithm), b"GET"));
        assert!(!received.is_right(&ha1(algorithm), b"PUT"), "another method");
        let other = Ha1::of(algorithm, b"Mufasa", b"http-auth@example.org", b"circle of life");
        assert!(!received.is_right(&other, b"GET"), "another password");

        let info = Info::parse(&Info::of(&received, &ha1(algorithm)).to_value()).unwrap();
        assert!(info.is_right(&sent, &ha1(algorithm)));
        assert!(!info.is_right(&sent, &other), "a server that does not know the password");
        let echo = Info { rspauth: Some(sent.response.clone()), ..info.clone() };
        assert!(!echo.is_right(&sent, &ha1(algorithm)), "the request's digest proves nothing");
        let mut next = sent;
        next.protection = Some(Protection::new(CNONCE, 2));
        assert!(!info.is_right(&next, &ha1(algorithm)), "the proof of another request");
    }
}

#[test]
fn rfc7616_s3_4_1_a_count_is_hashed_as_it_is_written() {
    for nc in ["0000000a", "0000000A", "00000aAf"] {
        let ha1 = ha1(Algorithm::Md5);
        let a2 = Algorithm::Md5.hash(&[b"REGISTER", b"sip:r"]);
        let response = Algorithm::Md5.hash(&[&ha1.hex, b"n", nc.as_bytes(), b"c", b"auth", &a2]);
        let response = std::str::from_utf8(&response).unwrap();
        let value = format!(
            "Digest username=\"Mufasa\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", response=\"{response}\", \
             qop=auth, nc={nc}, cnonce=\"c\""
        );
        let credentials = Credentials::parse(value.as_bytes()).unwrap();
        assert!(credentials.is_right(&ha1, b"REGISTER"), "{nc}");
        assert_eq!(credentials.to_value(), value.into_bytes(), "and is written as it was read");
    }
}

#[test]
fn a_password_of_one_algorithm_is_not_one_of_the_other() {
    let received = Credentials::parse(&example(Algorithm::Md5).to_value()).unwrap();
    assert!(!received.is_right(&ha1(Algorithm::Sha256), b"GET"));
}

#[test]
fn rfc8760_s2_4_the_topmost_challenge_that_is_understood_is_answered() {
    let of = |values: &[&'static str]| choose(values.iter().map(|value| value.as_bytes()));
    let sha = "Digest realm=\"r\", nonce=\"2\", qop=\"auth\", algorithm=SHA-256";
    let md5 = "Digest realm=\"r\", nonce=\"3\", qop=\"auth\", algorithm=md5";
    let newest = "Digest realm=\"r\", nonce=\"1\", qop=\"auth\", algorithm=SHA-512-256";
    assert_eq!(of(&[newest, sha, md5]).unwrap().algorithm(), Algorithm::Sha256);
    assert_eq!(of(&["Basic realm=\"r\"", md5, sha]).unwrap().algorithm(), Algorithm::Md5);
    assert_eq!(of(&["Basic realm=\"r\"", newest]), Err(Fault::Scheme));
    assert_eq!(of(&[newest]), Err(Fault::Algorithm));
    assert_eq!(of(&[]), Err(Fault::Missing("a challenge")));
}

#[test]
fn a_challenge_says_what_it_wants() {
    let value =
        b"Digest realm=\"a, \\\"b\\\"\" ,\tnonce = \"n\",QOP=\"auth-int,auth\", Stale=TRUE, domain=\"sip:x\"";
    let challenge = Challenge::parse(value).unwrap();
    assert_eq!(challenge.realm, b"a, \\\"b\\\"", "as it stands between the quotes");
    assert_eq!((challenge.algorithm(), challenge.has_qop, challenge.is_stale), (Algorithm::Md5, true, true));
    assert_eq!(Challenge::parse(&challenge.to_value()), Ok(challenge));
}

#[test]
fn what_cannot_be_used_says_why() {
    let challenge = |value: &str| Challenge::parse(value.as_bytes()).unwrap_err();
    assert_eq!(challenge("Basic realm=\"r\""), Fault::Scheme);
    assert_eq!(challenge("Digest"), Fault::Malformed);
    assert_eq!(challenge("Digest realm"), Fault::Malformed);
    assert_eq!(challenge("Digest realm=\"r\", realm=\"s\", nonce=\"n\""), Fault::Malformed);
    assert_eq!(challenge("Digest realm=\"r, nonce=\"n\""), Fault::Malformed);
    assert_eq!(challenge("Digest realm=\"r\""), Fault::Missing("nonce"));
    assert_eq!(challenge("Digest nonce=\"n\""), Fault::Missing("realm"));
    assert_eq!(challenge("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""), Fault::Qop);
    assert_eq!(challenge("Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess"), Fault::Algorithm);
    let credentials = |more: &str| {
        let value =
            format!("Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", response=\"0\"{more}");
        Credentials::parse(value.as_bytes())
    };
    assert!(credentials("").is_ok());
    assert_eq!(credentials(", qop=auth-int"), Err(Fault::Qop));
    assert_eq!(credentials(", qop=auth, cnonce=\"c\""), Err(Fault::Missing("nc")));
    assert_eq!(credentials(", qop=auth, cnonce=\"c\", nc=1"), Err(Fault::Malformed));
    assert_eq!(credentials(", qop=auth, cnonce=\"c\", nc=+0000001"), Err(Fault::Malformed));
    assert_eq!(credentials(", qop=auth, nc=00000001"), Err(Fault::Missing("cnonce")));
}

#[test]
fn a_stored_hash_is_as_good_as_the_password() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let stored = ha1(algorithm).hex.to_ascii_uppercase();
        assert_eq!(Ha1::given(algorithm, &stored), Some(ha1(algorithm)));
        assert_eq!(Ha1::given(algorithm, &stored[1..]), None);
    }
    assert_eq!(Ha1::given(Algorithm::Md5, b"8ca523f5e9506fed4657c9700eebdbeg"), None);
    assert_eq!(format!("{:?}", ha1(Algorithm::Md5)), "Ha1(MD5)", "no log shows it");
}

#[test]
fn next_nonce_is_read() {
    let info = Info::parse(b"nextnonce=\"47364c23432d2e131a5fb210812c\"").unwrap();
    assert_eq!(info.next_nonce.as_deref(), Some(&b"47364c23432d2e131a5fb210812c"[..]));
    assert!(!info.is_right(&example(Algorithm::Md5), &ha1(Algorithm::Md5)), "it proves nothing");
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>) {
        let value = [b"Digest ", octets.as_slice()].concat();
        let _ = (Challenge::parse(&value), Credentials::parse(&value), Info::parse(&octets));
    }

    #[test]
    fn what_is_written_is_read(realm in "[ -!#-\\[\\]-~]{0,20}", nonce in "[!#-\\[\\]-~]{0,20}", count: u32) {
        let challenge = Challenge {
            realm: realm.into(), nonce: nonce.into(), opaque: None, algorithm: Some(Algorithm::Sha256),
            has_qop: true, is_stale: false,
        };
        prop_assert_eq!(Challenge::parse(&challenge.to_value()), Ok(challenge.clone()));
        let ha1 = Ha1::of(Algorithm::Sha256, b"u", &challenge.realm, b"p");
        let credentials = challenge.answer(b"u", &ha1, GET, count, "c");
        let read = Credentials::parse(&credentials.to_value()).unwrap();
        prop_assert!(read.is_right(&ha1, b"GET"));
        prop_assert_eq!(read, credentials);
    }
}
