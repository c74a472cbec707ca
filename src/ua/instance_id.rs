//! The instance-id of this UA: made once, and the same for as long as its file is there. RFC 5626 §4.1.

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where a file has no place, or what is in it is none.
#[derive(Debug, Error)]
pub enum InstanceIdError {
    /// Neither XDG_STATE_HOME nor HOME says where.
    #[error("there is no home directory to keep the instance-id in: name a file with --state")]
    NoHome,
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It holds something else.
    #[error("{}: no instance-id, which is one line such as urn:uuid:00000000-0000-1000-8000-000a95a0e128", .0.display())]
    NotOne(PathBuf),
}

/// Where it is kept unless a file is named: `flowhold/instance-id` below XDG_STATE_HOME, or `~/.local/state`.
pub fn default_file() -> Result<PathBuf, InstanceIdError> {
    let set = |name| env::var_os(name).filter(|value: &OsString| Path::new(value).is_absolute());
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| set("HOME").map(|home| Path::new(&home).join(".local/state")));
    state.map(|state| state.join("flowhold/instance-id")).ok_or(InstanceIdError::NoHome)
}

/// The instance-id in this file, which is made where it is missing.
pub fn of_file(path: &Path) -> Result<String, InstanceIdError> {
    let failed = |error| InstanceIdError::File { path: path.to_owned(), error };
    match fs::read_to_string(path) {
        Ok(text) => read(&text).ok_or_else(|| InstanceIdError::NotOne(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let made = make(rand::random());
            match write(path, &made) {
                Ok(()) => Ok(made),
                // Another process was first, and its instance-id counts.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let text = fs::read_to_string(path).map_err(failed)?;
                    read(&text).ok_or_else(|| InstanceIdError::NotOne(path.to_owned()))
                }
                Err(error) => Err(failed(error)),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// RFC 5626 §4.1: a UUID URN; of the random kind.
fn make(random: u128) -> String {
    let id = random & !(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{id:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}

fn read(text: &str) -> Option<String> {
    let urn = text.trim();
    let is_urn = urn.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    let is_plain =
        urn.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'<' | b'>' | b'\\'));
    (is_urn && is_plain).then(|| urn.to_owned())
}

/// Whole or not at all, and never over one that is there.
fn write(path: &Path, urn: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}", rand::random::<u64>()));
    let draft = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&draft)?;
    let written =
        writeln!(file, "{urn}").and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_1_an_instance_id_is_made_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/instance-id");
        let made = of_file(&path).unwrap();
        assert_eq!(of_file(&path).unwrap(), made);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
        fs::remove_file(&path).unwrap();
        assert_ne!(of_file(&path).unwrap(), made);
    }

    #[test]
    fn it_is_a_random_uuid() {
        assert_eq!(make(0), "urn:uuid:00000000-0000-4000-8000-000000000000");
        assert_eq!(make(u128::MAX), "urn:uuid:ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn an_instance_id_of_ones_own_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("instance-id");
        fs::write(&path, "urn:example:my-phone\n").unwrap();
        assert_eq!(of_file(&path).unwrap(), "urn:example:my-phone");
        for wrong in ["", "hello", "urn:a\"b", "urn:a\nurn:b", "urn:a b"] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(of_file(&path), Err(InstanceIdError::NotOne(_))), "{wrong}");
        }
    }

    #[test]
    fn who_comes_second_takes_the_first_ones() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("instance-id");
        let made: Vec<String> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| of_file(&path).unwrap())).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(made.iter().all(|id| *id == made[0]), "{made:?}");
    }
}
