//! Digest authentication: challenges, credentials, and the digests that prove a password without telling it. RFC 7616,
//! RFC 8760, RFC 3261 §22.4.
//!
//! ```text
//!   UA                                            registrar, proxy, node
//!    | request                                       |
//!    | --------------------------------------------> |
//!    |               401 or 407 with a [`Challenge`] |
//!    | <-------------------------------------------- |
//!    | request with [`Credentials`]                  |   [`Credentials::is_right`]
//!    | --------------------------------------------> |
//!    |               2xx with an [`Info`]            |
//!    | <-------------------------------------------- |   [`Info::is_right`]: the other side knows the secret too
//! ```
//!
//! Algorithms are MD5 and SHA-256, quality of protection `auth`, or none for peers of RFC 2069. Nonces are the caller's.
//! Values that stand in quotes are kept as they stand between them, because that is what is hashed (RFC 7616 §3.4).

mod challenge;
mod credentials;
mod fields;
mod info;
#[cfg(test)]
mod tests;

pub use challenge::{Challenge, choose};
pub use credentials::{Credentials, Protection};
pub use info::Info;

use md5::{Digest as _, Md5};
use sha2::Sha256;
use smallvec::SmallVec;
use std::fmt;
use thiserror::Error;

/// Why a challenge, credentials or an Authentication-Info cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// A scheme other than Digest. RFC 8760 §2.6: Basic is neither accepted nor requested.
    #[error("the scheme is not Digest")]
    Scheme,
    /// No list of parameters, or one of them twice.
    #[error("the parameters are malformed")]
    Malformed,
    /// A parameter that has to be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An algorithm other than MD5 and SHA-256.
    #[error("the algorithm is not known")]
    Algorithm,
    /// A quality of protection other than `auth`.
    #[error("the quality of protection is not known")]
    Qop,
}

/// A hash algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// For old peers: RFC 8760 §3 does not recommend it.
    Md5,
    /// RFC 8760 §2
    Sha256,
}

/// A digest as it is written, in hexadecimal.
pub type Hex = SmallVec<[u8; 64]>;

impl Algorithm {
    /// The algorithm of that name, in any case.
    pub fn of(name: &[u8]) -> Option<Algorithm> {
        let all = [Algorithm::Md5, Algorithm::Sha256];
        all.into_iter().find(|algorithm| algorithm.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// The hash of these parts with a colon between each two.
    fn hash(self, parts: &[&[u8]]) -> Hex {
        let pieces = parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| [if index == 0 { &b""[..] } else { b":" }, part]);
        match self {
            Algorithm::Md5 => hex(&pieces.fold(Md5::new(), Md5::chain_update).finalize()),
            Algorithm::Sha256 => hex(&pieces.fold(Sha256::new(), Sha256::chain_update).finalize()),
        }
    }
}

/// What both sides know: the hash of user name, realm and password (RFC 7616 §3.4.2), which is as good as the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: Hex,
}

impl Ha1 {
    /// Of a password.
    pub fn of(algorithm: Algorithm, username: &[u8], realm: &[u8], password: &[u8]) -> Ha1 {
        // RFC 7616 §3.4.2: A1 = unq(username) ":" unq(realm) ":" passwd
        Ha1 { algorithm, hex: algorithm.hash(&[username, realm, password]) }
    }

    /// As stored in hexadecimal; `None` where that is no hash of this algorithm.
    pub fn given(algorithm: Algorithm, hex: &[u8]) -> Option<Ha1> {
        let digits = match algorithm {
            Algorithm::Md5 => 32,
            Algorithm::Sha256 => 64,
        };
        let is_hash = hex.len() == digits && hex.iter().all(u8::is_ascii_hexdigit);
        is_hash.then(|| Ha1 { algorithm, hex: hex.to_ascii_lowercase().into() })
    }

    /// The algorithm that it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// As it is stored.
    pub fn as_hex(&self) -> &str {
        std::str::from_utf8(&self.hex).unwrap_or_default()
    }

    /// RFC 7616 §3.4.1: the request's digest; with an empty method that of a response, `rspauth` (§3.5).
    fn digest(&self, method: &[u8], uri: &[u8], nonce: &[u8], protection: Option<&Protection>) -> Hex {
        let algorithm = self.algorithm;
        // RFC 7616 §3.4.3: A2 = Method ":" request-uri
        let a2 = algorithm.hash(&[method, uri]);
        match protection {
            Some(protection) => {
                let nc = protection.nc().as_bytes();
                algorithm.hash(&[&self.hex, nonce, nc, &protection.cnonce, b"auth", &a2])
            }
            // RFC 3261 §22.4: a peer of RFC 2069 sends no qop, and is answered without.
            None => algorithm.hash(&[&self.hex, nonce, &a2]),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ha1({})", self.algorithm.as_str())
    }
}

/// Whether two digests are equal, in a time that does not tell where they differ.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other));
    one.len() == other.len() && std::hint::black_box(difference) == 0
}

fn hex(octets: &[u8]) -> Hex {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    octets
        .iter()
        .flat_map(|octet| [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]])
        .collect()
}
