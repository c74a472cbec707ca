//! A challenge: the value of WWW-Authenticate and Proxy-Authenticate. RFC 7616 §3.3.

use super::credentials::{Credentials, Protection};
use super::fields::{Fields, Write};
use super::{Algorithm, Fault, Ha1};
use crate::sip::lex::{List, trim};

/// What a server asks a client to prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// Tells the client which user name and password to take.
    pub realm: Vec<u8>,
    /// What the digest is made with, so that it is of no use for another request.
    pub nonce: Vec<u8>,
    /// To be returned as it is.
    pub opaque: Option<Vec<u8>>,
    /// `None`: not named, which is MD5.
    pub algorithm: Option<Algorithm>,
    /// Whether `qop` offers `auth`; where it does not, the server knows no qop at all.
    pub has_qop: bool,
    /// The credentials were right but for their nonce.
    pub is_stale: bool,
}

impl Challenge {
    /// Reads one field's value. Each challenge has a field of its own (RFC 3261 §7.3.1).
    pub fn parse(value: &[u8]) -> Result<Challenge, Fault> {
        let fields = Fields::of_digest(value)?;
        let algorithm = fields.get("algorithm").map(|name| Algorithm::of(name).ok_or(Fault::Algorithm));
        let qop = fields.get("qop");
        if qop.is_some_and(|qop| !List::new(qop).any(|one| trim(one).eq_ignore_ascii_case(b"auth"))) {
            return Err(Fault::Qop);
        }
        Ok(Challenge {
            realm: fields.need("realm")?,
            nonce: fields.need("nonce")?,
            opaque: fields.own("opaque"),
            algorithm: algorithm.transpose()?,
            has_qop: qop.is_some(),
            is_stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
        })
    }

    /// The field's value.
    pub fn to_value(&self) -> Vec<u8> {
        let mut out = Write::digest().quoted("realm", &self.realm).quoted("nonce", &self.nonce);
        if let Some(opaque) = &self.opaque {
            out = out.quoted("opaque", opaque);
        }
        if let Some(algorithm) = self.algorithm {
            out = out.plain("algorithm", algorithm.as_str());
        }
        if self.has_qop {
            // In a challenge it is a list, and therefore in quotes.
            out = out.quoted("qop", b"auth");
        }
        if self.is_stale {
            out = out.plain("stale", "true");
        }
        out.finish()
    }

    /// The algorithm to use.
    pub fn algorithm(&self) -> Algorithm {
        // RFC 7616 §3.3: no algorithm is MD5.
        self.algorithm.unwrap_or(Algorithm::Md5)
    }

    /// The credentials of a request. `ha1` is for this realm and algorithm; `count` is the number of requests, this one
    /// included, that were made with this nonce; `cnonce` is new and random.
    pub fn answer(
        &self,
        username: &[u8],
        ha1: &Ha1,
        (method, uri): (&[u8], &[u8]),
        count: u32,
        cnonce: &str,
    ) -> Credentials {
        let protection = self.has_qop.then(|| Protection::new(cnonce, count));
        Credentials {
            username: username.to_vec(),
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            uri: uri.to_vec(),
            response: ha1.digest(method, uri, &self.nonce, protection.as_ref()),
            algorithm: self.algorithm,
            opaque: self.opaque.clone(),
            protection,
        }
    }
}

/// The challenge to answer of those in a response, given field by field; where there is none, what is wrong with the
/// first.
pub fn choose<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Challenge, Fault> {
    // RFC 8760 §2.4: the topmost that is understood, because the server has put them in its order.
    let mut wrong = None;
    for value in values {
        match Challenge::parse(value) {
            Ok(challenge) => return Ok(challenge),
            Err(fault) => _ = wrong.get_or_insert(fault),
        }
    }
    Err(wrong.unwrap_or(Fault::Missing("a challenge")))
}
