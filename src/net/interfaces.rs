//! The addresses of this machine.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

/// The addresses at which a listener that is bound to `local` is reached: of a wildcard, those of all interfaces as they
/// are now, which are of its family.
pub fn reached_at(local: IpAddr) -> io::Result<Vec<IpAddr>> {
    if !local.is_unspecified() {
        return Ok(vec![local]);
    }
    let found = getifaddrs()?.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    Ok(found.filter(|address| address.is_ipv4() == local.is_ipv4()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_every_address_of_its_family() {
        let of = |text: &str| reached_at(text.parse().unwrap()).unwrap();
        let everywhere = of("0.0.0.0");
        assert!(everywhere.contains(&"127.0.0.1".parse().unwrap()), "{everywhere:?}");
        assert!(everywhere.iter().all(|address| address.is_ipv4() && !address.is_unspecified()));
        assert!(of("::").iter().all(|address| address.is_ipv6() && !address.is_unspecified()));
        assert_eq!(of("192.0.2.1"), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    }
}
