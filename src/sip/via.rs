//! A Via value: where a response goes. RFC 3261 §20.42, §18.2, and `rport` of RFC 3581.

use super::fault::Fault;
use super::lex::{decimal, find_separator, is_lws, take_token, trim, trim_start};
use super::method::Transport;
use super::params::Params;
use super::uri::is_host;
use std::net::IpAddr;

/// RFC 3261 §8.1.1.7: what a branch begins with that is unique to its transaction.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One Via value.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    transport: &'a [u8],
    host: &'a [u8],
    port: Option<u16>,
    sent_by: &'a [u8],
    params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value of a Via field. White space may stand around each separator, folding included.
    pub fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        Self::read(value).ok_or(Fault::Via)
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        // Any protocol version, so that a request of a version that we do not speak can still be answered 505.
        let rest = after_slash(after_token(trim(value))?)?;
        let rest = after_slash(after_token(rest)?)?;
        let (transport, rest) = take_token(rest);
        if transport.is_empty() || !rest.first().is_some_and(|&octet| is_lws(octet)) {
            return None;
        }
        let rest = trim_start(rest);
        let end = find_separator(rest, b';').unwrap_or(rest.len());
        let sent_by = trim(&rest[..end]);
        let (host, port) = split_host_port(sent_by)?;
        let params = Params::parse(&rest[end..]).ok()?;
        Some(Self { transport, host, port, sent_by, params })
    }

    /// The transport, where it is one that we know.
    pub fn transport(&self) -> Option<Transport> {
        Transport::of(self.transport)
    }

    /// The transport's octets.
    pub fn transport_bytes(&self) -> &'a [u8] {
        self.transport
    }

    /// The host of sent-by, an IPv6 address in its brackets.
    pub fn host(&self) -> &'a [u8] {
        self.host
    }

    /// The port of sent-by where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port as they came.
    pub fn sent_by(&self) -> &'a [u8] {
        self.sent_by
    }

    /// The host as an address, where it is one.
    pub fn host_addr(&self) -> Option<IpAddr> {
        ip_addr(self.host)
    }

    /// The branch parameter.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.value("branch")
    }

    /// The branch where it identifies a transaction by itself.
    ///
    /// RFC 3261 §17.2.3: it begins with the magic cookie; the cookie alone identifies nothing (RFC 4475 §3.3.14).
    pub fn unique_branch(&self) -> Option<&'a [u8]> {
        self.branch().filter(|branch| {
            branch.len() > MAGIC_COOKIE.len()
                && branch[..MAGIC_COOKIE.len()].eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes())
        })
    }

    /// The address that the next hop saw the message come from.
    pub fn received(&self) -> Option<IpAddr> {
        self.params.value("received").and_then(ip_addr)
    }

    /// `rport`: absent, asked for (`Some(None)`), or filled in. A value that is no port counts as asked for.
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.params.get("rport")?;
        Some(value.and_then(decimal).and_then(|port| u16::try_from(port).ok()))
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

/// An IP address, an IPv6 one with or without brackets.
pub(super) fn ip_addr(octets: &[u8]) -> Option<IpAddr> {
    let inner = octets.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(octets);
    str::from_utf8(inner).ok()?.parse().ok()
}

fn after_token(bytes: &[u8]) -> Option<&[u8]> {
    let (token, rest) = take_token(bytes);
    (!token.is_empty()).then_some(rest)
}

fn after_slash(bytes: &[u8]) -> Option<&[u8]> {
    trim_start(bytes).strip_prefix(b"/").map(trim_start)
}

/// sent-by: a host and, behind a colon that may have white space around it, a port.
fn split_host_port(sent_by: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_end = match sent_by.first()? {
        b'[' => memchr::memchr(b']', sent_by)? + 1,
        _ => memchr::memchr(b':', sent_by).unwrap_or(sent_by.len()),
    };
    let (host, rest) = (trim(&sent_by[..host_end]), trim(&sent_by[host_end..]));
    let port = match rest.split_first() {
        None => None,
        Some((b':', digits)) => Some(u16::try_from(decimal(trim(digits))?).ok()?),
        Some(_) => return None,
    };
    is_host(host).then_some((host, port))
}
