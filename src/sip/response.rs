//! Responses of our own making. RFC 3261 §8.2.6.

use super::address::Address;
use super::message::Message;
use super::name::Name;
use super::source::marks;
use super::wire::Wire;
use bytes::{BufMut, Bytes, BytesMut};
use std::io::Write as _;
use std::net::IpAddr;

/// A response being built.
pub struct Response<'m> {
    request: &'m Message,
    status: u16,
    reason: &'m str,
    to_tag: Option<&'m str>,
    source: Option<(IpAddr, u16)>,
    fields: BytesMut,
    body: Bytes,
}

impl<'m> Response<'m> {
    /// The response to `request` with that status, 100 to 699.
    pub fn to(request: &'m Message, status: u16, reason: &'m str) -> Self {
        Self {
            request,
            status,
            reason,
            to_tag: None,
            source: None,
            fields: BytesMut::new(),
            body: Bytes::new(),
        }
    }

    /// The tag for the To field, used where the request's has none.
    #[must_use]
    pub fn to_tag(mut self, tag: &'m str) -> Self {
        self.to_tag = Some(tag);
        self
    }

    /// Where the request came from, for `received` and `rport` in the topmost Via.
    #[must_use]
    pub fn source(mut self, ip: IpAddr, port: u16) -> Self {
        self.source = Some((ip, port));
        self
    }

    /// One more field. The caller keeps CR and LF out of the value.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Self {
        put_field(&mut self.fields, name.as_ref(), value.as_ref());
        self
    }

    /// Many fields at once, each with its line end. The caller keeps the lines well-formed.
    #[must_use]
    pub fn fields(mut self, lines: BytesMut) -> Self {
        self.fields.unsplit(lines);
        self
    }

    /// The body; its type is set with [`Response::header`].
    #[must_use]
    pub fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// The response in one piece.
    pub fn finish(self) -> Wire {
        let request = self.request;
        let mut out =
            BytesMut::with_capacity(request.index.body() + self.fields.len() + self.body.len() + 128);
        let _ = write!((&mut out).writer(), "SIP/2.0 {} {}\r\n", self.status, self.reason);
        self.put_vias(&mut out);
        // RFC 3261 §8.2.6.2: From, To, Call-ID and CSeq are those of the request.
        self.put_copy(&mut out, Name::From, b"");
        let tag = self.new_to_tag();
        self.put_copy(&mut out, Name::To, &tag);
        self.put_copy(&mut out, Name::CallId, b"");
        self.put_copy(&mut out, Name::CSeq, b"");
        if self.status == 100 {
            // RFC 3261 §8.2.6.1: a Timestamp is copied into the 100.
            self.put_copy(&mut out, Name::Timestamp, b"");
        }
        out.extend_from_slice(&self.fields);
        let _ = write!((&mut out).writer(), "Content-Length: {}\r\n\r\n", self.body.len());
        out.extend_from_slice(&self.body);
        Wire::from(out.freeze())
    }

    /// RFC 3261 §8.2.6.2: the Via fields are those of the request, in their order; the topmost tells the source.
    fn put_vias(&self, out: &mut BytesMut) {
        let message = self.request;
        let mut marks = self.source.map(|(ip, port)| marks(message, ip, port)).unwrap_or_default();
        marks.sort_by_key(|mark| mark.span.start);
        for field in message.index.fields.iter().filter(|field| field.name == Name::Via) {
            let span = field.value_span();
            out.extend_from_slice(b"Via: ");
            let mut at = span.start;
            for mark in marks.iter().filter(|mark| span.start <= mark.span.start && mark.span.end <= span.end)
            {
                out.extend_from_slice(&message.bytes()[at..mark.span.start]);
                out.extend_from_slice(&mark.text);
                at = mark.span.end;
            }
            out.extend_from_slice(&message.bytes()[at..span.end]);
            out.extend_from_slice(b"\r\n");
        }
    }

    fn put_copy(&self, out: &mut BytesMut, name: Name, suffix: &[u8]) {
        if let Some(value) = self.request.first(name) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(suffix);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// RFC 3261 §8.2.6.2: a tag is added to a To that has none.
    fn new_to_tag(&self) -> Vec<u8> {
        let untagged = self
            .request
            .first(Name::To)
            .and_then(|to| Address::parse(to).ok())
            .is_some_and(|to| !to.params.has("tag"));
        match self.to_tag {
            Some(tag) if untagged => format!(";tag={tag}").into_bytes(),
            _ => Vec::new(),
        }
    }
}

fn put_field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
