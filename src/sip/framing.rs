//! Messages and pings in a stream. RFC 3261 §18.3, RFC 5626 §3.5.1 and §4.4.1.
//!
//! ```text
//!            CRLF CRLF / Ping
//!           .---------.
//!           |         v     first octet of a message
//!        +--+-----------+  (a lone CRLF before it / Pong)   +-----------+
//!   ---->|   between   +--------------------------------->|  message  |
//!        | 0..3 octets |<---------------------------------+  partial  |
//!        |  of a ping  |          complete / Message       +-----+-----+
//!        +------+------+                                         |
//!               | any other octet                                | no or bad Content-Length, too large
//!               v                                                v
//!           Refusal::Garbage                               other Refusal
//! ```
//!
//! Between messages there may be STUN too, for peers that keep their connections alive so: an octet of 0 or 1 begins it
//! ([`Framer::with_stun`]).
//!
//! Any split of the same octets gives the same frames. Between messages nothing is kept but how much of a ping has come.

use super::index::Index;
use super::message::Message;
use super::stun;
use bytes::Bytes;
use memchr::memmem;
use std::sync::LazyLock;
use thiserror::Error;

/// The end of a head.
static HEAD_END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\n\r\n"));

/// RFC 5626 §3.5.1: a ping is CRLF CRLF.
const PING: &[u8; 4] = b"\r\n\r\n";

/// What a stream holds.
#[derive(Clone, Debug)]
pub enum Frame {
    /// CRLF CRLF between messages.
    Ping,
    /// A lone CRLF between messages.
    Pong,
    /// A whole message, its body as long as Content-Length says.
    Message(Message),
    /// What begins as STUN between messages, as long as its header says.
    Stun(Bytes),
}

/// Why the stream cannot be read any further. It is answered where there is a head, and closed.
#[derive(Clone, Debug, Error)]
pub enum Refusal {
    /// Between messages: something that begins neither a message nor a ping; or a head that is not SIP.
    #[error("neither a SIP message nor a ping")]
    Garbage,
    /// RFC 3261 §18.3: on a stream Content-Length is needed.
    #[error("no Content-Length")]
    NoContentLength {
        /// The message without its body.
        head: Message,
    },
    /// Content-Length is not a number, or several disagree.
    #[error("bad Content-Length")]
    BadContentLength {
        /// The message without its body.
        head: Message,
    },
    /// More octets than allowed, or announced to be.
    #[error("message too large")]
    TooLarge {
        /// The message without its body, as far as its lines are complete; `None` where not even the first one is SIP.
        head: Option<Message>,
    },
}

impl Refusal {
    /// The head that a response can be built from.
    pub fn head(&self) -> Option<&Message> {
        match self {
            Refusal::Garbage => None,
            Refusal::NoContentLength { head } | Refusal::BadContentLength { head } => Some(head),
            Refusal::TooLarge { head } => head.as_ref(),
        }
    }

    /// The status and reason phrase of that response.
    pub const fn status(&self) -> (u16, &'static str) {
        match self {
            Refusal::Garbage => (400, "Bad Request"),
            Refusal::NoContentLength { .. } => (400, "Missing Content-Length"),
            Refusal::BadContentLength { .. } => (400, "Malformed Content-Length"),
            // RFC 3261 §21.5.7
            Refusal::TooLarge { .. } => (513, "Message Too Large"),
        }
    }
}

/// Takes a stream apart. After a [`Refusal`] it has no further use.
#[derive(Debug)]
pub struct Framer {
    max_message: usize,
    has_stun: bool,
    /// How many octets of a ping have come, 0 to 3.
    ping: u8,
    partial: Option<Box<Partial>>,
}

/// A message that has begun and not ended.
#[derive(Debug, Default)]
struct Partial {
    octets: Vec<u8>,
    /// The search for the head's end need not look before this.
    searched: usize,
    /// Once the head is complete: its index, and the length of the whole message.
    head: Option<(Index, usize)>,
}

impl Framer {
    /// For messages of at most `max_message` octets, head and body.
    pub fn new(max_message: usize) -> Self {
        Self { max_message, has_stun: false, ping: 0, partial: None }
    }

    /// The same for a stream with STUN between its messages.
    pub fn with_stun(max_message: usize) -> Self {
        Self { has_stun: true, ..Self::new(max_message) }
    }

