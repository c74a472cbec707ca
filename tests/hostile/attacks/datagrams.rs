//! Floods over UDP.

use super::peer::{request, socket};
use super::{Attack, Victim};
use crate::support::stun::Request as Binding;

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "STUN", run: stun, found_out: &["refused_total{reason=\"stun_per_address\"}"] },
    Attack {
        name: "datagrams",
        run: requests,
        found_out: &["refused_total{reason=\"datagrams_per_address\"}"],
    },
];

fn stun(victim: &Victim<'_>) {
    let socket = socket(victim.node);
    let (request, goes_on) = (Binding::new().to_bytes(), victim.is_unmoved());
    let mut octets = [0; 2048];
    let mut answers = 0;
    while goes_on() {
        let _ = socket.send(&request);
        while let Ok(length) = socket.recv(&mut octets) {
            answers += 1;
            assert!(length <= 2 * request.len(), "{length} octets for {}", request.len());
        }
    }
    assert!(answers > 0);
}

fn requests(victim: &Victim<'_>) {
    let socket = socket(victim.node);
    let goes_on = victim.is_unmoved();
    let mut number = 0;
    while goes_on() {
        number += 1;
        let _ = socket.send(request("OPTIONS", "nobody", number, "").replace("/TCP", "/UDP").as_bytes());
    }
}
