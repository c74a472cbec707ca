//! A message: its octets as they came, and an index of where each field lies. RFC 3261 §7.
//!
//! Nothing is copied or decoded until it is asked for, and what nobody asks for leaves as it came.

use super::fault::{Fault, Unintelligible};
use super::index::{Field, Index, StartLine};
use super::lex::{List, decimal, is_lws, is_token, trim_start};
use super::method::Method;
use super::name::Name;
use super::via::Via;
use bytes::Bytes;
use std::fmt;

/// A request or a response.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    pub(super) index: Index,
}

/// The `CSeq` field, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CSeq<'a> {
    /// Below 2^31.
    pub number: u32,
    /// The method as it came.
    pub method: &'a [u8],
}

impl Message {
    /// Reads a datagram.
    ///
    /// RFC 3261 §18.3: octets behind the body that Content-Length states are cut off; without Content-Length the body
    /// goes to the end. Line ends before the start line are skipped (§7.5). `Err` when there is nothing to answer; other
    /// faults are for [`Message::validate`].
    pub fn parse(mut bytes: Bytes) -> Result<Message, Unintelligible> {
        let blank = bytes.iter().take_while(|&&octet| matches!(octet, b'\r' | b'\n')).count();
        if blank == bytes.len() {
            return Err(Unintelligible::Empty);
        }
        let _ = bytes.split_to(blank);
        let index = Index::of(&bytes)?;
        if let Ok(Some(length)) = index.content_length(&bytes)
            && let Ok(length) = usize::try_from(length)
        {
            bytes.truncate(index.body().saturating_add(length));
        }
        Ok(Message { bytes, index })
    }

    /// Of octets and the index that was made of them.
    pub(super) fn from_parts(bytes: Bytes, index: Index) -> Message {
        Message { bytes, index }
    }

    /// All octets.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether this is a request; otherwise it is a response.
    pub fn is_request(&self) -> bool {
        matches!(self.index.start_line, StartLine::Request { .. })
    }

    /// A request's method; for a response, that of its `CSeq`.
    pub fn method(&self) -> Method {
        match self.index.start_line {
            StartLine::Request { method, .. } => method,
            StartLine::Response { .. } => Method::of(self.method_bytes()),
        }
    }

    /// As [`Message::method`], as it came; empty for a response whose `CSeq` cannot be read.
    pub fn method_bytes(&self) -> &[u8] {
        match self.index.start_line {
            StartLine::Request { method_len, .. } => &self.bytes[..method_len as usize],
            StartLine::Response { .. } => self.cseq().map_or(&[], |cseq| cseq.method),
        }
    }

    /// The Request-URI as it came; empty for a response.
    pub fn request_uri(&self) -> &[u8] {
        match &self.index.start_line {
            StartLine::Request { uri, .. } => &self.bytes[uri.start as usize..uri.end as usize],
            StartLine::Response { .. } => &[],
        }
    }

    /// A response's status code, 100 to 699.
    pub fn status(&self) -> Option<u16> {
        match self.index.start_line {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// A response's reason phrase; empty for a request.
    pub fn reason(&self) -> &[u8] {
        match &self.index.start_line {
            StartLine::Request { .. } => &[],
            StartLine::Response { reason, .. } => &self.bytes[reason.start as usize..reason.end as usize],
        }
    }

    /// The value of the first field of that name, without white space at its ends; folding inside is left in.
    pub fn first(&self, name: Name) -> Option<&[u8]> {
        self.fields(name).next()
    }

    /// The value of each field of that name, as [`Message::first`].
    pub fn fields(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        self.index.fields.iter().filter(move |field| field.name == name).map(|field| self.value(field))
    }

    /// The values of a header that is a comma-separated list, over all its fields; quoted strings and angle brackets
    /// are respected, empty values left out.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        self.fields(name).flat_map(List::new)
    }

    /// Every field in order: name as it came, and value.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.index.fields.iter().map(|field| (&self.bytes[field.name_span()], self.value(field)))
    }

    /// Whether a list of option tags (Supported, Require and their kin) has this one, in any case.
    pub fn has_tag(&self, name: Name, tag: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(tag.as_bytes()))
    }

    /// The topmost Via value.
    pub fn top_via(&self) -> Result<Via<'_>, Fault> {
        self.values(Name::Via).next().ok_or(Fault::Via).and_then(Via::parse)
    }

    /// The `CSeq` field.
    pub fn cseq(&self) -> Result<CSeq<'_>, Fault> {
        let value = self.first(Name::CSeq).ok_or(Fault::CSeq)?;
        let end = value.iter().position(|&octet| is_lws(octet)).ok_or(Fault::CSeq)?;
        let method = trim_start(&value[end..]);
        // RFC 3261 §8.1.1.5: less than 2^31.
        let number = decimal(&value[..end]).filter(|&number| number < 1 << 31).ok_or(Fault::CSeq)?;
        if is_token(method) { Ok(CSeq { number, method }) } else { Err(Fault::CSeq) }
    }

    /// The first field of that name as a number of seconds or hops: digits only, up to `u32`.
    pub fn number(&self, name: Name) -> Option<Result<u32, Fault>> {
        self.first(name).map(|value| decimal(value).ok_or(Fault::Number))
    }

    /// The Max-Forwards field where there is one.
    pub fn max_forwards(&self) -> Result<Option<u8>, Fault> {
        // RFC 3261 §20.22: a number from 0 to 255.
        self.first(Name::MaxForwards)
            .map(|value| decimal(value).and_then(|hops| u8::try_from(hops).ok()).ok_or(Fault::MaxForwards))
            .transpose()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.index.body()..]
    }

    pub(super) fn value(&self, field: &Field) -> &[u8] {
        &self.bytes[field.value_span()]
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = memchr::memchr(b'\r', &self.bytes).unwrap_or(self.bytes.len());
        write!(formatter, "Message({}, {} octets)", self.bytes[..end].escape_ascii(), self.bytes.len())
    }
}
