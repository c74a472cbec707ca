//! One flow: a connection or a socket towards a proxy, with a task that reads and one that writes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::resolver::{System, locate};
use crate::net::tls::Connector;
use crate::proto::NextHop;
use crate::proto::recovery::{Link, Why};
use crate::sip::{Frame, Framer, Message, Transport, Uri, stun};

/// What flows may go over, the one that we like best first.
const TRANSPORTS: &[Transport] = &[Transport::Tls, Transport::Tcp, Transport::Udp];

/// How long a proxy may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take to read what is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages that may wait to be written.
const WAITING: usize = 256;

/// The longest message that is read.
const MAX_MESSAGE: usize = 64 << 10;

/// What it takes to reach a proxy.
pub(super) struct Way {
    pub(super) dns: System,
    /// What proxies over TLS have to prove.
    pub(super) tls: Option<Connector>,
}

/// What a flow reports.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) reg_id: u32,
    /// Which connection of that reg-id.
    pub(super) number: u64,
    pub(super) heard: Heard,
}

#[derive(Debug)]
pub(super) enum Heard {
    Connected(Link),
    Message(Message),
    Pong,
    Stun(stun::BindingResponse),
    Lost(Why),
}

/// A flow that is open, or being opened. Dropped, it is closed once what was sent is written.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    outgoing: mpsc::Sender<Bytes>,
    reader: AbortHandle,
}

impl Connection {
    /// Looks up where the proxy is and opens a flow to the first of its addresses that takes one, beginning with
    /// another at each attempt.
    pub(super) fn open(
        (reg_id, number): (u32, u64),
        (proxy, attempt): (String, usize),
        way: Arc<Way>,
        reports: mpsc::Sender<Report>,
    ) -> Connection {
        let (outgoing, wires) = mpsc::channel(WAITING);
        let teller = Teller { reg_id, number, reports };
        let reader = tokio::spawn(async move {
            let why = match connect(&proxy, attempt, &way).await {
                Ok(Opened::Stream(stream, link)) => {
                    teller.tell(Heard::Connected(link)).await;
                    let (read, write) = stream.into_split();
                    tokio::spawn(write_stream(write, wires));
                    read_stream(read, &teller).await
                }
                Ok(Opened::Tls(stream, link)) => {
                    teller.tell(Heard::Connected(link)).await;
                    let (read, write) = tokio::io::split(stream);
                    tokio::spawn(write_stream(write, wires));
                    read_stream(read, &teller).await
                }
                Ok(Opened::Socket(socket, link)) => {
                    teller.tell(Heard::Connected(link)).await;
                    let socket = Arc::new(socket);
                    tokio::spawn(write_socket(Arc::clone(&socket), wires));
                    read_socket(&socket, &teller).await
                }
                Err(error) => Why::Unreachable(error),
            };
            teller.tell(Heard::Lost(why)).await;
        });
        Connection { number, outgoing, reader: reader.abort_handle() }
    }

