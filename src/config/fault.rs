//! What is wrong with a configuration, in a form that can be put right: where, which key, why.

use std::fmt;

/// One thing that is wrong (or, in a list of warnings, doubtful) in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file as it was named on the command line, `environment`, or `built-in defaults`.
    pub file: String,
    /// `section.key`, or the variable's name when the file is the environment. Empty when the whole file is at fault.
    pub key: String,
    /// Why, and what would be right.
    pub reason: String,
}

/// `FILE: KEY: REASON`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.file, self.reason)
        } else {
            write!(f, "{}: {}: {}", self.file, self.key, self.reason)
        }
    }
}

/// Every fault of a configuration, in the order of the layers; never empty. Displayed one to a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}
