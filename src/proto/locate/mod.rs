//! Where a SIP URI leads: the choice of transport, port and host by what DNS says. RFC 3263 §4, RFC 2782.
//!
//! ```text
//!   URI ---+-- a port, or a numeric host -----------------------------------------> Plan::Host
//!          |
//!          +-- a transport and no port ------> SRV of that transport -------+--> hosts in order of priority
//!          |                                                               |
//!          +-- neither --> NAPTR --+-- found --> SRV that it names ---------+
//!                                  |                                       |
//!                                  +-- none ---> SRV of each transport ----+-- none --> Plan::Host
//! ```
//!
//! A `sips` URI leads to TLS and nothing else.
//!
//! Only what to ask and what to make of the answers is here; whoever asks has a resolver.

mod srv;

pub use srv::{Server, in_order};

use crate::sip::{Scheme, Transport, Uri};
use std::net::IpAddr;

/// What to ask DNS for a URI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Nothing but the host's addresses.
    Host(Host),
    /// The SRV records of this name; without any, the host.
    Srv {
        /// What servers that they name are reached over.
        transport: Transport,
        /// The name.
        name: String,
        /// Where there are none.
        otherwise: Host,
    },
    /// The NAPTR records of this domain.
    Naptr {
        /// The domain.
        domain: String,
        /// Whether nothing but TLS will do.
        is_secure: bool,
    },
}

impl Plan {
    /// Whether it may come to TLS.
    pub fn may_be_tls(&self) -> bool {
        match self {
            Plan::Host(Host { transport, .. }) | Plan::Srv { transport, .. } => *transport == Transport::Tls,
            Plan::Naptr { .. } => true,
        }
    }
}

/// A host whose addresses are looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// What it is reached over.
    pub transport: Transport,
    /// A name or an address; an IPv6 address without brackets.
    pub name: String,
    /// Its port.
    pub port: u16,
}

impl Host {
    fn new(transport: Transport, name: &str, port: Option<u16>) -> Host {
        // RFC 3263 §4.2: without a port, the transport's own.
        Host { transport, name: name.to_owned(), port: port.unwrap_or(transport.default_port()) }
    }
}

/// A NAPTR record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    /// Lower ones first, and no other is tried when one of them fits.
    pub order: u16,
    /// Within one order, lower ones first.
    pub preference: u16,
    /// `s`: the replacement has SRV records.
    pub flags: String,
    /// `SIP+D2T` and its kin.
    pub service: String,
    /// The next name to ask for.
    pub replacement: String,
}

/// What to ask for the host of a URI.
pub fn plan(uri: &Uri<'_>) -> Plan {
    let host = String::from_utf8_lossy(uri.host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_name = host.parse::<IpAddr>().is_err() && !is_local(host);
    let is_secure = uri.scheme == Scheme::Sips;
    // RFC 3261 §26.2.2: with `sips`, the transport that is named is the one below TLS.
    let transport = uri.transport().map(|transport| if is_secure { Transport::Tls } else { transport });
    match (transport, uri.port) {
        (Some(transport), None) if is_name => srv(transport, host),
        (None, None) if is_name => Plan::Naptr { domain: host.to_owned(), is_secure },
        // RFC 3263 §4.1: UDP where no transport is named, and the host is numeric or a port is given; for `sips` TLS.
        (transport, port) => Plan::Host(Host::new(transport.unwrap_or(unnamed(is_secure)), host, port)),
    }
}

fn unnamed(is_secure: bool) -> Transport {
    if is_secure { Transport::Tls } else { Transport::Udp }
}

/// The SRV records of one transport.
pub fn srv(transport: Transport, domain: &str) -> Plan {
    let (service, protocol) = match transport {
        Transport::Udp => ("_sip", "_udp"),
        Transport::Tcp => ("_sip", "_tcp"),
        Transport::Tls => ("_sips", "_tcp"),
        // RFC 7118 has no SRV records of its own: a WebSocket URI names its server.
        Transport::Ws | Transport::Wss => return Plan::Host(Host::new(transport, domain, None)),
    };
    let name = format!("{service}.{protocol}.{domain}");
    Plan::Srv { transport, name, otherwise: Host::new(transport, domain, None) }
}

/// What to ask for after the NAPTR records came: the SRV records of the transports that both sides have, the most
/// wanted first. `transports` are those that we have, the one that we like best first.
pub fn after_naptr(
    (domain, is_secure): (&str, bool),
    records: &[Naptr],
    transports: &[Transport],
) -> Vec<Plan> {
    let mut fitting: Vec<(&Naptr, Transport)> = records
        .iter()
        .filter(|record| record.flags.eq_ignore_ascii_case("s"))
        .filter_map(|record| Some((record, transport_of(&record.service)?)))
        // RFC 3263 §4.1: a record of a transport that is not supported is discarded.
        .filter(|(_, transport)| transports.contains(transport))
        // RFC 3263 §4.1: for a `sips` URI, all services but `SIPS` are discarded.
        .filter(|(_, transport)| !is_secure || *transport == Transport::Tls)
        .collect();
    fitting.sort_by_key(|(record, _)| (record.order, record.preference));
    if fitting.is_empty() {
        // RFC 3263 §4.1: without NAPTR records, SRV queries for each transport that is supported, by `_sips` for a `sips` URI
        // and by `_sip` for others.
        let asked = transports.iter().filter(|transport| (**transport == Transport::Tls) == is_secure);
        return asked.map(|transport| srv(*transport, domain)).collect();
    }
    let plan = |(record, transport): (&Naptr, Transport)| Plan::Srv {
        transport,
        name: record.replacement.trim_end_matches('.').to_owned(),
        otherwise: Host::new(transport, domain, None),
    };
    fitting.into_iter().map(plan).collect()
}

/// RFC 3263 §4.1: where neither NAPTR nor SRV records are found, UDP, or for `sips` TLS, and the host's own addresses.
pub fn last_resort(domain: &str, is_secure: bool) -> Host {
    Host::new(unnamed(is_secure), domain, None)
}

fn transport_of(service: &str) -> Option<Transport> {
    [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)]
        .into_iter()
        .find_map(|(name, transport)| name.eq_ignore_ascii_case(service).then_some(transport))
}

