//! Addresses of From, To, Contact, Route, Path and their kin. RFC 3261 §20.10, §25.1 (`name-addr`, `addr-spec`).

use super::fault::Fault;
use super::lex::{end_of_quoted, is_lws, is_token_octet, trim, trim_start};
use super::params::Params;
use memchr::memchr;

/// A URI with the display name before it and the header parameters behind it.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The display name as it came, quotes included; empty where there is none.
    pub display: &'a [u8],
    /// The URI without its angle brackets.
    pub uri: &'a [u8],
    /// The header parameters, which are not the URI's.
    pub params: Params<'a>,
}

impl<'a> Address<'a> {
    /// Reads one value. The URI itself is only checked for octets that cannot be in any URI; see [`super::Uri`].
    pub fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        Self::read(trim(value)).ok_or(Fault::Address)
    }

    /// The tag parameter of a From or To.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.value("tag")
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        if value.first() == Some(&b'"') {
            let (display, rest) = value.split_at(end_of_quoted(value, 0)?);
            let rest = trim_start(rest).strip_prefix(b"<")?;
            return Self::bracketed(display, rest);
        }
        match memchr(b'<', value) {
            Some(open) => {
                // RFC 3261 §25.1: a display name without quotes is tokens and white space, so a comma needs quotes.
                // Departs from it in that octets beyond ASCII may stand there too: deployed UAs write names in UTF-8
                // without quotes, and no reader can take them for anything else.
                let display = trim(&value[..open]);
                let is_display =
                    display.iter().all(|&octet| is_token_octet(octet) || is_lws(octet) || !octet.is_ascii());
                is_display.then(|| Self::bracketed(display, &value[open + 1..])).flatten()
            }
            None => Self::bare(value),
        }
    }

    fn bracketed(display: &'a [u8], rest: &'a [u8]) -> Option<Self> {
        let close = memchr(b'>', rest)?;
        let uri = &rest[..close];
        let params = Params::parse(&rest[close + 1..]).ok()?;
        is_uri_shaped(uri).then_some(Self { display, uri, params })
    }

    /// RFC 3261 §20.10: without brackets every parameter is the field's, and a URI with a comma or a question mark is
    /// not allowed.
    fn bare(value: &'a [u8]) -> Option<Self> {
        let end = memchr(b';', value).unwrap_or(value.len());
        let uri = trim(&value[..end]);
        let params = Params::parse(&value[end..]).ok()?;
        (is_uri_shaped(uri) && !uri.iter().any(|octet| matches!(octet, b',' | b'?'))).then_some(Self {
            display: &[],
            uri,
            params,
        })
    }
}

/// A scheme, a colon, something behind it, and no octet that would end a URI.
fn is_uri_shaped(uri: &[u8]) -> bool {
    let Some(colon) = memchr(b':', uri) else { return false };
    let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && !rest.iter().any(|octet| octet.is_ascii_control() || matches!(octet, b' ' | b'<' | b'>' | b'"'))
}
