//! The rules of `[location]`, and of the Redis that it leads to.

use super::Findings;
use crate::config::model::{Config, Location, RedisMode, Store};

pub(super) fn check(config: &Config, found: &mut Findings) {
    let location = &config.location;
    match (location.store, config.cluster.listen) {
        (Store::Memory, Some(_)) => found.fault(
            &["cluster.listen", "location.store"],
            "a node of a cluster needs location.store = \"redis\": what it keeps to itself no other node finds",
        ),
        (Store::Redis, None) => found.fault(
            &["location.store", "cluster.listen"],
            "with Redis cluster.listen is needed: it is how other nodes reach the flows of this one",
        ),
        _ => {}
    }
    if location.store == Store::Redis || config.auth.needs_redis() {
        check_urls(location, found);
        check_proof(location, found);
        check_names(location, found);
    }
}

fn check_urls(location: &Location, found: &mut Findings) {
    let urls = location.redis_url.as_str().split(',').map(str::trim);
    // Not which one, and not what stands there: it may be the password.
    if !urls.clone().all(|url| {
        ["redis://", "rediss://", "unix://", "redis+unix://"].iter().any(|scheme| url.starts_with(scheme))
    }) {
        found.fault(
            &["location.redis_url"],
            "is not \"redis://HOST:PORT\" or \"rediss://HOST:PORT\", or several of them with commas between",
        );
    }
    if location.redis_mode == RedisMode::Single && urls.clone().count() > 1 {
        found.fault(
            &["location.redis_url", "location.redis_mode"],
            "several URLs are for redis_mode = \"cluster\" or \"sentinel\": one server has one",
        );
    }
    let encrypted = urls.clone().filter(|url| url.starts_with("rediss://")).count();
    if encrypted != 0 && encrypted != urls.clone().count() {
        found.fault(&["location.redis_url"], "is with TLS here and without it there: it is one or the other");
    }
}

/// What either side shows of itself.
fn check_proof(location: &Location, found: &mut Findings) {
    let is_encrypted = location.redis_url.as_str().contains("rediss://");
    if !is_encrypted && [&location.redis_ca, &location.redis_certificate].iter().any(|path| path.is_some()) {
        found.fault(
            &["location.redis_ca", "location.redis_certificate", "location.redis_url"],
            "certificates are for \"rediss://\": without it nothing is encrypted and nobody is known",
        );
    }
    if location.redis_certificate.is_some() != location.redis_private_key.is_some() {
        found.fault(
            &["location.redis_certificate", "location.redis_private_key"],
            "a certificate and its private key are of use together only",
        );
    }
    let has_login = !location.redis_sentinel_user.is_empty() || location.redis_sentinel_password.is_some();
    if has_login && location.redis_mode != RedisMode::Sentinel {
        found.fault(
            &["location.redis_sentinel_user", "location.redis_sentinel_password", "location.redis_mode"],
            "the sentinels' own login belongs to redis_mode = \"sentinel\", and to no other",
        );
    }
}

fn check_names(location: &Location, found: &mut Findings) {
    if (location.redis_mode == RedisMode::Sentinel) == location.redis_master.is_empty() {
        found.fault(
            &["location.redis_master", "location.redis_mode"],
            "the name of the master belongs to redis_mode = \"sentinel\", and to no other",
        );
    }
    if location.redis_deadline.is_zero() {
        found.fault(&["location.redis_deadline"], "0s: every command would be too late");
    }
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if location.prefix.is_empty() || !location.prefix.bytes().all(inside) {
        found.fault(
            &["location.prefix"],
            format!("`{}` is not a name of letters, digits, \"-\", \"_\", \".\" and \":\"", location.prefix),
        );
    }
}
