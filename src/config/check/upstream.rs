//! Rules about other providers that the node registers with.

use super::Findings;
use crate::config::model::Config;
use crate::config::next_hop::RouteTo;
use crate::config::upstream::Upstream;
use crate::sip::{Scheme, Transport, Uri};

/// As many as have a place of their own in the log and the metrics; each takes its connections and no more.
const MAX_UPSTREAMS: usize = 1000;

/// Flows to one provider that are worth having.
const MAX_PROXIES: usize = 8;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let upstreams = &config.upstream;
    let keys: &[&str] = &["upstream"];
    if upstreams.len() > MAX_UPSTREAMS {
        found.fault(keys, format!("{} are more than the {MAX_UPSTREAMS} there can be", upstreams.len()));
    }
    if !upstreams.is_empty() && config.proxy.registrar.is_some() {
        found.fault(
            &["upstream", "proxy.registrar"],
            "an edge proxy has no addresses-of-record that requests of a provider could be for: register at the registrar",
        );
    }
    for (place, upstream) in upstreams.iter().enumerate() {
        let name = &upstream.name;
        let others = &upstreams[..place];
        if others.iter().any(|other| other.name == *name) {
            found.fault(keys, format!("{name} stands there twice: give one of them another `name`"));
        } else if others.iter().any(|other| other.short_aor() == upstream.short_aor()) {
            found.fault(keys, format!("{name}: its address-of-record is another one's already"));
        }
        check_one(config, upstream, found);
    }
    for route in &config.proxy.routes {
        if let RouteTo::Upstream(name) = &route.to
            && !upstreams.iter().any(|upstream| upstream.name == *name)
        {
            found.fault(
                &["proxy.routes", "upstream"],
                format!("a route leads to `upstream:{name}`, and there is no [[upstream]] of that name"),
            );
        }
    }
}

fn check_one(config: &Config, upstream: &Upstream, found: &mut Findings) {
    let (name, keys): (_, &[&str]) = (&upstream.name, &["upstream"]);
    match upstream.proxies.len() {
        0 => found.fault(keys, format!("{name}: no proxies, so that nobody could be registered with")),
        1 => found.warning(
            keys,
            format!("{name}: one proxy is one flow, and nobody is reached while that is formed anew"),
        ),
        2..=MAX_PROXIES => {}
        many => found.fault(keys, format!("{name}: {many} proxies are more than {MAX_PROXIES}")),
    }
    for proxy in &upstream.proxies {
        let uri = Uri::parse(proxy.as_bytes()).ok();
        let is_secure = uri.as_ref().is_some_and(|uri| uri.scheme == Scheme::Sips);
        let over: &[Transport] = match (is_secure, uri.and_then(|uri| uri.transport())) {
            (true, None | Some(Transport::Tls | Transport::Tcp)) | (false, Some(Transport::Tls)) => {
                &[Transport::Tls]
            }
            (false, Some(Transport::Tcp)) => &[Transport::Tcp],
            (false, Some(Transport::Udp)) => &[Transport::Udp],
            // DNS has the choice.
            (false, None) => &[Transport::Tcp, Transport::Udp],
            (true, Some(_)) => {
                found.fault(keys, format!("{name}: {proxy}: sips is over TLS"));
                continue;
            }
            (false, Some(_)) => {
                found.fault(keys, format!("{name}: {proxy}: the transports are tls, tcp and udp"));
                continue;
            }
        };
        // Nobody comes to it: what comes back comes over the flow.
        if over.contains(&Transport::Tls) && config.listen.tls.is_empty() && config.listen.tcp.is_empty() {
            found.fault(
                &["upstream", "listen.tls"],
                format!(
                    "{name}: {proxy}: a flow over TLS needs a TLS or TCP listener, which Via and Record-Route name"
                ),
            );
        }
        if over.contains(&Transport::Tcp) && config.listen.tcp.is_empty() {
            found.fault(
                &["upstream", "listen.tcp"],
                format!(
                    "{name}: {proxy}: a flow over TCP needs a TCP listener, which Via and Record-Route name"
                ),
            );
        }
        if over.contains(&Transport::Udp) && config.listen.udp.is_empty() {
            found.fault(
                &["upstream", "listen.udp"],
                format!(
                    "{name}: {proxy}: a flow over UDP needs a UDP listener, which Via and Record-Route name"
                ),
            );
        }
    }
    let to = Uri::parse(upstream.to.as_bytes()).map(|uri| uri.host.to_ascii_lowercase());
    if !to.is_ok_and(|host| config.node.domains.iter().any(|domain| domain.as_bytes() == host)) {
        found.fault(
            &["upstream", "node.domains"],
            format!("{name}: {} is in no domain of `node.domains`, where nobody can register", upstream.to),
        );
    }
    if upstream.expires.as_secs() < 10 {
        found.fault(
            keys,
            format!("{name}: expires is below 10s: the node would do little else than register"),
        );
    }
    if upstream.retry_all_failed.is_zero() || upstream.retry_some_up.is_zero() {
        found.fault(keys, format!("{name}: a wait of 0s would try a provider that is away without a pause"));
    }
}
