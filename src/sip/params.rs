//! Header parameters: `;name=value` lists, also those of a Via and of a URI.

use super::fault::Fault;
use super::lex::{find_separator, is_quoted, is_token, trim};
use std::borrow::Cow;

/// A list of parameters as it came, from its first `;` on. Names are compared without regard to case.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Params<'a> {
    raw: &'a [u8],
}

impl<'a> Params<'a> {
    /// Reads a header field's parameters: each name a token, each value present once there is a `=`.
    pub fn parse(raw: &'a [u8]) -> Result<Self, Fault> {
        let raw = trim(raw);
        let params = Self { raw };
        let begins_well = raw.is_empty() || raw[0] == b';';
        if begins_well && params.segments().all(is_header_param) { Ok(params) } else { Err(Fault::Params) }
    }

    /// Of parameters that are known to be well-formed, or where it does not matter.
    pub(super) fn unchecked(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// The octets as they came, with each parameter's leading `;`; empty where there are none.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// Each parameter as name and value, in order; a value keeps its quotes.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        self.segments().filter(|segment| !segment.is_empty()).map(split_param)
    }

    /// The first parameter of that name: `Some(None)` when it has no value.
    pub fn get(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The value of the first parameter of that name, where it has one.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.get(name).flatten()
    }

    /// Whether there is a parameter of that name, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What stands between the semicolons, trimmed.
    fn segments(&self) -> Segments<'a> {
        Segments { rest: self.raw.get(1..) }
    }
}

/// A quoted string's content with its escapes undone; anything else as it is.
pub fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    if !is_quoted(value) {
        return Cow::Borrowed(value);
    }
    let inner = &value[1..value.len() - 1];
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut octets = inner.iter();
    while let Some(&octet) = octets.next() {
        // RFC 3261 §25.1: a backslash is followed by the octet that it stands before.
        plain.extend(if octet == b'\\' { octets.next().copied() } else { Some(octet) });
    }
    Cow::Owned(plain)
}

struct Segments<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        match find_separator(rest, b';') {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                Some(trim(&rest[..end]))
            }
            None => Some(trim(rest)),
        }
    }
}

fn split_param(segment: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', segment) {
        Some(at) => (trim(&segment[..at]), Some(trim(&segment[at + 1..]))),
        None => (segment, None),
    }
}

fn is_header_param(segment: &[u8]) -> bool {
    let (name, value) = split_param(segment);
    is_token(name) && value.is_none_or(is_header_param_value)
}

/// RFC 3261 §25.1: a value is a token, a host or a quoted string. Departs from it in that an unquoted value may hold any
/// octet that ends nothing, because deployed UAs write such values (`received` with a bare IPv6 address is one).
fn is_header_param_value(value: &[u8]) -> bool {
    match value.first() {
        None => false,
        Some(b'"') => is_quoted(value),
        Some(_) => !value
            .iter()
            .any(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b',' | b'<' | b'>')),
    }
}