    /// The next frame, taking its octets off `input`; `None` when `input` is used up.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Refusal> {
        if self.partial.is_none() {
            while let Some(&octet) = input.first() {
                if octet == PING[usize::from(self.ping)] {
                    *input = &input[1..];
                    self.ping += 1;
                    if usize::from(self.ping) == PING.len() {
                        self.ping = 0;
                        return Ok(Some(Frame::Ping));
                    }
                    continue;
                }
                let is_stun = self.has_stun && stun::is_stun(&[octet]);
                return match self.ping {
                    0 if is_stun => self.stun(Vec::new(), input),
                    0 if super::lex::is_token_octet(octet) => self.begin(input),
                    // RFC 5626 §3.5.1: one CRLF is the answer to a ping.
                    2 if is_stun || super::lex::is_token_octet(octet) => {
                        self.ping = 0;
                        Ok(Some(Frame::Pong))
                    }
                    _ => Err(Refusal::Garbage),
                };
            }
            return Ok(None);
        }
        self.resume(input)
    }

    /// Whether a message has begun and not ended.
    pub fn in_message(&self) -> bool {
        self.partial.is_some()
    }

    /// Takes a lone CRLF that has come and may still turn out to be half a ping as the pong that it is to an end that
    /// has sent a ping.
    pub fn take_pong(&mut self) -> bool {
        let is_pong = self.ping == 2;
        if is_pong {
            self.ping = 0;
        }
        is_pong
    }

    /// At a message's first octet. When all of it is in `input`, it is copied once.
    fn begin(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Refusal> {
        let octets = *input;
        let Some(head_len) = self.head_len(octets, 0)? else {
            self.keep(octets, None);
            *input = &[];
            return Ok(None);
        };
        let (index, total) = self.announced(octets, head_len)?;
        if octets.len() < total {
            self.keep(octets, Some((index, total)));
            *input = &[];
            return Ok(None);
        }
        let (whole, rest) = octets.split_at(total);
        *input = rest;
        Ok(Some(Frame::Message(Message::from_parts(Bytes::copy_from_slice(whole), index))))
    }

    fn resume(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Refusal> {
        let Some(mut partial) = self.partial.take() else { return Ok(None) };
        if stun::is_stun(&partial.octets) {
            return self.stun(partial.octets, input);
        }
        if partial.head.is_none() {
            // No more than may be in a head is taken before its end is known, so that nothing behind it is.
            let room = (self.max_message + 1).saturating_sub(partial.octets.len()).min(input.len());
            let had = partial.octets.len();
            partial.octets.extend_from_slice(&input[..room]);
            let Some(head_len) = self.head_len(&partial.octets, partial.searched)? else {
                *input = &input[room..];
                partial.searched = partial.octets.len().saturating_sub(PING.len() - 1);
                self.partial = Some(partial);
                return Ok(None);
            };
            let (index, total) = self.announced(&partial.octets, head_len)?;
            // What was taken too far goes back.
            let taken = total.min(partial.octets.len()).saturating_sub(had);
            partial.octets.truncate(had + taken);
            *input = &input[taken..];
            partial.head = Some((index, total));
        }
        let Some((index, total)) = partial.head.take() else { return Ok(None) };
        let missing = (total - partial.octets.len()).min(input.len());
        partial.octets.extend_from_slice(&input[..missing]);
        *input = &input[missing..];
        if partial.octets.len() < total {
            partial.head = Some((index, total));
            self.partial = Some(partial);
            return Ok(None);
        }
        Ok(Some(Frame::Message(Message::from_parts(Bytes::from(partial.octets), index))))
    }

    /// Goes on with STUN, of which `octets` have come.
    fn stun(&mut self, mut octets: Vec<u8>, input: &mut &[u8]) -> Result<Option<Frame>, Refusal> {
        for part in [Some(stun::HEADER_LEN), None] {
            // The header first, because it tells the length of the rest.
            let Some(total) = part.or_else(|| stun::announced(&octets)) else { break };
            if total > self.max_message {
                return Err(Refusal::TooLarge { head: None });
            }
            let missing = total.saturating_sub(octets.len()).min(input.len());
            octets.extend_from_slice(&input[..missing]);
            *input = &input[missing..];
            if part.is_none() && octets.len() == total {
                return Ok(Some(Frame::Stun(Bytes::from(octets))));
            }
        }
        self.partial = Some(Box::new(Partial { octets, searched: 0, head: None }));
        Ok(None)
    }

    fn keep(&mut self, octets: &[u8], head: Option<(Index, usize)>) {
        // Grows with what comes, not with what Content-Length promises.
        let searched = octets.len().saturating_sub(PING.len() - 1);
        self.partial = Some(Box::new(Partial { octets: octets.to_vec(), searched, head }));
    }

    /// The head's length with its empty line, once it has come. `Err` as soon as it cannot fit any more.
    fn head_len(&self, octets: &[u8], searched: usize) -> Result<Option<usize>, Refusal> {
        let within = &octets[..octets.len().min(self.max_message)];
        match HEAD_END.find(within.get(searched..).unwrap_or_default()) {
            Some(found) => Ok(Some(searched + found + PING.len())),
            None if octets.len() > self.max_message => Err(Refusal::TooLarge { head: whole_lines(within) }),
            None => Ok(None),
        }
    }

    /// The head's index and the whole message's length as the head announces it.
    fn announced(&self, octets: &[u8], head_len: usize) -> Result<(Index, usize), Refusal> {
        let octets = &octets[..head_len];
        let index = Index::of(octets).map_err(|_| Refusal::Garbage)?;
        let head = |index| Message::from_parts(Bytes::copy_from_slice(octets), index);
        match index.content_length(octets) {
            Ok(Some(length)) => {
                match usize::try_from(length).ok().and_then(|body| head_len.checked_add(body)) {
                    Some(total) if total <= self.max_message => Ok((index, total)),
                    _ => Err(Refusal::TooLarge { head: Some(head(index)) }),
                }
            }
            Ok(None) => Err(Refusal::NoContentLength { head: head(index) }),
            Err(_) => Err(Refusal::BadContentLength { head: head(index) }),
        }
    }
}

/// A head without an end, as far as its lines are complete.
fn whole_lines(octets: &[u8]) -> Option<Message> {
    let end = memmem::rfind(octets, b"\r\n")? + 2;
    let octets = Bytes::copy_from_slice(&octets[..end]);
    let index = Index::of(&octets).ok()?;
    Some(Message::from_parts(octets, index))
}
