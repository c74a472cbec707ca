//! The users in a file: a table for each, named `NAME@REALM`, with the hashes of its password. `flowhold passwd` writes it.
//!
//! ```toml
//! [users]
//!
//! [users."alice@example.com"]
//! ha1_sha256 = "..."      # of alice:example.com:PASSWORD
//! ha1b_sha256 = "..."     # of alice@example.com:example.com:PASSWORD, for UAs that send the whole as user name
//! ha1_md5 = "..."
//! ha1b_md5 = "..."
//! ```
//!
//! A hash that is missing cannot be used to log in with; who has a table without any may come with a certificate. What
//! other keys there are is not looked at.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use toml::de::DeTable;
use toml_edit::{DocumentMut, Item, Table, value};
use tracing::{error, info, warn};

use crate::proto::auth::{Form, Secrets, User};
use crate::sip::digest::Algorithm;

/// The users of a file.
#[derive(Debug)]
pub struct UserFile {
    path: PathBuf,
    /// What is offered to UAs.
    algorithms: Vec<Algorithm>,
    users: RwLock<Arc<Users>>,
    /// Rises with each change.
    version: AtomicU64,
    /// Whether what is there now is of no use.
    is_stale: AtomicBool,
    /// What was there when it was read.
    seen: Mutex<Option<Stamp>>,
}

type Users = HashMap<Box<[u8]>, Arc<Secrets>>;

