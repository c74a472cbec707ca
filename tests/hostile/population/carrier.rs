//! What carries a UA's messages: TCP, TLS or WebSocket, each a stream, or datagrams. A ping is what RFC 5626 §3.5 has for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Way;
use crate::support::client::{PING, PONG};
use crate::support::websocket::{FIN, SWITCHED, TEXT, UPGRADE, frame, unframe};
use crate::support::{Message, stun};

/// A datagram is no longer.
const DATAGRAM: usize = 64 << 10;

/// One UA's flow.
pub(super) struct Carrier {
    link: Link,
    is_websocket: bool,
    /// What came and is not a whole message yet.
    raw: Vec<u8>,
    /// The same without WebSocket's frames.
    inbox: Vec<u8>,
    /// The ping over UDP that is out.
    binding: Option<stun::Request>,
    pub(super) local: SocketAddr,
    pub(super) transport: &'static str,
}

enum Link {
    Stream(Pin<Box<dyn Stream>>),
    Datagrams(UdpSocket),
}

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// What has come.
pub(super) enum Event {
    Pong,
    Message(Message),
}

impl Carrier {
    /// A flow to the node from this address.
    pub(super) async fn connect(way: &Way, from: Ipv4Addr) -> Self {
        let from = SocketAddr::from((from, 0));
        let (link, local, transport) = match way {
            Way::Udp(node) => {
                let socket = UdpSocket::bind(from).await.unwrap();
                socket.connect(node).await.unwrap();
                let local = socket.local_addr().unwrap();
                (Link::Datagrams(socket), local, "UDP")
            }
            Way::Tcp(node) | Way::Tls(node, _) | Way::Ws(node) => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(from).unwrap();
                let stream = socket.connect(*node).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let local = stream.local_addr().unwrap();
                match way {
                    Way::Tls(_, config) => {
                        let name = ServerName::try_from("localhost").unwrap();
                        let stream = TlsConnector::from(config.clone()).connect(name, stream).await.unwrap();
                        (Link::Stream(Box::pin(stream)), local, "TLS")
                    }
                    Way::Ws(_) => (Link::Stream(Box::pin(stream)), local, "WS"),
                    _ => (Link::Stream(Box::pin(stream)), local, "TCP"),
                }
            }
        };
        let (is_websocket, raw) = (transport == "WS", Vec::new());
        let mut carrier =
            Self { link, is_websocket, raw, inbox: Vec::new(), binding: None, local, transport };
        if is_websocket {
            carrier.upgrade().await;
        }
        carrier
    }

    async fn upgrade(&mut self) {
        let Link::Stream(stream) = &mut self.link else { return };
        stream.write_all(UPGRADE.as_bytes()).await.unwrap();
        let mut switched = vec![0; SWITCHED.len()];
        stream.read_exact(&mut switched).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&switched), SWITCHED);
    }

    /// Whether what is lost on the way has to be sent again.
    pub(super) fn loses(&self) -> bool {
        matches!(self.link, Link::Datagrams(_))
    }

    /// Sends one message. False: the node has closed the flow.
    pub(super) async fn send(&mut self, message: &[u8]) -> bool {
        match &mut self.link {
            Link::Stream(stream) if self.is_websocket => {
                stream.write_all(&frame(FIN | TEXT, message)).await.is_ok()
            }
            Link::Stream(stream) => stream.write_all(message).await.is_ok() && stream.flush().await.is_ok(),
            // What finds no room is lost, as it may be on the way.
            Link::Datagrams(socket) => socket.send(message).await.is_ok() || !message.is_empty(),
        }
    }

    /// Sends a ping, or over UDP the one that is out once more.
    pub(super) async fn ping(&mut self) -> bool {
        if self.loses() {
            let request = self.binding.get_or_insert_with(stun::Request::new).to_bytes();
            return self.send(&request).await;
        }
        self.send(PING).await
    }

    /// Reads some; dropped before it is done, it has read nothing. False: the node has closed the flow.
    pub(super) async fn read(&mut self) -> bool {
        match &mut self.link {
            Link::Stream(stream) => {
                let into = if self.is_websocket { &mut self.raw } else { &mut self.inbox };
                if stream.read_buf(into).await.unwrap_or(0) == 0 {
                    return false;
                }
                while let Some((first, payload)) = self.is_websocket.then(|| unframe(&mut self.raw)).flatten()
                {
                    if first != FIN | TEXT {
                        return false;
                    }
                    self.inbox.extend_from_slice(&payload);
                }
            }
            Link::Datagrams(socket) => {
                self.inbox.clear();
                let _ = socket.recv_buf(&mut self.inbox.reserved(DATAGRAM)).await;
            }
        }
        true
    }

    /// The next of what has come.
    pub(super) fn next(&mut self) -> Option<Event> {
        if self.inbox.starts_with(PONG) {
            self.inbox.drain(..PONG.len());
            return Some(Event::Pong);
        }
        // A STUN message begins with two bits that are 0, a SIP message with a letter.
        if self.loses() && self.inbox.first().is_some_and(|first| *first < 4) {
            let octets = std::mem::take(&mut self.inbox);
            let response = stun::Response::parse(&octets)?;
            self.binding.take_if(|request| response.answers(request))?;
            return Some(Event::Pong);
        }
        Message::take(&mut self.inbox).map(Event::Message)
    }
}

trait Reserved {
    fn reserved(&mut self, octets: usize) -> &mut Self;
}

impl Reserved for Vec<u8> {
    fn reserved(&mut self, octets: usize) -> &mut Self {
        self.reserve(octets);
        self
    }
}
