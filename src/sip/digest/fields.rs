//! The parameters of authentication headers: a comma-separated list of `name=value`, some values in quotes. RFC 7616
//! §3.3, §3.4.

use super::Fault;
use crate::sip::lex::{List, is_lws, is_quoted, is_token, take_token, trim};
use smallvec::SmallVec;

/// What stands behind the scheme, or all of a value that has no scheme.
pub(super) struct Fields<'a> {
    list: SmallVec<[(&'a [u8], &'a [u8]); 12]>,
}

impl<'a> Fields<'a> {
    /// Of a challenge or credentials.
    pub(super) fn of_digest(value: &'a [u8]) -> Result<Self, Fault> {
        let (scheme, rest) = take_token(trim(value));
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Err(Fault::Scheme);
        }
        if rest.first().copied().is_some_and(is_lws) { Fields::of(rest) } else { Err(Fault::Malformed) }
    }

    /// Of a bare list.
    pub(super) fn of(value: &'a [u8]) -> Result<Self, Fault> {
        let mut list: SmallVec<[(&[u8], &[u8]); 12]> = SmallVec::new();
        for param in List::new(value) {
            let at = memchr::memchr(b'=', param).ok_or(Fault::Malformed)?;
            let (name, value) = (trim(&param[..at]), trim(&param[at + 1..]));
            let is_twice = list.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
            if !is_token(name) || is_twice {
                return Err(Fault::Malformed);
            }
            let value = if is_quoted(value) {
                &value[1..value.len() - 1]
            } else if is_token(value) {
                value
            } else {
                return Err(Fault::Malformed);
            };
            list.push((name, value));
        }
        Ok(Fields { list })
    }

    /// The value of that name without its quotes.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.list.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| *value)
    }

    /// A value that has to be there.
    pub(super) fn need(&self, name: &'static str) -> Result<Vec<u8>, Fault> {
        self.get(name).map(<[u8]>::to_vec).ok_or(Fault::Missing(name))
    }

    /// A value that may be there.
    pub(super) fn own(&self, name: &str) -> Option<Vec<u8>> {
        self.get(name).map(<[u8]>::to_vec)
    }
}

/// A list being written.
#[derive(Default)]
pub(super) struct Write {
    out: Vec<u8>,
}

impl Write {
    /// Behind a scheme.
    pub(super) fn digest() -> Write {
        Write { out: b"Digest ".to_vec() }
    }

    // RFC 7616 §3.4: which parameters stand in quotes and which do not is not the sender's choice.
    pub(super) fn quoted(mut self, name: &str, value: &[u8]) -> Write {
        self.begin(name);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
        self
    }

    pub(super) fn plain(mut self, name: &str, value: &str) -> Write {
        self.begin(name);
        self.out.extend_from_slice(value.as_bytes());
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn begin(&mut self, name: &str) {
        if !matches!(self.out.last(), None | Some(b' ')) {
            self.out.extend_from_slice(b", ");
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'=');
    }
}
