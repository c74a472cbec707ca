//! The rules of `[listen]`, and of the admin listener beside it.

use std::net::SocketAddr;

use super::Findings;
use crate::config::listen::Listener;
use crate::config::model::Config;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let listen = &config.listen;
    if listen.each().next().is_none() {
        let keys = listen.by_transport().map(|(_, key, _)| key);
        found.fault(&keys, "no listener at all: nobody could reach this node");
    }
    for (_, key, listeners) in listen.by_transport() {
        for address in repeated(listeners) {
            found.fault(&[key], format!("{address} stands there twice"));
        }
    }
    check_balancers(config, found);
    check_admin(config, found);
    if listen.advertise.is_empty() {
        for (_, key, Listener { address, .. }) in listen.each() {
            if address.ip().is_unspecified() {
                let sent_by = listen.sent_by(*address);
                found.warning(
                    &[key],
                    format!("Via and Path will carry {sent_by} for {address}: set listen.advertise if peers need another"),
                );
            }
        }
    }
}

fn check_balancers(config: &Config, found: &mut Findings) {
    let listen = &config.listen;
    let has_streams = listen.each().any(|(transport, ..)| transport.is_reliable());
    if !listen.proxy_protocol_from.is_empty() && !has_streams {
        found.warning(
            &["listen.proxy_protocol_from", "listen.tcp"],
            "without a TCP listener nobody sends a PROXY protocol header: there is none over UDP",
        );
    }
    for network in listen.proxy_protocol_from.iter().filter(|network| network.is_everybody()) {
        found.warning(
            &["listen.proxy_protocol_from"],
            format!("{network} lets anybody say which address it comes from, and no UA that comes without a balancer in"),
        );
    }
}

fn check_admin(config: &Config, found: &mut Findings) {
    let Some(address) = config.admin.listen else { return };
    if let Some(key) = config.listen.over_tcp_at(address) {
        found.fault(&["admin.listen", key], format!("{address} is a TCP listener for SIP as well"));
    }
    if !address.ip().is_loopback() {
        found.warning(
            &["admin.listen"],
            format!(
                "{address} is not loopback: whoever can reach it reads the metrics, there is no password"
            ),
        );
    }
}

/// The addresses that stand in a list again; port 0 is another port each time.
fn repeated(listeners: &[Listener]) -> Vec<SocketAddr> {
    let addresses: Vec<SocketAddr> = listeners.iter().map(|listener| listener.address).collect();
    let again = |(index, address): &(usize, &SocketAddr)| {
        address.port() != 0 && addresses[..*index].contains(address)
    };
    addresses.iter().enumerate().filter(again).map(|(_, address)| *address).collect()
}
