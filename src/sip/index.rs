//! The index of a message's head: where each field lies. One pass, one allocation, no copies.

use super::fault::{Fault, Unintelligible};
use super::lex::{decimal, is_lws, is_token, is_token_octet, trim, trim_end};
use super::method::Method;
use super::name::Name;
use memchr::{memchr, memchr2, memrchr};
use std::ops::Range;

/// Typical requests have ten to twenty fields; one allocation serves them.
const USUAL_FIELDS: usize = 20;

/// One header field as offsets into the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    start: u32,
    value: u32,
    value_end: u32,
    name_len: u16,
    pub(super) name: Name,
}

impl Field {
    /// Where the line begins.
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    /// The name's octets, as they came.
    pub(super) fn name_span(&self) -> Range<usize> {
        self.start()..self.start() + usize::from(self.name_len)
    }

    /// The value without white space at its ends; folding inside is left in.
    pub(super) fn value_span(&self) -> Range<usize> {
        self.value as usize..self.value_end as usize
    }
}

/// The start line, taken apart.
#[derive(Clone, Debug)]
pub(super) enum StartLine {
    Request { method: Method, method_len: u32, uri: Range<u32> },
    Response { status: u16, reason: Range<u32> },
}

#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) start_line: StartLine,
    pub(super) fields: Vec<Field>,
    /// Where the empty line behind the fields begins, which is the end of the last field.
    fields_end: u32,
    /// Where the body begins.
    body: u32,
    /// The first rule that the head breaks as a whole; fields are judged by `validate`.
    pub(super) fault: Option<Fault>,
}

impl Index {
    /// Reads the head at the start of `bytes`, up to the empty line or, failing that, the end.
    pub(super) fn of(bytes: &[u8]) -> Result<Index, Unintelligible> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(Unintelligible::TooLong);
        }
        let (line_end, mut at) = line(bytes, 0).map_err(|_| Unintelligible::StartLine)?;
        let (start_line, fault) = start_line(&bytes[..line_end])?;
        let mut index =
            Index { start_line, fields: Vec::with_capacity(USUAL_FIELDS), fields_end: 0, body: 0, fault };
        loop {
            if bytes[at..].starts_with(b"\r\n") {
                index.fields_end = offset(at);
                index.body = offset(at + 2);
                return Ok(index);
            }
            match index.field(bytes, at) {
                Some(next) => at = next,
                None => break,
            }
        }
        // Outranks what is wrong with a line: nothing can be added behind fields that have no end.
        index.fault = Some(Fault::UnfinishedHead);
        index.fields_end = offset(bytes.len());
        index.body = index.fields_end;
        Ok(index)
    }

    pub(super) fn fields_end(&self) -> usize {
        self.fields_end as usize
    }

    pub(super) fn body(&self) -> usize {
        self.body as usize
    }

    /// The offset behind the whole line, folded lines included, of the field at this position.
    pub(super) fn line_end(&self, position: usize) -> usize {
        self.fields.get(position + 1).map_or(self.fields_end(), Field::start)
    }

    /// The body's length as the head states it.
    ///
    /// RFC 3261 §20.14: a decimal number. Several fields are one statement when they agree.
    pub(super) fn content_length(&self, bytes: &[u8]) -> Result<Option<u64>, Fault> {
        let mut stated = None;
        for field in self.fields.iter().filter(|field| field.name == Name::ContentLength) {
            let length = super::lex::decimal_u64(&bytes[field.value_span()]).ok_or(Fault::ContentLength)?;
            if stated.is_some_and(|other| other != length) {
                return Err(Fault::ContentLength);
            }
            stated = Some(length);
        }
        Ok(stated)
    }

    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Adds the field that begins at `start`; the offset of the next line, or `None` when the line has no end.
    fn field(&mut self, bytes: &[u8], start: usize) -> Option<usize> {
        let name_end = start + bytes[start..].iter().position(|&octet| !is_token_octet(octet))?;
        // RFC 3261 §7.3.1: white space may stand between the name and its colon.
        let blanks = bytes[name_end..].iter().take_while(|&&octet| matches!(octet, b' ' | b'\t')).count();
        let colon = name_end + blanks;
        let name_len = u16::try_from(name_end - start).ok();
        let is_field = name_end > start && bytes.get(colon) == Some(&b':') && name_len.is_some();
        let value = if is_field { colon + 1 } else { start };
        let (end, next) = match logical_line(bytes, value) {
            Ok(found) => found,
            Err(Bare { found: Some(found) }) => {
                self.note(Fault::HeaderLine);
                found
            }
            Err(Bare { found: None }) => return None,
        };
        match name_len {
            Some(name_len) if is_field => {
                let line = &bytes[value..end];
                let blank = line.iter().take_while(|&&octet| is_lws(octet)).count();
                self.fields.push(Field {
                    start: offset(start),
                    value: offset(value + blank),
                    value_end: offset(value + blank + trim_end(&line[blank..]).len()),
                    name_len,
                    name: Name::of(&bytes[start..name_end]),
                });
            }
            // RFC 3261 §7.3.1: every line is a field or continues one. This one travels on with the field before it.
            _ => self.note(Fault::HeaderLine),
        }
        Some(next)
    }
}

