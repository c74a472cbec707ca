//! The rules of `[auth]`: who stands at the edge of a network lets in nobody without a word.

use std::time::Duration;

use super::Findings;
use crate::config::auth::{Algorithm, AuthMode};
use crate::config::model::Config;
use crate::sip::Transport;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let auth = &config.auth;
    if auth.mode.is_none() {
        check_open(config, found);
    }
    if auth.mode != Some(AuthMode::Digest) {
        return;
    }
    if config.proxy.registrar.is_some() {
        found.fault(
            &["auth.mode", "proxy.registrar"],
            "an edge proxy leaves it to its registrar to authenticate: write mode = \"none\" here",
        );
    }
    match auth.algorithms[..] {
        [] => found.fault(&["auth.algorithms"], "is empty: nobody could authenticate"),
        // RFC 8760 §2.3: the strongest stands first.
        [Algorithm::Md5, Algorithm::Sha256] => found.warning(
            &["auth.algorithms"],
            "MD5 stands before SHA-256: UAs take the first that they know, so all would take MD5",
        ),
        _ => {}
    }
    if auth.nonce_lifetime < Duration::from_secs(1) {
        found.fault(&["auth.nonce_lifetime"], "below 1s: a nonce would age on its way");
    }
    if auth.max_failures > 0 && auth.failure_window.is_zero() {
        found.fault(&["auth.failure_window"], "0s: write max_failures = 0 if there is to be no limit");
    }
    if auth.remembered == 0 {
        found.fault(&["auth.remembered"], "0: nothing would get through, the least is 1");
    }
    if auth.user_lookups == 0 {
        found.fault(&["auth.user_lookups"], "0: no user could be looked up, the least is 1");
    }
    if auth.needs_redis() && auth.users_stale < auth.users_cache {
        found.fault(
            &["auth.users_stale", "auth.users_cache"],
            "below users_cache: what is good while Redis is there is good while it is away",
        );
    }
    if !auth.flow_trust_udp.is_zero() {
        found.warning(
            &["auth.flow_trust_udp"],
            "whoever can forge a UDP source address can send requests in a UA's name meanwhile",
        );
    }
}

/// Without a word on who is let in: who stands beyond loopback, and where somebody may be sent on from there.
fn check_open(config: &Config, found: &mut Findings) {
    const CHOICE: &str = "anybody could register and call. Write mode = \"digest\" below [auth] and add users with \
                          `flowhold passwd`, or mode = \"none\" to let everybody in";
    let listen = &config.listen;
    let outside = listen.each().find(|(.., listener)| !listener.address.ip().is_loopback());
    if let Some((_, key, listener)) = outside {
        let reason = format!("{} is beyond loopback, and auth.mode is not set: {CHOICE}", listener.address);
        return found.fault(&["auth.mode", key], reason);
    }
    let has_streams = listen.each().any(|(transport, ..)| transport.is_reliable());
    if has_streams && !listen.proxy_protocol_from.is_empty() {
        return found.fault(
            &["auth.mode", "listen.proxy_protocol_from"],
            format!(
                "who comes through a balancer is from beyond loopback, and auth.mode is not set: {CHOICE}"
            ),
        );
    }
    let is_websocket = |transport: Transport| matches!(transport, Transport::Ws | Transport::Wss);
    if let Some((_, key, listener)) = listen.each().find(|(transport, ..)| is_websocket(*transport)) {
        found.warning(
            &["auth.mode", key],
            format!("behind a proxy on this machine {} is open to the world: {CHOICE}", listener.address),
        );
    }
}
