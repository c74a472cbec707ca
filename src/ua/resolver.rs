//! Where a proxy's URI leads: [`crate::proto::locate`] asked with a real resolver.
//!
//! NAPTR and SRV records come from DNS, addresses from the system, so that `/etc/hosts` counts.

use std::collections::VecDeque;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::proto::NextHop;
use crate::proto::locate::{self, Host, Naptr, Plan, Server};
use crate::sip::{Transport, Uri};

/// How many addresses are worth trying.
const MAX_HOPS: usize = 16;

/// How long DNS may take for one question.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who answers questions about names. What cannot be found out is as if it were not there.
pub trait Dns {
    /// The NAPTR records of a domain.
    fn naptr(&self, domain: &str) -> impl Future<Output = Vec<Naptr>> + Send;
    /// The SRV records of a name.
    fn srv(&self, name: &str) -> impl Future<Output = Vec<Server>> + Send;
    /// The addresses of a host.
    fn addresses(&self, name: &str) -> impl Future<Output = Vec<IpAddr>> + Send;
}

/// The system's resolver.
#[derive(Debug)]
pub struct System {
    /// `None` where the system names no DNS server.
    dns: Option<TokioResolver>,
}

impl System {
    /// As the system names its DNS servers.
    pub fn configured() -> System {
        let build = || -> Result<TokioResolver, NetError> {
            let mut builder = TokioResolver::builder_tokio()?;
            builder.options_mut().timeout = PATIENCE;
            builder.options_mut().attempts = 1;
            builder.build()
        };
        System { dns: build().ok() }
    }

    async fn look_up<T>(&self, name: &str, kind: RecordType, read: impl Fn(&RData) -> Option<T>) -> Vec<T> {
        let Some(dns) = &self.dns else { return Vec::new() };
        // With the dot at its end, no search domain is tried.
        let name = format!("{}.", name.trim_end_matches('.'));
        match dns.lookup(name, kind).await {
            Ok(found) => found.answers().iter().filter_map(|record| read(&record.data)).collect(),
            Err(_) => Vec::new(),
        }
    }
}

impl Dns for System {
    async fn naptr(&self, domain: &str) -> Vec<Naptr> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let read = |data: &RData| match data {
            RData::NAPTR(record) => Some(Naptr {
                order: record.order,
                preference: record.preference,
                flags: text(&record.flags),
                service: text(&record.services),
                replacement: record.replacement.to_utf8(),
            }),
            _ => None,
        };
        self.look_up(domain, RecordType::NAPTR, read).await
    }

    async fn srv(&self, name: &str) -> Vec<Server> {
        let read = |data: &RData| match data {
            RData::SRV(record) => Some(Server {
                priority: record.priority,
                weight: record.weight,
                port: record.port,
                target: record.target.to_utf8(),
            }),
            _ => None,
        };
        self.look_up(name, RecordType::SRV, read).await
    }

    async fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let found = tokio::net::lookup_host((name, 0)).await;
        found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
    }
}

/// The addresses that a proxy's URI leads to over these transports, of which the first is liked best, in the order in which
/// to try them; never none.
pub async fn locate(dns: &impl Dns, uri: &str, transports: &[Transport]) -> Result<Vec<NextHop>, String> {
    let uri = Uri::parse(uri.as_bytes()).map_err(|fault| fault.to_string())?;
    let mut hops = Vec::new();
    let mut otherwise = None;
    let mut plans: VecDeque<Plan> = [locate::plan(&uri)].into();
    while let Some(plan) = plans.pop_front() {
        match plan {
            Plan::Host(host) => add(dns, &host, &mut hops).await,
            Plan::Naptr { domain, is_secure } => {
                let records = dns.naptr(&domain).await;
                plans.extend(locate::after_naptr((&domain, is_secure), &records, transports));
                otherwise = Some(locate::last_resort(&domain, is_secure));
            }
            Plan::Srv { transport, name, otherwise: host } => {
                for server in locate::in_order(dns.srv(&name).await, rand::random) {
                    let Server { port, target, .. } = server;
                    add(dns, &Host { transport, name: target, port }, &mut hops).await;
                }
                otherwise.get_or_insert(host);
            }
        }
    }
    if let Some(host) = otherwise.filter(|_| hops.is_empty()) {
        add(dns, &host, &mut hops).await;
    }
    if hops.is_empty() {
        return Err(format!("no address for {}", String::from_utf8_lossy(uri.host)));
    }
    Ok(hops)
}

