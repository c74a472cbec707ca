//! Who is let in: connections at once, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sip::peer_of;

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `limits.max_connections` are open.
    #[error("limits.max_connections are open")]
    Total,
    /// `limits.max_connections_per_address` are open from this address.
    #[error("limits.max_connections_per_address are open from this address")]
    Address,
}

/// Counts the node's connections against its limits.
#[derive(Debug)]
pub struct Admission {
    max_total: usize,
    max_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    per_address: HashMap<IpAddr, usize>,
}

/// The right to be connected: dropping it makes room for another.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    /// Whose connection it is, once that is known, as [`peer_of`] has it.
    address: Option<IpAddr>,
}

impl Admission {
    /// Limits in connections at once; a `max_per_address` of 0 is none.
    pub fn new(max_total: usize, max_per_address: usize) -> Arc<Self> {
        let max_per_address = if max_per_address == 0 { usize::MAX } else { max_per_address };
        Arc::new(Self { max_total, max_per_address, open: Mutex::default() })
    }

    /// Lets a connection from `address` in, unless a limit is reached.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        self.admit_unnamed()?.named(address)
    }

    /// Lets in a connection that has yet to say whose it is, unless all there may be are open.
    pub fn admit_unnamed(self: &Arc<Self>) -> Result<Permit, Refusal> {
        let mut open = self.lock();
        if open.total >= self.max_total {
            return Err(Refusal::Total);
        }
        open.total += 1;
        Ok(Permit { admission: Arc::clone(self), address: None })
    }

    /// Connections that are open now.
    pub fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The connection, so far nobody's, is from `address`.
    pub fn named(mut self, address: IpAddr) -> Result<Permit, Refusal> {
        let address = peer_of(address);
        let mut open = self.admission.lock();
        let from_address = open.per_address.entry(address).or_default();
        let full = *from_address >= self.admission.max_per_address;
        if !full {
            *from_address += 1;
        }
        drop(open);
        if full {
            return Err(Refusal::Address);
        }
        self.address = Some(address);
        Ok(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.lock();
        open.total -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = open.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.per_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    #[test]
    fn one_address_cannot_take_what_is_meant_for_all() {
        let admission = Admission::new(3, 2);
        let first = admission.admit(HERE).unwrap();
        let _second = admission.admit(HERE).unwrap();
        assert_eq!(admission.admit(HERE).unwrap_err(), Refusal::Address);
        let _third = admission.admit(THERE).unwrap();
        assert_eq!(admission.admit(THERE).unwrap_err(), Refusal::Total);
        drop(first);
        assert_eq!(admission.total(), 2);
        assert!(admission.admit(HERE).is_ok());
    }

    #[test]
    fn a_connection_that_is_nobodys_yet_counts_in_all_and_then_for_whose_it_is() {
        let admission = Admission::new(3, 1);
        let (first, second) = (admission.admit_unnamed().unwrap(), admission.admit_unnamed().unwrap());
        let _third = admission.admit_unnamed().unwrap();
        assert_eq!(admission.admit_unnamed().unwrap_err(), Refusal::Total);
        let _first = first.named(HERE).unwrap();
        assert_eq!(second.named(HERE).unwrap_err(), Refusal::Address);
        assert_eq!(admission.total(), 2, "who is refused makes room");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_an_address_of_ipv4_is_one_in_any_words() {
        let admission = Admission::new(10, 1);
        let admit = |address: &str| admission.admit(address.parse().unwrap());
        let _first = admit("2001:db8::1").unwrap();
        assert_eq!(admit("2001:db8::ffff:2").unwrap_err(), Refusal::Address);
        let _other = admit("2001:db8:0:1::1").unwrap();
        let _mapped = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").unwrap_err(), Refusal::Address);
        let _beside = admit("192.0.2.2").unwrap();
    }

    #[test]
    fn an_address_without_connections_is_forgotten() {
        let admission = Admission::new(10, 10);
        drop(admission.admit(HERE).unwrap());
        assert!(admission.open.lock().unwrap().per_address.is_empty());
    }
}
