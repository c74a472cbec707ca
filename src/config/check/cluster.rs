//! The rules of `[cluster]`.

use std::net::IpAddr;
use std::time::Duration;

use super::{Findings, MIN_SECRET};
use crate::config::model::Config;
use crate::config::units;

/// The shortest lease: a node says five times in it that it lives, and the network has its hiccups.
const MIN_LEASE: Duration = Duration::from_millis(500);

pub(super) fn check(config: &Config, found: &mut Findings) {
    // Also of a node that stands alone: the key of its flow tokens is made from it.
    if config.cluster.secret.as_ref().is_some_and(|secret| secret.as_bytes().len() < MIN_SECRET) {
        found.fault(
            &["cluster.secret", "cluster.secret_file"],
            format!("shorter than {MIN_SECRET} octets: take 32 random ones"),
        );
    }
    if config.cluster.listen.is_some() {
        check_listener(config, found);
        check_proof(config, found);
        check_times(config, found);
    }
}

fn check_listener(config: &Config, found: &mut Findings) {
    let cluster = &config.cluster;
    let Some(address) = cluster.listen else { return };
    if let Some(key) = config.listen.over_tcp_at(address) {
        found.fault(
            &["cluster.listen", key],
            format!("{address} is a TCP listener for UAs as well: nodes have one of their own"),
        );
    }
    if address.port() != 0 && config.admin.listen == Some(address) {
        found.fault(&["cluster.listen", "admin.listen"], format!("{address} is the admin listener as well"));
    }
    if address.ip().is_unspecified() && cluster.advertise.is_empty() {
        let at = cluster.at(address);
        found.warning(
            &["cluster.listen"],
            format!(
                "other nodes will be told to reach this one at {at}: set cluster.advertise if they cannot"
            ),
        );
    }
    if !cluster.is_tls() && !address.ip().is_loopback() {
        found.warning(
            &["cluster.listen"],
            format!(
                "links over {address} are not encrypted: keep it on a private network, or set cluster.certificate"
            ),
        );
    }
}

fn check_proof(config: &Config, found: &mut Findings) {
    let cluster = &config.cluster;
    let tls = [&cluster.certificate, &cluster.private_key, &cluster.ca];
    let given = tls.iter().filter(|path| path.is_some()).count();
    if given != 0 && given != tls.len() {
        found.fault(
            &["cluster.certificate", "cluster.private_key", "cluster.ca"],
            "TLS between nodes takes all three of certificate, private_key and ca",
        );
    }
    match &cluster.secret {
        None if given == 0 => found.fault(
            &["cluster.secret", "cluster.secret_file", "cluster.certificate", "cluster.listen"],
            "nodes have to know each other by a secret, or by certificates: without either anybody could be one",
        ),
        None if config.tokens.keys.is_empty() => found.fault(
            &["tokens.keys", "cluster.secret", "cluster.secret_file"],
            "the nodes of a cluster read each other's flow tokens: set tokens.keys, or a secret to make a key from",
        ),
        _ => {}
    }
    let id = &config.node.id;
    if given > 0 && id.parse::<IpAddr>().is_err() && !units::is_host(id) {
        found.fault(
            &["node.id", "cluster.certificate"],
            format!("`{id}` is no DNS name, as which it has to stand in the node's certificate"),
        );
    }
}

fn check_times(config: &Config, found: &mut Findings) {
    let cluster = &config.cluster;
    if cluster.lease < MIN_LEASE {
        found.fault(
            &["cluster.lease"],
            "below 500ms: the least hiccup of the network would be the death of a node",
        );
    }
    if cluster.link_ping.is_zero() || cluster.link_pong.is_zero() {
        found.fault(&["cluster.link_ping", "cluster.link_pong"], "0s: no link would last");
    } else if cluster.link_ping + cluster.link_pong > cluster.lease {
        found.warning(
            &["cluster.link_pong", "cluster.link_ping", "cluster.lease"],
            "link_ping and link_pong together are longer than the lease: \
             a link to a node that says nothing lasts longer than the node counts as alive",
        );
    }
}
