//! Nonces that every node of a cluster can check, and nobody keeps: time, run and chance, under a keyed code. RFC 7616
//! §3.3, §5.4.
//!
//! ```text
//!   minted at (ms)   run   chance   code
//!   octets, in hex:
//!   6                4     8        12 (HMAC-SHA-256 of these and of the peer's address)
//! ```
//!
//! What a nonce cannot know is which requests it was used for: that is noted where they arrive ([`super::Replay`]). A
//! captured request could therefore be sent once more to each other node. Three things keep that small:
//!
//! - A nonce is good from the address that it was given to.
//! - One that another node made, or an earlier run of this one, is good for 32 s: as long as it takes to answer
//!   a challenge when a load balancer has the answer come to another node.
//! - With such a one a single request is let through, and no flow is trusted ([`super::Trust`]).
//!
//! A UA that has flows to two nodes so gets a nonce from each.

use std::net::IpAddr;
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;
use flowhold_cluster::flow::NodeRun;
use sha2::{Digest, Sha256};

use super::keys::{self, Keys};
use crate::proto::hex;

/// How long a nonce of another node is good: 64 T1, which is as long as a challenge may take to be answered.
const ELSEWHERE: Duration = Duration::from_secs(32);

/// How far the clocks of nodes may differ.
const SKEW: Duration = Duration::from_secs(5);

const TIME: usize = 6;
const RUN: usize = 4;
const CHANCE: usize = 8;
const CODE: usize = 12;
const SAID: usize = TIME + RUN + CHANCE;
const OCTETS: usize = SAID + CODE;

/// Makes and checks nonces.
#[derive(Clone, Debug)]
pub struct Nonces {
    keys: Keys,
    run: [u8; RUN],
    lifetime: Duration,
}

/// What is to be thought of a nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// It can be used.
    Good(Nonce),
    /// One of our keys made it for that address, but not lately.
    Aged,
    /// None of our keys made it for that address, so whoever uses it may never have been sent it.
    Other,
}

/// A nonce that is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce {
    /// When it was made.
    pub minted: Timestamp,
    /// Tells it from every other.
    pub id: u64,
    /// Whether this run of this node made it.
    pub is_own: bool,
}

impl Reading {
    /// The nonce, if it is good.
    pub fn good(self) -> Option<Nonce> {
        match self {
            Reading::Good(nonce) => Some(nonce),
            Reading::Aged | Reading::Other => None,
        }
    }

    /// The lower, the better.
    pub(super) fn rank(self) -> u8 {
        match self {
            Reading::Good(_) => 0,
            Reading::Aged => 1,
            Reading::Other => 2,
        }
    }
}

impl Nonces {
    /// For this run of a node. A nonce is good for `lifetime`.
    pub fn new(keys: Keys, run: &NodeRun, lifetime: Duration) -> Self {
        let digest = Sha256::new().chain_update(run.node.as_bytes()).chain_update(run.epoch.to_be_bytes());
        let run = *digest.finalize().first_chunk().expect("a hash is longer");
        Self { keys, run, lifetime }
    }

    /// A new one for who is at that address. `random` is new and random.
    pub fn mint(&self, now: Timestamp, random: u64, peer: IpAddr) -> String {
        let mut octets = [0; OCTETS];
        let (said, code) = octets.split_at_mut(SAID);
        said[..TIME].copy_from_slice(&now.0.to_be_bytes()[8 - TIME..]);
        said[TIME..TIME + RUN].copy_from_slice(&self.run);
        said[TIME + RUN..].copy_from_slice(&random.to_be_bytes());
        let key = self.keys.nonces.first().expect("there is a key");
        code.copy_from_slice(&code_of(key, said, peer));
        let mut text = vec![0; 2 * OCTETS];
        hex::write(&octets, &mut text);
        String::from_utf8(text).expect("hex digits are ASCII")
    }

    /// What is to be thought of a nonce that comes from that address.
    pub fn read(&self, text: &[u8], peer: IpAddr, now: Timestamp) -> Reading {
        let Some(octets) = hex::read::<OCTETS>(text) else { return Reading::Other };
        let (said, code) = octets.split_at(SAID);
        // RFC 7616 §5.4: a nonce that the server did not make is of no use to whoever chose it. Time tells nothing of a
        // code that can be guessed in no time; it is compared as a whole all the same.
        let is_ours = |key| {
            let ours = code_of(key, said, peer);
            let difference =
                ours.iter().zip(code).fold(0, |difference, (one, other)| difference | (one ^ other));
            std::hint::black_box(difference) == 0
        };
        if !self.keys.nonces.iter().any(is_ours) {
            return Reading::Other;
        }
        let number = |octets: &[u8]| octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet));
        let nonce = Nonce {
            minted: Timestamp(number(&said[..TIME])),
            id: number(&said[TIME + RUN..]),
            is_own: said[TIME..TIME + RUN] == self.run,
        };
        let good_for = if nonce.is_own { self.lifetime } else { self.lifetime.min(ELSEWHERE) + SKEW };
        let is_of_future = nonce.minted > now + SKEW;
        if is_of_future || nonce.minted + good_for <= now { Reading::Aged } else { Reading::Good(nonce) }
    }
}

fn code_of(key: &hmac::Hmac<Sha256>, said: &[u8], peer: IpAddr) -> [u8; CODE] {
    let address = match peer.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    *keys::mac(key, &[said, &address.octets()]).first_chunk().expect("a code is longer")
}
