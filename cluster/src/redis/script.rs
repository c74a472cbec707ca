//! A Lua script that Redis runs, and what is given to it.

use std::sync::OnceLock;

/// A Lua script on one key. Sent by its hash; whole only to a Redis that does not know it.
#[derive(Debug)]
pub struct Script {
    source: &'static str,
    hash: OnceLock<Box<str>>,
}

impl Script {
    /// For a `static`, with the source from `include_str!`.
    pub const fn new(source: &'static str) -> Self {
        Self { source, hash: OnceLock::new() }
    }

    pub(super) fn source(&self) -> &'static str {
        self.source
    }

    /// SHA-1 in hexadecimal, as Redis names scripts.
    pub(super) fn hash(&self) -> &str {
        self.hash.get_or_init(|| redis::Script::new(self.source).get_hash().into())
    }
}

/// An argument of a script (`ARGV`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg<'a> {
    /// Octets, which need not be text.
    Octets(&'a [u8]),
    /// A number, in decimal.
    Number(u64),
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self::Octets(octets)
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Octets(text.as_bytes())
    }
}

impl From<u64> for Arg<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}
