//! What a connection makes of what its peer sends over a byte stream: frames, pongs, messages for the actors behind it.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, Framing, Link, Role};
use crate::actor::gate::Stopped;
use crate::metrics::{FlowClosed, LinkSide, Refused};
use crate::sip::{Frame, Message, Refusal, Wire, stun};

/// A connection reads this often before others on its worker get their turn.
const READS_PER_TURN: usize = 4;

/// Octets read at once, for all connections of a worker: an idle flow keeps no read buffer.
const READ_BUFFER: usize = 64 << 10;

/// Octets that a connection reads in its turn while its worker is busy, so that the turns of many are short; and before
/// anybody has registered over it, because nobody knows how many such connections somebody opens, and how fast each is.
const SHORT_TURN: usize = 2 << 10;

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

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    /// Ready when nothing more will be read.
    pub(super) fn poll_read(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        // What waits for this worker has come before.
        let is_short = self.is_strangers() || self.worker.load().is_busy();
        let mut left = if is_short { SHORT_TURN } else { READS_PER_TURN * READ_BUFFER };
        BUFFER.with_borrow_mut(|buffer| {
            for _ in 0..READS_PER_TURN {
                let octets = left.min(READ_BUFFER);
                if octets == 0 {
                    break;
                }
                let mut buffer = ReadBuf::new(&mut buffer[..octets]);
                let read = task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
                left -= buffer.filled().len();
                match read {
                    Ok(()) if buffer.filled().is_empty() => {
                        self.fail(FlowClosed::PeerClosed);
                        return Poll::Ready(());
                    }
                    Ok(()) if self.closing.is_none() => match self.framing {
                        Framing::Stream(_) => self.receive(buffer.filled()),
                        Framing::WebSocket(_) => self.receive_websocket(buffer.filled()),
                    },
                    // What a peer sends after its flow has failed is read to see its close, and not looked at.
                    Ok(()) => {}
                    Err(error) => {
                        // With TLS: closed without a word of farewell, as many do. Where messages end is known without it.
                        let gone = error.kind() == ErrorKind::UnexpectedEof;
                        let reason = if gone { FlowClosed::PeerClosed } else { FlowClosed::IoError };
                        self.fail_with(reason, &error);
                        self.writer.clear();
                        return Poll::Ready(());
                    }
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Whether nobody knows who is at the other end.
    fn is_strangers(&self) -> bool {
        let gate = &self.worker.node.gate;
        matches!(self.role, Role::Ua(_)) && !self.standing.is_known && !gate.trusts(self.source.ip())
    }

    fn receive(&mut self, mut octets: &[u8]) {
        let now = Instant::now();
        let (mut pongs, mut has_spoken) = (0, false);
        let refused = loop {
            let Framing::Stream(framer) = &mut self.framing else { return };
            let frame = framer.next(&mut octets);
            has_spoken |= matches!(frame, Ok(Some(_)));
            match frame {
                // RFC 5626 §4.4.1: a server does not ping, so these are two pongs that came together.
                Ok(Some(Frame::Ping)) if self.role.client().is_some() => {
                    self.take_pong(now);
                    self.take_pong(now);
                }
                Ok(Some(Frame::Ping)) => {
                    self.keepalive.ping(now);
                    // Elsewhere line ends between messages mean nothing.
                    pongs += usize::from(self.source.profile.has_crlf_keepalive);
                }
                Ok(Some(Frame::Stun(octets))) => {
                    self.answer_stun(&octets);
                    if self.closing.is_some() {
                        return;
                    }
                }
                // RFC 5626 §3.5.1: a lone CRLF is a pong; a server sent no ping, so there is nothing to match.
                Ok(Some(Frame::Pong)) => self.take_pong(now),
                Ok(Some(Frame::Message(message))) => {
                    // One that begins in what is left has all of its time.
                    self.message_due = None;
                    if let Some(answer) = self.dispatch(message) {
                        self.push(answer);
                    }
                    if self.closing.is_some() {
                        return;
                    }
                }
                Ok(None) => break None,
                Err(refusal) => break Some(refusal),
            }
        };
        if (self.is_dialed() || self.role.client().is_some())
            && let Framing::Stream(framer) = &mut self.framing
            && framer.take_pong()
        {
            self.take_pong(now);
        }
        self.pong(pongs);
        self.silence.heard(now, has_spoken);
        match refused {
            None => self.watch_message(now),
            Some(refusal) => self.refuse(&refusal),
        }
    }

    pub(super) fn dispatch(&mut self, message: Message) -> Option<Wire> {
        if let Some(client) = self.role.client() {
            let reply = self.worker.dispatch_upstream(message, self.source, client);
            return reply.map(|reply| reply.wire);
        }
        match self.role.link().map(Link::side) {
            None => match self.worker.admit_over_stream(&message, self.source, &mut self.standing) {
                Ok(let_in) => self.worker.dispatch(message, self.source, let_in).map(|reply| reply.wire),
                Err(Stopped::Close(reason)) => {
                    self.fail(reason);
                    None
                }
                Err(stopped) => self.worker.turn_away(&message, self.source, stopped).map(|reply| reply.wire),
            },
            Some(LinkSide::Accepted) => self.worker.dispatch_accepted(&message, self.source),
            Some(LinkSide::Dialed) => self.worker.dispatch_dialed(message, self.source),
        }
    }

    fn take_pong(&mut self, now: Instant) {
        if let Some(link) = self.role.link_mut() {
            link.pong(now);
        } else if let Some(client) = self.role.client() {
            client.pong(self.source.flow);
        }
    }

    /// RFC 5626 §5.4: each double CRLF between messages is answered at once with one CRLF.
    fn pong(&mut self, mut count: usize) {
        if self.role.link().is_none() {
            self.worker.node.metrics.pings.inc_by(self.source.transport, count as u64);
        }
        self.admit_pings(count);
        while count > 0 && self.closing.is_none() {
            let slice = count.min(PONGS_PER_SLICE);
            self.push(Wire::from(Bytes::from_static(&PONGS[..2 * slice])));
            count -= slice;
        }
    }

    /// Pings of any kind count as messages of the flow, which ends when there are too many.
    pub(super) fn admit_pings(&mut self, count: usize) {
        if count > 0
            && self.role.link().is_none()
            && let Err(Stopped::Close(reason)) =
                self.worker.admit_pings(count, self.source, &mut self.standing)
        {
            self.fail(reason);
        }
    }

    /// A Binding request between messages, where that is a keep-alive; or the response to one of this node's own.
    fn answer_stun(&mut self, octets: &[u8]) {
        if let Some(client) = self.role.client() {
            return client.stun(self.source.flow, octets);
        }
        self.admit_pings(1);
        let metrics = &self.worker.node.metrics;
        let Some(request) = stun::parse(octets) else {
            metrics.refused.inc(Refused::Stun);
            return;
        };
        metrics.pings.inc(self.source.transport);
        let response = stun::binding_response(&request, self.source.flow.remote);
        self.push(Wire::from(Bytes::copy_from_slice(&response)));
    }

    pub(super) fn watch_message(&mut self, now: Instant) {
        if !self.framing.in_message() {
            self.message_due = None;
        } else if self.message_due.is_none() {
            self.message_due = Some(now + self.worker.node.config.limits.header_timeout);
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        if let Some(head) = refusal.head() {
            let (status, reason) = refusal.status();
            if let Some(reply) = self.worker.answer(head, self.source, status, reason) {
                self.push(reply.wire);
            }
        }
        self.fail(FlowClosed::from(refusal));
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
