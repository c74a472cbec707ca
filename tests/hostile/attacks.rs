//! What hostile peers do. Each comes from an address of its own, is bounded in number and time, and returns when it is over.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::lasts;
use crate::support::stun::Request as Binding;
use crate::support::{Message, Node};

/// Where all of it comes from.
const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// How long one of them goes on at most.
const LASTS: Duration = Duration::from_millis(1500);

/// One attack, and what it is found out by.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Node, usize),
    /// Why flows were closed.
    pub(crate) closed: &'static [&'static str],
    /// Why something was refused.
    pub(crate) refused: &'static [&'static str],
}

pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "headers without end", run: endless_headers, closed: &["too_large"], refused: &[] },
    Attack { name: "CRLFs without end", run: endless_crlfs, closed: &["flood"], refused: &[] },
    Attack { name: "pongs that nobody reads", run: unread_pongs, closed: &["flood"], refused: &[] },
    Attack {
        name: "connections that say nothing",
        run: half_open,
        closed: &["silent"],
        refused: &["max_connections_per_address"],
    },
    Attack {
        name: "REGISTERs for new AORs",
        run: new_aors,
        closed: &[],
        refused: &["registers_per_address"],
    },
    Attack { name: "forks that multiply", run: forks, closed: &[], refused: &[] },
    Attack { name: "STUN", run: stun, closed: &[], refused: &["stun_per_address"] },
    Attack { name: "datagrams", run: datagrams, closed: &[], refused: &["datagrams_per_address"] },
    Attack { name: "octets at random", run: garbage, closed: &["garbage"], refused: &[] },
    Attack { name: "messages too large", run: oversize, closed: &["too_large"], refused: &[] },
    Attack { name: "headers that trickle", run: trickle, closed: &["header_timeout"], refused: &[] },
];

fn connect(node: &Node) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((HERE, 0)).into()).unwrap();
    socket.connect(&node.tcp().into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    stream
}

fn connections(node: &Node, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| connect(node)).collect()
}