/// Offsets fit: `Index::of` has looked at the length.
fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("offsets of a message fit 32 bits")
}

/// A CR or LF that is not part of a CRLF, and the line's end if it has one.
struct Bare {
    found: Option<(usize, usize)>,
}

/// From `at`: the offsets of the CRLF that ends the line and of the line behind it.
fn line(bytes: &[u8], at: usize) -> Result<(usize, usize), Bare> {
    let mut from = at;
    let mut bare = false;
    loop {
        let Some(found) = memchr2(b'\r', b'\n', &bytes[from..]).map(|found| from + found) else {
            return Err(Bare { found: None });
        };
        if bytes[found] == b'\r' && bytes.get(found + 1) == Some(&b'\n') {
            let found = (found, found + 2);
            return if bare { Err(Bare { found: Some(found) }) } else { Ok(found) };
        }
        bare = true;
        from = found + 1;
    }
}

/// As [`line`], with the lines that continue it. RFC 3261 §7.3.1: a line that begins with white space continues.
fn logical_line(bytes: &[u8], at: usize) -> Result<(usize, usize), Bare> {
    let mut from = at;
    let mut bare = false;
    loop {
        let found = match line(bytes, from) {
            Ok(found) => found,
            Err(Bare { found: Some(found) }) => {
                bare = true;
                found
            }
            Err(none) => return Err(none),
        };
        if matches!(bytes.get(found.1), Some(b' ' | b'\t')) {
            from = found.1;
        } else {
            return if bare { Err(Bare { found: Some(found) }) } else { Ok(found) };
        }
    }
}

fn start_line(line: &[u8]) -> Result<(StartLine, Option<Fault>), Unintelligible> {
    if line.is_empty() {
        return Err(Unintelligible::Empty);
    }
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return status_line(line).map(|start_line| (start_line, None));
    }
    request_line(line)
}

fn status_line(line: &[u8]) -> Result<StartLine, Unintelligible> {
    let version_end = memchr(b' ', line).ok_or(Unintelligible::StartLine)?;
    if !line[..version_end].eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(Unintelligible::StartLine);
    }
    let rest = &line[version_end + 1..];
    let code_end = memchr(b' ', rest).unwrap_or(rest.len());
    let status =
        (code_end == 3).then(|| decimal(&rest[..3])).flatten().and_then(|code| u16::try_from(code).ok());
    let status = status.filter(|code| (100..=699).contains(code)).ok_or(Unintelligible::StatusCode)?;
    let reason_start = (version_end + 1 + code_end + 1).min(line.len());
    Ok(StartLine::Response { status, reason: offset(reason_start)..offset(line.len()) })
}

/// RFC 3261 §7.1: method, Request-URI and version with one space between them. What has too much white space is still
/// taken apart, so that it can be answered.
fn request_line(line: &[u8]) -> Result<(StartLine, Option<Fault>), Unintelligible> {
    let written = trim_end(line);
    let method_end = memchr(b' ', written).ok_or(Unintelligible::StartLine)?;
    let version_start =
        memrchr(b' ', written).filter(|&at| at > method_end).ok_or(Unintelligible::StartLine)? + 1;
    let (method, version) = (&written[..method_end], &written[version_start..]);
    if version.len() < 4 || !version[..4].eq_ignore_ascii_case(b"SIP/") {
        return Err(Unintelligible::StartLine);
    }
    let between = &written[method_end + 1..version_start - 1];
    let uri = trim(between);
    let uri_start = offset(super::lex::offset_in(line, uri));
    let fault = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        Some(Fault::Version)
    } else if !is_token(method) || between.len() != uri.len() || written.len() != line.len() {
        Some(Fault::StartLine)
    } else {
        None
    };
    let uri = uri_start..uri_start + offset(uri.len());
    Ok((StartLine::Request { method: Method::of(method), method_len: offset(method_end), uri }, fault))
}
