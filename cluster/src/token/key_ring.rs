//! The keys of flow tokens: the first one makes tokens, every one reads those that it made, so that keys can be changed
//! while tokens are out.
//!
//! The cipher is AES-256-GCM-SIV (RFC 8452) with one nonce for all. Of an ordinary AEAD that would be the end; this one
//! then tells whether two tokens are equal and nothing more, and that is wanted: a flow has one token.

use aes_gcm_siv::aead::AeadInOut;
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce, Tag};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;

use super::octets::{self, Octets};
use super::{FlowToken, TokenError, VERSION};

/// The shortest secret, in octets.
pub const MIN_SECRET: usize = 16;

/// What a key is for: the same secret used elsewhere gives other keys.
const PURPOSE: &[u8] = b"flowhold flow token 1";

/// Version and key id, which are authenticated and not encrypted.
const HEAD: usize = 2;
const TAG: usize = 16;
/// Octets of the shortest token and of the longest.
const SHORTEST: usize = HEAD + TAG + *octets::BODY.start();
const LONGEST: usize = HEAD + TAG + *octets::BODY.end();
/// The same as text.
const TEXT: std::ops::RangeInclusive<usize> = (SHORTEST * 4).div_ceil(3)..=(LONGEST * 4).div_ceil(3);

/// Keys by their ids. There is at least one, and no id twice.
#[derive(Debug)]
pub struct KeyRing {
    keys: Box<[Key]>,
}

/// The cipher is set up once; its Debug does not show the key.
#[derive(Debug)]
struct Key {
    id: u8,
    cipher: Aes256GcmSiv,
}

/// Why a list of secrets makes no key ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The list is empty.
    #[error("there is no key")]
    Empty,
    /// This key's secret is shorter than [`MIN_SECRET`].
    #[error("the secret of key {0} is shorter than {MIN_SECRET} octets")]
    TooShort(u8),
    /// This key id stands there twice.
    #[error("key id {0} stands there twice")]
    Repeated(u8),
}

impl KeyRing {
    /// Keys made from operators' secrets, each with its id: the first makes tokens, all of them read them.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (u8, &'a [u8])>) -> Result<Self, KeyRingError> {
        let mut keys: Vec<Key> = Vec::new();
        for (id, secret) in secrets {
            if secret.len() < MIN_SECRET {
                return Err(KeyRingError::TooShort(id));
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(KeyRingError::Repeated(id));
            }
            keys.push(Key::new(id, secret));
        }
        if keys.is_empty() { Err(KeyRingError::Empty) } else { Ok(Self { keys: keys.into() }) }
    }

    /// One key for one run of one node, from `random` octets, with the id 0: nobody else can read its tokens.
    pub fn of_one_run(random: &[u8; 32]) -> Self {
        Self { keys: Box::new([Key::new(0, random)]) }
    }

    /// The token as text, to be the user part of a SIP URI: letters, digits, "-" and "_", which nobody needs to escape
    /// (RFC 3261 §25.1). The same token gives the same text as long as the first key stays.
    ///
    /// # Panics
    /// When the node's id is empty or longer than [`MAX_NODE`](super::MAX_NODE), which no configuration allows.
    pub fn seal(&self, token: &FlowToken) -> String {
        let key = self.keys.first().expect("a key ring has a key");
        let mut octets = Octets::new();
        octets.extend_from_slice(&[VERSION, key.id]);
        octets.extend_from_slice(&[0; TAG]);
        octets::write(token, &mut octets);
        let (head, rest) = octets.split_at_mut(HEAD);
        let (tag, body) = rest.split_at_mut(TAG);
        let made = key
            .cipher
            .encrypt_inout_detached(&Nonce::default(), head, body.into())
            .expect("a token is shorter than the 64 GiB that the cipher takes");
        tag.copy_from_slice(&made);
        URL_SAFE_NO_PAD.encode(&octets)
    }

    /// What a token says, if one of our keys made it. `text` is the user part as it stands in the URI.
    ///
    /// # Errors
    /// Apart by whose they are: [`NotAToken`](TokenError::NotAToken) was never a token,
    /// [`UnknownKey`](TokenError::UnknownKey) may have been ours once, [`Forged`](TokenError::Forged) never was.
    pub fn open(&self, text: &[u8]) -> Result<FlowToken, TokenError> {
        let mut space = [0; LONGEST + 3];
        let octets = decode(text, &mut space)?;
        let (head, rest) = octets.split_at_mut(HEAD);
        let (tag, body) = rest.split_at_mut(TAG);
        let key = self.keys.iter().find(|key| key.id == head[1]).ok_or(TokenError::UnknownKey)?;
        let tag = Tag::try_from(&*tag).expect("it was cut to this length");
        key.cipher
            .decrypt_inout_detached(&Nonce::default(), head, (&mut *body).into(), &tag)
            .map_err(|_| TokenError::Forged)?;
        // Authentic, so of one of our nodes; which one of another version might write otherwise.
        octets::read(body).ok_or(TokenError::NotAToken)
    }
}

impl Key {
    fn new(id: u8, secret: &[u8]) -> Self {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, secret)
            .expand(PURPOSE, &mut key)
            .expect("32 octets are fewer than HKDF can give");
        Self { id, cipher: Aes256GcmSiv::new(&key.into()) }
    }
}

/// The id of the key that a token says it was made with, true or not.
pub fn key_id(text: &[u8]) -> Result<u8, TokenError> {
    let mut space = [0; LONGEST + 3];
    decode(text, &mut space).map(|octets| octets[1])
}

/// The octets of a token of our version, not yet authenticated. The decoder takes no padding and no stray bits at the end,
/// so that no two texts are the same token.
fn decode<'a>(text: &[u8], space: &'a mut [u8; LONGEST + 3]) -> Result<&'a mut [u8], TokenError> {
    // Nearly every user part that is no token is shorter.
    if !TEXT.contains(&text.len()) {
        return Err(TokenError::NotAToken);
    }
    let length = URL_SAFE_NO_PAD.decode_slice(text, space).map_err(|_| TokenError::NotAToken)?;
    let octets = &mut space[..length];
    if (SHORTEST..=LONGEST).contains(&length) && octets[0] == VERSION {
        Ok(octets)
    } else {
        Err(TokenError::NotAToken)
    }
}
