//! The configuration and the command line, as an operator meets them.

#![allow(clippy::unwrap_used)]

mod auth;
mod cluster;
mod command_line;
mod defaults;
mod layers;
mod next_hops;
mod passwd;
mod rules;
mod token;
mod upstreams;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use flowhold::config::{Faults, Loaded, load};

/// Configuration files in a directory that ends with the test.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// Loads the text of one file, and variables.
fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let files = Files::new();
    load(&[files.write("a.toml", text)], environment(variables))
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// The faults of a file as `KEY: REASON`.
#[track_caller]
fn faults_of(text: &str) -> Vec<String> {
    let faults = load_text(text, &[]).expect_err("the configuration has a fault");
    faults.0.iter().map(|fault| format!("{}: {}", fault.key, fault.reason)).collect()
}

/// The warnings about a file as `KEY: REASON`.
#[track_caller]
fn warnings_of(text: &str) -> Vec<String> {
    let loaded = load_text(text, &[]).unwrap();
    loaded.warnings.iter().map(|warning| format!("{}: {}", warning.key, warning.reason)).collect()
}
