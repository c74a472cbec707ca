//! Connections with something between them and their SIP. Each is written to by its own task alone, so that nothing is relayed.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    BUFFERS, Buffers,
    relay::{self, Peer, Peers},
};
use crate::websocket::{self, Frame};

/// How the octets of a connection become SIP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Stream,
    /// The handshake of a WebSocket is still to come.
    Upgrade,
    Frames,
}

pub(super) async fn serve_tls(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    framing: Framing,
    peers: Arc<Peers>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
        serve(stream, framing, &peers).await;
    }
}

pub(super) async fn serve_websocket(stream: TcpStream, peers: Arc<Peers>) {
    if stream.set_nodelay(true).is_ok() {
        serve(stream, Framing::Upgrade, &peers).await;
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, framing: Framing, peers: &Peers) {
    let peer = peers.enter(None);
    let mut alone = Alone { stream, framing, partial: Vec::new() };
    while let Ok(true) = poll_fn(|context| alone.exchange(&peer, peers, context)).await {}
    peers.leave(&peer);
}

struct Alone<S> {
    stream: S,
    framing: Framing,
    partial: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Alone<S> {
    /// One read, and the answers to what it brought; false: the connection is at its end. See [`super::read`].
    fn exchange(
        &mut self,
        peer: &Arc<Peer>,
        peers: &Peers,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        BUFFERS.with_borrow_mut(|Buffers { input, answers, relayed }| {
            let mut input = ReadBuf::new(input);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut input))?;
            if input.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            answers.clear();
            self.partial.extend_from_slice(input.filled());
            let used = match self.framing {
                Framing::Stream => relay::answer(&self.partial, peer, peers, answers, relayed)?,
                Framing::Upgrade => self.upgrade(answers),
                Framing::Frames => self.frames(peer, peers, answers, relayed)?,
            };
            self.partial.drain(..used);
            if self.partial.is_empty() {
                self.partial = Vec::new();
            }
            if !answers.is_empty() {
                match Pin::new(&mut self.stream).poll_write(context, answers)? {
                    Poll::Ready(written) if written == answers.len() => {}
                    // There is no queue.
                    Poll::Ready(_) | Poll::Pending => {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                }
                if Pin::new(&mut self.stream).poll_flush(context)?.is_pending() {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
            }
            Poll::Ready(Ok(true))
        })
    }

    fn upgrade(&mut self, answers: &mut Vec<u8>) -> usize {
        let Some(end) = memmem::find(&self.partial, b"\r\n\r\n") else { return 0 };
        answers.extend_from_slice(websocket::response().as_bytes());
        self.framing = Framing::Frames;
        end + 4
    }

    fn frames(
        &mut self,
        peer: &Arc<Peer>,
        peers: &Peers,
        answers: &mut Vec<u8>,
        relayed: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut used = 0;
        while let Some(frame) = Frame::read(&self.partial[used..]) {
            if frame.is_close {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let message = &mut self.partial[used..][frame.payload.clone()];
            frame.unmask(message);
            let mut plain = Vec::new();
            relay::answer(message, peer, peers, &mut plain, relayed)?;
            if !plain.is_empty() {
                websocket::write(&plain, None, answers);
            }
            used += frame.payload.end;
        }
        Ok(used)
    }
}
