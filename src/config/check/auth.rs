//! The rules of `[auth]`: who stands at the edge of a network lets in nobody without a word.

use std::time::Duration;

use super::Findings;
use crate::config::auth::{Algorithm, AuthMode};
use crate::config::model::Config;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let auth = &config.auth;
    let open = config.listen.each().find(|(.., listener)| !listener.address.ip().is_loopback());
    if let Some((_, key, listener)) = open.filter(|_| auth.mode.is_none()) {
        found.fault(
            &["auth.mode", key],
            format!(
                "{} is beyond loopback, and auth.mode is not set: anybody could register and call. Write mode = \
                 \"digest\" below [auth] and add users with `flowhold passwd`, or mode = \"none\" to let everybody in",
                listener.address
            ),
        );
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
