//! How addresses and networks of peers are written: `"192.0.2.1"`, `"10.0.0.0/8"`, `"fd00::/8"`.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, de::Error};

/// An address, or all addresses with the same beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// Bits that all its addresses share.
    prefix: u8,
}

impl Network {
    /// Whether `address` is one of it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && shared_bits(address, self.prefix) == bits(self.first).0
    }

    /// Whether every address of a family is one of it.
    pub fn is_everybody(&self) -> bool {
        self.prefix == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.first).1 {
            return self.first.fmt(f);
        }
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// A list of networks.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Network>, D::Error> {
    Vec::<String>::deserialize(from)?.iter().map(|text| parse(text).map_err(D::Error::custom)).collect()
}

fn parse(text: &str) -> Result<Network, String> {
    let wrong = || {
        format!(
            "`{text}` is not an address or a network such as \"192.0.2.1\", \"10.0.0.0/8\" or \"fd00::/8\""
        )
    };
    let (address, prefix) = text.split_once('/').map_or((text, None), |(at, prefix)| (at, Some(prefix)));
    let first: IpAddr = address.parse().map_err(|_| wrong())?;
    let (value, most) = bits(first);
    let prefix = match prefix {
        None => most,
        Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= most).ok_or_else(wrong)?,
    };
    if shared_bits(first, prefix) != value {
        return Err(format!("`{text}` has bits beyond the first {prefix}: which network is meant?"));
    }
    Ok(Network { first, prefix })
}

/// An address as a number, and how many bits that has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (v4.to_bits().into(), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// Its first `prefix` bits, and zeros.
fn shared_bits(address: IpAddr, prefix: u8) -> u128 {
    let (value, most) = bits(address);
    let rest = u32::from(most - prefix);
    value.checked_shr(rest).and_then(|kept| kept.checked_shl(rest)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn network(text: &str) -> Network {
        parse(text).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_in_a_network_when_it_begins_alike() {
        for (written, inside, outside) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.64/26", "192.0.2.127", "192.0.2.128"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::", "0.0.0.1"),
        ] {
            assert!(network(written).contains(address(inside)), "{written} {inside}");
            assert!(!network(written).contains(address(outside)), "{written} {outside}");
            assert_eq!(network(written).to_string(), written);
        }
        assert!(network("::/0").is_everybody() && !network("10.0.0.0/8").is_everybody());
    }

    #[test]
    fn what_is_no_network_is_said() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/x", "lb.example.com"] {
            assert!(parse(text).unwrap_err().contains("is not an address or a network"), "{text}");
        }
        assert_eq!(
            parse("10.0.0.5/8").unwrap_err(),
            "`10.0.0.5/8` has bits beyond the first 8: which network is meant?"
        );
    }
}
