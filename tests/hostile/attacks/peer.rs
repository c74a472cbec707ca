//! What the attacks are made with.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::Node;

/// Where all of it comes from, or most.
pub(super) const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// How long a peer tries to write or to read.
const PATIENCE: Duration = Duration::from_millis(200);

/// A connection, whatever is on it.
pub(super) trait Peer: Read + Write {
    /// Whether the node has taken this much, or at least not closed the connection yet.
    fn is_taken(&mut self, octets: &[u8]) -> bool {
        match self.write_all(octets) {
            Ok(()) => true,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

impl<P: Read + Write + ?Sized> Peer for P {}

pub(super) fn connect(to: SocketAddr) -> TcpStream {
    connect_from(HERE, to)
}

pub(super) fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(super) fn connections(to: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| connect(to)).collect()
}

/// A connection that has shaken hands, if the node had the time for it.
pub(super) fn shake_hands(
    to: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = connect(to);
    stream.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream).ok()?;
    }
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Some(StreamOwned::new(session, stream))
}

pub(super) fn socket(node: &Node) -> UdpSocket {
    let socket = UdpSocket::bind((HERE, 0)).unwrap();
    socket.connect(node.udp()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Whatever comes is read, and means nothing.
pub(super) fn swallow(stream: &TcpStream) {
    let mut stream = stream.try_clone().unwrap();
    thread::spawn(move || {
        let mut octets = [0; 16 << 10];
        while !matches!(stream.read(&mut octets), Ok(0))
            && !stream.take_error().is_ok_and(|error| error.is_some())
        {}
    });
}

/// Octets that mean nothing, each time others.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    pub(super) fn octets(&mut self, count: usize) -> Vec<u8> {
        let Self(state) = self;
        (0..count)
            .map(|_| {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                state.to_le_bytes()[0]
            })
            .collect()
    }
}

pub(super) fn request(method: &str, user: &str, number: usize, lines: &str) -> String {
    format!(
        "{method} sip:{user}@example.com SIP/2.0\r\nVia: SIP/2.0/TCP {HERE};branch=z9hG4bKbad{user}{number};rport\r\n\
         From: <sip:bad@example.com>;tag=bad\r\nTo: <sip:{user}@example.com>\r\nCall-ID: bad-{user}-{number}\r\n\
         CSeq: {} {method}\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n",
        number + 1
    )
}

pub(super) fn register(user: &str, number: usize, instance: usize) -> String {
    let contact = format!(
        "Supported: path, outbound\r\nContact: <sip:{user}@{HERE};transport=tcp>;reg-id=1\
         ;+sip.instance=\"<urn:uuid:00000000-0000-4000-8001-{instance:012}>\"\r\n"
    );
    let register = request("REGISTER", user, number, &contact).replacen(&format!("sip:{user}@"), "sip:", 1);
    // Who may register others is another question.
    register.replacen("<sip:bad@", &format!("<sip:{user}@"), 1)
}
