//! The commands, a file for each, and what they share.

pub(crate) mod bindings;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod node;
pub(crate) mod passwd;
pub(crate) mod token;
pub(crate) mod ua;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use flowhold::config::{self, Faults, Loaded};

/// What was asked for is wrong.
pub(crate) const WRONG: u8 = 2;

#[derive(Args)]
pub(crate) struct ConfigurationFiles {
    /// A configuration file (TOML). Give it several times to lay files over one another: the later one wins
    ///
    /// The files are laid over the built-in defaults, and the environment over the files: FLOWHOLD__SECTION__KEY sets a
    /// key, with commas between the values of a list. Every key, its unit, its default and when to change it stand in
    /// config/default.toml of the source.
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

impl ConfigurationFiles {
    /// Reads them, and the environment.
    pub(crate) fn read(&self) -> Result<Loaded, Faults> {
        config::load(&self.config, std::env::vars_os())
    }
}

/// A line to a stream that may be closed: then nobody wants to know.
pub(crate) fn say(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}
