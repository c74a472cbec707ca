//! A peer of the node over one connection, TCP or TLS, as it is or with WebSocket on it, or one UDP socket.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::message::{Message, shown};
use super::node::Node;
use super::request::{Request, unique};
use super::stun;
use super::tls::Tls;
use super::wait::DEADLINE;
use super::websocket::WebSocket;

/// CRLFCRLF: RFC 5626 §4.4.1.
pub(crate) const PING: &[u8] = b"\r\n\r\n";
/// One CRLF.
pub(crate) const PONG: &[u8] = b"\r\n";

/// A peer of the node.
pub(crate) struct Client {
    link: Link,
    local: SocketAddr,
    node: SocketAddr,
    /// What a stream has brought and no test has taken.
    inbox: RefCell<Vec<u8>>,
    /// Of all its REGISTERs.
    pub(super) call_id: String,
    pub(super) cseq: Cell<u32>,
}

pub(super) enum Link {
    Tcp(TcpStream),
    Ws(WebSocket),
    Tls(Box<Tls>),
    Udp(UdpSocket),
}

impl Client {
    /// A connection to the node.
    pub(crate) fn tcp(node: &Node) -> Self {
        Self::tcp_from(node, Ipv4Addr::LOCALHOST.into())
    }

    /// A connection to the node from this address.
    pub(crate) fn tcp_from(node: &Node, source: IpAddr) -> Self {
        Self::connect(source, node.tcp(), |_| {})
    }

    /// A connection to the node, whose kernel takes few octets that nobody reads.
    pub(crate) fn tcp_with_small_window(node: &Node) -> Self {
        Self::connect(Ipv4Addr::LOCALHOST.into(), node.tcp(), |socket| {
            socket.set_recv_buffer_size(4096).unwrap();
        })
    }

