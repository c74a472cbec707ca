//! Requests of our own making. RFC 3261 §8.1.1.

use super::wire::Wire;
use bytes::{BufMut, Bytes, BytesMut};
use std::io::Write as _;

/// A request being built, in the order in which its fields are added.
pub struct Request {
    head: BytesMut,
    body: Bytes,
}

impl Request {
    /// A request with this method and Request-URI. The caller keeps white space out of both.
    pub fn new(method: &str, uri: impl AsRef<[u8]>) -> Self {
        let mut head = BytesMut::with_capacity(512);
        for part in [method.as_bytes(), b" ", uri.as_ref(), b" SIP/2.0\r\n"] {
            head.extend_from_slice(part);
        }
        Self { head, body: Bytes::new() }
    }

    /// One more field. The caller keeps CR and LF out of the value.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_ref().as_bytes(), b": ", value.as_ref(), b"\r\n"] {
            self.head.extend_from_slice(part);
        }
        self
    }

    /// The body; its type is set with [`Request::header`].
    #[must_use]
    pub fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// The request in one piece.
    pub fn finish(self) -> Wire {
        let Self { mut head, body } = self;
        // RFC 3261 §20.14: a stream needs Content-Length, and it does no harm elsewhere.
        let _ = write!((&mut head).writer(), "Content-Length: {}\r\n\r\n", body.len());
        head.extend_from_slice(&body);
        Wire::from(head.freeze())
    }
}
