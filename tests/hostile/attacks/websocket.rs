//! What can be done to WebSocket, before there is one and after.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::peer::{Noise, Peer, connect};
use super::{Attack, Victim};
use crate::support::wait_until_within;
use crate::support::websocket::{BINARY, CONTINUATION, PING_FRAME, SWITCHED, TEXT, UPGRADE, frame};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "upgrades that do not end",
        run: endless_upgrades,
        found_out: &["refused_total{reason=\"no_upgrade\"}", "refused_total{reason=\"not_websocket\"}"],
    },
    Attack {
        name: "upgrades with nothing behind them",
        run: nothing_behind,
        found_out: &["flows_closed_total{reason=\"silent\"}"],
    },
    Attack {
        name: "frames that announce a huge length",
        run: huge_lengths,
        found_out: &["flows_closed_total{reason=\"too_large\"}"],
    },
    Attack {
        name: "fragments without end",
        run: endless_fragments,
        found_out: &[
            "flows_closed_total{reason=\"too_large\"}",
            "flows_closed_total{reason=\"header_timeout\"}",
        ],
    },
    Attack {
        name: "Pings without reading the Pongs",
        run: unread_pongs,
        found_out: &["flows_closed_total{reason=\"flood\"}"],
    },
    Attack { name: "frames at random", run: garbage, found_out: &["flows_closed_total{reason=\"garbage\"}"] },
];

/// Connections on which there is WebSocket.
fn upgraded(victim: &Victim<'_>, count: usize) -> Vec<TcpStream> {
    let each = (0..count).map(|_| {
        let mut stream = connect(victim.node.listener("ws"));
        stream.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
        stream.write_all(UPGRADE.as_bytes()).unwrap();
        let mut switched = vec![0; SWITCHED.len()];
        stream.read_exact(&mut switched).unwrap();
        stream
    });
    each.collect()
}

/// Half of them stop, half of them go on for ever.
fn endless_upgrades(victim: &Victim<'_>) {
    let late = || victim.node.metric("refused_total{reason=\"no_upgrade\"}");
    let before = late();
    let mut streams: Vec<TcpStream> = (0..200).map(|_| connect(victim.node.listener("ws"))).collect();
    let (begun, more) = (&UPGRADE[..UPGRADE.len() - 2], format!("X-More: {}\r\n", "x".repeat(2000)));
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.is_taken(begun.as_bytes());
        for _ in 0..(number % 2) * 10 {
            stream.is_taken(more.as_bytes());
        }
    }
    wait_until_within(Duration::from_secs(30), "upgrades are given up", || late() >= before + 100);
}

fn nothing_behind(victim: &Victim<'_>) {
    let _streams = upgraded(victim, 300);
    wait_until_within(Duration::from_secs(30), "who says nothing is closed", || {
        victim.overlooks().is_empty() && victim.is_left_alone()
    });
}

/// 2^63 - 1, 4 GiB, and one octet more than may be.
fn huge_lengths(victim: &Victim<'_>) {
    let lengths = [u64::MAX >> 1, 4 << 30, (64 << 10) + 1];
    let mut streams = upgraded(victim, 150);
    let goes_on = victim.is_unmoved();
    for (stream, length) in streams.iter_mut().zip(lengths.iter().cycle()) {
        let mut header = vec![0x80 | BINARY, 0xFF];
        header.extend(length.to_be_bytes());
        header.extend([1, 2, 3, 4]);
        stream.is_taken(&header);
    }
    let piece = vec![0; 64 << 10];
    while goes_on() && !streams.is_empty() {
        streams.retain_mut(|stream| stream.is_taken(&piece));
    }
}

/// A third of them with something in each, a third with nothing, and a third with Pings between them.
fn endless_fragments(victim: &Victim<'_>) {
    let mut streams = upgraded(victim, 60);
    streams.retain_mut(|stream| stream.is_taken(&frame(TEXT, b"INVITE ")));
    let (some, none) = (frame(CONTINUATION, &[b'x'; 1000]), frame(CONTINUATION, b""));
    let with_pings = [frame(0x80 | PING_FRAME, b"still here"), none.clone()].concat();
    let kinds = [some.repeat(4), none.repeat(100), with_pings];
    let mut streams: Vec<_> = streams.into_iter().zip(kinds.iter().cycle()).collect();
    let goes_on = victim.is_unmoved();
    while goes_on() && !streams.is_empty() {
        streams.retain_mut(|(stream, piece)| stream.is_taken(piece));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn unread_pongs(victim: &Victim<'_>) {
    let mut streams = upgraded(victim, 50);
    let pieces = frame(0x80 | PING_FRAME, &[b'x'; 125]).repeat(20);
    let goes_on = victim.is_unmoved();
    while goes_on() && !streams.is_empty() {
        streams.retain_mut(|stream| stream.is_taken(&pieces));
    }
}

fn garbage(victim: &Victim<'_>) {
    let (mut noise, goes_on) = (Noise::new(), victim.is_unmoved());
    while goes_on() {
        for mut stream in upgraded(victim, 20) {
            stream.is_taken(&noise.octets(300));
        }
    }
}
