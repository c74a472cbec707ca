//! Keep-alives of a flow, at its two ends (RFC 5626 §4.4, §5.4).
//!
//! | file | concept |
//! | --- | --- |
//! | `server` | the deadline of a flow that was given a Flow-Timer: pings have to come |
//! | `silence` | how long one may say nothing that was given none |
//! | `prompt` | pings of a server, for those who cannot ping by themselves |
//! | `client` | pings at random intervals, and the pong that has to follow each |

pub mod client;
mod prompt;
mod server;
mod silence;

pub use client::Client;
pub use prompt::Prompt;
pub use server::{Assign, Expiry, PingWait, Server};
pub use silence::{Patience, Silence};
