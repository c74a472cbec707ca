//! A UA's end of its flow: octets, or messages in WebSocket frames, over TCP or TLS.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::Path,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpSocket,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use crate::{
    over::{self, Over},
    ua::DOMAIN,
    websocket::{self, Frame},
};

/// A client masks what it writes: with this, because the load need not surprise anybody.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// How UAs open their flows.
#[derive(Debug, Clone)]
pub struct Dial {
    /// What the flows run over.
    pub over: Over,
    tls: Option<Arc<ClientConfig>>,
}

impl Dial {
    /// Over TCP.
    pub fn tcp() -> Self {
        Dial { over: Over::Tcp, tls: None }
    }

    /// Over any; TLS with servers that have the certificate in the file `trust`.
    pub fn new(over: Over, trust: Option<&Path>) -> io::Result<Self> {
        let client = || over::client(trust.ok_or(io::ErrorKind::InvalidInput)?);
        let tls = over.has_tls().then(client).transpose()?;
        Ok(Dial { over, tls })
    }

    /// Opens a flow from this source address; gives its end's address too.
    pub(crate) async fn open(&self, from: Ipv4Addr, to: SocketAddr) -> io::Result<(SocketAddr, Stream)> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::V4(SocketAddrV4::new(from, 0)))?;
        let tcp = socket.connect(to).await?;
        tcp.set_nodelay(true)?;
        let local = tcp.local_addr()?;
        let octets: Box<dyn Octets> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::try_from(DOMAIN).map_err(io::Error::other)?;
                Box::new(TlsConnector::from(config.clone()).connect(name, tcp).await?)
            }
        };
        let mut stream = Stream { octets, frames: None };
        if self.over.has_frames() {
            stream.upgrade(to).await?;
        }
        Ok((local, stream))
    }
}

/// A connection, whatever stands between it and its octets.
trait Octets: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Octets for T {}

/// One end of a flow.
pub(crate) struct Stream {
    octets: Box<dyn Octets>,
    /// Over WebSocket, what has come and was not taken out of its frames yet.
    frames: Option<Vec<u8>>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl Stream {
    /// Writes a message, or a ping.
    pub(crate) async fn write(&mut self, message: &[u8]) -> io::Result<()> {
        if self.frames.is_some() {
            let mut frame = Vec::with_capacity(message.len() + 14);
            websocket::write(message, Some(MASK), &mut frame);
            self.octets.write_all(&frame).await?;
        } else {
            self.octets.write_all(message).await?;
        }
        self.octets.flush().await
    }

    /// Appends what comes next; gives how much that is, zero at the end of the flow.
    pub(crate) async fn read(&mut self, inbox: &mut Vec<u8>) -> io::Result<usize> {
        let Some(frames) = &mut self.frames else {
            inbox.reserve(2048);
            return self.octets.read_buf(inbox).await;
        };
        let before = inbox.len();
        loop {
            while let Some(frame) = Frame::read(frames) {
                if frame.is_close {
                    return Ok(0);
                }
                if !frame.is_control {
                    inbox.extend_from_slice(&frames[frame.payload.clone()]);
                }
                frames.drain(..frame.payload.end);
            }
            if inbox.len() > before {
                return Ok(inbox.len() - before);
            }
            frames.reserve(2048);
            if self.octets.read_buf(frames).await? == 0 {
                return Ok(0);
            }
        }
    }

    /// As [`Stream::read`], of what is there already; `None` where there is nothing.
    pub(crate) fn try_read(&mut self, inbox: &mut Vec<u8>) -> io::Result<Option<usize>> {
        match pin!(self.read(inbox)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => read.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    async fn upgrade(&mut self, to: SocketAddr) -> io::Result<()> {
        self.octets.write_all(websocket::request(&to.to_string()).as_bytes()).await?;
        let mut head = Vec::new();
        let end = loop {
            if let Some(end) = memmem::find(&head, b"\r\n\r\n") {
                break end + 4;
            }
            if self.octets.read_buf(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let frames = head.split_off(end);
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let accept = websocket::ACCEPT.to_ascii_lowercase();
        if !head.starts_with("http/1.1 101 ") || !head.contains(&accept) || !head.contains(": sip\r\n") {
            return Err(io::Error::other(format!("no WebSocket for SIP: {head}")));
        }
        self.frames = Some(frames);
        Ok(())
    }
}
