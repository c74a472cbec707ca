//! Handshakes, and what is not one.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use super::peer::{Peer, connections, shake_hands};
use super::{Attack, LASTS, Victim};
use crate::lasts;
use crate::support::wait_until_within;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "handshakes that do not end",
        run: half_open,
        found_out: &[
            "refused_total{reason=\"tls_handshakes\"}",
            "tls_handshakes_failed_total{reason=\"timeout\"}",
            "tls_handshakes_failed_total{reason=\"closed\"}",
        ],
    },
    Attack {
        name: "handshakes one after the other",
        run: flood,
        found_out: &["tls_handshakes_total{kind=\"full\"}", "flows_closed_total{reason=\"peer_closed\"}"],
    },
];

/// What a client says first.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut octets = Vec::new();
    session.write_tls(&mut octets).unwrap();
    octets
}

/// More than may be under way. A third of them say nothing, a third begin, and a third leave what they are answered.
fn half_open(victim: &Victim<'_>) {
    let given_up = || {
        let metrics =
            ["tls_handshakes_failed_total{reason=\"timeout\"}", "refused_total{reason=\"tls_handshakes\"}"];
        metrics.map(|metric| victim.node.metric(metric))
    };
    let (before, hello) = (given_up(), hello(&victim.tls));
    let mut streams = connections(victim.node.tls(), 600);
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.is_taken(&hello[..[0, 20, hello.len()][number % 3]]);
    }
    // These go before they are told to.
    streams.truncate(500);
    wait_until_within(Duration::from_secs(30), "handshakes are given up, and waiting for them", || {
        given_up().iter().zip(before).all(|(now, before)| *now > before)
    });
}

/// Whole ones, none of which is resumed.
fn flood(victim: &Victim<'_>) {
    let mut config = ClientConfig::clone(&victim.tls);
    config.resumption = Resumption::disabled();
    let (config, listener) = (Arc::new(config), victim.node.tls());
    let each = (0..2).map(|_| {
        let (config, goes_on) = (Arc::clone(&config), lasts(LASTS));
        thread::spawn(move || {
            while goes_on() {
                let Some(mut stream) = shake_hands(listener, &config) else { continue };
                let _ = stream.flush();
            }
        })
    });
    for peer in each.collect::<Vec<_>>() {
        peer.join().unwrap();
    }
}
