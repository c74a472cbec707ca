//! Tickets that every node of a cluster takes, so that a UA whose node has died resumes at another.
//!
//! ```text
//!   secret --- HKDF: for tickets, who has to show a certificate, the slot of time ---> key ---> AES-256-GCM-SIV
//! ```
//!
//! A slot is six hours. A ticket is good in its own slot and in the next one, and in the one before, for nodes whose clocks
//! differ. It holds the certificate that its client has shown, which nobody checks again: so a ticket opens only where
//! clients have to show the same as where it was made.
//!
//! A ticket of TLS 1.2 holds the secret of the very connection over which it comes, in the clear but for the ticket's own
//! key: with a key that lasts as long as a cluster's secret, what was recorded could be read once that is known. Those are
//! sealed with a key of this run instead, and good at this node alone. With TLS 1.3 each connection has a secret of its
//! own besides.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::server::ProducesTickets;

/// What a key is for: the same secret used elsewhere gives other keys.
const PURPOSE: &[u8] = b"flowhold tls ticket 1";

/// How long a key makes tickets.
const SLOT: u32 = 6 * 60 * 60;

/// The id of the secret and the slot, which are authenticated and not encrypted, and the nonce behind them.
const HEAD: usize = 5;

/// The secrets that nodes have in common, by their ids: the first makes tickets, all of them read them. None: tickets are
/// good at the node that made them.
#[derive(Clone, Default)]
pub struct Shared(Arc<[(u8, Prk)]>);

impl Shared {
    /// Of these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (u8, &'a [u8])>) -> Self {
        let salt = Salt::none(HKDF_SHA256);
        Self(secrets.into_iter().map(|(id, secret)| (id, salt.extract(secret))).collect())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Without the secrets.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({})", self.0.len())
    }
}

/// Makes and reads tickets.
#[derive(Debug)]
pub(super) struct Tickets {
    shared: Shared,
    /// What clients have to show, as a digest.
    asked: [u8; 32],
    /// For what is better not sealed with a key that lasts.
    own: Arc<dyn ProducesTickets>,
}

impl Tickets {
    /// For listeners that ask clients for what has this digest.
    pub(super) fn new(shared: Shared, asked: [u8; 32], own: Arc<dyn ProducesTickets>) -> Self {
        Self { shared, asked, own }
    }

    fn seal(&self, slot: u32, plain: &[u8]) -> Option<Vec<u8>> {
        let (id, secret) = self.shared.0.first()?;
        let head = head(*id, slot);
        let mut sealed = plain.to_vec();
        let nonce = self.key(secret, slot)?.seal_in_place_append_tag(Aad::from(head), &mut sealed).ok()?;
        Some([&head[..], nonce.as_ref(), &sealed].concat())
    }

    fn open(&self, now: u32, ticket: &[u8]) -> Option<Vec<u8>> {
        let (head, rest) = ticket.split_first_chunk::<HEAD>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let [id, slot @ ..] = *head;
        let slot = u32::from_be_bytes(slot);
        if slot.abs_diff(now) > 1 {
            return None;
        }
        let (_, secret) = self.shared.0.iter().find(|(known, _)| *known == id)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut octets = sealed.to_vec();
        let length = self.key(secret, slot)?.open_in_place(nonce, Aad::from(*head), &mut octets).ok()?.len();
        octets.truncate(length);
        Some(octets)
    }

    fn key(&self, secret: &Prk, slot: u32) -> Option<RandomizedNonceKey> {
        let mut key = [0; 32];
        secret
            .expand(&[PURPOSE, &self.asked, &slot.to_be_bytes()], Length(key.len()))
            .ok()?
            .fill(&mut key)
            .ok()?;
        RandomizedNonceKey::new(&AES_256_GCM_SIV, &key).ok()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        SLOT
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if is_of_tls13(plain) { self.seal(slot(), plain) } else { self.own.encrypt(plain) }
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(slot(), ticket).or_else(|| self.own.decrypt(ticket))
    }
}

/// How long a key is.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn head(id: u8, slot: u32) -> [u8; HEAD] {
    let [a, b, c, d] = slot.to_be_bytes();
    [id, a, b, c, d]
}

