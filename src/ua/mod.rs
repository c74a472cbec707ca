//! A user agent on real sockets: the shell around [`crate::proto::ua`].
//!
//! | file | concept |
//! | --- | --- |
//! | `drive` | one UA: sockets, a timer, and what it is told to do |
//! | `connection` | one flow: opened, read, written |
//! | `resolver` | where a proxy's URI leads, by DNS |
//! | `instance_id` | the instance-id, made once and kept in a file |
//! | `report` | what happens, in words and as JSON |

mod connection;
mod drive;
pub mod instance_id;
pub mod report;
pub mod resolver;

pub use drive::{Command, run};
