//! WebSocket as far as the bench writes it: a handshake that is always the same, and messages of one frame. RFC 6455, RFC 7118.

use std::ops::Range;

/// The key of RFC 6455 §1.3: how a server computes the answer is not what is measured, so that one will do.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The answer to it.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A text message in one frame.
const TEXT: u8 = 0x81;
/// The last of these says that the peer closes.
const CLOSE: u8 = 0x88;
/// Set with the length where a mask follows.
const MASKED: u8 = 0x80;
/// In the place of a length: it follows, in two octets or in eight.
const IN_TWO: u8 = 126;
const IN_EIGHT: u8 = 127;

/// The client's half of the handshake.
pub fn request(host: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    )
}

/// The server's half.
pub fn response() -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    )
}

/// A frame that is there as a whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether the peer closes.
    pub is_close: bool,
    /// Whether it is part of what is for the WebSocket itself.
    pub is_control: bool,
    /// Where what it holds stands.
    pub payload: Range<usize>,
    mask: Option<[u8; 4]>,
}

impl Frame {
    /// The frame that `bytes` begin with; `None` until all of it is there.
    pub fn read(bytes: &[u8]) -> Option<Frame> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (length, at) = match second & !MASKED {
            IN_TWO => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            IN_EIGHT => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10),
            short => (usize::from(short), 2),
        };
        let mask = if second & MASKED == 0 { None } else { Some(*bytes.get(at..)?.first_chunk()?) };
        let start = at + if mask.is_some() { 4 } else { 0 };
        let payload = start..start.checked_add(length)?;
        let is_whole = payload.end <= bytes.len();
        is_whole.then_some(Frame { is_close: *first == CLOSE, is_control: first & 8 != 0, payload, mask })
    }

    /// Takes the mask off its payload.
    pub fn unmask(&self, payload: &mut [u8]) {
        if let Some(mask) = self.mask {
            payload.iter_mut().zip(mask.iter().cycle()).for_each(|(octet, mask)| *octet ^= mask);
        }
    }
}

/// Appends a message, with a mask if it is a client's.
pub fn write(message: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let masked = if mask.is_some() { MASKED } else { 0 };
    out.push(TEXT);
    match u16::try_from(message.len()) {
        Ok(short @ ..126) => out.push(masked | short as u8),
        Ok(length) => {
            out.push(masked | IN_TWO);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            out.push(masked | IN_EIGHT);
            out.extend_from_slice(&(message.len() as u64).to_be_bytes());
        }
    }
    out.extend(mask.into_iter().flatten());
    let key = mask.unwrap_or_default();
    out.extend(message.iter().zip(key.iter().cycle()).map(|(octet, mask)| octet ^ mask));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_when_all_of_it_is_there() {
        for length in [0, 2, 125, 126, 400, 65_535, 65_536] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let message = vec![b'a'; length];
                let mut bytes = Vec::new();
                write(&message, mask, &mut bytes);
                assert_eq!(Frame::read(&bytes[..bytes.len() - 1]), None);
                bytes.push(0);
                let frame = Frame::read(&bytes).unwrap();
                assert_eq!(frame.payload.end, bytes.len() - 1);
                let payload = &mut bytes[frame.payload.clone()];
                frame.unmask(payload);
                assert_eq!(payload, message);
            }
        }
    }
}
