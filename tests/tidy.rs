//! House rules that a compiler does not hold: who may import whom, how an RFC is cited, how long a file may be.
//!
//! - `source`: a file taken apart into code, comments and paths, simply
//! - `layers`: who may import whom
//! - `style`: the rest
//!
//! Each rule is itself tested on a sample that breaks it.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/style.rs"]
mod style;

use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// A rule that does not hold, on a line of a file.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    path: String,
    line: usize,
    rule: String,
}

impl Complaint {
    fn new(source: &Source, line: usize, rule: impl Into<String>) -> Self {
        Complaint { path: source.path.clone(), line, rule: rule.into() }
    }
}

/// The rules for one file.
const RULES: &[fn(&Source) -> Vec<Complaint>] = &[
    layers::imports,
    style::starts_with_what_it_is_for,
    style::is_short,
    style::no_unwrap,
    style::no_ignored_test,
    style::rfc_citations,
];

#[test]
fn the_house_is_tidy() {
    let sources: Vec<Source> = files(&["rs"])
        .iter()
        .map(|path| Source::new(&name(path), &fs::read_to_string(path).unwrap()))
        .collect();
    let mut complaints: Vec<Complaint> =
        sources.iter().flat_map(|source| RULES.iter().flat_map(move |rule| rule(source))).collect();
    complaints.extend(layers::actors_apart(&sources));
    for path in files(&["rs", "toml", "md", "sh", ""]) {
        complaints.extend(style::words(&name(&path), &fs::read_to_string(&path).unwrap_or_default()));
    }
    let report: Vec<String> =
        complaints.iter().map(|Complaint { path, line, rule }| format!("{path}:{line}: {rule}")).collect();
    assert!(report.is_empty(), "{} complaints:\n{}", report.len(), report.join("\n"));
}

#[test]
fn the_rules_see_the_whole_house() {
    let seen: Vec<String> = files(&["rs"]).iter().map(|path| name(path)).collect();
    for expected in
        ["src/lib.rs", "src/main.rs", "src/sip/mod.rs", "cluster/src/lib.rs", "tests/tidy/layers.rs"]
    {
        assert!(seen.iter().any(|path| path == expected), "{expected} is not among {seen:?}");
    }
}

/// The project's files with one of these extensions, in order.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for directory in ["src", "cluster", "tests", "config", ".ci", ".config"] {
        collect(&root.join(directory), extensions, &mut found);
    }
    found.extend(["README.md", "CHANGELOG.md", "Cargo.toml"].iter().map(|file| root.join(file)).filter(
        |path| {
            path.exists()
                && path
                    .extension()
                    .is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
        },
    ));
    found.sort();
    found
}

fn collect(directory: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What builds and fuzzers leave behind is not ours.
            if !["target", "corpus", "artifacts"].iter().any(|left| path.ends_with(left)) {
                collect(&path, extensions, found);
            }
        } else if extensions.contains(&path.extension().unwrap_or_default().to_str().unwrap()) {
            found.push(path);
        }
    }
}

/// A path as it is said in a complaint: from the top of the project, with slashes.
fn name(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap().replace('\\', "/")
}
