//! A flow to another provider over UDP: a socket of its own that hears nobody but the provider's edge proxy.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};

use actix::prelude::*;
use bytes::Bytes;
use flowhold_cluster::flow::Flow;
use tracing::debug;

use super::dial::Datagrams;
use crate::actor::connection::Client;
use crate::actor::message::{Close, Deliver};
use crate::actor::worker::Worker;
use crate::metrics::{FlowClosed, Refused};
use crate::proto::{Profile, Source};
use crate::sip::{Message as SipMessage, Transport, stun};

/// The largest datagram there is.
const LARGEST_DATAGRAM: usize = 64 << 10;

/// The socket is read this often before others on its worker get their turn.
const READS_PER_TURN: usize = 16;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; LARGEST_DATAGRAM].into_boxed_slice());
}

/// The actor of one such flow.
pub(super) struct UpstreamSocket {
    socket: Datagrams,
    source: Source,
    client: Client,
    worker: Rc<Worker>,
    /// Datagrams that are yet to leave, and how many octets they are.
    waiting: VecDeque<Bytes>,
    waiting_octets: usize,
    is_closed: bool,
}

impl UpstreamSocket {
    /// Starts it on this thread's worker, over a connected socket; names its flow, and whom to tell that it is to be closed.
    pub(super) fn open(
        socket: Datagrams,
        profile: &'static Profile,
        client: Client,
        worker: Rc<Worker>,
    ) -> io::Result<(Source, Recipient<Close>)> {
        let remote = socket.peer_addr()?;
        let mut named = None;
        let address = Self::create(|ctx| {
            ctx.set_mailbox_capacity(worker.node.config.limits.connection_mailbox);
            let id = worker.node.flows.open(worker.index, ctx.address().recipient());
            let flow = Flow { id, remote };
            let source = *named.insert(Source { flow, transport: Transport::Udp, profile });
            Self {
                socket,
                source,
                client,
                worker,
                waiting: VecDeque::new(),
                waiting_octets: 0,
                is_closed: false,
            }
        });
        Ok((named.expect("the actor is made at once"), address.recipient()))
    }

    fn poll_read(&mut self, cx: &mut task::Context<'_>) {
        BUFFER.with_borrow_mut(|buffer| {
            for _ in 0..READS_PER_TURN {
                if self.is_closed || self.socket.poll_recv_ready(cx).is_pending() {
                    return;
                }
                match self.socket.try_recv(buffer) {
                    Ok(length) => self.receive(&buffer[..length]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return self.break_off(&error),
                }
            }
            cx.waker().wake_by_ref();
        });
    }

    fn receive(&mut self, datagram: &[u8]) {
        if stun::is_stun(datagram) {
            return self.client.stun(self.source.flow, datagram);
        }
        if datagram.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let limit = self.worker.node.config.limits.max_message;
        match SipMessage::parse(Bytes::copy_from_slice(datagram)) {
            Ok(message) if datagram.len() <= limit => {
                let answer = self.worker.dispatch_upstream(message, self.source, &self.client);
                if let Some(reply) = answer {
                    self.send(reply.wire.to_bytes());
                }
            }
            Ok(_) => self.worker.node.metrics.refused.inc(Refused::TooLarge),
            Err(_) => self.worker.node.metrics.refused.inc(Refused::Unintelligible),
        }
    }

    /// What waits leaves when the context polls `Io`, which is after each message.
    fn send(&mut self, datagram: Bytes) {
        if self.waiting_octets + datagram.len() > self.worker.node.config.limits.write_queue {
            // UDP loses datagrams, and SIP sends again what matters.
            self.worker.node.metrics.refused.inc(Refused::SendQueueFull);
            return;
        }
        self.waiting_octets += datagram.len();
        self.waiting.push_back(datagram);
    }

    fn poll_send(&mut self, cx: &mut task::Context<'_>) {
        while let Some(datagram) = self.waiting.front().filter(|_| !self.is_closed) {
            if self.socket.poll_send_ready(cx).is_pending() {
                return;
            }
            match self.socket.try_send(datagram) {
                Ok(_) => {
                    self.waiting_octets -= datagram.len();
                    self.waiting.pop_front();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // What ICMP said of an earlier datagram may be told here as well.
                Err(error) => self.break_off(&error),
            }
        }
    }

    /// RFC 5626 §4.3: a proxy that is not there is a flow that has failed.
    fn break_off(&mut self, error: &io::Error) {
        debug!(flow = %self.source.flow.id, %error, "upstream flow broken");
        self.fail(FlowClosed::Unreachable);
    }

    fn fail(&mut self, reason: FlowClosed) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        let flow = self.source.flow;
        self.worker.node.flows.close(flow.id);
        // What is out on it has to go another way.
        self.worker.flow_failed(flow);
        self.client.end(flow, reason);
    }
}

impl Actor for UpstreamSocket {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Io);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.fail(FlowClosed::Shutdown);
    }
}

impl Handler<Deliver> for UpstreamSocket {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        if !self.is_closed {
            self.send(deliver.wire.to_bytes());
        }
    }
}

impl Handler<Close> for UpstreamSocket {
    type Result = ();

    fn handle(&mut self, Close(reason): Close, _: &mut Self::Context) {
        self.fail(reason);
    }
}

/// The socket's reading and writing, as the context's one future: over when the flow is.
struct Io;

impl ActorFuture<UpstreamSocket> for Io {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        socket: &mut UpstreamSocket,
        ctx: &mut Context<UpstreamSocket>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        socket.poll_read(cx);
        socket.poll_send(cx);
        if socket.is_closed {
            ctx.stop();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
