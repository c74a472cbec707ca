//! Whose TLS handshake is next: so many at a time, and for one address a share of them.
//!
//! ```text
//!   first octet ---> waits for a place of its address ---> waits for a place of the node ---> handshake
//! ```
//!
//! Who has no place waits: a client that is closed comes back, and after a restart of the node all of them come at once. One
//! address that takes all of its places keeps only itself waiting.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The places of a node.
#[derive(Debug)]
pub struct Turns {
    all: Semaphore,
    /// How many of them one address may have.
    share: usize,
    of_address: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// The right to shake hands: dropping it makes room for another.
#[derive(Debug)]
pub struct Turn<'t> {
    _place: SemaphorePermit<'t>,
    _share: Share<'t>,
}

/// A place of one address, or a claim on one.
#[derive(Debug)]
struct Share<'t> {
    turns: &'t Turns,
    address: IpAddr,
    places: Option<Arc<Semaphore>>,
    place: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// So many at a time, and from one address, or one /64 of IPv6; a `share` of 0 is no limit.
    pub fn new(all: usize, share: usize) -> Self {
        let share = if share == 0 { all } else { share };
        Self {
            all: Semaphore::new(all.min(Semaphore::MAX_PERMITS)),
            share: share.min(Semaphore::MAX_PERMITS),
            of_address: Mutex::default(),
        }
    }

    /// Waits for a place, for as long as the future is kept.
    pub async fn take(&self, address: IpAddr) -> Turn<'_> {
        let mut share = self.share_of(address);
        let places = share.places.as_ref().map(Arc::clone).expect("it is there until it is dropped");
        share.place = Some(places.acquire_owned().await.expect("the semaphore is never closed"));
        let place = self.all.acquire().await.expect("the semaphore is never closed");
        Turn { _place: place, _share: share }
    }

    fn share_of(&self, address: IpAddr) -> Share<'_> {
        let address = host(address);
        let mut of_address = self.lock();
        let places = of_address.entry(address).or_insert_with(|| Arc::new(Semaphore::new(self.share)));
        Share { turns: self, address, places: Some(Arc::clone(places)), place: None }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<Semaphore>>> {
        self.of_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.place = None;
        self.places = None;
        // Nobody can take one meanwhile, so the last one sees that it is the last.
        let mut of_address = self.turns.lock();
        if of_address.get(&self.address).is_some_and(|places| Arc::strong_count(places) == 1) {
            of_address.remove(&self.address);
        }
    }
}

/// Who has one address of IPv6 has all of its /64.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_share_and_others_have_the_rest() {
        let turns = Turns::new(3, 2);
        let first = turns.take(address("192.0.2.1")).now_or_never().unwrap();
        let _second = turns.take(address("192.0.2.1")).now_or_never().unwrap();
        let mut third = pin!(turns.take(address("192.0.2.1")));
        assert!((&mut third).now_or_never().is_none(), "it waits");
        let other = turns.take(address("192.0.2.2")).now_or_never().expect("who waits has no place");
        drop(first);
        assert!((&mut third).now_or_never().is_some(), "its turn has come");
        drop(other);
    }

    #[test]
    fn the_node_has_no_more_places_than_it_has() {
        let turns = Turns::new(2, 0);
        let _one = turns.take(address("192.0.2.1")).now_or_never().unwrap();
        let two = turns.take(address("192.0.2.1")).now_or_never().unwrap();
        let mut three = pin!(turns.take(address("192.0.2.3")));
        assert!((&mut three).now_or_never().is_none());
        drop(two);
        assert!((&mut three).now_or_never().is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let turns = Turns::new(8, 1);
        let _one = turns.take(address("2001:db8::1")).now_or_never().unwrap();
        assert!(turns.take(address("2001:db8::2")).now_or_never().is_none());
        assert!(turns.take(address("2001:db8:0:1::1")).now_or_never().is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone() {
        let turns = Turns::new(1, 1);
        let one = turns.take(address("192.0.2.1")).now_or_never().unwrap();
        // Who gives up waiting leaves nothing behind either.
        assert!(turns.take(address("192.0.2.1")).now_or_never().is_none());
        assert!(turns.take(address("192.0.2.2")).now_or_never().is_none());
        drop(one);
        assert!(turns.lock().is_empty());
        assert!(turns.take(address("192.0.2.2")).now_or_never().is_some());
        assert!(turns.lock().is_empty());
    }
}