    /// Sends this, in its order.
    pub(super) fn send(&self, octets: Bytes) -> Result<(), Why> {
        self.outgoing.try_send(octets).map_err(|error| match error {
            TrySendError::Full(_) => Why::Broken("nothing is read at the other end".to_owned()),
            TrySendError::Closed(_) => Why::Closed,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Teller {
    reg_id: u32,
    number: u64,
    reports: mpsc::Sender<Report>,
}

impl Teller {
    async fn tell(&self, heard: Heard) {
        let Teller { reg_id, number, .. } = *self;
        // The UA has ended: nobody wants to know.
        let _ = self.reports.send(Report { reg_id, number, heard }).await;
    }
}

enum Opened {
    Stream(TcpStream, Link),
    Tls(Box<TlsStream<TcpStream>>, Link),
    Socket(UdpSocket, Link),
}

async fn connect(proxy: &str, attempt: usize, way: &Way) -> Result<Opened, String> {
    let mut hops = locate(&way.dns, proxy, TRANSPORTS).await?;
    let uri = Uri::parse(proxy.as_bytes()).map_err(|fault| fault.to_string())?;
    let host = String::from_utf8_lossy(uri.host);
    // RFC 5626 §4.2.1: a retry looks DNS up again and may choose another host.
    let first = attempt % hops.len();
    hops.rotate_left(first);
    let mut wrong = String::new();
    for hop in hops {
        match open(hop, &host, way).await {
            Ok(opened) => return Ok(opened),
            Err(error) => wrong = format!("{}: {error}", hop.address),
        }
    }
    Err(wrong)
}

/// RFC 5922 §7.3: what a proxy over TLS has to prove is the host that the URI names, not one that DNS led to.
async fn open(NextHop { transport, address }: NextHop, host: &str, way: &Way) -> io::Result<Opened> {
    let link = |local| Link { transport, local, remote: address };
    if transport == Transport::Udp {
        let any: SocketAddr =
            if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        // So that it hears nobody else, and what ICMP says of the proxy.
        socket.connect(address).await?;
        let link = link(socket.local_addr()?);
        return Ok(Opened::Socket(socket, link));
    }
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    let _ = stream.set_nodelay(true);
    let link = link(stream.local_addr()?);
    if transport != Transport::Tls {
        return Ok(Opened::Stream(stream, link));
    }
    let tls = way.tls.as_ref().ok_or_else(|| io::Error::other("nothing is known of TLS"))?;
    let stream = timeout(CONNECT_TIMEOUT, tls.connect(host, stream)).await??;
    Ok(Opened::Tls(Box::new(stream), link))
}

async fn read_stream(mut stream: impl AsyncRead + Unpin, teller: &Teller) -> Why {
    // A peer that does not send STUN is framed the same.
    let mut framer = Framer::with_stun(MAX_MESSAGE);
    let mut buffer = vec![0; 16 << 10];
    loop {
        let mut octets = match stream.read(&mut buffer).await {
            Ok(0) => return Why::Closed,
            Ok(len) => &buffer[..len],
            Err(error) => return Why::Broken(error.to_string()),
        };
        loop {
            match framer.next(&mut octets) {
                Ok(Some(Frame::Message(message))) => teller.tell(Heard::Message(message)).await,
                Ok(Some(Frame::Pong)) => teller.tell(Heard::Pong).await,
                // RFC 5626 §4.4.1: a server does not ping, so these are two pongs that came together.
                Ok(Some(Frame::Ping)) => {
                    teller.tell(Heard::Pong).await;
                    teller.tell(Heard::Pong).await;
                }
                Ok(Some(Frame::Stun(octets))) => {
                    if let Some(response) = stun::parse_response(&octets) {
                        teller.tell(Heard::Stun(response)).await;
                    }
                }
                Ok(None) => break,
                Err(refusal) => return Why::Broken(refusal.to_string()),
            }
        }
        if framer.take_pong() {
            teller.tell(Heard::Pong).await;
        }
    }
}

async fn write_stream(mut stream: impl AsyncWrite + Unpin, mut wires: mpsc::Receiver<Bytes>) {
    while let Some(octets) = wires.recv().await {
        // The reader finds out what is wrong with the connection.
        let written = async {
            stream.write_all(&octets).await?;
            stream.flush().await
        };
        if !matches!(timeout(WRITE_TIMEOUT, written).await, Ok(Ok(()))) {
            return;
        }
    }
    // The UA has no more to say: the half that reads may stay for as long as it likes.
    let _ = timeout(WRITE_TIMEOUT, stream.shutdown()).await;
}

async fn read_socket(socket: &UdpSocket, teller: &Teller) -> Why {
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        let octets = match socket.recv(&mut buffer).await {
            Ok(len) => &buffer[..len],
            Err(error) => return Why::Broken(error.to_string()),
        };
        if stun::is_stun(octets) {
            if let Some(response) = stun::parse_response(octets) {
                teller.tell(Heard::Stun(response)).await;
            }
        } else if let Ok(message) = Message::parse(Bytes::copy_from_slice(octets)) {
            teller.tell(Heard::Message(message)).await;
        }
    }
}

async fn write_socket(socket: Arc<UdpSocket>, mut wires: mpsc::Receiver<Bytes>) {
    while let Some(octets) = wires.recv().await {
        // A datagram may be lost; the reader hears of a proxy that is gone.
        let _ = socket.send(&octets).await;
    }
}
