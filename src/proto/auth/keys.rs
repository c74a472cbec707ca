//! The keys that nonces and what stands for unknown users are made with, each derived from a secret with a
//! purpose of its own.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Why each key is derived: the same secret used elsewhere gives other keys.
const NONCE: &[u8] = b"flowhold nonce 1";
const NOBODY: &[u8] = b"flowhold unknown user 1";

/// The keys. What the nodes of a cluster have in common, each can check of the others.
#[derive(Clone)]
pub struct Keys {
    /// The first one makes nonces, all of them read nonces, so that secrets can be changed while nonces are out.
    pub(super) nonces: Box<[Hmac<Sha256>]>,
    pub(super) nobody: Hmac<Sha256>,
}

impl Keys {
    /// Of secrets, of which there is at least one; the first is in use, and the others were or will be.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let secrets: Vec<&[u8]> = secrets.into_iter().collect();
        let first = secrets.first().copied().unwrap_or_default();
        Self {
            nonces: secrets.iter().map(|secret| keyed(&derive(secret, NONCE))).collect(),
            nobody: keyed(&derive(first, NOBODY)),
        }
    }
}

/// Without the keys.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.nonces.len())
    }
}

fn derive(secret: &[u8], purpose: &[u8]) -> [u8; 32] {
    mac(&keyed(secret), &[purpose])
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// The code of these parts, one behind the other.
pub(super) fn mac(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
