//! `flowhold passwd`: what it writes, and what nodes make of it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::Files;
use crate::command_line::{err, flowhold, out};

/// Runs it with a password on standard input.
fn passwd(password: &str, users: &Path, arguments: &[&str]) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_flowhold"))
        .args(["passwd", "--users"])
        .arg(users)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses its arguments reads nothing.
    let _ = process.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes());
    process.wait_with_output().unwrap()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_user_is_added_for_its_owner_alone_and_the_password_is_nowhere() {
    let files = Files::new();
    let users = files.write("users.toml", "").with_file_name("new.toml");
    let output = passwd("secret", &users, &["alice@Example.com"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(out(&output).starts_with("alice@example.com: stored in "), "{output:?}");
    let written = text(&users);
    // As md5sum and sha256sum have them of alice:example.com:secret.
    assert!(written.contains("ha1_md5 = \"b1726872c344b6dc8365b774f8fd6412\""), "{written}");
    let sha256 = "ed8925b20f9a77b8f8f8d5f8e4467fe32b866f7208ab9e4b20595e9821a0fdee";
    assert!(written.contains(&format!("ha1_sha256 = \"{sha256}\"")), "{written}");
    assert!(written.contains("[users.\"alice@example.com\"]") && !written.contains("secret"), "{written}");
    assert_eq!(std::fs::metadata(&users).unwrap().permissions().mode() & 0o777, 0o600);
    let configuration = format!("[auth]\nmode = \"digest\"\nusers = \"{}\"\n", users.display());
    let file = files.write("a.toml", &configuration).display().to_string();
    let checked = flowhold(&["check", "--config", &file], &[]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}

#[test]
fn a_file_keeps_its_comments_and_its_mode() {
    let files = Files::new();
    let users = files.write("users.toml", "# ours\n");
    std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o640)).unwrap();
    passwd("one", &users, &["alice@example.com"]);
    let first = text(&users);
    passwd("two", &users, &["alice@example.com"]);
    passwd("x", &users, &["bob@example.com"]);
    let second = text(&users);
    assert!(second.starts_with("# ours\n") && first != second, "{second}");
    assert_eq!(std::fs::metadata(&users).unwrap().permissions().mode() & 0o777, 0o640);
    let removed = passwd("", &users, &["--remove", "alice@example.com"]);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    assert!(!text(&users).contains("alice") && text(&users).contains("bob"));
    let again = passwd("", &users, &["--remove", "alice@example.com"]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(err(&again).contains("there is no user alice@example.com"), "{again:?}");
}

#[test]
fn what_is_no_user_and_no_password_is_refused() {
    let files = Files::new();
    let users = files.write("users.toml", "");
    for (name, status) in [("alice", 2), ("@example.com", 2), ("al\"ice@example.com", 2)] {
        assert_eq!(passwd("secret", &users, &[name]).status.code(), Some(status), "{name}");
    }
    assert_eq!(passwd("", &users, &["alice@example.com"]).status.code(), Some(1));
    let broken = files.write("broken.toml", "[users\n");
    let output = passwd("secret", &broken, &["alice@example.com"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("line 1: "), "{output:?}");
    assert_eq!(text(&broken), "[users\n");
}

#[test]
fn with_one_realm_for_all_a_name_is_enough() {
    let files = Files::new();
    let users = files.write("users.toml", "");
    let file = files.write("a.toml", "[auth]\nrealm = \"phones\"\n").display().to_string();
    let output = passwd("secret", &users, &["--config", &file, "alice"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&users).contains("[users.\"alice@phones\"]"));
    assert_eq!(passwd("secret", &users, &["--config", &file, "alice@example.com"]).status.code(), Some(2));
}
