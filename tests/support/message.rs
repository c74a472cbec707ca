//! What arrived: read by rules of its own, and answered.

use std::fmt::{self, Write as _};

/// A SIP message that arrived.
#[derive(Clone)]
pub(crate) struct Message {
    octets: Vec<u8>,
    start_line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    /// Takes the first message off a stream; `None` while it is not complete.
    #[track_caller]
    pub(crate) fn take(stream: &mut Vec<u8>) -> Option<Self> {
        let head = head_len(stream)?;
        let length = Self::parse(&stream[..head]).header("Content-Length").parse::<usize>();
        let length = length.expect("a message on a stream has a Content-Length");
        (stream.len() >= head + length)
            .then(|| Self::parse(&stream.drain(..head + length).collect::<Vec<_>>()))
    }

    /// Reads one whole message.
    #[track_caller]
    pub(crate) fn parse(octets: &[u8]) -> Self {
        let head = head_len(octets).unwrap_or_else(|| panic!("no SIP message: {}", shown(octets)));
        // RFC 3261 §7.3.1: a line that begins with white space continues the one before.
        let text = String::from_utf8_lossy(&octets[..head - 4]).replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = text.split("\r\n");
        let start_line = lines.next().unwrap().to_owned();
        assert!(start_line.contains("SIP/2.0"), "no SIP message: {}", shown(octets));
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header field: {line}"));
            (name.trim().to_owned(), value.trim().to_owned())
        });
        Self {
            start_line: start_line.clone(),
            fields: fields.collect(),
            body: octets[head..].to_vec(),
            octets: octets.to_vec(),
        }
    }

    /// As it came.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(crate) fn start_line(&self) -> &str {
        &self.start_line
    }

    /// The status code of a response.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let code = self.start_line.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
        code.unwrap_or_else(|| panic!("a response was expected, not {self}"))
    }

    /// This response, when it has this status.
    #[track_caller]
    pub(crate) fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status(), status, "{self}");
        self
    }

    pub(crate) fn is_request(&self) -> bool {
        !self.start_line.starts_with("SIP/")
    }

    /// The method of a request.
    #[track_caller]
    pub(crate) fn method(&self) -> &str {
        assert!(!self.start_line.starts_with("SIP/"), "a request was expected, not {self}");
        self.start_line.split(' ').next().unwrap()
    }

    /// This request, when it has this method.
    #[track_caller]
    pub(crate) fn expect_method(self, method: &str) -> Self {
        assert_eq!(self.method(), method, "{self}");
        self
    }

    /// The Request-URI of a request.
    #[track_caller]
    pub(crate) fn uri(&self) -> &str {
        assert!(!self.start_line.starts_with("SIP/"), "a request was expected, not {self}");
        self.start_line.split(' ').nth(1).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(named, _)| named.eq_ignore_ascii_case(name))
    }

    /// The value of the one header field of this name.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut found = self.fields.iter().filter(|(named, _)| named.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => value,
            (None, _) => panic!("no {name} in {self}"),
            (Some(_), Some(_)) => panic!("more than one {name} in {self}"),
        }
    }

    /// Each header field of this name, whole.
    pub(crate) fn fields<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = |(named, _): &&(String, String)| named.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|(_, value)| &**value).collect::<Vec<_>>().into_iter()
    }

    /// All values of a header field: of repeated fields, and of lists with commas.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let found = self.fields.iter().filter(|(named, _)| named.eq_ignore_ascii_case(name));
        found.flat_map(|(_, value)| split_list(value)).collect()
    }

    /// Whether a list of option-tags holds this one.
    pub(crate) fn has_tag(&self, name: &str, tag: &str) -> bool {
        self.values(name).iter().any(|value| value.eq_ignore_ascii_case(tag))
    }

    /// The topmost Via.
    #[track_caller]
    pub(crate) fn top_via(&self) -> &str {
        self.values("Via").first().copied().unwrap_or_else(|| panic!("no Via in {self}"))
    }

    pub(crate) fn contacts(&self) -> Vec<&str> {
        self.values("Contact")
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// This response as a proxy sends it on: without its topmost Via.
    #[track_caller]
    pub(crate) fn forwarded(&self) -> Vec<u8> {
        let text = String::from_utf8(self.octets.clone()).unwrap();
        text.replacen(&format!("Via: {}\r\n", self.top_via()), "", 1).into_bytes()
    }

    /// A response to this request, with a tag of the UA.
    #[track_caller]
    pub(crate) fn answer(&self, status: u16, reason: &str) -> Vec<u8> {
        self.answer_with(status, reason, "")
    }

    /// A response to this request that makes a dialog, or keeps one: with the Record-Route of the request (RFC 3261 §12.1.1)
    /// and this Contact URI.
    #[track_caller]
    pub(crate) fn answer_in_dialog(&self, status: u16, reason: &str, contact: &str) -> Vec<u8> {
        let mut lines = format!("Contact: <{contact}>\r\n");
        for route in self.values("Record-Route") {
            write!(lines, "Record-Route: {route}\r\n").unwrap();
        }
        self.answer_with(status, reason, &lines)
    }

    /// A response to this request with further header fields, each a whole line.
    #[track_caller]
    pub(crate) fn answer_with(&self, status: u16, reason: &str, lines: &str) -> Vec<u8> {
        self.method();
        let mut text = format!("SIP/2.0 {status} {reason}\r\n");
        for via in self.values("Via") {
            write!(text, "Via: {via}\r\n").unwrap();
        }
        for name in ["From", "Call-ID", "CSeq"] {
            write!(text, "{name}: {}\r\n", self.header(name)).unwrap();
        }
        let to = self.header("To");
        let tag = if to.contains(";tag=") || status == 100 { "" } else { ";tag=ua" };
        write!(text, "To: {to}{tag}\r\n{lines}Content-Length: 0\r\n\r\n").unwrap();
        text.into_bytes()
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", String::from_utf8_lossy(&self.octets))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A parameter of a header field value: `Some("")` when it has no value. Those inside of `<>` are not of the field.
pub(crate) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let own = value.rfind('>').map_or(value, |at| &value[at..]);
    own.split(';').skip(1).find_map(|param| {
        let (named, value) = param.split_once('=').unwrap_or((param, ""));
        named.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Octets as a failure shows them.
pub(crate) fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

/// The length of the start line and the header with the empty line, once they are complete.
fn head_len(octets: &[u8]) -> Option<usize> {
    octets.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// A list at its commas, except those in quotes and in `<>`.
fn split_list(list: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut angle, mut escaped) = (Vec::new(), 0, false, false, false);
    for (at, octet) in list.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => angle = true,
            b'>' if !quoted => angle = false,
            b',' if !quoted && !angle => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[start..].trim());
    parts
}
