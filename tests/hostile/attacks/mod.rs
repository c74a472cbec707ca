//! What hostile peers do. Each comes from addresses of its own, is bounded in number and time, and returns when it is over.
//!
//! | attack | what answers it |
//! | --- | --- |
//! | **`stream`**: over TCP, and within TLS | |
//! | headers without end | `limits.max_message` |
//! | headers that trickle | `limits.header_timeout` |
//! | messages too large | `limits.max_message`, as soon as it is announced |
//! | CRLFs without end | `limits.messages_per_flow`: a ping counts as a message |
//! | pongs that nobody reads | the same, and `limits.write_queue` |
//! | octets at random | the framing: garbage is the end of a flow |
//! | **`connections`** | |
//! | connections that say nothing | `limits.max_connections_per_address`, `limits.first_message` |
//! | connections that come and go | nothing is kept of them |
//! | **`requests`** | |
//! | REGISTERs for new AORs | `limits.registers_per_address` |
//! | forks that multiply | `limits.messages_per_flow`, `proxy.max_transactions`, Max-Breadth |
//! | a UA that does not read | `limits.write_queue` |
//! | **`datagrams`** | |
//! | STUN | `limits.stun_per_address`; an answer is at most twice as long as what it answers |
//! | datagrams | `limits.datagrams_per_address` |
//! | **`tls`** | |
//! | handshakes that do not end | `limits.tls_handshakes`, `limits.tls_handshake_timeout` |
//! | handshakes one after the other | they wait for their turn like anything else |
//! | **`websocket`** | |
//! | upgrades that do not end | `limits.header_timeout`, `websocket.max_request` |
//! | upgrades with nothing behind them | `limits.first_message` |
//! | a frame that announces a huge length | `limits.max_message`, as soon as it is announced |
//! | fragments without end | `limits.max_message`, `limits.header_timeout` |
//! | Pings without reading the Pongs | `limits.messages_per_flow` |
//! | frames at random | the framing, as above |
//! | **`auth`**: where users have passwords | |
//! | passwords of users that are not there | `auth.max_failures` |
//! | challenges that nobody answers | nothing is kept of them |
//! | a nonce for each request | `auth.remembered` |
//! | a REGISTER that is replayed | the count that each request with a nonce has |

pub(crate) mod auth;
mod connections;
mod datagrams;
mod peer;
mod requests;
mod stream;
mod tls;
mod websocket;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::ClientConfig;

use crate::support::Node;

/// How long one of them goes on, as a rule.
const LASTS: Duration = Duration::from_millis(1200);

/// How long one goes on at most until it is found out.
const PATIENCE: Duration = Duration::from_secs(30);

/// One attack, and what it is found out by.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Victim<'_>),
    /// The metrics that rise by it.
    pub(crate) found_out: &'static [&'static str],
}

/// Whom it is meant for.
pub(crate) struct Victim<'n> {
    pub(crate) node: &'n Node,
    /// How many descriptors this process may have open.
    pub(crate) descriptors: usize,
    /// What is dialed with over TLS.
    pub(crate) tls: Arc<ClientConfig>,
    /// How many flows the others have.
    pub(crate) flows: u64,
    /// The metrics that rise by the attack, and what they were before.
    pub(crate) before: Vec<(&'static str, u64)>,
}

/// Those that need no password.
pub(crate) fn all() -> impl Iterator<Item = &'static Attack> {
    let each = [
        stream::ATTACKS,
        connections::ATTACKS,
        requests::ATTACKS,
        datagrams::ATTACKS,
        tls::ATTACKS,
        websocket::ATTACKS,
    ];
    each.into_iter().flatten()
}

impl Victim<'_> {
    /// The metrics that have not risen yet.
    pub(crate) fn overlooks(&self) -> Vec<&'static str> {
        let metrics = self.node.metrics();
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("flowhold_{name} ")));
            line.unwrap_or_else(|| panic!("no metric {name} in\n{metrics}")).parse::<u64>().unwrap()
        };
        self.before.iter().filter(|(name, before)| value(name) <= *before).map(|(name, _)| *name).collect()
    }

    /// Whether an attack has to go on: for a while, and then as long as the node has not found it out.
    fn is_unmoved(&self) -> impl Fn() -> bool {
        let (started, look_at) = (Instant::now(), Cell::new(Some(LASTS)));
        move || {
            let elapsed = started.elapsed();
            if look_at.get().is_some_and(|at| elapsed > at) {
                let goes_on = elapsed < PATIENCE && !self.overlooks().is_empty();
                look_at.set(goes_on.then_some(elapsed + LASTS / 10));
            }
            look_at.get().is_some()
        }
    }

    /// Whether the flows that are up are those of the others.
    pub(crate) fn is_left_alone(&self) -> bool {
        let metrics = self.node.metrics();
        let open =
            metrics.lines().filter_map(|line| line.strip_prefix("flowhold_connections{")?.split_once(' '));
        open.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>() == self.flows
    }
}
