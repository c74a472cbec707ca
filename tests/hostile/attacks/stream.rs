//! Octets over connections that are no SIP, or never become any, over TCP and within TLS.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use super::peer::{Noise, Peer, connect, connections, request, shake_hands, socket, swallow};
use super::{Attack, Victim};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "headers without end",
        run: |victim| endless_headers(victim, || Some(connect(victim.node.tcp()))),
        found_out: &["flows_closed_total{reason=\"too_large\"}"],
    },
    Attack {
        name: "headers without end, within TLS",
        run: |victim| {
            endless_headers(victim, || shake_hands(victim.node.tls(), &victim.tls));
        },
        found_out: &["flows_closed_total{reason=\"too_large\"}", "tls_handshakes_total{kind=\"full\"}"],
    },
    Attack {
        name: "headers that trickle",
        run: trickle,
        found_out: &["flows_closed_total{reason=\"header_timeout\"}"],
    },
    Attack {
        name: "messages too large",
        run: oversize,
        found_out: &["flows_closed_total{reason=\"too_large\"}"],
    },
    Attack {
        name: "CRLFs without end",
        run: endless_crlfs,
        found_out: &["flows_closed_total{reason=\"flood\"}"],
    },
    Attack {
        name: "pongs that nobody reads",
        run: |victim| unread_pongs(victim, connections(victim.node.tcp(), 50)),
        found_out: &["flows_closed_total{reason=\"flood\"}"],
    },
    Attack {
        name: "pongs that nobody reads, within TLS",
        run: |victim| {
            unread_pongs(
                victim,
                (0..50).filter_map(|_| shake_hands(victim.node.tls(), &victim.tls)).collect(),
            );
        },
        found_out: &["flows_closed_total{reason=\"flood\"}"],
    },
    Attack {
        name: "octets at random",
        run: garbage,
        found_out: &[
            "flows_closed_total{reason=\"garbage\"}",
            "tls_handshakes_failed_total{reason=\"garbage\"}",
            "refused_total{reason=\"not_websocket\"}",
        ],
    },
];

/// Over one connection after the other, of which many stay.
fn endless_headers<P: Peer>(victim: &Victim<'_>, open: impl Fn() -> Option<P>) {
    let (piece, goes_on) = ("x".repeat(4096), victim.is_unmoved());
    let mut peers = VecDeque::new();
    while goes_on() {
        let Some(mut peer) = open() else { continue };
        peer.is_taken(b"INVITE sip:alice@example.com SIP/2.0\r\nX: ");
        for _ in 0..20 {
            peer.is_taken(piece.as_bytes());
        }
        peers.push_back(peer);
        if peers.len() > 200 {
            peers.pop_front();
        }
    }
}

fn trickle(victim: &Victim<'_>) {
    let mut streams = connections(victim.node.tcp(), 500);
    let (begun, goes_on) = ("INVITE sip:alice@example.com SIP/2.0\r\nX: ", victim.is_unmoved());
    for octet in begun.as_bytes().chunks(1).chain(std::iter::repeat(&b"x"[..])) {
        if streams.is_empty() || !goes_on() {
            break;
        }
        streams.retain_mut(|stream| stream.is_taken(octet));
        thread::sleep(Duration::from_millis(20));
    }
}

fn oversize(victim: &Victim<'_>) {
    let (goes_on, body) = (victim.is_unmoved(), vec![b'x'; 64 << 10]);
    let mut number = 0;
    while goes_on() {
        number += 1;
        let head = request("MESSAGE", "alice", number, "");
        let announced = head.replace("Content-Length: 0", "Content-Length: 100000000");
        let mut stream = connect(victim.node.tcp());
        while goes_on() && stream.is_taken(announced.as_bytes()) && stream.is_taken(&body) {}
    }
}

fn endless_crlfs(victim: &Victim<'_>) {
    let mut streams = connections(victim.node.tcp(), 10);
    let pieces = b"\r\n".repeat(8192);
    let goes_on = victim.is_unmoved();
    streams.iter().for_each(swallow);
    while goes_on() && !streams.is_empty() {
        streams.retain_mut(|stream| stream.is_taken(&pieces));
    }
    for stream in &streams {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn unread_pongs<P: Peer>(victim: &Victim<'_>, mut peers: Vec<P>) {
    let pieces = b"\r\n\r\n".repeat(100);
    let goes_on = victim.is_unmoved();
    while goes_on() && !peers.is_empty() {
        peers.retain_mut(|peer| peer.is_taken(&pieces));
    }
}

/// To every listener.
fn garbage(victim: &Victim<'_>) {
    let node = victim.node;
    let (udp, mut noise, goes_on) = (socket(node), Noise::new(), victim.is_unmoved());
    while goes_on() {
        let octets = noise.octets(300);
        let _ = udp.send(&octets);
        for listener in [node.tcp(), node.tls(), node.listener("ws")] {
            connect(listener).is_taken(&octets);
        }
    }
}
