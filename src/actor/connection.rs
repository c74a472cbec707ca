//! One connection: frames what its peer sends, answers pings, enforces the deadlines, and writes what is delivered.
//!
//! ```text
//!   Open --- peer closed, deadline passed, queue full, rule broken ---> Closing --- written, peer closed or
//!    |  reads, frames, answers pings                                       |        LINGER over ---> stopped
//!    +--- its flow is in the flow table                                    +--- its flow has failed; what was
//!                                                                               still to be said is written
//! ```
//!
//! All reading and writing happens in one place, [`Connection::poll`], which the actor's context polls after its
//! mailbox: whatever was delivered since the last time leaves in one system call.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use actix::prelude::*;
use bytes::Bytes;
use flowhold_cluster::flow::Flow;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tracing::{debug, info};

use super::message::Deliver;
use super::worker::Worker;
use crate::metrics::FlowClosed;
use crate::net::admission::Permit;
use crate::net::writer::Writer;
use crate::proto::Source;
use crate::proto::keepalive::{self, Expiry};
use crate::sip::{Frame, Framer, Refusal, Transport, Wire};

/// How long a connection that was closed here waits for its peer to close too, so that a last response is not
/// lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// A connection reads this often before others on its worker get their turn.
const READS_PER_TURN: usize = 4;

/// Octets read at once, for all connections of a worker: an idle flow keeps no read buffer.
const READ_BUFFER: usize = 64 << 10;

/// As many pongs leave in one slice.
const PONGS_PER_SLICE: usize = 64;
static PONGS: [u8; 2 * PONGS_PER_SLICE] = {
    let mut pongs = [b'\r'; 2 * PONGS_PER_SLICE];
    let mut at = 1;
    while at < pongs.len() {
        pongs[at] = b'\n';
        at += 2;
    }
    pongs
};

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER].into_boxed_slice());
}

/// The actor of one connection over a byte stream `S`.
pub struct Connection<S> {
    stream: S,
    source: Source,
    worker: Rc<Worker>,
    framer: Framer,
    writer: Writer,
    keepalive: keepalive::Server,
    /// When the message that was begun has to be complete.
    message_due: Option<Instant>,
    /// Set once the flow has failed: when to stop waiting for the peer's own close.
    closing: Option<Instant>,
    timer: Timer,
    _permit: Permit,
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    /// Starts the actor of a connection on this thread's worker, and names its flow.
    pub fn start(
        stream: S,
        transport: Transport,
        remote: std::net::SocketAddr,
        permit: Permit,
        worker: Rc<Worker>,
    ) -> Flow {
        let mut flow = None;
        Self::create(|ctx| {
            let limits = &worker.node.config.limits;
            ctx.set_mailbox_capacity(limits.connection_mailbox);
            let id = worker.node.flows.open(worker.index, ctx.address().recipient());
            worker.node.metrics.connections.inc(transport);
            debug!(flow = %id, peer = %remote, "connected");
            Self {
                stream,
                source: Source { flow: *flow.insert(Flow { id, remote }), transport },
                framer: Framer::new(limits.max_message),
                writer: Writer::new(limits.write_queue),
                keepalive: keepalive::Server::default(),
                message_due: None,
                closing: None,
                timer: Timer::default(),
                worker,
                _permit: permit,
            }
        });
        flow.expect("the actor is made at once")
    }

