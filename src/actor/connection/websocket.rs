//! A connection whose peer speaks WebSocket: each message of it is a SIP message, or a CRLF keep-alive (RFC 7118).
//!
//! ```text
//!   silent for Flow-Timer and the grace ---> asked by a Ping --- no frame in time ---> closed
//!                 ^                               |
//!                 '--------- any frame -----------'
//! ```
//!
//! A page in a browser cannot send Pings, and few send CRLFs: so the node asks before it closes. It also pings each flow that
//! is silent for `websocket.ping_every`, for the sake of whatever is between it and the page.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::{Connection, Framing};
use crate::metrics::FlowClosed;
use crate::proto::keepalive::Prompt;
use crate::sip::websocket::{self, Code, Event, Fault, Kind, Receiver};
use crate::sip::{Message, Wire};

/// RFC 5626 §3.5.1, in a message of its own.
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// The state of the framing.
#[derive(Debug)]
pub(super) struct WebSocket {
    receiver: Receiver,
    /// Whether it was asked for a sign of life, and has given none.
    asked: bool,
    prompt: Prompt,
}

impl WebSocket {
    pub(super) fn new(max_message: usize, ping_every: Duration) -> Self {
        let prompt = Prompt::new(Instant::now(), ping_every, rand::random());
        Self { receiver: Receiver::new(max_message), asked: false, prompt }
    }

    /// When it may be time for a Ping.
    pub(super) fn ping_due(&self) -> Option<Instant> {
        self.prompt.deadline()
    }

    pub(super) fn in_message(&self) -> bool {
        self.receiver.in_message()
    }

    /// A SIP message as it leaves.
    pub(super) fn frame(&self, wire: Wire) -> Wire {
        // RFC 7118 §4.2: what is not UTF-8 leaves as binary. So does all that goes to a peer that speaks in it.
        let is_text = self.receiver.last() == Kind::Text && websocket::is_text(&wire);
        websocket::message(if is_text { Kind::Text } else { Kind::Binary }, wire)
    }
}

/// What makes a peer's octets the last ones that are looked at.
enum End {
    Fault(Fault),
    /// A message that is neither SIP nor a keep-alive.
    NotSip,
    /// The peer's Close.
    Close(Option<u16>),
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    pub(super) fn receive_websocket(&mut self, mut octets: &[u8]) {
        let now = Instant::now();
        let (mut pongs, mut control, mut to_repeat) = (0, 0, None);
        let end = loop {
            let Framing::WebSocket(websocket) = &mut self.framing else { return };
            let event = match websocket.receiver.next(&mut octets) {
                Ok(Some(event)) => event,
                Ok(None) => break None,
                Err(fault) => break Some(End::Fault(fault)),
            };
            websocket.asked = false;
            // A browser answers Pings whether or not its page has anything to say, so that is no first word.
            self.silence.heard(now, !matches!(event, Event::Pong));
            match event {
                Event::Message(message) => {
                    // One that begins in what is left has all of its time.
                    self.message_due = None;
                    match &message[..] {
                        PING => {
                            self.keepalive.ping(now);
                            pongs += usize::from(self.source.profile.has_crlf_keepalive);
                        }
                        // RFC 5626 §3.5.1: a lone CRLF is a pong; a server sent no ping, so there is nothing to match.
                        PONG => {}
                        _ => {
                            // RFC 7118 §4.1: nothing but SIP messages.
                            let Ok(message) = Message::parse(message) else { break Some(End::NotSip) };
                            if let Some(answer) = self.dispatch(message) {
                                self.push(answer);
                            }
                            if self.closing.is_some() {
                                return;
                            }
                        }
                    }
                }
                Event::Ping(payload) => {
                    self.keepalive.ping(now);
                    self.worker.node.metrics.pings.inc(self.source.transport);
                    control += 1;
                    // RFC 6455 §5.5.3: of several the last one is answered, so that they cannot fill the queue.
                    to_repeat = Some(payload);
                }
                // RFC 7118 §6: a server may keep the connection open by Pings, so what answers one is as good as a ping.
                Event::Pong => self.keepalive.ping(now),
                Event::Close(code) => break Some(End::Close(code)),
            }
        };
        self.admit_pings(control + pongs);
        self.send_pongs(pongs, to_repeat.as_ref());
        match end {
            None => self.watch_message(now),
            Some(end) => self.end(&end),
        }
    }

    fn send_pongs(&mut self, mut count: usize, to_repeat: Option<&Bytes>) {
        self.worker.node.metrics.pings.inc_by(self.source.transport, count as u64);
        let Framing::WebSocket(websocket) = &self.framing else { return };
        let kind = websocket.receiver.last();
        if let Some(payload) = to_repeat {
            self.push_framed(websocket::pong(payload));
        }
        while count > 0 && self.closing.is_none() {
            self.push_framed(websocket::pongs(kind, count));
            count -= count.min(websocket::PONGS_PER_SLICE);
        }
    }

    fn end(&mut self, end: &End) {
        let (code, reason) = match end {
            End::Fault(fault) => {
                debug!(flow = %self.source.flow.id, %fault, "WebSocket");
                let is_large = *fault == Fault::TooLarge;
                (Some(fault.code()), if is_large { FlowClosed::TooLarge } else { FlowClosed::Garbage })
            }
            End::NotSip => (Some(Code::Protocol), FlowClosed::Garbage),
            // RFC 6455 §5.5.1: a Close is answered by one, as a rule with the same code.
            End::Close(code) => (code.map(Code::Echo), FlowClosed::PeerClosed),
        };
        if self.closing.is_none() {
            // It is the last frame, and finds room.
            let _ = self.writer.push(websocket::close(code));
        }
        self.fail(reason);
    }

    /// Before the flow is closed for this reason, tells a peer that would not know it otherwise.
    pub(super) fn say_why(&mut self, reason: FlowClosed) {
        let code = match reason {
            FlowClosed::Drain | FlowClosed::Shutdown => Code::GoingAway,
            FlowClosed::FlowTimer
            | FlowClosed::HeaderTimeout
            | FlowClosed::Silent
            | FlowClosed::Idle
            | FlowClosed::Flood => Code::Policy,
            // Said before, or nobody would hear it.
            _ => return,
        };
        if let Framing::WebSocket(_) = self.framing {
            let _ = self.writer.push(websocket::close(Some(code)));
        }
    }

    /// Pings a peer that nothing was heard of for a while.
    pub(super) fn prompt(&mut self, now: Instant) {
        let every = self.worker.node.config.websocket.ping_every;
        let heard = self.silence.since();
        let Framing::WebSocket(websocket) = &mut self.framing else { return };
        if websocket.prompt.expire(now, heard, every, rand::random()) {
            self.push_framed(websocket::ping());
        }
    }

    /// The peer is overdue: asks it for a sign of life. False when it was asked before, or cannot be.
    pub(super) fn ask_for_pong(&mut self, now: Instant) -> bool {
        let wait = self.worker.node.config.websocket.pong_timeout;
        let Framing::WebSocket(websocket) = &mut self.framing else { return false };
        if websocket.asked || wait.is_zero() {
            return false;
        }
        websocket.asked = true;
        self.keepalive.extend(now, wait);
        self.push_framed(websocket::ping());
        true
    }
}
