//! The floor: a bare responder, the least that a server on this runtime can cost.
//!
//! Over TLS it stands behind the library that a node uses, set up as that is by default; over WebSocket behind a handshake that
//! is always the same and frames of its own.
//!
//! What it does:
//! - as many threads as the node has workers, each with its own current-thread tokio runtime and its own listener on the
//!   same port (`SO_REUSEPORT`), and a task for each connection;
//! - reads into one buffer per thread; a connection keeps bytes only while a message is incomplete;
//! - one CRLF for each CRLFCRLF; the answers to all that one read brought leave in one write;
//! - takes messages apart by Content-Length, in any split of the bytes;
//! - REGISTER: remembers which connection has the user part of To, and answers 200 with Via, From, To (with a tag),
//!   Call-ID and `CSeq` copied;
//! - MESSAGE: looks up the user part of the Request-URI, pushes a Via and writes the rest as it came to that connection, from
//!   whichever thread it stands on; the response finds its way back by that Via, which is taken off. 404 for an unknown one;
//! - INVITE, ACK and BYE the same way, each for itself: the Contact of a UA has the user part of its AOR, so that one table
//!   leads the requests in a dialog to either side too. It says no 100, and drops an ACK for an unknown one.
//!
//! Over TLS and WebSocket it answers pings and REGISTER only, and relays nothing.
//!
//! What it does not: no transactions, timers, bindings, expiry, `received` or `rport`, Max-Forwards, Record-Route, UDP, limits,
//! logs or counters; it checks nothing, reads each field's name only as the load writes it, expects each of the fields once
//! (but Via) and on one line, and has no queue for writing: when the kernel does not take a message whole, the connection it
//! came over ends, and the load sees lost answers.

mod alone;
mod head;
mod relay;

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    runtime,
};
use tokio_rustls::rustls::ServerConfig;

use alone::Framing;
use relay::{Peer, Peers};

/// The buffers which the connections of a thread share.
struct Buffers {
    input: Box<[u8]>,
    /// Answers to the connection that was read.
    answers: Vec<u8>,
    /// A message on its way to another connection.
    relayed: Vec<u8>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        input: vec![0; 64 * 1024].into(),
        answers: Vec::new(),
        relayed: Vec::new(),
    });
}

/// What stands between a connection and its SIP.
#[derive(Clone)]
pub enum Between {
    /// Nothing: SIP over TCP.
    Nothing,
    /// TLS, as this says.
    Tls(Arc<ServerConfig>),
    /// WebSocket.
    WebSocket,
    /// WebSocket over TLS.
    WebSocketOverTls(Arc<ServerConfig>),
}

/// Starts the floor on `workers` threads (0: one per core) that run as long as the process; gives the address.
pub fn start(listen: SocketAddr, workers: usize, between: &Between) -> io::Result<SocketAddr> {
    let workers = match workers {
        0 => thread::available_parallelism()?.get(),
        given => given,
    };
    let first = listener(listen)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(listener(address)?);
    }
    let peers = Arc::new(Peers::default());
    for listener in listeners {
        let (peers, between) = (peers.clone(), between.clone());
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        thread::Builder::new()
            .name("floor".into())
            .spawn(move || runtime.block_on(accept(listener, peers, between)))?;
    }
    Ok(address)
}

fn listener(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

async fn accept(listener: StdListener, peers: Arc<Peers>, between: Between) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let peers = peers.clone();
            match &between {
                Between::Nothing => _ = tokio::spawn(serve(stream, peers)),
                Between::Tls(config) => {
                    _ = tokio::spawn(alone::serve_tls(stream, config.clone(), Framing::Stream, peers));
                }
                Between::WebSocketOverTls(config) => {
                    _ = tokio::spawn(alone::serve_tls(stream, config.clone(), Framing::Upgrade, peers));
                }
                Between::WebSocket => _ = tokio::spawn(alone::serve_websocket(stream, peers)),
            }
        }
    }
}

async fn serve(stream: TcpStream, peers: Arc<Peers>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (mut reader, writer) = stream.into_split();
    let peer = peers.enter(Some(writer));
    let mut partial = Vec::new();
    while let Ok(true) = poll_fn(|context| read(&mut reader, &mut partial, &peer, &peers, context)).await {}
    peers.leave(&peer);
}

/// One read into the thread's buffer and the answers to what it brought; false: the connection is at its end.
///
/// Polls the reader itself because no buffer may be lent across an await, and because this way a read that did not fill
/// the buffer saves the one that would only find the socket empty.
fn read(
    reader: &mut OwnedReadHalf,
    partial: &mut Vec<u8>,
    peer: &Arc<Peer>,
    peers: &Peers,
    context: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    BUFFERS.with_borrow_mut(|Buffers { input, answers, relayed }| {
        let mut input = ReadBuf::new(input);
        ready!(Pin::new(reader).poll_read(context, &mut input))?;
        if input.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        answers.clear();
        if partial.is_empty() {
            let used = relay::answer(input.filled(), peer, peers, answers, relayed)?;
            partial.extend_from_slice(&input.filled()[used..]);
        } else {
            partial.extend_from_slice(input.filled());
            let used = relay::answer(partial, peer, peers, answers, relayed)?;
            partial.drain(..used);
        }
        if partial.is_empty() {
            *partial = Vec::new();
        }
        if !answers.is_empty() {
            peer.write(answers)?;
        }
        Poll::Ready(Ok(true))
    })
}