    /// A connection to this listener.
    pub(crate) fn connect(source: IpAddr, node: SocketAddr, prepare: impl FnOnce(&Socket)) -> Self {
        let socket = Socket::new(Domain::for_address(node), Type::STREAM, None).unwrap();
        prepare(&socket);
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&node.into()).unwrap();
        let stream = TcpStream::from(socket);
        // Each write is a segment, so that a test says where the octets are split.
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let local = stream.local_addr().unwrap();
        Self::new(Link::Tcp(stream), local, node)
    }

    /// A connection that has shaken hands with the node.
    pub(crate) fn over_tls(tls: Tls) -> Self {
        let (local, node) = (tls.socket().local_addr().unwrap(), tls.socket().peer_addr().unwrap());
        Self::new(Link::Tls(Box::new(tls)), local, node)
    }

    /// Its end of TLS.
    #[track_caller]
    pub(crate) fn as_tls(&self) -> &Tls {
        let Link::Tls(tls) = &self.link else { panic!("it is no TLS") };
        tls
    }

    /// A socket that speaks to the node and hears nobody else.
    pub(crate) fn udp(node: &Node) -> Self {
        Self::udp_to(node.udp())
    }

    /// A socket that speaks to this listener and hears nobody else, so that an answer from another address is lost.
    pub(crate) fn udp_to(node: SocketAddr) -> Self {
        let local = if node.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(local).unwrap();
        socket.connect(node).unwrap();
        let local = socket.local_addr().unwrap();
        Self::new(Link::Udp(socket), local, node)
    }

    /// A connection to the node from this address and port, which a connection before may have had.
    pub(crate) fn tcp_at(node: &Node, local: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&local.into()).unwrap();
        socket.connect(&node.tcp().into()).unwrap();
        Self::accepted(socket.into())
    }

    /// A connection that the node has opened.
    pub(crate) fn accepted(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let (local, node) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        Self::new(Link::Tcp(stream), local, node)
    }

    /// A socket that was there before the node, which knows its address.
    pub(crate) fn over(socket: UdpSocket, node: &Node) -> Self {
        socket.connect(node.udp()).unwrap();
        let local = socket.local_addr().unwrap();
        Self::new(Link::Udp(socket), local, node.udp())
    }

    pub(super) fn new(link: Link, local: SocketAddr, node: SocketAddr) -> Self {
        let inbox = RefCell::default();
        Self { link, local, node, inbox, call_id: unique("reg"), cseq: Cell::new(0) }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn into_link(self) -> Link {
        self.link
    }

    /// What it calls itself in Via and Contact.
    pub(crate) fn host(&self) -> String {
        match self.link {
            // RFC 7118 §B.1: a page does not know its address.
            Link::Ws(_) => format!("{}.invalid", self.call_id),
            _ => self.local.to_string(),
        }
    }

    /// The address that it sends from.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// As it stands in Via.
    pub(crate) fn transport(&self) -> &'static str {
        match &self.link {
            Link::Tcp(_) => "TCP",
            Link::Ws(websocket) => websocket.transport(),
            Link::Tls(_) => "TLS",
            Link::Udp(_) => "UDP",
        }
    }

    /// Sends these octets: one datagram, one message of WebSocket, or what is for a stream one write.
    #[track_caller]
    pub(crate) fn send(&self, octets: impl AsRef<[u8]>) {
        self.try_send(octets.as_ref()).unwrap();
    }

    /// Sends these octets, if the node still takes them.
    pub(crate) fn try_send(&self, octets: &[u8]) -> std::io::Result<()> {
        match &self.link {
            Link::Tcp(_) => self.stream().write_all(octets),
            Link::Ws(websocket) => websocket.write_all(&websocket.message(octets)),
            Link::Tls(tls) => tls.write_all(octets),
            Link::Udp(socket) => {
                assert_eq!(socket.send(octets)?, octets.len());
                Ok(())
            }
        }
    }

    /// Sends a request and receives what comes next.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Message {
        self.send(request.to_bytes());
        self.receive()
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn receive(&self) -> Message {
        self.receive_within(DEADLINE).unwrap_or_else(|| panic!("no message within {DEADLINE:?}"))
    }

    /// The next message, if one comes within this time.
    #[track_caller]
    pub(crate) fn receive_within(&self, time: Duration) -> Option<Message> {
        let until = Instant::now() + time;
        if let Link::Udp(_) = self.link {
            return self.datagram(until).map(|octets| Message::parse(&octets));
        }
        loop {
            if let Some(message) = Message::take(&mut self.inbox.borrow_mut()) {
                return Some(message);
            }
            match self.read(until) {
                Progress::Octets => {}
                Progress::Nothing => return None,
                Progress::Closed => panic!("closed, with {} left", shown(&self.inbox.borrow())),
            }
        }
    }

    /// The next final response. A provisional one may come before it, when the node finds that it takes long.
    #[track_caller]
    pub(crate) fn receive_final(&self) -> Message {
        std::iter::repeat_with(|| self.receive())
            .find(|response| response.status() >= 200)
            .expect("it is endless")
    }

    /// The next messages of a stream and the pongs that stand between them.
    #[track_caller]
    pub(crate) fn receive_with_pongs(&self, messages: usize, mut pongs: usize) -> Vec<Message> {
        let until = Instant::now() + DEADLINE;
        let mut taken = Vec::new();
        while taken.len() < messages || pongs > 0 {
            let mut inbox = self.inbox.borrow_mut();
            if inbox.starts_with(PONG) {
                inbox.drain(..PONG.len());
                pongs = pongs.checked_sub(1).unwrap_or_else(|| panic!("one pong more than expected"));
            } else if let Some(message) = Message::take(&mut inbox) {
                taken.push(message);
            } else {
                drop(inbox);
                let what = format!("{pongs} pongs and {} messages are missing", messages - taken.len());
                match self.read(until) {
                    Progress::Octets => {}
                    Progress::Nothing => panic!("{what} after {DEADLINE:?}"),
                    Progress::Closed => panic!("closed, {what}"),
                }
            }
        }
        taken
    }

    /// The next datagram.
    #[track_caller]
    pub(crate) fn receive_datagram(&self) -> Vec<u8> {
        self.datagram(Instant::now() + DEADLINE).unwrap_or_else(|| panic!("no datagram within {DEADLINE:?}"))
    }

    /// The next octets of a stream must be these.
    #[track_caller]
    pub(crate) fn expect_octets(&self, expected: &[u8]) {
        let got = self.receive_octets(expected.len(), &shown(expected));
        assert_eq!(shown(&got), shown(expected));
    }

    /// The next so many octets of a stream.
    #[track_caller]
    pub(crate) fn receive_octets(&self, count: usize, what: &str) -> Vec<u8> {
        let until = Instant::now() + DEADLINE;
        loop {
            let mut inbox = self.inbox.borrow_mut();
            if inbox.len() >= count {
                return inbox.drain(..count).collect();
            }
            drop(inbox);
            match self.read(until) {
                Progress::Octets => {}
                Progress::Nothing => panic!("`{what}` did not come within {DEADLINE:?}"),
                Progress::Closed => panic!("closed instead of `{what}`"),
            }
        }
    }

    /// Sends a ping and takes the pong, which must be the next octets.
    #[track_caller]
    pub(crate) fn ping(&self) {
        self.send(PING);
        self.expect_octets(PONG);
    }

    /// Nothing has arrived that was not received: the node answers a ping, and the answer is what comes next.
    #[track_caller]
    pub(crate) fn expect_nothing(&self) {
        if !matches!(self.link, Link::Udp(_)) {
            self.ping();
            let inbox = self.inbox.borrow();
            assert!(inbox.is_empty(), "`{}` came as well", shown(&inbox));
            return;
        }
        let request = stun::Request::new();
        self.send(request.to_bytes());
        let next = self.receive_datagram();
        assert!(
            stun::Response::parse(&next).is_some_and(|response| response.answers(&request)),
            "`{}` came",
            shown(&next)
        );
    }

    /// Nothing arrives for this long, and the connection stays: for what must not happen on a timer.
    #[track_caller]
    pub(crate) fn expect_silence(&self, time: Duration) {
        let until = Instant::now() + time;
        match &self.link {
            Link::Udp(_) => {
                let next = self.datagram(until);
                assert!(next.is_none(), "`{}` came", shown(&next.unwrap_or_default()));
            }
            Link::Tcp(_) | Link::Tls(_) | Link::Ws(_) => match self.read(until) {
                Progress::Nothing => {}
                Progress::Octets => panic!("`{}` came", shown(&self.inbox.borrow())),
                Progress::Closed => panic!("closed within {time:?}"),
            },
        }
    }

    /// The node closes the connection and sends nothing before. Returns how long that took.
    #[track_caller]
    pub(crate) fn expect_closed(&self) -> Duration {
        let started = Instant::now();
        match self.read(started + DEADLINE) {
            Progress::Closed => {}
            Progress::Octets => panic!("`{}` came before the end", shown(&self.inbox.borrow())),
            Progress::Nothing => panic!("not closed within {DEADLINE:?}"),
        }
        started.elapsed()
    }

    /// The node closes the connection, whatever it sends before.
    #[track_caller]
    pub(crate) fn expect_closed_at_last(&self) {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.read(until) {
                Progress::Closed => return,
                Progress::Octets => self.inbox.borrow_mut().clear(),
                Progress::Nothing => panic!("not closed within {DEADLINE:?}"),
            }
        }
    }

    /// Whether the node closes the connection within this time.
    pub(crate) fn is_closed_within(&self, time: Duration) -> bool {
        matches!(self.read(Instant::now() + time), Progress::Closed)
    }

    /// Ends the connection by a reset instead of in order.
    pub(crate) fn reset(self) {
        SockRef::from(self.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Returns when a node with one worker has read whatever other clients had sent before: the worker finds their octets no
    /// later than the first ping, and takes them up before it looks for the second.
    #[track_caller]
    pub(crate) fn pass_a_turn(&self) {
        self.ping();
        self.ping();
    }

    fn stream(&self) -> &TcpStream {
        match &self.link {
            Link::Tcp(stream) => stream,
            Link::Ws(websocket) => websocket.socket(),
            Link::Tls(tls) => tls.socket(),
            Link::Udp(_) => panic!("UDP has no stream"),
        }
    }

    fn datagram(&self, until: Instant) -> Option<Vec<u8>> {
        let Link::Udp(socket) = &self.link else { panic!("a stream has no datagrams") };
        let mut octets = vec![0; 65_536];
        loop {
            let left = until.checked_duration_since(Instant::now())?;
            socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
            match socket.recv(&mut octets) {
                Ok(len) => {
                    octets.truncate(len);
                    return Some(octets);
                }
                Err(error) if is_timeout(error.kind()) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until something comes.
    #[track_caller]
    pub(super) fn read_more(&self) {
        match self.read(Instant::now() + DEADLINE) {
            Progress::Octets => {}
            Progress::Nothing => panic!("nothing came within {DEADLINE:?}"),
            Progress::Closed => panic!("closed"),
        }
    }

    /// Reads what there is into the inbox.
    fn read(&self, until: Instant) -> Progress {
        let mut octets = [0; 16_384];
        loop {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return Progress::Nothing };
            self.stream().set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
            let read = match &self.link {
                Link::Tls(tls) => tls.read(&mut octets),
                Link::Ws(websocket) => websocket.read(&mut octets),
                _ => self.stream().read(&mut octets),
            };
            match read {
                Ok(0) => return Progress::Closed,
                Ok(len) => {
                    let octets = &octets[..len];
                    match &self.link {
                        Link::Ws(websocket) => self.inbox.borrow_mut().extend(websocket.take(octets)),
                        _ => self.inbox.borrow_mut().extend_from_slice(octets),
                    }
                    return Progress::Octets;
                }
                Err(error) if is_timeout(error.kind()) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) =>
                {
                    return Progress::Closed;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// What a read of a stream brought.
enum Progress {
    Octets,
    Nothing,
    Closed,
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
