//! The frames of the server. RFC 6455 §5.

use bytes::Bytes;

use super::Kind;
use super::header::{Opcode, of_server};
use crate::sip::Wire;

/// Why the server closes. RFC 6455 §7.4.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// 1000
    Normal,
    /// 1001: the server goes away.
    GoingAway,
    /// 1002
    Protocol,
    /// 1007
    NotUtf8,
    /// 1008: something else that the server does not put up with.
    Policy,
    /// 1009
    TooLarge,
    /// As the client said.
    Echo(u16),
}

impl Code {
    /// As it is sent.
    pub fn number(self) -> u16 {
        match self {
            Code::Normal => 1000,
            Code::GoingAway => 1001,
            Code::Protocol => 1002,
            Code::NotUtf8 => 1007,
            Code::Policy => 1008,
            Code::TooLarge => 1009,
            Code::Echo(code) => code,
        }
    }
}

/// Whether all of it is UTF-8.
pub fn is_text(wire: &Wire) -> bool {
    // A sign that two pieces share makes it binary, which it may always be.
    wire.pieces().iter().all(|piece| std::str::from_utf8(piece).is_ok())
}

/// RFC 7118 §5: one SIP message, in one frame.
pub fn message(kind: Kind, message: Wire) -> Wire {
    let opcode = match kind {
        Kind::Text => Opcode::Text,
        Kind::Binary => Opcode::Binary,
    };
    let header = of_server(opcode, message.len());
    message.behind(Bytes::copy_from_slice(&header))
}

/// What asks for a Pong.
pub fn ping() -> Wire {
    const PING: [u8; 2] = [0x89, 0];
    Wire::from(Bytes::from_static(&PING))
}

/// What answers a Ping with this payload.
pub fn pong(payload: &[u8]) -> Wire {
    control(Opcode::Pong, payload)
}

/// The last frame.
pub fn close(code: Option<Code>) -> Wire {
    let code = code.map(|code| code.number().to_be_bytes());
    control(Opcode::Close, code.as_ref().map_or(&[], |code| &code[..]))
}

fn control(opcode: Opcode, payload: &[u8]) -> Wire {
    let mut frame = of_server(opcode, payload.len());
    frame.extend_from_slice(payload);
    Wire::from(Bytes::copy_from_slice(&frame))
}

/// As many messages of a lone CRLF leave in one slice.
pub const PONGS_PER_SLICE: usize = 32;

/// So many messages of a lone CRLF, [`PONGS_PER_SLICE`] at most: the pong of RFC 5626.
pub fn pongs(kind: Kind, count: usize) -> Wire {
    const FRAME: usize = 4;
    const fn frames(opcode: u8) -> [u8; FRAME * PONGS_PER_SLICE] {
        let mut frames = [0; FRAME * PONGS_PER_SLICE];
        let mut at = 0;
        while at < frames.len() {
            frames[at] = 0x80 | opcode;
            frames[at + 1] = 2;
            frames[at + 2] = b'\r';
            frames[at + 3] = b'\n';
            at += FRAME;
        }
        frames
    }
    static TEXT: [u8; FRAME * PONGS_PER_SLICE] = frames(Opcode::Text.bits());
    static BINARY: [u8; FRAME * PONGS_PER_SLICE] = frames(Opcode::Binary.bits());
    let frames = match kind {
        Kind::Text => &TEXT,
        Kind::Binary => &BINARY,
    };
    Wire::from(Bytes::from_static(&frames[..FRAME * count.min(PONGS_PER_SLICE)]))
}
