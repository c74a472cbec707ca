//! A bucket for each address that sends.
//!
//! Addresses can be forged, so there is no entry for each: there is a fixed number of buckets, and a keyed hash that
//! nobody outside can foresee says which one is an address's. Two addresses may share one, which matters only while one of
//! them floods; a flood from more addresses than there are buckets fills all of them evenly, and none to its brim.

use std::hash::Hasher;
use std::net::IpAddr;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use super::{Asker, Rate, Shared};
use crate::sip::peer_of;

/// How many buckets there are: 128 KiB.
const BUCKETS: usize = 1 << 14;

/// The buckets of all addresses.
#[derive(Debug)]
pub struct Addresses {
    buckets: Box<[Shared]>,
    key: (u64, u64),
}

impl Addresses {
    /// `key` has to be random.
    pub fn new(key: (u64, u64)) -> Self {
        Self { buckets: (0..BUCKETS).map(|_| Shared::default()).collect(), key }
    }

    /// One more of this address, if there is a place for it.
    pub fn take(&self, address: IpAddr, rate: Rate, now: Duration) -> bool {
        self.buckets[self.index(address)].take(rate, now, Asker::Known)
    }

    fn index(&self, address: IpAddr) -> usize {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        match peer_of(address) {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        usize::try_from(hasher.finish() % BUCKETS as u64).unwrap_or_default()
    }
}