    /// Reads, writes and watches the deadlines; ready when the connection is over.
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let read = self.poll_read(cx);
        let flushed = self.poll_flush(cx);
        if read.is_ready() && flushed.is_ready() {
            return Poll::Ready(());
        }
        self.poll_timer(cx)
    }

    /// Ready when nothing more will be read.
    fn poll_read(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        BUFFER.with_borrow_mut(|buffer| {
            for _ in 0..READS_PER_TURN {
                let mut buffer = ReadBuf::new(buffer);
                match task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                    Ok(()) if buffer.filled().is_empty() => {
                        self.fail(FlowClosed::PeerClosed);
                        return Poll::Ready(());
                    }
                    Ok(()) if self.closing.is_none() => self.receive(buffer.filled()),
                    // What a peer sends after its flow has failed is read to see its close, and not looked at.
                    Ok(()) => {}
                    Err(error) => {
                        self.fail_with(FlowClosed::IoError, &error);
                        self.writer.clear();
                        return Poll::Ready(());
                    }
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    fn receive(&mut self, mut octets: &[u8]) {
        let now = Instant::now();
        let mut pongs = 0;
        let refused = loop {
            match self.framer.next(&mut octets) {
                Ok(Some(Frame::Ping)) => {
                    self.keepalive.ping(now);
                    pongs += 1;
                }
                // RFC 5626 §3.5.1: a lone CRLF is a pong; a server sent no ping, so there is nothing to match.
                Ok(Some(Frame::Pong)) => {}
                Ok(Some(Frame::Message(message))) => {
                    // One that begins in what is left has all of its time.
                    self.message_due = None;
                    if let Some(answer) = self.worker.dispatch(message, self.source) {
                        self.push(answer);
                    }
                }
                Ok(None) => break None,
                Err(refusal) => break Some(refusal),
            }
        };
        self.pong(pongs);
        match refused {
            None => self.watch_message(now),
            Some(refusal) => self.refuse(&refusal),
        }
    }

    /// RFC 5626 §5.4: each double CRLF between messages is answered at once with one CRLF.
    fn pong(&mut self, mut count: usize) {
        self.worker.node.metrics.pings.inc_by(self.source.transport, count as u64);
        while count > 0 && self.closing.is_none() {
            let slice = count.min(PONGS_PER_SLICE);
            self.push(Wire::from(Bytes::from_static(&PONGS[..2 * slice])));
            count -= slice;
        }
    }

    fn watch_message(&mut self, now: Instant) {
        if !self.framer.in_message() {
            self.message_due = None;
        } else if self.message_due.is_none() {
            self.message_due = Some(now + self.worker.node.config.limits.header_timeout);
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        if let Some(head) = refusal.head() {
            let (status, reason) = refusal.status();
            if let Some(answer) = self.worker.answer(head, self.source, status, reason) {
                self.push(answer);
            }
        }
        self.fail(FlowClosed::from(refusal));
    }

    fn push(&mut self, wire: Wire) {
        if self.closing.is_none() && self.writer.push(wire).is_err() {
            // What waits was not read so far and will not be.
            self.writer.clear();
            self.fail(FlowClosed::WriteQueueFull);
        }
    }

    /// Ready when all is written; a connection that is closing is then shut down for writing.
    fn poll_flush(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut flushed = self.writer.poll_flush(&mut self.stream, cx);
        if self.closing.is_some() && matches!(flushed, Poll::Ready(Ok(()))) {
            flushed = Pin::new(&mut self.stream).poll_shutdown(cx);
        }
        flushed.map(|result| {
            if let Err(error) = result {
                self.writer.clear();
                self.fail_with(FlowClosed::IoError, &error);
            }
        })
    }

    /// Ready when the time to wait for the peer's close is over.
    fn poll_timer(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        while self.timer.poll_fired(self.deadline(), cx).is_ready() {
            let now = Instant::now();
            if self.closing.is_some_and(|until| until <= now) {
                return Poll::Ready(());
            }
            if self.closing.is_some() {
                continue;
            }
            if self.message_due.is_some_and(|due| due <= now) {
                self.fail(FlowClosed::HeaderTimeout);
            } else if self.keepalive.expire(now) == Expiry::Failed {
                self.fail(FlowClosed::FlowTimer);
            }
            // The flush shuts the stream down, now that the flow has failed.
            if self.closing.is_some() {
                let _ = self.poll_flush(cx);
            }
        }
        Poll::Pending
    }

    fn deadline(&self) -> Option<Instant> {
        self.closing.or_else(|| self.message_due.into_iter().chain(self.keepalive.deadline()).min())
    }

    /// The flow has failed: from now on nothing is delivered over it and nothing that comes over it counts.
    fn fail(&mut self, reason: FlowClosed) {
        if self.closing.is_some() {
            return;
        }
        self.closing = Some(Instant::now() + LINGER);
        let flow = self.source.flow;
        // RFC 5626 §7: every binding that uses the flow is invalid, whichever its AOR.
        self.worker.node.flows.close(flow.id);
        self.worker.flow_failed(flow);
        self.worker.node.metrics.flows_closed.inc(reason);
        info!(flow = %flow.id, peer = %flow.remote, reason = reason.as_str(), "flow closed");
    }

    fn fail_with(&mut self, reason: FlowClosed, error: &io::Error) {
        if self.closing.is_none() {
            debug!(flow = %self.source.flow.id, %error, "stream failed");
        }
        self.fail(reason);
    }
}

impl<S> Actor for Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Io);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.fail(FlowClosed::Shutdown);
        self.worker.node.metrics.connections.dec(self.source.transport);
    }
}

impl<S> Handler<Deliver> for Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        if let Some((_, assign)) = deliver.assign {
            self.keepalive.assign(Instant::now(), assign, self.worker.node.ping_wait);
        }
        self.push(deliver.wire);
        // The context polls `Io` after the mailbox, which writes it.
    }
}

impl From<&Refusal> for FlowClosed {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Garbage => Self::Garbage,
            Refusal::NoContentLength { .. } => Self::NoContentLength,
            Refusal::BadContentLength { .. } => Self::BadContentLength,
            Refusal::TooLarge { .. } => Self::TooLarge,
        }
    }
}

/// The connection's reading and writing, as the context's one future.
struct Io;

impl<S> ActorFuture<Connection<S>> for Io
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        connection: &mut Connection<S>,
        ctx: &mut Context<Connection<S>>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        let over = connection.poll(cx);
        if over.is_ready() {
            ctx.stop();
        }
        over
    }
}

/// One armed timer, re-armed when it fires rather than whenever its deadline moves.
#[derive(Default)]
struct Timer {
    armed: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready when `deadline`, or the one that the timer was armed for before, has passed.
    fn poll_fired(&mut self, deadline: Option<Instant>, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.armed = None;
            return Poll::Pending;
        };
        let sleep = self.armed.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        if sleep.deadline() > deadline.into() || sleep.is_elapsed() {
            sleep.as_mut().reset(deadline.into());
        }
        sleep.as_mut().poll(cx)
    }
}