async fn add(dns: &impl Dns, Host { transport, name, port }: &Host, hops: &mut Vec<NextHop>) {
    let addresses = match name.parse() {
        Ok(address) => vec![address],
        Err(_) => dns.addresses(name.trim_end_matches('.')).await,
    };
    for address in addresses {
        let hop = NextHop { transport: *transport, address: SocketAddr::new(address, *port) };
        if hops.len() < MAX_HOPS && !hops.contains(&hop) {
            hops.push(hop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

    /// A zone, by name.
    #[derive(Default)]
    struct Zone {
        naptr: Vec<(&'static str, Naptr)>,
        srv: Vec<(&'static str, Server)>,
        addresses: Vec<(&'static str, &'static str)>,
    }

    fn found<T: Clone>(records: &[(&'static str, T)], name: &str) -> Vec<T> {
        let same = records.iter().filter(|(named, _)| *named == name);
        same.map(|(_, record)| record.clone()).collect()
    }

    impl Dns for Zone {
        async fn naptr(&self, domain: &str) -> Vec<Naptr> {
            found(&self.naptr, domain)
        }
        async fn srv(&self, name: &str) -> Vec<Server> {
            found(&self.srv, name)
        }
        async fn addresses(&self, name: &str) -> Vec<IpAddr> {
            found(&self.addresses, name).iter().map(|address| address.parse().unwrap()).collect()
        }
    }

    fn server(priority: u16, port: u16, target: &str) -> Server {
        Server { priority, weight: 0, port, target: target.to_owned() }
    }

    fn hosts() -> Vec<(&'static str, &'static str)> {
        vec![("example.com", "192.0.2.1"), ("a.example.com", "192.0.2.2"), ("a.example.com", "2001:db8::2")]
    }

    async fn hops(zone: &Zone, uri: &str) -> Vec<String> {
        let hops = locate(zone, uri, BOTH).await.unwrap();
        hops.iter().map(|hop| format!("{} {}", hop.transport.as_uri_str(), hop.address)).collect()
    }

    #[tokio::test]
    async fn without_records_the_host_itself_is_tried() {
        let zone = Zone { addresses: hosts(), ..Zone::default() };
        assert_eq!(hops(&zone, "sip:example.com").await, ["udp 192.0.2.1:5060"]);
        assert_eq!(hops(&zone, "sip:example.com;transport=tcp").await, ["tcp 192.0.2.1:5060"]);
        assert_eq!(hops(&zone, "sip:192.0.2.7:5070").await, ["udp 192.0.2.7:5070"]);
        assert_eq!(
            hops(&zone, "sip:a.example.com:5070").await,
            ["udp 192.0.2.2:5070", "udp [2001:db8::2]:5070"]
        );
    }

    #[tokio::test]
    async fn servers_are_tried_in_their_order_each_with_all_its_addresses() {
        let srv = vec![
            ("_sip._tcp.example.com", server(2, 5080, "example.com.")),
            ("_sip._tcp.example.com", server(1, 5070, "a.example.com.")),
            ("_sip._udp.example.com", server(1, 5090, "example.com.")),
        ];
        let zone = Zone { srv, addresses: hosts(), ..Zone::default() };
        let tcp = ["tcp 192.0.2.2:5070", "tcp [2001:db8::2]:5070", "tcp 192.0.2.1:5080"];
        assert_eq!(hops(&zone, "sip:example.com;transport=tcp").await, tcp);
        // Without NAPTR records, both transports are asked for.
        assert_eq!(hops(&zone, "sip:example.com").await, [&tcp[..], &["udp 192.0.2.1:5090"]].concat());
    }

    #[tokio::test]
    async fn naptr_records_lead_to_another_domain() {
        let naptr = Naptr {
            order: 1,
            preference: 1,
            flags: "s".to_owned(),
            service: "SIP+D2T".to_owned(),
            replacement: "_sip._tcp.example.net.".to_owned(),
        };
        let srv = vec![("_sip._tcp.example.net", server(1, 5070, "a.example.com."))];
        let zone = Zone { naptr: vec![("example.com", naptr)], srv, addresses: hosts() };
        assert_eq!(hops(&zone, "sip:example.com").await[0], "tcp 192.0.2.2:5070");
    }

    #[tokio::test]
    async fn a_sips_uri_is_asked_for_by_its_own_records() {
        let srv = vec![
            ("_sip._tcp.example.com", server(1, 5080, "example.com.")),
            ("_sips._tcp.example.com", server(1, 5081, "a.example.com.")),
        ];
        let zone = Zone { srv, addresses: hosts(), ..Zone::default() };
        let all = &[Transport::Tls, Transport::Tcp, Transport::Udp];
        let hops = locate(&zone, "sips:example.com", all).await.unwrap();
        assert!(hops.iter().all(|hop| hop.transport == Transport::Tls && hop.address.port() == 5081));
        let bare = Zone { addresses: hosts(), ..Zone::default() };
        let hops = locate(&bare, "sips:example.com", all).await.unwrap();
        let tls = NextHop { transport: Transport::Tls, address: "192.0.2.1:5061".parse().unwrap() };
        assert_eq!(hops, [tls]);
    }

    #[tokio::test]
    async fn a_name_without_an_address_says_so() {
        let error = locate(&Zone::default(), "sip:nowhere.example.com", BOTH).await.unwrap_err();
        assert_eq!(error, "no address for nowhere.example.com");
        assert!(locate(&Zone::default(), "sip:", BOTH).await.is_err());
    }

    #[tokio::test]
    async fn this_host_is_found_without_dns() {
        let hops = locate(&System { dns: None }, "sip:localhost;transport=tcp", BOTH).await.unwrap();
        assert!(hops[0].address.ip().is_loopback());
    }
}
