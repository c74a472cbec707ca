//! Digest authentication as the load's UAs do it (RFC 7616, SHA-256), and the users that a node is given for it.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::{ua::DOMAIN, wire};

/// How often a UA has to prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Login {
    /// It is not asked.
    Never,
    /// Once over each flow, which is trusted then: to be asked again is wrong.
    Once,
    /// With each REGISTER, in which the credentials go along.
    Each,
}

/// What a server asked with: RFC 7616 §3.3.
#[derive(Debug)]
pub(crate) struct Challenge {
    nonce: String,
    /// Whether the credentials would have been right, but for their nonce.
    pub(crate) is_stale: bool,
    /// Requests that were sent with this nonce.
    count: u32,
}

impl Challenge {
    /// The one for SHA-256 in a 401.
    pub(crate) fn read(answer: &[u8]) -> Option<Self> {
        let values = wire::fields(answer, "WWW-Authenticate", "WWW-Authenticate");
        let mut texts = values.filter_map(|value| std::str::from_utf8(value).ok());
        let text = texts.find(|text| text.contains("algorithm=SHA-256"))?;
        let (_, nonce) = text.split_once("nonce=\"")?;
        let (nonce, _) = nonce.split_once('"')?;
        let is_ours = text.contains(&format!("realm=\"{DOMAIN}\""));
        is_ours.then(|| Challenge { nonce: nonce.into(), is_stale: text.contains("stale=true"), count: 0 })
    }

    /// The header field, with its CRLF, by which this UA proves who it is in its next REGISTER.
    pub(crate) fn credentials(&mut self, number: u32) -> String {
        self.count += 1;
        let Challenge { nonce, count, .. } = self;
        let request = hex(&format!("REGISTER:sip:{DOMAIN}"));
        let response = hex(&format!("{}:{nonce}:{count:08x}:{number:08x}:auth:{request}", secret(number)));
        format!(
            "Authorization: Digest username=\"{}\", realm=\"{DOMAIN}\", nonce=\"{nonce}\", uri=\"sip:{DOMAIN}\", \
             response=\"{response}\", algorithm=SHA-256, qop=auth, nc={count:08x}, cnonce=\"{number:08x}\"\r\n",
            name(number),
        )
    }
}

/// The users file of a node that knows this many UAs.
pub(crate) fn users(uas: u32) -> String {
    let mut text = String::new();
    for number in 0..uas {
        let (name, secret) = (name(number), secret(number));
        writeln!(text, "[users.\"{name}@{DOMAIN}\"]\nha1_sha256 = \"{secret}\"")
            .expect("a String takes all that is written");
    }
    text
}

fn name(number: u32) -> String {
    format!("u{number:06}")
}

/// RFC 7616 §3.4.2: A1, hashed.
fn secret(number: u32) -> String {
    hex(&format!("{}:{DOMAIN}:password of {number}", name(number)))
}

fn hex(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for octet in Sha256::digest(text) {
        write!(hex, "{octet:02x}").expect("a String takes all that is written");
    }
    hex
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn of_two_challenges_the_one_for_sha_256_is_answered_and_requests_are_counted() {
        let answer = format!(
            "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"{DOMAIN}\", nonce=\"m\", algorithm=MD5\r\n\
             WWW-Authenticate: Digest realm=\"{DOMAIN}\", nonce=\"s\", algorithm=SHA-256, stale=true\r\n\r\n"
        );
        let mut challenge = Challenge::read(answer.as_bytes()).unwrap();
        assert!(challenge.is_stale);
        let [first, second] = [challenge.credentials(7), challenge.credentials(7)];
        assert!(first.contains("nonce=\"s\"") && first.contains("nc=00000001"), "{first}");
        assert!(second.contains("nc=00000002"), "{second}");
        assert!(Challenge::read(b"SIP/2.0 401 Unauthorized\r\n\r\n").is_none());
    }
}
