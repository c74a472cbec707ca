//! Authentication-Info: how the other side proves that it knows the secret too. RFC 7616 §3.5.

use super::credentials::{Credentials, Protection};
use super::fields::{Fields, Write};
use super::{Fault, Ha1, Hex, is_equal};

/// The value of an Authentication-Info or Proxy-Authentication-Info field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Info {
    /// The digest; `None` where the server proves nothing.
    pub rspauth: Option<Hex>,
    /// The nonce for the next request, where the server names one.
    pub next_nonce: Option<Vec<u8>>,
    /// The request's.
    pub protection: Option<Protection>,
}

impl Info {
    /// The answer to credentials that are right.
    pub fn of(credentials: &Credentials, ha1: &Ha1) -> Info {
        Info {
            rspauth: Some(rspauth(credentials, ha1)),
            next_nonce: None,
            protection: credentials.protection.clone(),
        }
    }

    /// Reads a field's value.
    pub fn parse(value: &[u8]) -> Result<Info, Fault> {
        let fields = Fields::of(value)?;
        Ok(Info {
            rspauth: fields.get("rspauth").map(|digest| digest.to_ascii_lowercase().into()),
            next_nonce: fields.own("nextnonce"),
            protection: Protection::of(&fields)?,
        })
    }

    /// The field's value.
    pub fn to_value(&self) -> Vec<u8> {
        let mut out = Write::default();
        if let Some(nonce) = &self.next_nonce {
            out = out.quoted("nextnonce", nonce);
        }
        if let Some(rspauth) = &self.rspauth {
            out = out.quoted("rspauth", rspauth);
        }
        if let Some(protection) = &self.protection {
            out = protection.write(out);
        }
        out.finish()
    }

    /// Whether it proves, to the client that sent these credentials, that the server knows the secret.
    pub fn is_right(&self, credentials: &Credentials, ha1: &Ha1) -> bool {
        // RFC 7616 §3.5: cnonce and nc are those of the request.
        is_same(self.protection.as_ref(), credentials.protection.as_ref())
            && self.rspauth.as_ref().is_some_and(|digest| is_equal(digest, &rspauth(credentials, ha1)))
    }
}

/// Whether they are of one request; the other side may write its count in another way.
fn is_same(one: Option<&Protection>, other: Option<&Protection>) -> bool {
    let parts = |protection: &Protection| (protection.cnonce.clone(), protection.count());
    one.map(parts) == other.map(parts)
}

fn rspauth(credentials: &Credentials, ha1: &Ha1) -> Hex {
    // RFC 7616 §3.5: as the request's digest, with A2 = ":" request-uri
    ha1.digest(b"", &credentials.uri, &credentials.nonce, credentials.protection.as_ref())
}
