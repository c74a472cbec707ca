//! The octets that every view is read from: tokens, linear white space, quoted strings, separators, numbers.
//! RFC 3261 §25.1.

use memchr::{memchr, memchr2, memchr3};

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0_u8;
    while octet.is_ascii() {
        table[octet as usize] = octet.is_ascii_alphanumeric()
            || matches!(octet, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        octet += 1;
    }
    table
};

/// Whether the octet may stand in a token.
pub(super) const fn is_token_octet(octet: u8) -> bool {
    TOKEN[octet as usize]
}

/// Whether this is a token, which is never empty.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&octet| is_token_octet(octet))
}

/// Linear white space; CR and LF count because inside a field they only occur in folding.
pub(super) const fn is_lws(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without the linear white space at both ends.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_lws(*first)
    {
        bytes = rest;
    }
    bytes
}

pub(super) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_lws(*last)
    {
        bytes = rest;
    }
    bytes
}

/// The run of token octets at the start, and what follows it.
pub(super) fn take_token(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&octet| !is_token_octet(octet)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// Where the first `separator` outside of quoted strings and angle brackets stands. A quote or bracket that never
/// closes hides all that follows it.
pub(super) fn find_separator(bytes: &[u8], separator: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(offset) = memchr3(separator, b'"', b'<', &bytes[at..]) {
        let here = at + offset;
        match bytes[here] {
            b'"' => at = end_of_quoted(bytes, here)?,
            b'<' => at = here + memchr(b'>', &bytes[here..])? + 1,
            _ => return Some(here),
        }
    }
    None
}

/// For the quoted string that opens at `open`: the offset behind its closing quote.
pub(super) fn end_of_quoted(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        let here = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[here] == b'"' {
            return Some(here + 1);
        }
        at = here + 2;
    }
}

/// Whether this is one quoted string and nothing else.
pub(super) fn is_quoted(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'"') && end_of_quoted(bytes, 0) == Some(bytes.len())
}

/// A decimal number of digits only; `None` when empty, not digits, or over `u32`.
pub(super) fn decimal(bytes: &[u8]) -> Option<u32> {
    u32::try_from(decimal_u64(bytes)?).ok()
}

/// As [`decimal`], up to `u64`.
pub(super) fn decimal_u64(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |number, &octet| {
        let digit = octet.is_ascii_digit().then(|| u64::from(octet - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The values of a comma-separated list, trimmed; empty ones are left out.
#[derive(Clone, Debug)]
pub(super) struct List<'a> {
    rest: &'a [u8],
}

impl<'a> List<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = find_separator(self.rest, b',').unwrap_or(self.rest.len());
            let value = trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

/// Where `part`, which must be a slice of `whole`, begins in it.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    let offset = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    debug_assert!(offset <= whole.len(), "a part lies within its whole");
    offset
}
