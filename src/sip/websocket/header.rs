//! What a frame begins with: its kind, its length, its mask. RFC 6455 §5.2.

use smallvec::SmallVec;

use super::receiver::Fault;

/// The longest header: two octets, a length of eight, a mask of four.
pub(super) const LONGEST: usize = 14;

/// RFC 6455 §5.5: the longest payload of a control frame.
pub(super) const LONGEST_CONTROL: usize = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// RFC 6455 §11.8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            _ => return None,
        })
    }

    pub(super) const fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// The header of a frame that a client sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// Whether it is the last frame of its message.
    pub(super) is_last: bool,
    pub(super) mask: [u8; 4],
    /// Of the payload.
    pub(super) len: u64,
}

/// How many octets the header has that begins with these; at least two, until two are there.
pub(super) fn header_len(octets: &[u8]) -> usize {
    let Some(second) = octets.get(1) else { return 2 };
    let length = match second & !MASKED {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & MASKED == 0 { 0 } else { 4 }
}

impl Header {
    /// Reads a whole header of a client, as long as [`header_len`] says.
    pub(super) fn parse(octets: &[u8]) -> Result<Header, Fault> {
        let [first, second, rest @ ..] = octets else { return Err(Fault::Protocol) };
        // RFC 6455 §5.2: nobody has asked for an extension that would give these bits a meaning.
        if first & RESERVED != 0 {
            return Err(Fault::Protocol);
        }
        let opcode = Opcode::of(first & 0x0F).ok_or(Fault::Protocol)?;
        // RFC 6455 §5.1: a server closes upon a frame that is not masked.
        if second & MASKED == 0 {
            return Err(Fault::Protocol);
        }
        let (length, mask) = rest.split_last_chunk::<4>().ok_or(Fault::Protocol)?;
        let stated = length.iter().fold(0, |length, &octet| length << 8 | u64::from(octet));
        // RFC 6455 §5.2: in as few octets as it takes, and below 2^63.
        let (len, is_minimal) = match second & !MASKED {
            126 => (stated, stated > 125),
            127 => (stated, stated > u64::from(u16::MAX) && stated >> 63 == 0),
            small => (u64::from(small), true),
        };
        let is_last = first & FIN != 0;
        // RFC 6455 §5.5: control frames are short, and in one piece.
        let is_control_right = is_last && len <= LONGEST_CONTROL as u64;
        if !is_minimal || (opcode.is_control() && !is_control_right) {
            return Err(Fault::Protocol);
        }
        Ok(Header { opcode, is_last, mask: *mask, len })
    }
}

/// The header of a frame of the server's, the only one of its message.
pub(super) fn of_server(opcode: Opcode, len: usize) -> SmallVec<[u8; 10]> {
    let mut header = SmallVec::new();
    header.push(FIN | opcode.bits());
    // RFC 6455 §5.1: a server masks nothing.
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=125), _) => header.push(len),
        (_, Ok(len)) => {
            header.push(126);
            header.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    header
}
