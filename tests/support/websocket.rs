//! A peer that speaks SIP over WebSocket, and the octets of it: a request that opens one, frames.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use super::client::{Client, Link};
use super::node::Node;
use super::tls::Tls;

pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING_FRAME: u8 = 9;
pub(crate) const PONG_FRAME: u8 = 10;

/// RFC 7118 §4.1: the request of the example.
pub(crate) const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://www.example.com\r\nSec-WebSocket-Protocol: sip\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// RFC 7118 §4.1: what that is answered.
pub(crate) const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

/// A connection on which frames have begun.
pub(crate) struct WebSocket {
    below: Below,
    /// Of a frame that is not there whole.
    raw: RefCell<Vec<u8>>,
    /// The frames that came, each with its first octet, and that no test has taken.
    frames: RefCell<Vec<(u8, Vec<u8>)>>,
    /// What it sends messages in.
    kind: u8,
}

/// What carries the frames.
enum Below {
    Tcp(TcpStream),
    Tls(Box<Tls>),
}

impl WebSocket {
    pub(super) fn transport(&self) -> &'static str {
        match self.below {
            Below::Tcp(_) => "WS",
            Below::Tls(_) => "WSS",
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match &self.below {
            Below::Tcp(stream) => stream,
            Below::Tls(tls) => tls.socket(),
        }
    }

    pub(super) fn write_all(&self, octets: &[u8]) -> std::io::Result<()> {
        match &self.below {
            Below::Tcp(stream) => (&mut &*stream).write_all(octets),
            Below::Tls(tls) => tls.write_all(octets),
        }
    }

    pub(super) fn read(&self, octets: &mut [u8]) -> std::io::Result<usize> {
        match &self.below {
            Below::Tcp(stream) => (&mut &*stream).read(octets),
            Below::Tls(tls) => tls.read(octets),
        }
    }

    /// What came, taken apart: the payload of messages.
    pub(super) fn take(&self, octets: &[u8]) -> Vec<u8> {
        let mut raw = self.raw.borrow_mut();
        raw.extend_from_slice(octets);
        let mut messages = Vec::new();
        while let Some((first, payload)) = unframe(&mut raw) {
            assert_eq!(first & 0x70, 0, "reserved bits");
            if matches!(first, 0x81 | 0x82) {
                messages.extend_from_slice(&payload);
            }
            self.frames.borrow_mut().push((first, payload));
        }
        messages
    }
}

impl Client {
    /// A connection to the node's WebSocket listener, opened as a browser does.
    #[track_caller]
    pub(crate) fn ws(node: &Node) -> Self {
        Self::tcp_for_ws(node).upgraded(TEXT)
    }

    /// The same of a peer that sends binary messages.
    #[track_caller]
    pub(crate) fn ws_binary(node: &Node) -> Self {
        Self::tcp_for_ws(node).upgraded(BINARY)
    }

    /// A connection to the node's listener for WebSocket over TLS, which is called `localhost`.
    #[track_caller]
    pub(crate) fn wss(node: &Node, config: &Arc<ClientConfig>) -> Self {
        let tls = Tls::dial(node.listener("wss"), "localhost", config).unwrap();
        Self::over_tls(tls).upgraded(TEXT)
    }

    /// A connection to that listener on which nothing was sent yet.
    #[track_caller]
    pub(crate) fn tcp_for_ws(node: &Node) -> Self {
        Self::connect(Ipv4Addr::LOCALHOST.into(), node.listener("ws"), |_| {})
    }

    /// Opens a WebSocket on it.
    #[track_caller]
    pub(crate) fn upgraded(self, kind: u8) -> Self {
        self.send(UPGRADE);
        self.expect_octets(SWITCHED.as_bytes());
        self.switched(kind)
    }

    /// The same connection, on which frames begin now.
    #[track_caller]
    pub(crate) fn switched(self, kind: u8) -> Self {
        let below = match self.into_link() {
            Link::Tcp(stream) => Below::Tcp(stream),
            Link::Tls(tls) => Below::Tls(tls),
            Link::Udp(_) | Link::Ws(_) => panic!("no stream"),
        };
        let websocket = WebSocket { below, raw: RefCell::default(), frames: RefCell::default(), kind };
        let [local, node] = [websocket.socket().local_addr(), websocket.socket().peer_addr()];
        let (local, node) = (local.unwrap(), node.unwrap());
        Self::new(Link::Ws(websocket), local, node)
    }

    /// Sends octets as they are.
    #[track_caller]
    pub(crate) fn send_raw(&self, octets: &[u8]) {
        self.websocket().write_all(octets).unwrap();
    }

    /// Sends one frame.
    #[track_caller]
    pub(crate) fn send_frame(&self, first: u8, payload: &[u8]) {
        self.send_raw(&frame(first, payload));
    }

    /// The next frame, whatever it is.
    #[track_caller]
    pub(crate) fn receive_frame(&self) -> (u8, Vec<u8>) {
        loop {
            let mut frames = self.websocket().frames.borrow_mut();
            if !frames.is_empty() {
                return frames.remove(0);
            }
            drop(frames);
            self.read_more();
        }
    }

    /// The node closes with this code, whatever it sends before, and then the connection.
    #[track_caller]
    pub(crate) fn expect_close(&self, code: u16) {
        let mut frames = std::iter::repeat_with(|| self.receive_frame());
        let (_, payload) = frames.find(|(first, _)| *first == FIN | CLOSE).expect("it is endless");
        assert_eq!(payload, code.to_be_bytes());
        self.expect_closed();
    }

    #[track_caller]
    fn websocket(&self) -> &WebSocket {
        let Link::Ws(websocket) = self.link() else { panic!("no WebSocket") };
        websocket
    }
}

impl WebSocket {
    /// A message in one frame.
    pub(super) fn message(&self, payload: &[u8]) -> Vec<u8> {
        frame(FIN | self.kind, payload)
    }
}

/// A frame as a client sends it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..=65_535 => {
            frame.push(0xFE);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0xFF);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

/// Takes a frame of a server off the octets, if it is there whole.
pub(crate) fn unframe(raw: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (&first, &second) = (raw.first()?, raw.get(1)?);
    assert_eq!(second & 0x80, 0, "a server masks nothing");
    let (header, len) = match second {
        126 => (4, usize::from(u16::from_be_bytes(*raw[2..].first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*raw[2..].first_chunk()?)).unwrap()),
        len => (2, usize::from(len)),
    };
    if raw.len() < header + len {
        return None;
    }
    let payload = raw[header..header + len].to_vec();
    raw.drain(..header + len);
    Some((first, payload))
}
