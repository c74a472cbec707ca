//! Who is behind an address, as far as limits are concerned.

use std::net::{IpAddr, Ipv6Addr};

/// The address that stands for a peer wherever something is counted for each of them.
///
/// Who has one address of IPv6 has all of its /64. An IPv4 address is the same in IPv6's words (`::ffff:192.0.2.1`).
pub fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_is_an_ipv4_address_or_a_network_of_ipv6() {
        for (address, peer) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(peer_of(address.parse().unwrap()), peer.parse::<IpAddr>().unwrap(), "{address}");
        }
    }
}
