//! The frames of a client, taken apart. RFC 6455 §5.
//!
//! ```text
//!             all of a header                    payload complete, a control frame / Ping, Pong, Close
//!   header ------------------> payload -------------------------------------------------> header
//!     ^                           |
//!     |                           | payload complete, of a message
//!     '--- its last frame / Message, or a further one is to come
//! ```
//!
//! Any split of the same octets gives the same events. Between messages nothing is kept but what kind the last one was.

use bytes::Bytes;
use thiserror::Error;

use super::Kind;
use super::header::{Header, LONGEST, Opcode, header_len};
use super::sender::Code;

/// What a client sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A whole message.
    Message(Bytes),
    /// What a Pong has to repeat.
    Ping(Bytes),
    /// A Pong, asked for or not.
    Pong,
    /// The client closes, and may say why.
    Close(Option<u16>),
}

/// Why nothing more is read. The client is told by the code of a Close.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// A frame that RFC 6455 does not allow.
    #[error("a frame that WebSocket does not allow")]
    Protocol,
    /// Text that is no UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// More octets than allowed, or announced to be.
    #[error("message too large")]
    TooLarge,
}

impl Fault {
    /// The code of the Close.
    pub fn code(self) -> Code {
        match self {
            Fault::Protocol => Code::Protocol,
            Fault::NotUtf8 => Code::NotUtf8,
            Fault::TooLarge => Code::TooLarge,
        }
    }
}

/// Takes the octets of a client apart. After a [`Fault`] or a Close it has no further use.
#[derive(Debug)]
pub struct Receiver {
    max_message: usize,
    last: Kind,
    partial: Option<Box<Partial>>,
}

/// What has begun and not ended.
#[derive(Debug, Default)]
struct Partial {
    /// Of a header.
    octets: Vec<u8>,
    /// Once that is complete: the frame, and how much of its payload has come.
    frame: Option<(Header, u64)>,
    /// The payload, where it is that of a control frame.
    control: Vec<u8>,
    /// The message, from its first frame on.
    message: Option<(Kind, Vec<u8>)>,
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.frame.is_none() && self.message.is_none()
    }
}

impl Receiver {
    /// For messages of at most `max_message` octets.
    pub fn new(max_message: usize) -> Self {
        Self { max_message, last: Kind::Text, partial: None }
    }

    /// What the client's last message was; text, before the first one.
    pub fn last(&self) -> Kind {
        self.last
    }

    /// Whether a frame or a message has begun and not ended.
    pub fn in_message(&self) -> bool {
        self.partial.is_some()
    }

    /// The next event, taking its octets off `input`; `None` when `input` is used up.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Fault> {
        if self.partial.is_none() && input.is_empty() {
            return Ok(None);
        }
        let mut partial = self.partial.take().unwrap_or_default();
        let event = self.advance(&mut partial, input)?;
        if !partial.is_empty() {
            self.partial = Some(partial);
        }
        Ok(event)
    }

    fn advance(&mut self, partial: &mut Partial, input: &mut &[u8]) -> Result<Option<Event>, Fault> {
        loop {
            let Some((header, had)) = partial.frame else {
                let Some(header) = take_header(&mut partial.octets, input)? else { return Ok(None) };
                self.begin(partial, &header)?;
                partial.frame = Some((header, 0));
                continue;
            };
            let payload = match &mut partial.message {
                _ if header.opcode.is_control() => &mut partial.control,
                Some((_, octets)) => octets,
                None => return Err(Fault::Protocol),
            };
            let had = had + take_payload(payload, &header, had, input);
            if had < header.len {
                partial.frame = Some((header, had));
                return Ok(None);
            }
            partial.frame = None;
            if let Some(event) = self.end(partial, &header)? {
                return Ok(Some(event));
            }
        }
    }

    /// Whether a frame may come now, and be so long.
    fn begin(&self, partial: &mut Partial, header: &Header) -> Result<(), Fault> {
        // RFC 6455 §5.4: the frames of a message come one after the other, with none but control frames between them.
        let kind = match (header.opcode, &partial.message) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(()),
            (Opcode::Continuation, Some((kind, _))) => *kind,
            (Opcode::Text, None) => Kind::Text,
            (Opcode::Binary, None) => Kind::Binary,
            (Opcode::Continuation, None) | (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Fault::Protocol);
            }
        };
        let (_, octets) = partial.message.get_or_insert((kind, Vec::new()));
        let room = self.max_message.saturating_sub(octets.len());
        if header.len > room as u64 { Err(Fault::TooLarge) } else { Ok(()) }
    }

    fn end(&mut self, partial: &mut Partial, header: &Header) -> Result<Option<Event>, Fault> {
        let control = || Bytes::copy_from_slice(&partial.control);
        let event = match header.opcode {
            Opcode::Ping => Event::Ping(control()),
            Opcode::Pong => Event::Pong,
            Opcode::Close => Event::Close(close_code(&partial.control)?),
            Opcode::Continuation | Opcode::Text | Opcode::Binary if !header.is_last => return Ok(None),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                let (kind, octets) = partial.message.take().ok_or(Fault::Protocol)?;
                // RFC 6455 §8.1: text that is no UTF-8 fails the connection.
                if kind == Kind::Text && std::str::from_utf8(&octets).is_err() {
                    return Err(Fault::NotUtf8);
                }
                self.last = kind;
                Event::Message(Bytes::from(octets))
            }
        };
        partial.control.clear();
        Ok(Some(event))
    }
}

/// Takes what is missing of a header; `None` when `input` has not all of it.
fn take_header(octets: &mut Vec<u8>, input: &mut &[u8]) -> Result<Option<Header>, Fault> {
    let mut len = header_len(if octets.is_empty() { input } else { octets });
    // As a rule it is there whole.
    if octets.is_empty() && input.len() >= len {
        let (header, rest) = input.split_at(len);
        *input = rest;
        return Header::parse(header).map(Some);
    }
    while octets.len() < len && octets.len() < LONGEST {
        let Some((&octet, rest)) = input.split_first() else { return Ok(None) };
        octets.push(octet);
        *input = rest;
        len = header_len(octets);
    }
    let header = Header::parse(octets)?;
    octets.clear();
    Ok(Some(header))
}

/// Takes what `input` has of a payload of which `had` octets have come, and returns how many those are.
fn take_payload(payload: &mut Vec<u8>, header: &Header, had: u64, input: &mut &[u8]) -> u64 {
    let missing = usize::try_from(header.len - had).unwrap_or(usize::MAX);
    let (taken, rest) = input.split_at(missing.min(input.len()));
    *input = rest;
    // Grows with what comes, not with what the header promises.
    let from = payload.len();
    payload.extend_from_slice(taken);
    // RFC 6455 §5.3: the mask goes on where the octets before have left it.
    let mut mask = header.mask;
    mask.rotate_left((had % 4) as usize);
    for four in payload[from..].chunks_mut(4) {
        four.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    }
    taken.len() as u64
}

/// RFC 6455 §5.5.1, §7.4: a code and a reason, or nothing.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Fault::Protocol) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Fault::Protocol);
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Fault::NotUtf8);
    }
    Ok(Some(code))
}
