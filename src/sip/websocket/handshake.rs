//! The opening handshake: a request of HTTP that is answered 101, or refused. RFC 6455 §4.2, RFC 7118 §4.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem;
use sha1::{Digest, Sha1};
use thiserror::Error;

/// RFC 6455 §1.3
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// RFC 7118 §4.1: the name of the subprotocol.
const SIP: &[u8] = b"sip";

/// A browser sends about a dozen.
const MOST_FIELDS: usize = 64;

/// Which requests are taken.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The path that they have to be for; empty: any.
    pub path: &'a str,
    /// Whose pages may open connections, as they stand in Origin; none: everybody's.
    pub origins: &'a [String],
}

/// A request that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upgrade {
    /// What its Sec-WebSocket-Key asks to be answered.
    accept: String,
}

/// Why a request was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Reject {
    /// No HTTP, or not as RFC 6455 wants it.
    #[error("no HTTP request that WebSocket could begin with")]
    Malformed,
    /// HTTP that asks for something else.
    #[error("an HTTP request that does not ask for WebSocket")]
    NotWebSocket,
    /// Another version than 13.
    #[error("another version of WebSocket")]
    Version,
    /// RFC 7118 §4.1: `sip` is not among the subprotocols.
    #[error("not for the subprotocol sip")]
    NotSip,
    /// A page of somebody who is not on the list.
    #[error("an origin that is not allowed")]
    Origin,
    /// Not for `websocket.path`.
    #[error("for another path")]
    Path,
    /// The head is too long.
    #[error("a request that is too long")]
    TooLong,
}

/// Where the head ends that these octets begin with.
pub fn find_end(octets: &[u8]) -> Option<usize> {
    memmem::find(octets, b"\r\n\r\n").map(|end| end + 4)
}

/// Reads a whole head.
pub fn accept(head: &[u8], terms: Terms<'_>) -> Result<Upgrade, Reject> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Reject::TooLong),
        Ok(_) | Err(_) => return Err(Reject::Malformed),
    }
    let fields = Fields(request.headers);
    // RFC 6455 §4.2.1: a GET of HTTP/1.1, to a host, that asks for the upgrade.
    if !fields.has("Upgrade", |token| token.eq_ignore_ascii_case(b"websocket")) {
        return Err(Reject::NotWebSocket);
    }
    let is_upgrade = fields.has("Connection", |token| token.eq_ignore_ascii_case(b"upgrade"));
    if request.method != Some("GET")
        || request.version != Some(1)
        || !is_upgrade
        || fields.only("Host").is_none()
        // RFC 9112 §6.3: a body, of which a proxy in front and this node might think differently.
        || fields.all("Transfer-Encoding").next().is_some()
        || fields.all("Content-Length").any(|length| length != b"0")
    {
        return Err(Reject::Malformed);
    }
    // RFC 6455 §4.4: another version is told which one is known.
    if fields.only("Sec-WebSocket-Version") != Some(b"13") {
        return Err(Reject::Version);
    }
    // RFC 6455 §4.2.1: a key of 16 octets in base64.
    let key = fields.only("Sec-WebSocket-Key").ok_or(Reject::Malformed)?;
    if BASE64.decode(key).map_or(true, |key| key.len() != 16) {
        return Err(Reject::Malformed);
    }
    let target = request.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    if !terms.path.is_empty() && path != terms.path {
        return Err(Reject::Path);
    }
    // RFC 6455 §4.2.2, §10.2: who sends no Origin is no page in a browser, and could say anything.
    let is_allowed =
        |origin| terms.origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin));
    if !terms.origins.is_empty() && !fields.all("Origin").all(is_allowed) {
        return Err(Reject::Origin);
    }
    // RFC 7118 §4.1: the client has to offer `sip`.
    if !fields.has("Sec-WebSocket-Protocol", |token| token == SIP) {
        return Err(Reject::NotSip);
    }
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    Ok(Upgrade { accept: BASE64.encode(digest) })
}

/// The fields of a head.
struct Fields<'h>(&'h [httparse::Header<'h>]);

impl<'h> Fields<'h> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value.trim_ascii())
    }

    fn only(&self, name: &str) -> Option<&'h [u8]> {
        let mut all = self.all(name);
        all.next().filter(|value| !value.is_empty() && all.next().is_none())
    }

    /// Whether one of a list's tokens is this.
    fn has(&self, name: &str, is: impl Fn(&[u8]) -> bool) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&octet| octet == b','))
            .any(|token| is(token.trim_ascii()))
    }
}

impl Upgrade {
    /// The 101.
    pub fn response(&self) -> String {
        format!(
            // RFC 7118 §4.1: the answer names `sip`.
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: sip\r\n\r\n",
            self.accept
        )
    }
}

impl Reject {
    /// What it is answered before the connection is closed.
    pub fn response(self) -> String {
        let (status, fields) = match self {
            Reject::Malformed | Reject::NotSip => ("400 Bad Request", ""),
            // RFC 9110 §15.5.22: with the protocols that are spoken.
            Reject::NotWebSocket => ("426 Upgrade Required", "Upgrade: websocket\r\n"),
            Reject::Version => {
                ("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
            }
            // RFC 6455 §4.2.2: an origin that is not allowed.
            Reject::Origin => ("403 Forbidden", ""),
            Reject::Path => ("404 Not Found", ""),
            Reject::TooLong => ("431 Request Header Fields Too Large", ""),
        };
        let text = match self {
            Reject::Malformed => "This is no request that a WebSocket could begin with.\n",
            Reject::NotWebSocket | Reject::Version => "SIP over WebSocket (RFC 7118) is spoken here.\n",
            Reject::NotSip => "The subprotocol here is \"sip\" (RFC 7118).\n",
            Reject::Origin => "Pages of this origin are not allowed here.\n",
            Reject::Path => "SIP over WebSocket is not spoken at this path.\n",
            Reject::TooLong => "The request is too long.\n",
        };
        format!(
            "HTTP/1.1 {status}\r\n{fields}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
    }
}
