//! The rules between keys: what cannot work is a fault, what works and is probably not meant is a warning.

mod auth;
mod cluster;
mod listen;
mod location;
mod tls;
mod upstream;
mod websocket;

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::model::{Config, PingTimeout};
use super::next_hop::NextHopTransport;

/// More than anybody needs to change keys, few enough to look through for each token.
const MAX_TOKEN_KEYS: usize = 16;

/// Octets of a secret that cannot be guessed, if it is random.
const MIN_SECRET: usize = 16;

/// Whether a node starts in spite of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Fault,
    Warning,
}

/// A rule that does not hold.
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// What the rule reads; the first is named where all of them are defaults.
    pub(super) keys: Vec<&'static str>,
    pub(super) reason: String,
}

/// Every rule that `config` does not keep.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    check_node(config, &mut found);
    listen::check(config, &mut found);
    tls::check(config, &mut found);
    websocket::check(config, &mut found);
    check_outbound(config, &mut found);
    check_registrar(config, &mut found);
    check_proxy(config, &mut found);
    check_tokens(config, &mut found);
    auth::check(config, &mut found);
    location::check(config, &mut found);
    cluster::check(config, &mut found);
    upstream::check(config, &mut found);
    check_limits(config, &mut found);
    check_log(config, &mut found);
    found.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn fault(&mut self, keys: &[&'static str], reason: impl Into<String>) {
        self.0.push(Finding { severity: Severity::Fault, keys: keys.to_vec(), reason: reason.into() });
    }

    fn warning(&mut self, keys: &[&'static str], reason: impl Into<String>) {
        self.0.push(Finding { severity: Severity::Warning, keys: keys.to_vec(), reason: reason.into() });
    }
}

fn check_node(config: &Config, found: &mut Findings) {
    let id = &config.node.id;
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id.is_empty() || id.len() > 63 || !id.bytes().all(inside) {
        found.fault(
            &["node.id"],
            format!("`{id}` is not a name of 1 to 63 letters, digits, \"-\", \"_\" and \".\" (\"\" is the host name)"),
        );
    }
    if config.node.domains.is_empty() {
        found.fault(&["node.domains"], "is empty: every address-of-record would be answered 404");
    }
    if config.node.workers > 1024 {
        found.fault(&["node.workers"], format!("{} is more than the 1024 there can be", config.node.workers));
    }
}

fn check_outbound(config: &Config, found: &mut Findings) {
    let outbound = &config.outbound;
    let shortest = outbound.flow_timer.into_iter().chain(outbound.flow_timer_udp).min();
    match (outbound.ping_timeout, shortest) {
        // RFC 5626 §5.4: the server waits longer than Flow-Timer. A warning and not a fault, because UAs that are set to
        // ping at a pace of their own are why the key is there.
        (PingTimeout::After(wait), _) => {
            let timers = [
                (&["outbound.ping_timeout", "outbound.flow_timer"], outbound.flow_timer),
                (&["outbound.ping_timeout", "outbound.flow_timer_udp"], outbound.flow_timer_udp),
            ];
            for (keys, timer) in timers {
                if let Some(timer) = timer.filter(|timer| wait <= *timer) {
                    found.warning(
                        keys,
                        format!(
                            "{} is not longer than the Flow-Timer of {}: a UA that keeps to the Flow-Timer loses its flow",
                            humantime::format_duration(wait),
                            humantime::format_duration(timer)
                        ),
                    );
                }
            }
        }
        (PingTimeout::Auto, Some(_)) if outbound.grace.is_zero() => found.warning(
            &["outbound.grace"],
            "without a grace a ping that is sent in time and travels for a moment comes too late",
        ),
        _ => {}
    }
}

fn check_registrar(config: &Config, found: &mut Findings) {
    let registrar = &config.registrar;
    if registrar.max_bindings == 0 {
        found.fault(&["registrar.max_bindings"], "0: no UA could register");
    }
    if registrar.min_expires.is_zero() {
        found
            .fault(&["registrar.min_expires"], "0s: an Expires of 0 removes a binding, the least time is 1s");
    }
    // RFC 3261 §10.3 step 7: 423 is for intervals below one hour, so that a UA can count on an hour being taken.
    if registrar.min_expires > Duration::from_secs(3600) {
        found.warning(
            &["registrar.min_expires"],
            "above 1h: RFC 3261 §10.3 lets a registrar refuse less than 1h only",
        );
    }
    let shown = |duration: Duration| humantime::format_duration(duration).to_string();
    let ordered = registrar.min_expires <= registrar.max_expires;
    if !ordered {
        found.fault(
            &["registrar.min_expires", "registrar.max_expires"],
            format!(
                "min_expires of {} is above max_expires of {}",
                shown(registrar.min_expires),
                shown(registrar.max_expires)
            ),
        );
    }
    if ordered && registrar.default_expires < registrar.min_expires {
        found.fault(
            &["registrar.default_expires", "registrar.min_expires"],
            format!(
                "default_expires of {} is below min_expires of {}",
                shown(registrar.default_expires),
                shown(registrar.min_expires)
            ),
        );
    }
    if ordered && registrar.default_expires > registrar.max_expires {
        found.fault(
            &["registrar.default_expires", "registrar.max_expires"],
            format!(
                "default_expires of {} is above max_expires of {}",
                shown(registrar.default_expires),
                shown(registrar.max_expires)
            ),
        );
    }
}

fn check_proxy(config: &Config, found: &mut Findings) {
    let proxy = &config.proxy;
    if proxy.t1.is_zero() {
        found.fault(&["proxy.t1"], "0s: a request would be repeated without end");
    }
    if proxy.t2 < proxy.t1 {
        found
            .fault(&["proxy.t2", "proxy.t1"], "t2 is below t1: it is the longest interval, and t1 the first");
    }
    if proxy.timer_c.is_zero() {
        found.fault(&["proxy.timer_c"], "0s: every INVITE would end before it rings");
    } else if proxy.timer_c <= Duration::from_secs(180) {
        // RFC 3261 §16.6 step 11: timer C is more than three minutes.
        found.warning(
            &["proxy.timer_c"],
            "three minutes or less: RFC 3261 §16.6 asks for more, people let phones ring",
        );
    }
    if proxy.flow_timeout.is_zero() {
        found.fault(&["proxy.flow_timeout"], "0s: every request would go out over all flows of a UA at once");
    }
    if proxy.registrar.is_some() && !proxy.routes.is_empty() {
        found.fault(
            &["proxy.routes", "proxy.registrar"],
            "an edge proxy sends everything to its registrar, which knows who is registered: route there",
        );
    }
    let uses = |transport: NextHopTransport| proxy.next_hops().any(|next| next.transport == transport);
    // Via, Path and Record-Route towards a next hop name the listener of its transport.
    if uses(NextHopTransport::Udp) && config.listen.udp.is_empty() {
        found.fault(
            &["proxy.registrar", "proxy.routes", "listen.udp"],
            "a next hop over UDP needs a UDP listener, which its requests come back to",
        );
    }
    if uses(NextHopTransport::Tcp) && config.listen.tcp.is_empty() {
        found.fault(
            &["proxy.registrar", "proxy.routes", "listen.tcp"],
            "a next hop over TCP needs a TCP listener, which its requests come back to",
        );
    }
    if uses(NextHopTransport::Tls) && config.listen.tls.is_empty() {
        found.fault(
            &["proxy.registrar", "proxy.routes", "listen.tls"],
            "a next hop over TLS needs a TLS listener, which its requests come back to",
        );
    }
    if proxy.max_transactions == 0 {
        found.fault(&["proxy.max_transactions"], "0: every request would be answered 503");
    }
}

fn check_tokens(config: &Config, found: &mut Findings) {
    let keys = &config.tokens.keys;
    if keys.len() > MAX_TOKEN_KEYS {
        found.fault(
            &["tokens.keys"],
            format!("{} keys are more than the {MAX_TOKEN_KEYS} there can be", keys.len()),
        );
    }
    for (index, key) in keys.iter().enumerate() {
        if keys[..index].iter().any(|earlier| earlier.id == key.id) {
            found.fault(&["tokens.keys"], format!("the ID {} stands there twice", key.id));
        }
        if key.secret.as_bytes().len() < MIN_SECRET {
            found.fault(
                &["tokens.keys"],
                format!(
                    "the secret of key {} is shorter than {MIN_SECRET} octets: take 32 random ones",
                    key.id
                ),
            );
        }
    }
}

fn check_limits(config: &Config, found: &mut Findings) {
    let limits = &config.limits;
    let counts: [(&'static [&'static str], usize); 13] = [
        (&["limits.max_connections"], limits.max_connections),
        (&["limits.connection_mailbox"], limits.connection_mailbox),
        (&["limits.socket_mailbox"], limits.socket_mailbox),
        (&["limits.registrar_mailbox"], limits.registrar_mailbox),
        (&["limits.proxy_mailbox"], limits.proxy_mailbox),
        (&["limits.link_mailbox"], limits.link_mailbox),
        (&["limits.max_headers"], limits.max_headers),
        (&["limits.max_vias"], limits.max_vias),
        (&["limits.max_routes"], limits.max_routes),
        (&["limits.link_handshakes"], limits.link_handshakes),
        (&["limits.udp_peers"], limits.udp_peers),
        (&["limits.tls_handshakes"], limits.tls_handshakes),
        (&["location.max_aors"], config.location.max_aors),
    ];
    for (keys, count) in counts {
        if count == 0 {
            found.fault(keys, "0: nothing would get through, the least is 1");
        }
    }
    if limits.header_timeout.is_zero() {
        found
            .fault(&["limits.header_timeout"], "0s: every message that takes two reads would close its flow");
    }
    if limits.max_header_length < 256 {
        found.fault(&["limits.max_header_length"], "below 256B: plain Contacts are longer than that");
    }
    if !limits.idle_timeout.is_zero() && limits.idle_timeout <= config.registrar.max_expires {
        found.warning(
            &["limits.idle_timeout", "registrar.max_expires"],
            "not longer than max_expires: a UA without Flow-Timer loses its flow before it has to register again",
        );
    }
    if limits.tls_handshake_timeout.is_zero() {
        found.fault(&["limits.tls_handshake_timeout"], "0s: no handshake would be done in time");
    }
    if limits.max_message < 1024 {
        found.fault(&["limits.max_message"], "below 1KiB: plain requests are longer than that");
    } else if limits.max_message < 65_535 {
        found.warning(&["limits.max_message"], "below the 65,535 bytes that RFC 3261 §18.1.1 says must pass");
    }
    if limits.write_queue < limits.max_message {
        found.warning(
            &["limits.write_queue", "limits.max_message"],
            "write_queue is below max_message: a message that is accepted may be too long to be delivered",
        );
    }
}

fn check_log(config: &Config, found: &mut Findings) {
    if let Err(error) = EnvFilter::try_new(&config.log.filter) {
        found.fault(&["log.filter"], format!("`{}` is no log filter: {error}", config.log.filter));
    }
}
