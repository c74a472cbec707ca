//! Digest authentication: challenges, credentials, and the answers to them.

use flowhold::sip::digest::{Algorithm, Challenge, Credentials, Ha1, Info, choose};

/// The value of a field of authentication; of two lines the second is what a server answers with.
pub(crate) fn digest(octets: &[u8]) {
    let mut lines = octets.split(|&octet| octet == b'\n');
    let value = lines.next().unwrap_or_default();
    if let Ok(challenge) = Challenge::parse(value) {
        assert_eq!(Challenge::parse(&challenge.to_value()).as_ref(), Ok(&challenge), "it is read as written");
        assert_eq!(choose([value].into_iter()).as_ref(), Ok(&challenge), "the only one is chosen");
        answered(&challenge, lines.next().unwrap_or_default());
    }
    if let Ok(credentials) = Credentials::parse(value) {
        let written = credentials.to_value();
        assert_eq!(Credentials::parse(&written).as_ref(), Ok(&credentials), "they are read as written");
        let secret = Ha1::of(credentials.algorithm(), &credentials.username, &credentials.realm, b"secret");
        assert!(!credentials.is_right(&secret, b"REGISTER"), "nobody finds a digest by chance");
    }
    if let Ok(info) = Info::parse(value) {
        assert_eq!(Info::parse(&info.to_value()).as_ref(), Ok(&info), "it is read as written");
    }
}

/// A client that knows the password is believed, and only for its own request.
fn answered(challenge: &Challenge, info: &[u8]) {
    let secret = |password: &[u8]| Ha1::of(challenge.algorithm(), b"alice", &challenge.realm, password);
    let right = secret(b"secret");
    let credentials = challenge.answer(b"alice", &right, (b"REGISTER", b"sip:a"), 1, "c");
    let credentials = Credentials::parse(&credentials.to_value()).expect("what we write is read");
    assert!(credentials.is_right(&right, b"REGISTER"));
    assert!(!credentials.is_right(&right, b"INVITE"), "another method");
    assert!(!credentials.is_right(&secret(b"Secret"), b"REGISTER"), "another password");
    let other = match challenge.algorithm() {
        Algorithm::Md5 => Algorithm::Sha256,
        Algorithm::Sha256 => Algorithm::Md5,
    };
    let other = Ha1::of(other, b"alice", &challenge.realm, b"secret");
    assert!(!credentials.is_right(&other, b"REGISTER"), "another algorithm");

    let proof = Info::of(&credentials, &right);
    assert!(proof.is_right(&credentials, &right));
    if let Ok(info) = Info::parse(info) {
        assert!(info == proof || !info.is_right(&credentials, &right) || info.rspauth == proof.rspauth);
    }
}
