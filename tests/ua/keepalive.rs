//! Pings and what fails a flow, with something between UA and node that loses or moves it. RFC 5626 §4.4.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::ua_process::proxy;
use crate::support::{Node, UaProcess, wait_until};

const FLOW_TIMER: &str = "[outbound]\nflow_timer = \"1s\"\nflow_timer_udp = \"1s\"\nping_timeout = \"0s\"\n";

/// Passes on what comes over TCP, until it swallows all of it and tells nobody: over the connections that it has by then.
fn hole(node: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let is_open = Arc::new(AtomicBool::new(true));
    let plug = Arc::clone(&is_open);
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let node = TcpStream::connect(node).unwrap();
            let (client2, node2) = (client.try_clone().unwrap(), node.try_clone().unwrap());
            let is_later = !plug.load(Ordering::SeqCst);
            for (from, to) in [(client, node), (node2, client2)] {
                let plug = if is_later { Arc::new(AtomicBool::new(true)) } else { Arc::clone(&plug) };
                pass(from, to, plug);
            }
        }
    });
    (address, is_open)
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_open: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut octets = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut octets) {
            if is_open.load(Ordering::SeqCst) && to.write_all(&octets[..len]).is_err() {
                return;
            }
        }
    });
}

#[test]
fn s4_4_1_a_flow_without_a_pong_in_10_seconds_has_failed() {
    let node = Node::start(FLOW_TIMER);
    let (hole, is_open) = hole(node.tcp());
    let mut ua = UaProcess::start("alice", &[proxy("tcp", hole), proxy("tcp", node.tcp())], &[]);
    ua.flows(2, "pong");
    is_open.store(false, Ordering::SeqCst);
    let failed = ua.until_within(Duration::from_secs(25), "the failure", |it| it["event"] == "failed");
    assert_eq!((&failed["reg_id"], &failed["reason"]), (&1.into(), &"no pong".into()));
    // It went on pinging meanwhile, as often as it was told.
    let silent = ua.seen().iter().rev().take_while(|it| !(it["event"] == "pong" && it["reg_id"] == 1));
    let pings = silent.filter(|it| it["event"] == "ping" && it["reg_id"] == 1).count();
    assert!((8..=14).contains(&pings), "{pings} pings");
    ua.flow(1, "registered");
}

/// A NAT for one UA: datagrams leave from one socket, and from another once it has forgotten the UA.
fn nat(node: SocketAddr) -> (SocketAddr, impl Fn()) {
    let outer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = outer.local_addr().unwrap();
    let has_forgotten = Arc::new(AtomicBool::new(true));
    let forget = Arc::clone(&has_forgotten);
    std::thread::spawn(move || {
        let mut octets = [0; 4096];
        let mut inner: Option<(SocketAddr, UdpSocket)> = None;
        while let Ok((len, client)) = outer.recv_from(&mut octets) {
            let is_known = inner.as_ref().is_some_and(|(known, _)| *known == client);
            if has_forgotten.swap(false, Ordering::SeqCst) || !is_known {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(node).unwrap();
                let (back, outer) = (socket.try_clone().unwrap(), outer.try_clone().unwrap());
                std::thread::spawn(move || {
                    let mut octets = [0; 4096];
                    while let Ok(len) = back.recv(&mut octets) {
                        let _ = outer.send_to(&octets[..len], client);
                    }
                });
                inner = Some((client, socket));
            }
            let _ = inner.as_ref().unwrap().1.send(&octets[..len]);
        }
    });
    (address, move || forget.store(true, Ordering::SeqCst))
}

#[test]
fn s4_4_2_a_flow_whose_mapped_address_changes_has_failed_and_is_formed_anew() {
    let node = Node::start(FLOW_TIMER);
    let (nat, forget) = nat(node.udp());
    let mut ua = UaProcess::start("alice", &[proxy("udp", nat)], &[]);
    ua.flow(1, "registered");
    ua.flow(1, "pong");
    forget();
    let failed = ua.flow(1, "failed");
    assert!(failed["reason"].as_str().unwrap().starts_with("the mapped address changed from "), "{failed}");
    assert_eq!(failed["failures"], 0);
    ua.flow(1, "registered");
    wait_until("there is one binding", || node.metric("bindings") == 1);
    ua.flow(1, "pong");
    assert_eq!(ua.stop(), Some(0));
}
