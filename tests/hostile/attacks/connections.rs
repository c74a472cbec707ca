//! Connections, and nothing over them.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::peer::{connect_from, connections};
use super::{Attack, Victim};
use crate::lasts;
use crate::support::wait_until_within;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "connections that say nothing",
        run: half_open,
        found_out: &[
            "flows_closed_total{reason=\"silent\"}",
            "refused_total{reason=\"max_connections_per_address\"}",
        ],
    },
    Attack {
        name: "connections that come and go",
        run: churn,
        found_out: &["connections_accepted_total{transport=\"tcp\"}"],
    },
];

/// As many as descriptors allow, more than one address may have, until the node closes them.
fn half_open(victim: &Victim<'_>) {
    let count = 3500.min(victim.descriptors.saturating_sub(2500));
    let _streams = connections(victim.node.tcp(), count);
    wait_until_within(Duration::from_secs(30), "who says nothing is closed", || {
        victim.overlooks().is_empty() && victim.is_left_alone()
    });
}

/// In waves, each of which is gone before the next one comes: half of them in order, half of them by a reset.
fn churn(victim: &Victim<'_>) {
    const ALL: usize = 100_000;
    const WAVE: usize = 500;
    // A connection that ends in order leaves its port taken for a while, so they are from several addresses.
    let from = |number: usize| Ipv4Addr::new(127, 0, 1, u8::try_from(number % 250).unwrap());
    let goes_on = lasts(Duration::from_secs(10));
    let mut opened = 0;
    while goes_on() && opened < ALL {
        let wave: Vec<TcpStream> =
            (opened..opened + WAVE).map(|number| connect_from(from(number), victim.node.tcp())).collect();
        opened += WAVE;
        for stream in wave.iter().step_by(2) {
            SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    println!("{opened} connections came and went");
}
