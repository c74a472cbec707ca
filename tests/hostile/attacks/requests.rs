//! SIP that is right, and more of it than anybody needs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::peer::{HERE, Peer, connect, connections, register, request, swallow};
use super::{Attack, LASTS, Victim};
use crate::lasts;
use crate::support::{DEADLINE, Message};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "REGISTERs for new AORs",
        run: new_aors,
        found_out: &["refused_total{reason=\"registers_per_address\"}"],
    },
    Attack { name: "forks that multiply", run: forks, found_out: &["requests_total{method=\"MESSAGE\"}"] },
    Attack {
        name: "UAs that do not read",
        run: unread_messages,
        found_out: &["flows_closed_total{reason=\"write_queue_full\"}"],
    },
];

/// Over as many connections as it takes: each is closed after a while.
fn new_aors(victim: &Victim<'_>) {
    let goes_on = victim.is_unmoved();
    let mut number = 0;
    while goes_on() {
        let mut stream = connect(victim.node.tcp());
        swallow(&stream);
        for _ in 0..50 {
            let mut some = String::new();
            for _ in 0..20 {
                number += 1;
                some.push_str(&register(&format!("new{number}"), number, number));
            }
            if !stream.is_taken(some.as_bytes()) {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// An AOR with as many instances as there may be, of which each sends what it gets to all of them again.
fn forks(victim: &Victim<'_>) {
    let mut streams = connections(victim.node.tcp(), 16);
    for (instance, stream) in streams.iter_mut().enumerate() {
        let _ = stream.write_all(register("fork", 100 + instance, instance).as_bytes());
        stream.set_nonblocking(true).unwrap();
    }
    let mut inboxes = vec![Vec::new(); streams.len()];
    let goes_on = lasts(2 * LASTS);
    let mut number = 0;
    let mut octets = vec![0; 64 << 10];
    while goes_on() {
        for (stream, inbox) in streams.iter_mut().zip(&mut inboxes) {
            for _ in 0..20 {
                number += 1;
                let _ = stream.write_all(request("MESSAGE", "fork", number, "").as_bytes());
            }
            let Ok(read) = stream.read(&mut octets) else { continue };
            inbox.extend_from_slice(&octets[..read]);
            while let Some(message) = Message::take(inbox) {
                if message.is_request() {
                    number += 1;
                    let via = format!("Via: SIP/2.0/TCP {HERE};branch=z9hG4bKagain{number};rport\r\n");
                    let again =
                        String::from_utf8_lossy(message.octets()).replacen("Via:", &format!("{via}Via:"), 1);
                    let _ = stream.write_all(again.as_bytes());
                }
            }
        }
    }
}

/// They have registered, and others send them messages that are as long as may be, until the node has enough of each.
fn unread_messages(victim: &Victim<'_>) {
    let closed = || victim.node.flows_closed("write_queue_full");
    let (before, body) = (closed(), "x".repeat(32 << 10));
    let ua = |number: usize| {
        let mut stream = connect(victim.node.tcp());
        // Its kernel takes few octets, too.
        SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
        stream.write_all(register(&format!("deaf{number}"), 0, 200 + number).as_bytes()).unwrap();
        let mut answer = [0; 8];
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.read_exact(&mut answer).unwrap();
        stream
    };
    let deaf: Vec<TcpStream> = (0..4).map(ua).collect();
    let mut senders = connections(victim.node.tcp(), 8);
    senders.iter().for_each(swallow);
    let goes_on = lasts(Duration::from_secs(20));
    let mut number = 0;
    while goes_on() && closed() < before + deaf.len() as u64 {
        for (sender, stream) in senders.iter_mut().enumerate() {
            for _ in 0..8 {
                number += 1;
                let head = request("MESSAGE", &format!("deaf{}", sender % deaf.len()), number, "");
                let head = head.replace("Content-Length: 0", &format!("Content-Length: {}", body.len()));
                stream.is_taken(format!("{head}{body}").as_bytes());
            }
        }
    }
    for stream in &senders {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
