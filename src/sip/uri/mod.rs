//! URIs: `sip` and `sips` of RFC 3261 §19.1, `tel` of RFC 3966, and any other scheme as it came.
//!
//! A [`Uri`] is a view: slices of the octets that it was read from. Comparison is in [`compare`].

mod compare;

pub use compare::ComparisonKey;

use super::fault::Fault;
use super::lex::decimal;
use super::method::Transport;
use super::params::Params;
use super::via::ip_addr;
use memchr::memchr;
use std::net::IpAddr;

/// A URI's scheme.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each variant is the scheme of its name")]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    Other,
}

/// A URI taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    /// The scheme; of [`Scheme::Other`] only `opaque` is filled in.
    pub scheme: Scheme,
    /// User part as it came, escapes included. For `tel` the number.
    pub user: Option<&'a [u8]>,
    /// Password as it came, escapes included.
    pub password: Option<&'a [u8]>,
    /// Host, an IPv6 address in its brackets; empty for `tel`.
    pub host: &'a [u8],
    /// Port where one is written.
    pub port: Option<u16>,
    /// The URI's parameters.
    pub params: Params<'a>,
    /// What follows the question mark.
    pub headers: Option<&'a [u8]>,
    /// All behind the scheme's colon.
    pub opaque: &'a [u8],
    scheme_octets: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Reads a URI, without brackets and with no white space around it.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Fault> {
        Self::read(octets).ok_or(Fault::Uri)
    }

    /// The host as an address, where it is one.
    pub fn host_addr(&self) -> Option<IpAddr> {
        ip_addr(self.host)
    }

    /// The `transport` parameter where it names one that we know.
    pub fn transport(&self) -> Option<Transport> {
        self.params.value("transport").and_then(Transport::of)
    }

    /// The headers as (name, value), as they came.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let headers = self.headers.unwrap_or_default();
        headers.split(|&octet| octet == b'&').filter(|header| !header.is_empty()).map(|header| {
            let end = memchr(b'=', header).unwrap_or(header.len());
            (&header[..end], header.get(end + 1..).unwrap_or_default())
        })
    }

    /// The key that a registrar looks up: `user@host`, or the host alone where there is no user.
    ///
    /// RFC 3261 §10.3 step 5: parameters are taken off and escapes undone; the host is case-insensitive. The scheme is
    /// left out as well, so that `sip` and `sips` name one AOR. `Err` for schemes other than these two.
    pub fn canonical_aor(&self) -> Result<Vec<u8>, Fault> {
        if !matches!(self.scheme, Scheme::Sip | Scheme::Sips) {
            return Err(Fault::UnsupportedScheme);
        }
        let user = self.user.unwrap_or_default();
        let mut aor = Vec::with_capacity(user.len() + 1 + self.host.len());
        aor.extend(compare::unescaped(user).map(|(octet, _)| octet));
        if self.user.is_some() {
            aor.push(b'@');
        }
        compare::push_host(&mut aor, self);
        Ok(aor)
    }

    fn read(octets: &'a [u8]) -> Option<Self> {
        let colon = memchr(b':', octets)?;
        let (scheme_octets, opaque) = (&octets[..colon], &octets[colon + 1..]);
        let is_scheme = scheme_octets.first()?.is_ascii_alphabetic()
            && scheme_octets
                .iter()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'));
        if !is_scheme || opaque.is_empty() || !opaque.iter().all(|&octet| is_uri_octet(octet)) {
            return None;
        }
        let scheme = match scheme_octets.len() {
            3 if scheme_octets.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
            4 if scheme_octets.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
            3 if scheme_octets.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
            _ => Scheme::Other,
        };
        let empty = Self {
            scheme,
            user: None,
            password: None,
            host: &[],
            port: None,
            params: Params::default(),
            headers: None,
            opaque,
            scheme_octets,
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => empty.read_sip(),
            Scheme::Tel => empty.read_tel(),
            Scheme::Other => Some(empty),
        }
    }

    fn read_sip(self) -> Option<Self> {
        if !escapes_are_whole(self.opaque) {
            return None;
        }
        // RFC 3261 §19.1.1: the user part may hold `;`, `?` and `/`, so the `@` is looked for first.
        let (userinfo, rest) = match memchr(b'@', self.opaque) {
            Some(at) => (Some(&self.opaque[..at]), &self.opaque[at + 1..]),
            None => (None, self.opaque),
        };
        let (user, password) = match userinfo {
            Some(userinfo) => match memchr(b':', userinfo) {
                Some(colon) => (Some(&userinfo[..colon]), Some(&userinfo[colon + 1..])),
                None => (Some(userinfo), None),
            },
            None => (None, None),
        };
        if user.is_some_and(<[u8]>::is_empty) || rest.contains(&b'@') {
            return None;
        }
        let (rest, headers) = match memchr(b'?', rest) {
            Some(mark) => (&rest[..mark], Some(&rest[mark + 1..])),
            None => (rest, None),
        };
        let (host_port, params) = rest.split_at(memchr(b';', rest).unwrap_or(rest.len()));
        let host_end = match host_port.first()? {
            b'[' => memchr(b']', host_port)? + 1,
            _ => memchr(b':', host_port).unwrap_or(host_port.len()),
        };
        let (host, port) = host_port.split_at(host_end);
        let port = match port.split_first() {
            None => None,
            Some((b':', digits)) => Some(u16::try_from(decimal(digits)?).ok()?),
            Some(_) => return None,
        };
        is_host(host).then_some(Self {
            user,
            password,
            host,
            port,
            params: Params::unchecked(params),
            headers,
            ..self
        })
    }

    fn read_tel(self) -> Option<Self> {
        let (number, params) = self.opaque.split_at(memchr(b';', self.opaque).unwrap_or(self.opaque.len()));
        // RFC 3966 §3: a global number begins with `+` and has digits; a local one may have `*` and `#` and hex digits.
        let is_number = number.iter().any(|octet| octet.is_ascii_hexdigit() || matches!(octet, b'*' | b'#'))
            && number.iter().all(|octet| {
                octet.is_ascii_hexdigit() || matches!(octet, b'+' | b'*' | b'#' | b'-' | b'.' | b'(' | b')')
            });
        is_number.then_some(Self { user: Some(number), params: Params::unchecked(params), ..self })
    }
}

/// A host: a name, an IPv4 address, or an IPv6 address in brackets. Departs from RFC 3261 §25.1 in that a name may hold
/// underscores and end in a hyphen, because names in use do.
pub(super) fn is_host(host: &[u8]) -> bool {
    match host.first() {
        None => false,
        Some(b'[') => host.ends_with(b"]") && matches!(ip_addr(host), Some(IpAddr::V6(_))),
        Some(_) => {
            host.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_'))
        }
    }
}

/// Whether the octet may be in a URI as far as taking a message apart goes. More than RFC 3261 §25.1 has: octets that
/// should have been escaped pass as long as they cannot end the URI or the field.
pub(super) const fn is_uri_octet(octet: u8) -> bool {
    !(octet.is_ascii_control() || matches!(octet, b' ' | b'<' | b'>' | b'"'))
}

/// Whether each `%` is followed by two hex digits.
fn escapes_are_whole(octets: &[u8]) -> bool {
    memchr::memchr_iter(b'%', octets).all(|at| {
        matches!(octets.get(at + 1..at + 3), Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}