/// When a file is the same file as before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub enum UserFileError {
    /// It cannot be read.
    #[error("{}: {error}: `flowhold passwd` makes it", .path.display())]
    Unreadable {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is no list of users.
    #[error("{}: {reason}", .path.display())]
    Broken {
        /// Where it is.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl UserFile {
    /// Reads it. `algorithms` are those that are offered.
    pub fn open(path: &Path, algorithms: Vec<Algorithm>) -> Result<Self, UserFileError> {
        let (stamp, users) = read(path)?;
        warn_of_missing(path, &users, &algorithms);
        Ok(Self {
            path: path.to_owned(),
            algorithms,
            users: RwLock::new(Arc::new(users)),
            version: AtomicU64::new(0),
            is_stale: AtomicBool::new(false),
            seen: Mutex::new(Some(stamp)),
        })
    }

    /// What is stored of a user.
    pub fn get(&self, user: &User) -> Option<Arc<Secrets>> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.get(&user.key()[..]).cloned()
    }

    /// Rises whenever the users have changed.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether the users are those of before, since the file was of no use when it was read last.
    pub fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    /// Reads it again if it has changed. One that is broken leaves all as it was.
    pub fn look_again(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = fs::metadata(&self.path).ok().map(|metadata| Stamp::of(&metadata));
        if *seen == now {
            return;
        }
        // Whatever comes of it, it is said once.
        *seen = now;
        let read = read(&self.path);
        self.is_stale.store(read.is_err(), Ordering::Relaxed);
        match read {
            Ok((stamp, users)) => {
                *seen = Some(stamp);
                info!(path = %self.path.display(), users = users.len(), "users read");
                warn_of_missing(&self.path, &users, &self.algorithms);
                let mut known = self.users.write().unwrap_or_else(PoisonError::into_inner);
                if **known != users {
                    *known = Arc::new(users);
                    self.version.fetch_add(1, Ordering::Release);
                }
            }
            Err(error) => error!(%error, "the users stay as they were"),
        }
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn read(path: &Path) -> Result<(Stamp, Users), UserFileError> {
    let unreadable = |error| UserFileError::Unreadable { path: path.to_owned(), error };
    // Before it is read: a change that comes meanwhile is seen the next time.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    let text = fs::read_to_string(path).map_err(unreadable)?;
    if metadata.mode() & 0o077 != 0 {
        warn!(path = %path.display(), "others can read the users' secrets: chmod 600 it");
    }
    let users = parse(&text).map_err(|reason| UserFileError::Broken { path: path.to_owned(), reason })?;
    Ok((Stamp::of(&metadata), users))
}

fn warn_of_missing(path: &Path, users: &Users, algorithms: &[Algorithm]) {
    for (users, algorithm) in without_hash(users, algorithms) {
        let path = path.display();
        warn!(%path, "{users} users have no hash for {}, which is offered (auth.algorithms)", algorithm.as_str());
    }
}

/// How many users have a password that is of no use for an algorithm that is offered, each with some. UAs take the first
/// that they know, whatever is stored.
fn without_hash(users: &Users, algorithms: &[Algorithm]) -> Vec<(usize, Algorithm)> {
    let is_without = |secrets: &Secrets, algorithm| {
        let has = |form| secrets.get(form, algorithm).is_some();
        secrets.fields().next().is_some() && !has(Form::Name) && !has(Form::Whole)
    };
    let count = |algorithm| users.values().filter(|secrets| is_without(secrets, algorithm)).count();
    algorithms
        .iter()
        .map(|&algorithm| (count(algorithm), algorithm))
        .filter(|&(count, _)| count > 0)
        .collect()
}

fn parse(text: &str) -> Result<Users, String> {
    // Not as a document that could be changed, which takes 4 KiB for each user.
    let file = DeTable::parse(text).map_err(|error| fault(text, error.span(), error.message()))?;
    let Some(users) = file.get_ref().get(USERS) else { return Ok(Users::new()) };
    let users = users.get_ref().as_table().ok_or("`users` is no table")?;
    let mut found = Users::with_capacity(users.len());
    for (name, fields) in users {
        let name = name.get_ref();
        let fields = fields.get_ref().as_table().ok_or_else(|| format!("{name}: is no table"))?;
        let fields = fields.iter().map(|(field, value)| (&**field.get_ref(), value.get_ref()));
        let texts = fields.filter(|(field, _)| Secrets::is_field(field));
        let texts: Option<Vec<(&str, &[u8])>> =
            texts.map(|(field, value)| Some((field, value.as_str()?.as_bytes()))).collect();
        let texts = texts.ok_or_else(|| format!("{name}: a hash is a text"))?;
        let secrets =
            Secrets::read(texts).map_err(|field| format!("{name}: {field} is no hash of that kind"))?;
        let (user, realm) = name.rsplit_once('@').ok_or_else(|| format!("{name}: is not NAME@REALM"))?;
        found.insert(format!("{user}@{}", realm.to_ascii_lowercase()).into_bytes().into(), Arc::new(secrets));
    }
    Ok(found)
}

const USERS: &str = "users";

fn document(text: &str) -> Result<DocumentMut, String> {
    text.parse::<DocumentMut>().map_err(|error| fault(text, error.span(), error.message()))
}

fn fault(text: &str, place: Option<Range<usize>>, reason: &str) -> String {
    let line = place.map_or(0, |place| text[..place.start].matches('\n').count() + 1);
    format!("line {line}: {reason}")
}

/// The file's text with a user added, or with new hashes for one that is there. All else stays as it is.
pub fn with_user(text: &str, name: &str, secrets: &Secrets) -> Result<String, String> {
    let mut document = document(text)?;
    // What stands in a file that has nothing else would end up behind the users.
    let above = if document.is_empty() {
        document.trailing().as_str().unwrap_or_default().to_owned()
    } else {
        String::new()
    };
    if !above.is_empty() {
        document.set_trailing("");
    }
    let users = document.entry(USERS).or_insert_with(|| {
        let mut users = Table::new();
        users.decor_mut().set_prefix(above);
        Item::Table(users)
    });
    let users = users.as_table_like_mut().ok_or("`users` is no table")?;
    let user = users.entry(name).or_insert_with(|| Item::Table(Table::new()));
    let user = user.as_table_like_mut().ok_or_else(|| format!("{name}: is no table"))?;
    let old: Vec<String> =
        user.iter().map(|(field, _)| field.to_owned()).filter(|field| Secrets::is_field(field)).collect();
    for field in old {
        user.remove(&field);
    }
    for (field, hash) in secrets.fields() {
        user.insert(field, value(hash));
    }
    Ok(document.to_string())
}

/// The file's text without a user; none: it is not there.
pub fn without_user(text: &str, name: &str) -> Result<Option<String>, String> {
    let mut document = document(text)?;
    let users = document.get_mut(USERS).and_then(Item::as_table_like_mut);
    let removed = users.and_then(|users| users.remove(name));
    Ok(removed.map(|_| document.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> User {
        User { name: b"alice".as_slice().into(), realm: b"example.com".as_slice().into() }
    }

    fn secrets(password: &[u8]) -> Secrets {
        Secrets::of(&alice(), password, &[Algorithm::Sha256, Algorithm::Md5])
    }

    #[test]
    fn a_user_is_added_changed_and_removed_and_comments_stay() {
        let empty = "# Who is who.\n";
        let first = with_user(empty, "alice@example.com", &secrets(b"one")).unwrap();
        assert!(first.starts_with("# Who is who.\n"), "{first}");
        assert!(first.contains("[users.\"alice@example.com\"]\nha1_sha256 = \""), "{first}");
        let noted = first.replace("[users.", "# The first.\n[users.") + "note = \"desk 7\"\n";
        let second = with_user(&noted, "alice@example.com", &secrets(b"two")).unwrap();
        assert!(second.contains("# The first.") && second.contains("desk 7"), "{second}");
        let users = parse(&second).unwrap();
        assert_eq!(*users[&b"alice@example.com"[..]], secrets(b"two"));
        let both = with_user(&second, "bob@example.com", &secrets(b"x")).unwrap();
        assert_eq!(parse(&both).unwrap().len(), 2);
        let left = without_user(&both, "alice@example.com").unwrap().unwrap();
        assert_eq!(parse(&left).unwrap().len(), 1);
        assert_eq!(without_user(&left, "alice@example.com").unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, reason) in [
            ("a = 1\n[users\n", "line 2: "),
            ("users = 1\n", "`users` is no table"),
            ("[users]\n\"a@b\" = 1\n", "a@b: is no table"),
            ("[users.a]\n", "a: is not NAME@REALM"),
            ("[users.\"a@b\"]\nha1_md5 = 1\n", "a@b: a hash is a text"),
            ("[users.\"a@b\"]\nha1_md5 = \"secret\"\n", "a@b: ha1_md5 is no hash of that kind"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.starts_with(reason), "{found}");
        }
    }

    #[test]
    fn users_whose_password_is_no_use_for_what_is_offered_are_counted() {
        let only = |algorithm| Secrets::of(&alice(), b"one", &[algorithm]);
        let text = with_user("", "alice@example.com", &only(Algorithm::Md5)).unwrap();
        let text = with_user(&text, "bob@example.com", &only(Algorithm::Md5)).unwrap();
        let text = with_user(&text, "carol@example.com", &only(Algorithm::Sha256)).unwrap();
        // Who comes with a certificate needs none.
        let users = parse(&(text + "\n[users.\"dave@example.com\"]\n")).unwrap();
        let (sha256, md5) = (Algorithm::Sha256, Algorithm::Md5);
        assert_eq!(without_hash(&users, &[sha256, md5]), [(2, sha256), (1, md5)]);
        assert_eq!(users.len(), 4);
    }

    #[test]
    fn a_change_is_seen_and_a_broken_file_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users.toml");
        assert!(matches!(UserFile::open(&path, Vec::new()), Err(UserFileError::Unreadable { .. })));
        fs::write(&path, with_user("", "alice@example.com", &secrets(b"one")).unwrap()).unwrap();
        let file = UserFile::open(&path, Vec::new()).unwrap();
        assert_eq!(file.get(&alice()).as_deref(), Some(&secrets(b"one")));
        file.look_again();
        assert_eq!(file.version(), 0);

        fs::write(&path, "[users").unwrap();
        file.look_again();
        assert_eq!(file.get(&alice()).as_deref(), Some(&secrets(b"one")));
        assert_eq!(file.version(), 0);

        fs::write(&path, "# nobody\n").unwrap();
        file.look_again();
        assert_eq!(file.get(&alice()), None);
        assert_eq!(file.version(), 1);

        fs::remove_file(&path).unwrap();
        file.look_again();
        assert_eq!(file.version(), 1);
    }
}