fn socket(node: &Node) -> UdpSocket {
    let socket = UdpSocket::bind((HERE, 0)).unwrap();
    socket.connect(node.udp()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Whether the node has taken this much, or at least not closed the connection yet.
fn is_taken(stream: &mut TcpStream, octets: &[u8]) -> bool {
    match stream.write_all(octets) {
        Ok(()) => true,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// Whatever comes is read, and means nothing.
fn swallow(stream: &TcpStream) {
    let mut stream = stream.try_clone().unwrap();
    thread::spawn(move || {
        let mut octets = [0; 16 << 10];
        while !matches!(stream.read(&mut octets), Ok(0))
            && !stream.take_error().is_ok_and(|error| error.is_some())
        {}
    });
}

fn endless_headers(node: &Node, _: usize) {
    let mut streams = connections(node, 200);
    let piece = "x".repeat(4096);
    streams.retain_mut(|stream| is_taken(stream, b"INVITE sip:alice@example.com SIP/2.0\r\nX: "));
    for _ in 0..20 {
        streams.retain_mut(|stream| is_taken(stream, piece.as_bytes()));
    }
}

fn endless_crlfs(node: &Node, _: usize) {
    let mut streams = connections(node, 10);
    let pieces = b"\r\n".repeat(8192);
    let goes_on = lasts(LASTS);
    streams.iter().for_each(swallow);
    while goes_on() && !streams.is_empty() {
        streams.retain_mut(|stream| is_taken(stream, &pieces));
    }
    for stream in &streams {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn unread_pongs(node: &Node, _: usize) {
    let mut streams = connections(node, 50);
    let pieces = b"\r\n\r\n".repeat(100);
    let goes_on = lasts(LASTS);
    while goes_on() && !streams.is_empty() {
        streams.retain_mut(|stream| is_taken(stream, &pieces));
    }
}

/// As many as descriptors allow, and more than one address may have.
fn half_open(node: &Node, descriptors: usize) {
    let count = 3500.min(descriptors.saturating_sub(1500));
    let streams = connections(node, count);
    let goes_on = lasts(Duration::from_secs(12));
    while goes_on() && node.metric("connections{transport=\"tcp\"}") > crate::UAS as u64 {
        thread::sleep(Duration::from_millis(50));
    }
    drop(streams);
}

fn request(method: &str, user: &str, number: usize, lines: &str) -> String {
    format!(
        "{method} sip:{user}@example.com SIP/2.0\r\nVia: SIP/2.0/TCP {HERE};branch=z9hG4bKbad{user}{number};rport\r\n\
         From: <sip:bad@example.com>;tag=bad\r\nTo: <sip:{user}@example.com>\r\nCall-ID: bad-{user}-{number}\r\n\
         CSeq: {} {method}\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n",
        number + 1
    )
}

fn register(user: &str, number: usize, instance: usize) -> String {
    let contact = format!(
        "Supported: path, outbound\r\nContact: <sip:{user}@{HERE};transport=tcp>;reg-id=1\
         ;+sip.instance=\"<urn:uuid:00000000-0000-4000-8001-{instance:012}>\"\r\n"
    );
    request("REGISTER", user, number, &contact).replacen(&format!("sip:{user}@"), "sip:", 1)
}

/// Over as many connections as it takes: each is closed after a while.
fn new_aors(node: &Node, _: usize) {
    let goes_on = lasts(2 * LASTS);
    let mut number = 0;
    while goes_on() {
        let mut stream = connect(node);
        swallow(&stream);
        for _ in 0..50 {
            let mut some = String::new();
            for _ in 0..20 {
                number += 1;
                some.push_str(&register(&format!("new{number}"), number, number));
            }
            if !is_taken(&mut stream, some.as_bytes()) {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// An AOR with as many instances as there may be, of which each sends what it gets to all of them again.
fn forks(node: &Node, _: usize) {
    let mut streams = connections(node, 16);
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

fn stun(node: &Node, _: usize) {
    let socket = socket(node);
    let (request, goes_on) = (Binding::new().to_bytes(), lasts(LASTS));
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

fn datagrams(node: &Node, _: usize) {
    let socket = socket(node);
    let goes_on = lasts(LASTS);
    let mut number = 0;
    while goes_on() {
        number += 1;
        let _ = socket.send(request("OPTIONS", "nobody", number, "").replace("/TCP", "/UDP").as_bytes());
    }
}

fn garbage(node: &Node, _: usize) {
    let udp = socket(node);
    let goes_on = lasts(LASTS);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    while goes_on() {
        let octets: Vec<u8> = (0..300)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect();
        let _ = udp.send(&octets);
        let mut stream = connect(node);
        is_taken(&mut stream, &octets);
    }
}

fn oversize(node: &Node, _: usize) {
    let (goes_on, body) = (lasts(LASTS), vec![b'x'; 64 << 10]);
    let mut number = 0;
    while goes_on() {
        number += 1;
        let head = request("MESSAGE", "alice", number, "");
        let announced = head.replace("Content-Length: 0", "Content-Length: 100000000");
        let mut stream = connect(node);
        while goes_on() && is_taken(&mut stream, announced.as_bytes()) && is_taken(&mut stream, &body) {}
    }
}

fn trickle(node: &Node, _: usize) {
    let mut streams = connections(node, 500);
    let mut head = String::from("INVITE sip:alice@example.com SIP/2.0\r\n");
    write!(head, "X: {}", "x".repeat(200)).unwrap();
    let goes_on = lasts(Duration::from_secs(8));
    for octet in head.as_bytes().chunks(1) {
        if streams.is_empty() || !goes_on() {
            break;
        }
        streams.retain_mut(|stream| is_taken(stream, octet));
        thread::sleep(Duration::from_millis(20));
    }
}
