//! Digest authentication as a UA does it, written down anew from RFC 7616: users of a node, and credentials.

use std::fmt::Write as _;
use std::fs;

use md5::{Digest as _, Md5};
use sha2::Sha256;
use tempfile::TempDir;

use super::message::Message;
use super::request::Request;

/// A node's users, each with a password, in a file that ends with the test.
pub(crate) struct Users(TempDir);

impl Users {
    /// These users of the realm `example.com`, as `flowhold passwd` would store them.
    pub(crate) fn new(users: &[(&str, &str)]) -> Self {
        let file = Users(tempfile::tempdir().unwrap());
        file.set(users);
        file
    }

    /// These users from now on.
    pub(crate) fn set(&self, users: &[(&str, &str)]) {
        let mut text = String::new();
        for (name, password) in users {
            let a1 = format!("{name}:example.com:{password}");
            let (sha256, md5) = (hash("SHA-256", &a1), hash("MD5", &a1));
            writeln!(text, "[users.\"{name}@example.com\"]\nha1_sha256 = \"{sha256}\"\nha1_md5 = \"{md5}\"")
                .unwrap();
        }
        fs::write(self.path(), text).unwrap();
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> String {
        self.0.path().join("users.toml").display().to_string()
    }

    /// What a node is told in order to ask for their passwords, with more keys of `[auth]`.
    pub(crate) fn keys(&self, more: &str) -> String {
        format!("[auth]\nmode = \"digest\"\nusers = \"{}\"\n{more}\n", self.path())
    }
}

/// A challenge that is answered, each time with the next count.
pub(crate) struct Login {
    pub(crate) realm: String,
    pub(crate) nonce: String,
    pub(crate) algorithm: String,
    /// The field of the credentials.
    field: &'static str,
    pub(crate) name: String,
    password: String,
    count: u32,
}

impl Login {
    /// The first challenge of a 401 or 407 is to be answered for this user.
    #[track_caller]
    pub(crate) fn new(response: &Message, name: &str, password: &str) -> Self {
        Self::nth(response, 0, name, password)
    }

    /// The same of another of its challenges.
    #[track_caller]
    pub(crate) fn nth(response: &Message, nth: usize, name: &str, password: &str) -> Self {
        let (asks, field) = match response.status() {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => panic!("no challenge: {response}"),
        };
        let challenge =
            response.fields(asks).nth(nth).unwrap_or_else(|| panic!("too few {asks} in {response}"));
        Self {
            realm: parameter(challenge, "realm").unwrap(),
            nonce: parameter(challenge, "nonce").unwrap(),
            algorithm: parameter(challenge, "algorithm").unwrap_or_else(|| "MD5".to_owned()),
            field,
            name: name.to_owned(),
            password: password.to_owned(),
            count: 0,
        }
    }

    /// The request with its credentials.
    pub(crate) fn prove(&mut self, request: Request) -> Request {
        self.count += 1;
        let value = self.value(&request, self.count);
        request.with(self.field, value)
    }

    /// The next credentials for a request that is made elsewhere: their field, and its value.
    pub(crate) fn next(&mut self, method: &str, uri: &str) -> (&'static str, String) {
        self.count += 1;
        (self.field, self.value_for((method, uri), self.count))
    }

    /// The value of the credentials for that count.
    pub(crate) fn value(&self, request: &Request, count: u32) -> String {
        self.value_for(request.method_and_uri(), count)
    }

    fn value_for(&self, (method, uri): (&str, &str), count: u32) -> String {
        let Self { realm, nonce, algorithm, name, password, .. } = self;
        let a1 = hash(algorithm, &format!("{name}:{realm}:{password}"));
        let a2 = hash(algorithm, &format!("{method}:{uri}"));
        let response = hash(algorithm, &format!("{a1}:{nonce}:{count:08x}:0a4f113b:auth:{a2}"));
        format!(
            "Digest username=\"{name}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}, qop=auth, nc={count:08x}, cnonce=\"0a4f113b\""
        )
    }
}

/// A parameter of a challenge, without its quotes.
pub(crate) fn parameter(challenge: &str, name: &str) -> Option<String> {
    let list = challenge.split_once(' ')?.1;
    let mut values = list.split(',').filter_map(|param| param.trim().split_once('='));
    values
        .find(|(named, _)| named.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_matches('"').to_owned())
}

fn hash(algorithm: &str, text: &str) -> String {
    let octets = match algorithm {
        "MD5" => Md5::digest(text).to_vec(),
        "SHA-256" => Sha256::digest(text).to_vec(),
        other => panic!("no algorithm {other}"),
    };
    octets.iter().fold(String::new(), |mut hex, octet| {
        write!(hex, "{octet:02x}").unwrap();
        hex
    })
}
