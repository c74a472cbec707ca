//! What is stored of a user: never a password, but what RFC 7616 §3.4.2 makes of it.

use crate::sip::digest::{Algorithm, Ha1};

/// Whom a secret is of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct User {
    /// The user part of its AOR.
    pub name: Box<[u8]>,
    /// The realm that it has a password in, in lower case.
    pub realm: Box<[u8]>,
}

impl User {
    /// From what it is stored under; none: that is not `NAME@REALM`.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let at = key.iter().rposition(|octet| *octet == b'@')?;
        Some(Self { name: key[..at].into(), realm: key[at + 1..].to_ascii_lowercase().into() })
    }

    /// As it is stored under: `NAME@REALM`.
    pub fn key(&self) -> Vec<u8> {
        [&self.name[..], b"@", &self.realm].concat()
    }
}

/// How a UA writes its user's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// `alice`
    Name,
    /// `alice@example.com`, which gives another hash.
    Whole,
}

/// The hashes of a user's password.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Secrets {
    hashes: Vec<(Form, Ha1)>,
}

/// The names of the hashes where they are stored.
const FIELDS: [(&str, Form, Algorithm); 4] = [
    ("ha1_sha256", Form::Name, Algorithm::Sha256),
    ("ha1b_sha256", Form::Whole, Algorithm::Sha256),
    ("ha1_md5", Form::Name, Algorithm::Md5),
    ("ha1b_md5", Form::Whole, Algorithm::Md5),
];

impl Secrets {
    /// Of a password, for these algorithms.
    pub fn of(user: &User, password: &[u8], algorithms: &[Algorithm]) -> Self {
        let wanted = FIELDS.iter().filter(|(.., algorithm)| algorithms.contains(algorithm));
        let hash = |&(_, form, algorithm): &(&str, Form, Algorithm)| {
            let username = match form {
                Form::Name => user.name.to_vec(),
                Form::Whole => user.key(),
            };
            (form, Ha1::of(algorithm, &username, &user.realm, password))
        };
        Self { hashes: wanted.map(hash).collect() }
    }

    /// From where they are stored, by name and value; what has another name is not looked at. The name of a value that is
    /// no such hash is the error.
    pub fn read<'t>(stored: impl IntoIterator<Item = (&'t str, &'t [u8])>) -> Result<Self, &'static str> {
        // In one order, so that it makes no difference in which they were written.
        let mut hashes = [const { None }; FIELDS.len()];
        for (name, value) in stored {
            let Some(index) = FIELDS.iter().position(|(field, ..)| *field == name) else { continue };
            let (field, form, algorithm) = FIELDS[index];
            hashes[index] = Some((form, Ha1::given(algorithm, value).ok_or(field)?));
        }
        Ok(Self { hashes: hashes.into_iter().flatten().collect() })
    }

    /// As they are stored, by name.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        FIELDS.iter().filter_map(|&(name, form, algorithm)| Some((name, self.get(form, algorithm)?.as_hex())))
    }

    /// The names of all such hashes.
    pub const FIELDS: [&'static str; 4] = [FIELDS[0].0, FIELDS[1].0, FIELDS[2].0, FIELDS[3].0];

    /// Whether that is the name of such a hash.
    pub fn is_field(name: &str) -> bool {
        FIELDS.iter().any(|(field, ..)| *field == name)
    }

    /// The hash for a name in this form.
    pub fn get(&self, form: Form, algorithm: Algorithm) -> Option<&Ha1> {
        let found = self.hashes.iter().find(|(of, ha1)| *of == form && ha1.algorithm() == algorithm);
        found.map(|(_, ha1)| ha1)
    }
}
