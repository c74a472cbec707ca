//! When two URIs are the same. RFC 3261 §19.1.4; for `tel` RFC 3966 §5.

use super::{Scheme, Uri};
use std::net::IpAddr;

/// A URI prepared for comparison, so that a store that knows no SIP can compare: two URIs are equivalent when their
/// `core` is equal and every parameter that is in both lists has the same value there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComparisonKey {
    /// Scheme, user, password, host, port, headers, and the parameters that may not be missing on one side.
    pub core: Vec<u8>,
    /// The other parameters, sorted by name, each name once; an absent value is empty.
    pub params: Vec<(Vec<u8>, Vec<u8>)>,
}

impl ComparisonKey {
    /// Whether the URIs that the keys were made of are equivalent. Not transitive, as RFC 3261 §19.1.4 says itself.
    pub fn matches(&self, other: &ComparisonKey) -> bool {
        self.core == other.core
            && self.params.iter().all(|(name, value)| {
                let found = other.params.binary_search_by(|(theirs, _)| theirs.cmp(name));
                found.is_err() || found.is_ok_and(|at| other.params[at].1 == *value)
            })
    }
}

impl Uri<'_> {
    /// Whether the two are equivalent. RFC 3261 §19.1.4.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        self.scheme == other.scheme && self.comparison_key().matches(&other.comparison_key())
    }

    /// The key by which a store compares; see [`ComparisonKey`].
    pub fn comparison_key(&self) -> ComparisonKey {
        match self.scheme {
            Scheme::Sip | Scheme::Sips => self.sip_key(),
            Scheme::Tel => self.tel_key(),
            Scheme::Other => {
                let mut core = self.scheme_octets.to_ascii_lowercase();
                core.push(b':');
                core.extend_from_slice(self.opaque);
                ComparisonKey { core, params: Vec::new() }
            }
        }
    }

    fn sip_key(&self) -> ComparisonKey {
        let mut core = Vec::with_capacity(self.opaque.len() + 8);
        // RFC 3261 §19.1.4: a SIP and a SIPS URI are never equivalent.
        core.extend_from_slice(if self.scheme == Scheme::Sips { b"sips:" } else { b"sip:" });
        // RFC 3261 §19.1.4: user and password are case-sensitive, and one that is missing matches none that is there.
        if let Some(user) = self.user {
            push_normal(&mut core, user);
            if let Some(password) = self.password {
                core.push(b':');
                push_normal(&mut core, password);
            }
            core.push(b'@');
        }
        push_host(&mut core, self);
        if let Some(port) = self.port {
            core.extend_from_slice(format!(":{port}").as_bytes());
        }
        let (strict, params) = self.sorted_params().into_iter().partition(|(name, _)| is_strict(name));
        push_params(&mut core, strict);
        // RFC 3261 §19.1.4: headers are never ignored, and their order does not matter.
        let mut headers: Vec<_> =
            self.headers().map(|(name, value)| (normal_lower(name), normal_lower(value))).collect();
        headers.sort_unstable();
        for (name, value) in headers {
            core.push(b'?');
            core.extend(name);
            core.push(b'=');
            core.extend(value);
        }
        ComparisonKey { core, params }
    }

    /// RFC 3966 §5: visual separators do not count; all parameters do, in any order.
    fn tel_key(&self) -> ComparisonKey {
        let mut core = b"tel:".to_vec();
        let number = self.user.unwrap_or_default().iter();
        core.extend(number.filter(|octet| !is_visual_separator(**octet)).map(u8::to_ascii_lowercase));
        push_params(&mut core, self.sorted_params());
        ComparisonKey { core, params: Vec::new() }
    }

    /// Names and values in normal form, sorted by name, the first of each name.
    fn sorted_params(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut params: Vec<_> = self
            .params
            .iter()
            .map(|(name, value)| (normal_lower(name), normal_lower(value.unwrap_or_default())))
            .collect();
        params.sort_by(|(left, _), (right, _)| left.cmp(right));
        params.dedup_by(|later, first| later.0 == first.0);
        params
    }
}

/// RFC 3261 §19.1.4: parameters that never match when only one URI has them. `transport` is among them by the rule for
/// components with a default value and by the example that goes with it.
fn is_strict(name: &[u8]) -> bool {
    matches!(name, b"user" | b"ttl" | b"method" | b"maddr" | b"transport")
}

const fn is_visual_separator(octet: u8) -> bool {
    matches!(octet, b'-' | b'.' | b'(' | b')')
}

fn push_params(core: &mut Vec<u8>, params: Vec<(Vec<u8>, Vec<u8>)>) {
    for (name, value) in params {
        core.push(b';');
        core.extend(name);
        core.push(b'=');
        core.extend(value);
    }
}

/// The host in lower case; an IPv6 address in its one canonical form.
pub(super) fn push_host(out: &mut Vec<u8>, uri: &Uri<'_>) {
    match uri.host_addr() {
        Some(IpAddr::V6(addr)) => out.extend_from_slice(format!("[{addr}]").as_bytes()),
        _ => out.extend(uri.host.iter().map(u8::to_ascii_lowercase)),
    }
}

/// The octets with their escapes undone, each with whether it was escaped.
pub(super) fn unescaped(octets: &[u8]) -> impl Iterator<Item = (u8, bool)> + '_ {
    let mut rest = octets;
    std::iter::from_fn(move || {
        if let [b'%', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = after;
            return Some((high << 4 | low, true));
        }
        let (&first, after) = rest.split_first()?;
        rest = after;
        Some((first, false))
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// RFC 3261 §19.1.4: an octet outside of the reserved set equals its escaped form, one inside does not. Unreserved
/// octets are written plainly, reserved ones as they came, all else escaped.
fn push_normal(out: &mut Vec<u8>, octets: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for (octet, was_escaped) in unescaped(octets) {
        if is_unreserved(octet) || (is_reserved(octet) && !was_escaped) {
            out.push(octet);
        } else {
            out.extend([b'%', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
        }
    }
}

fn normal_lower(octets: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(octets.len());
    push_normal(&mut normal, octets);
    normal.make_ascii_lowercase();
    normal
}

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

const fn is_reserved(octet: u8) -> bool {
    matches!(octet, b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',')
}
