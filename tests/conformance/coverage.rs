//! The table in `README.md` and the tests say the same.

use std::collections::BTreeSet;
use std::process::Command;

const TABLE: &str = include_str!("README.md");

#[test]
fn every_test_is_listed_and_every_listed_test_exists() {
    let listed = listed_tests();
    let existing = existing_tests();
    let missing: Vec<_> = listed.difference(&existing).collect();
    let unlisted: Vec<_> = existing.difference(&listed).collect();
    assert!(
        missing.is_empty() && unlisted.is_empty(),
        "listed without a test: {missing:#?}\nnot listed: {unlisted:#?}"
    );
}

/// What stands between backticks and has the form of a test's path: `rfc5626_s6::s6_...`.
fn listed_tests() -> BTreeSet<String> {
    let between = TABLE.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    between.filter(|words| words.contains("::")).map(str::to_owned).collect()
}

/// What this very program would run.
fn existing_tests() -> BTreeSet<String> {
    let list = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let text = String::from_utf8(list.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}