/// RFC 6761 §6.3: names of this very host are not asked DNS for.
fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[Transport] = &[Transport::Tcp, Transport::Udp];
    const ALL: &[Transport] = &[Transport::Tls, Transport::Tcp, Transport::Udp];

    fn of(uri: &str) -> Plan {
        plan(&Uri::parse(uri.as_bytes()).unwrap())
    }

    fn host(transport: Transport, name: &str, port: u16) -> Plan {
        Plan::Host(Host { transport, name: name.to_owned(), port })
    }

    fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Naptr {
        let (flags, service) = ("s".to_owned(), service.to_owned());
        Naptr { order, preference, flags, service, replacement: replacement.to_owned() }
    }

    fn names(plans: Vec<Plan>) -> Vec<(Transport, String)> {
        let name = |plan| match plan {
            Plan::Srv { transport, name, .. } => (transport, name),
            plan => panic!("{plan:?}"),
        };
        plans.into_iter().map(name).collect()
    }

    #[test]
    fn s4_1_a_numeric_host_is_reached_over_udp_unless_the_uri_says_otherwise() {
        assert_eq!(of("sip:192.0.2.1"), host(Transport::Udp, "192.0.2.1", 5060));
        assert_eq!(of("sip:[2001:db8::1]:5070"), host(Transport::Udp, "2001:db8::1", 5070));
        assert_eq!(of("sip:192.0.2.1;transport=tcp"), host(Transport::Tcp, "192.0.2.1", 5060));
        assert_eq!(of("sip:192.0.2.1;transport=tls"), host(Transport::Tls, "192.0.2.1", 5061));
    }

    #[test]
    fn rfc3261_s26_2_2_a_sips_uri_leads_to_tls_and_nothing_else() {
        assert_eq!(of("sips:192.0.2.1"), host(Transport::Tls, "192.0.2.1", 5061));
        assert_eq!(of("sips:192.0.2.1:5070;transport=tcp"), host(Transport::Tls, "192.0.2.1", 5070));
        assert_eq!(of("sips:localhost"), host(Transport::Tls, "localhost", 5061));
        for named in ["tcp", "tls"] {
            let Plan::Srv { transport, name, otherwise } = of(&format!("sips:example.com;transport={named}"))
            else {
                panic!()
            };
            assert_eq!((transport, name.as_str()), (Transport::Tls, "_sips._tcp.example.com"));
            assert_eq!(Plan::Host(otherwise), host(Transport::Tls, "example.com", 5061));
        }
        let domain = ("example.com", true);
        assert_eq!(of("sips:example.com"), Plan::Naptr { domain: "example.com".to_owned(), is_secure: true });
        let found = [naptr(1, 1, "SIP+D2T", "a.example.com"), naptr(2, 1, "SIPS+D2T", "b.example.com")];
        assert_eq!(names(after_naptr(domain, &found, ALL)), [(Transport::Tls, "b.example.com".to_owned())]);
        for none in [&found[..1], &[]] {
            let expected = [(Transport::Tls, "_sips._tcp.example.com".to_owned())];
            assert_eq!(names(after_naptr(domain, none, ALL)), expected);
        }
        assert_eq!(Plan::Host(last_resort("example.com", true)), host(Transport::Tls, "example.com", 5061));
    }

    #[test]
    fn s4_1_a_domain_may_want_tls_for_a_sip_uri_and_is_not_asked_for_it_otherwise() {
        let found =
            [naptr(1, 1, "SIPS+D2T", "_sips._tcp.example.com."), naptr(2, 1, "SIP+D2T", "a.example.com")];
        let plans = names(after_naptr(("example.com", false), &found, ALL));
        assert_eq!(plans[0], (Transport::Tls, "_sips._tcp.example.com".to_owned()));
        assert_eq!(plans.len(), 2);
        let plans = names(after_naptr(("example.com", false), &[], ALL));
        assert!(plans.iter().all(|(transport, _)| *transport != Transport::Tls), "{plans:?}");
    }

    #[test]
    fn what_may_come_to_tls_is_known_beforehand() {
        for uri in ["sips:192.0.2.1", "sip:192.0.2.1;transport=tls", "sip:example.com", "sips:example.com"] {
            assert!(of(uri).may_be_tls(), "{uri}");
        }
        for uri in ["sip:192.0.2.1", "sip:example.com:5060", "sip:example.com;transport=tcp", "sip:localhost"]
        {
            assert!(!of(uri).may_be_tls(), "{uri}");
        }
    }

    #[test]
    fn s4_2_a_name_with_a_port_has_its_addresses_looked_up_and_nothing_else() {
        assert_eq!(of("sip:example.com:5060"), host(Transport::Udp, "example.com", 5060));
        assert_eq!(of("sip:example.com:5070;transport=tcp"), host(Transport::Tcp, "example.com", 5070));
    }

    #[test]
    fn s4_2_a_name_with_a_transport_has_that_transports_srv_records_looked_up() {
        let Plan::Srv { transport, name, otherwise } = of("sip:example.com;transport=TCP") else { panic!() };
        assert_eq!((transport, name.as_str()), (Transport::Tcp, "_sip._tcp.example.com"));
        assert_eq!(Plan::Host(otherwise), host(Transport::Tcp, "example.com", 5060));
    }

    #[test]
    fn rfc6761_s6_3_this_host_is_not_looked_up_in_dns() {
        for name in ["localhost", "LOCALHOST", "a.localhost"] {
            assert_eq!(of(&format!("sip:{name}")), host(Transport::Udp, name, 5060));
        }
    }

    /// The example of RFC 3263 §4.1.
    #[test]
    fn s4_1_naptr_records_say_which_transport_is_wanted_most() {
        assert_eq!(
            of("sip:user@example.com"),
            Plan::Naptr { domain: "example.com".to_owned(), is_secure: false }
        );
        let records = [
            naptr(100, 50, "SIP+D2U", "_sip._udp.example.com."),
            naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com."),
            naptr(90, 50, "SIP+D2T", "_sip._tcp.example.net"),
        ];
        let plans = after_naptr(("example.com", false), &records, OURS);
        let expected = [(Transport::Tcp, "_sip._tcp.example.net"), (Transport::Udp, "_sip._udp.example.com")];
        assert_eq!(names(plans), expected.map(|(transport, name)| (transport, name.to_owned())));
    }

    #[test]
    fn s4_1_records_that_do_not_fit_are_discarded() {
        let records = [
            naptr(1, 1, "SIP+D2S", "_sip._sctp.example.com"),
            naptr(1, 1, "E2U+sip", "example.com"),
            Naptr { flags: "u".to_owned(), ..naptr(1, 1, "SIP+D2T", "") },
        ];
        let expected = [(Transport::Tcp, "_sip._tcp.example.com"), (Transport::Udp, "_sip._udp.example.com")];
        let expected = expected.map(|(transport, name)| (transport, name.to_owned()));
        assert_eq!(
            names(after_naptr(("example.com", false), &records, OURS)),
            expected,
            "as if there were none"
        );
        assert_eq!(names(after_naptr(("example.com", false), &[], OURS)), expected);
        assert_eq!(Plan::Host(last_resort("example.com", false)), host(Transport::Udp, "example.com", 5060));
    }
}
