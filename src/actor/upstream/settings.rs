//! From a table of the configuration to what a registration goes by, and to what the proxies know of it.

use flowhold_cluster::binding::Aor;
use sha2::{Digest, Sha256};

use crate::actor::settings::profile;
use crate::config::{self, Config};
use crate::proto::login::Login;
use crate::proto::proxy;
use crate::proto::recovery::{BackOff, Settings};
use crate::proto::transaction::Timers;
use crate::sip::Uri;

/// What the registration goes by.
pub fn recovery(config: &Config, upstream: &config::Upstream) -> Settings {
    let proxies: Vec<&str> = upstream.proxies.iter().map(String::as_str).collect();
    let name = name(&config.node.id, &upstream.aor);
    let settings = Settings::new(&upstream.aor, &instance_id(name), &proxies);
    let login = upstream.password.as_ref().map(|password| Login::new(&*upstream.username, password.as_str()));
    Settings {
        login: login.unwrap_or_default(),
        expires: upstream.expires,
        back_off: BackOff {
            max: upstream.retry_max,
            base_all_failed: upstream.retry_all_failed,
            base_some_up: upstream.retry_some_up,
        },
        timers: Timers { t1: config.proxy.t1, t2: config.proxy.t2, t4: config.proxy.t4 },
        profile: profile(config, Some(upstream.profile)),
        // Nobody who does not register here has to know it, and it is the same after a restart.
        contact_user: Some(format!("{:016x}", name >> 64)),
        wait_when_denied: upstream.retry_denied,
        ..settings.expect("the configuration was read as URIs")
    }
}

/// What the proxies know of it.
pub fn proxy(upstream: &config::Upstream) -> proxy::Upstream {
    let aor = Uri::parse(upstream.aor.as_bytes()).expect("the configuration was read as URIs");
    let to = Uri::parse(upstream.to.as_bytes()).and_then(|uri| uri.canonical_aor());
    let port = aor.port.map(|port| format!(":{port}")).unwrap_or_default();
    proxy::Upstream {
        aor: aor.canonical_aor().expect("it is a sip URI").into(),
        domain: [aor.host, port.as_bytes()].concat().into(),
        to: Aor::from(&to.expect("it is a sip URI")[..]),
    }
}

/// A number that this node has for an AOR there, and no other node for that nor this one for another.
fn name(node: &str, aor: &str) -> u128 {
    let digest = Sha256::new().chain_update(node).chain_update([0]).chain_update(aor).finalize();
    u128::from_be_bytes(digest[..16].try_into().expect("a digest has 32 octets"))
}

/// RFC 5626 §4.1: the same for as long as this node is this node, so that a restart replaces the bindings of before and
/// nothing has to be kept in a file. RFC 9562 §5.8: a UUID that is made from a name by a hash of one's own choice.
fn instance_id(name: u128) -> String {
    let id = name & !(0xF << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let hex = format!("{id:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_1_an_instance_id_is_a_nodes_own_for_each_aor() {
        let of = |node, aor| instance_id(name(node, aor));
        let one = of("a", "sip:1@provider.example");
        assert_eq!(one, of("a", "sip:1@provider.example"), "the same after a restart");
        assert_ne!(one, of("b", "sip:1@provider.example"));
        assert_ne!(one, of("a", "sip:2@provider.example"));
        assert_eq!((one.len(), &one[23..24]), (45, "8"), "{one}");
        assert!(matches!(&one[28..29], "8" | "9" | "a" | "b"), "{one}");
    }
}
