//! Requests, made in few words.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// The part of a branch by which it is one of RFC 3261.
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

/// A request to send. It is complete when it is made; a test changes what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    start_line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    without_content_length: bool,
}

impl Request {
    /// A request with nothing but its start line.
    pub(crate) fn bare(method: &str, uri: &str) -> Self {
        let start_line = format!("{method} {uri} SIP/2.0");
        Self { start_line, fields: Vec::new(), body: Vec::new(), without_content_length: false }
    }

    /// One more header field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// One more header field, in front of all others.
    pub(crate) fn with_first(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.insert(0, (name.to_owned(), value.into()));
        self
    }

    /// The header fields of this name are replaced by this one.
    pub(crate) fn set(self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).with(name, value)
    }

    /// No header field of this name. Content-Length, which is otherwise always there, is left off too.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(named, _)| !named.eq_ignore_ascii_case(name));
        self.without_content_length |= name.eq_ignore_ascii_case("Content-Length");
        self
    }

    /// One more Contact.
    pub(crate) fn contact(self, value: impl Into<String>) -> Self {
        self.with("Contact", value)
    }

    pub(crate) fn call_id(self, value: &str) -> Self {
        self.set("Call-ID", value)
    }

    pub(crate) fn cseq(self, number: u32) -> Self {
        let method = self.start_line.split(' ').next().unwrap().to_owned();
        self.set("CSeq", format!("{number} {method}"))
    }

    /// Another Request-URI.
    pub(crate) fn uri(mut self, uri: &str) -> Self {
        let method = self.start_line.split(' ').next().unwrap();
        self.start_line = format!("{method} {uri} SIP/2.0");
        self
    }

    /// What a digest is of.
    pub(crate) fn method_and_uri(&self) -> (&str, &str) {
        let mut words = self.start_line.split(' ');
        (words.next().unwrap(), words.next().unwrap())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The body is padded with `x` until the whole message has this many octets.
    pub(crate) fn padded_to(mut self, octets: usize) -> Self {
        // The number of digits of Content-Length depends on the body, so that it is measured with a body in place.
        self.body = vec![b'x'; octets];
        let surplus = self.to_bytes().len() - octets;
        self.body.truncate(octets - surplus);
        let missing = octets - self.to_bytes().len();
        self.body.resize(self.body.len() + missing, b'x');
        assert_eq!(self.to_bytes().len(), octets, "one digit of Content-Length more");
        self
    }

    /// The first value of a header field that is there.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(named, _)| named.eq_ignore_ascii_case(name));
        &found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }

    /// The ACK to a final response above 299 of this INVITE: RFC 3261 §17.1.1.3.
    pub(crate) fn ack(&self, to: &str) -> Self {
        self.of_same_transaction("ACK").set("To", to)
    }

    /// The CANCEL of this INVITE: RFC 3261 §9.1.
    pub(crate) fn cancel(&self) -> Self {
        self.of_same_transaction("CANCEL")
    }

    fn of_same_transaction(&self, method: &str) -> Self {
        let uri = self.start_line.split(' ').nth(1).unwrap();
        let number = self.field("CSeq").split(' ').next().unwrap();
        let mut request = Self::bare(method, uri).with("CSeq", format!("{number} {method}"));
        for name in ["Via", "From", "To", "Call-ID", "Max-Forwards"] {
            request = request.with(name, self.field(name));
        }
        request
    }

    /// As it goes over the wire.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start_line);
        for (name, value) in &self.fields {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        let has_length =
            self.fields.iter().any(|(name, _)| matches!(&*name.to_lowercase(), "content-length" | "l"));
        if !has_length && !self.without_content_length {
            write!(text, "Content-Length: {}\r\n", self.body.len()).unwrap();
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A word that no other call in this process got.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A branch that no other request has.
pub(crate) fn branch() -> String {
    unique(MAGIC_COOKIE)
}
