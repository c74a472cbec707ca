//! Credentials: the value of Authorization and Proxy-Authorization. RFC 7616 §3.4.

use super::fields::{Fields, Write};
use super::{Algorithm, Fault, Ha1, Hex, is_equal};

/// What a client proves that it knows the secret with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// Who it says it is.
    pub username: Vec<u8>,
    /// The challenge's.
    pub realm: Vec<u8>,
    /// The challenge's.
    pub nonce: Vec<u8>,
    /// The Request-URI that the digest is of.
    pub uri: Vec<u8>,
    /// The digest.
    pub response: Hex,
    /// `None`: not named, which is MD5.
    pub algorithm: Option<Algorithm>,
    /// The challenge's.
    pub opaque: Option<Vec<u8>>,
    /// What `qop=auth` adds; `None` from a peer that knows no qop.
    pub protection: Option<Protection>,
}

/// What `qop=auth` adds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protection {
    /// The client's own nonce.
    pub cnonce: Vec<u8>,
    /// `nc` as it stands there, which is what is hashed.
    nc: [u8; 8],
}

impl Credentials {
    /// Reads a field's value.
    pub fn parse(value: &[u8]) -> Result<Credentials, Fault> {
        let fields = Fields::of_digest(value)?;
        let algorithm = fields.get("algorithm").map(|name| Algorithm::of(name).ok_or(Fault::Algorithm));
        Ok(Credentials {
            username: fields.need("username")?,
            realm: fields.need("realm")?,
            nonce: fields.need("nonce")?,
            uri: fields.need("uri")?,
            response: fields.need("response")?.to_ascii_lowercase().into(),
            algorithm: algorithm.transpose()?,
            opaque: fields.own("opaque"),
            protection: Protection::of(&fields)?,
        })
    }

    /// The realm that they are for, whatever else they say and whether or not they can be used; without the backslashes
    /// that a reader may leave out. An error where they are no digest, or where readers may differ on what they say.
    pub fn realm_of(value: &[u8]) -> Result<Vec<u8>, Fault> {
        let realm = Fields::of_digest(value)?.need("realm")?;
        Ok(realm.into_iter().filter(|octet| *octet != b'\\').collect())
    }

    /// The field's value.
    pub fn to_value(&self) -> Vec<u8> {
        let mut out = Write::digest()
            .quoted("username", &self.username)
            .quoted("realm", &self.realm)
            .quoted("nonce", &self.nonce)
            // RFC 8760 §2.6: the URI stands in quotes.
            .quoted("uri", &self.uri)
            .quoted("response", &self.response);
        if let Some(algorithm) = self.algorithm {
            out = out.plain("algorithm", algorithm.as_str());
        }
        if let Some(opaque) = &self.opaque {
            out = out.quoted("opaque", opaque);
        }
        if let Some(protection) = &self.protection {
            out = protection.write(out);
        }
        out.finish()
    }

    /// The algorithm that they are made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Md5)
    }

    /// Whether they prove the secret, for a request with this method. Whether nonce, count and URI are what they should
    /// be is the caller's to look at.
    pub fn is_right(&self, ha1: &Ha1, method: &[u8]) -> bool {
        let expected = ha1.digest(method, &self.uri, &self.nonce, self.protection.as_ref());
        ha1.algorithm == self.algorithm() && is_equal(&expected, &self.response)
    }
}

impl Protection {
    /// For the request with that count.
    pub fn new(cnonce: &str, count: u32) -> Protection {
        let mut nc = [b'0'; 8];
        nc.copy_from_slice(format!("{count:08x}").as_bytes());
        Protection { cnonce: cnonce.as_bytes().to_vec(), nc }
    }

    /// How many requests have been made with this nonce, this one included.
    pub fn count(&self) -> u32 {
        u32::from_str_radix(self.nc(), 16).unwrap_or_default()
    }

    pub(super) fn nc(&self) -> &str {
        std::str::from_utf8(&self.nc).unwrap_or_default()
    }

    pub(super) fn of(fields: &Fields<'_>) -> Result<Option<Protection>, Fault> {
        let Some(qop) = fields.get("qop") else { return Ok(None) };
        if !qop.eq_ignore_ascii_case(b"auth") {
            return Err(Fault::Qop);
        }
        // RFC 7616 §3.4: eight hexadecimal digits.
        let nc = fields.get("nc").ok_or(Fault::Missing("nc"))?;
        let nc = nc.try_into().ok().filter(|nc: &[u8; 8]| nc.iter().all(u8::is_ascii_hexdigit));
        Ok(Some(Protection { cnonce: fields.need("cnonce")?, nc: nc.ok_or(Fault::Malformed)? }))
    }

    pub(super) fn write(&self, out: Write) -> Write {
        out.plain("qop", "auth").plain("nc", self.nc()).quoted("cnonce", &self.cnonce)
    }
}