fn slot() -> u32 {
    u32::try_from(UnixTime::now().as_secs() / u64::from(SLOT)).unwrap_or(u32::MAX)
}

/// Whether what goes into a ticket is surely of TLS 1.3. It begins with the name that was asked for, or none, and the
/// version; what looks otherwise is not.
fn is_of_tls13(plain: &[u8]) -> bool {
    let version = match plain {
        [0, rest @ ..] => Some(rest),
        [1, length, rest @ ..] => rest.get(usize::from(*length)..),
        _ => None,
    };
    version.is_some_and(|version| version.starts_with(&[3, 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"the first secret, long enough";
    const NEW: &[u8] = b"another secret, also long enough";
    const PLAIN: &[u8] = b"\0\x03\x04 what rustls writes";

    #[derive(Debug)]
    struct Nobody;

    impl ProducesTickets for Nobody {
        fn enabled(&self) -> bool {
            true
        }
        fn lifetime(&self) -> u32 {
            0
        }
        fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
            Some(b"own".to_vec())
        }
        fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
            (ticket == b"own").then(|| b"its own".to_vec())
        }
    }

    fn tickets(secrets: &[(u8, &'static [u8])], asked: u8) -> Tickets {
        Tickets::new(Shared::new(secrets.iter().copied()), [asked; 32], Arc::new(Nobody))
    }

    #[test]
    fn another_node_takes_a_ticket_in_its_slot_and_beside_it() {
        let (a, b) = (tickets(&[(1, OLD)], 0), tickets(&[(1, OLD)], 0));
        let ticket = a.seal(10, PLAIN).unwrap();
        for (now, is_good) in [(8, false), (9, true), (10, true), (11, true), (12, false)] {
            assert_eq!(b.open(now, &ticket).as_deref(), is_good.then_some(PLAIN), "{now}");
        }
        assert_ne!(a.seal(10, PLAIN).unwrap(), ticket, "no two are alike");
        assert_eq!(a.decrypt(&a.encrypt(PLAIN).unwrap()).unwrap(), PLAIN);
    }

    #[test]
    fn a_ticket_opens_only_where_clients_have_to_show_the_same() {
        let ticket = tickets(&[(1, OLD)], 0).seal(10, PLAIN).unwrap();
        assert_eq!(tickets(&[(1, OLD)], 1).open(10, &ticket), None);
    }

    #[test]
    fn a_ticket_that_was_changed_does_not_open() {
        // One secret under two ids: only authentication tells that the id was changed.
        let node = tickets(&[(1, OLD), (3, OLD)], 0);
        let ticket = node.seal(10, PLAIN).unwrap();
        for bit in 0..ticket.len() * 8 {
            let mut changed = ticket.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(node.open(10, &changed), None, "bit {bit}");
        }
        for length in 0..ticket.len() {
            assert_eq!(node.open(10, &ticket[..length]), None, "{length} octets");
        }
    }

    #[test]
    fn secrets_rotate() {
        let old = tickets(&[(1, OLD)], 0).seal(10, PLAIN).unwrap();
        let both = tickets(&[(2, NEW), (1, OLD)], 0);
        let new = both.seal(10, PLAIN).unwrap();
        assert_eq!(both.open(10, &old).unwrap(), PLAIN);
        assert_eq!(tickets(&[(2, NEW)], 0).open(10, &new).unwrap(), PLAIN);
        assert_eq!(tickets(&[(2, NEW)], 0).open(10, &old), None);
        assert_eq!(tickets(&[(1, NEW)], 0).open(10, &old), None, "the id of one, another secret");
    }

    #[test]
    fn what_is_not_surely_of_tls_1_3_is_for_this_run_alone() {
        let node = tickets(&[(1, OLD)], 0);
        for other in [&b"\0\x03\x03"[..], b"\x01\x01a\x03\x03", b"\x01\x04\x03\x04", b"\x02\x03\x04", b""] {
            assert_eq!(node.encrypt(other).unwrap(), b"own", "{other:?}");
        }
        for tls13 in [PLAIN, b"\x01\x01a\x03\x04"] {
            assert_ne!(node.encrypt(tls13).unwrap(), b"own", "{tls13:?}");
        }
        assert_eq!(node.decrypt(b"own").unwrap(), b"its own");
    }
}
