//! Keep-alives of a flow, at its two ends (RFC 5626 §4.4, §5.4).
//!
//! | file | concept |
//! | --- | --- |
//! | `server` | the deadline of a flow that was given a Flow-Timer: pings have to come |
//! | `silence` | how long one may say nothing that was given none |
//! | `client` | pings at random intervals, and the pong that has to follow each |

pub mod client;
mod server;
mod silence;

pub use client::Client;
pub use server::{Assign, Expiry, PingWait, Server};
pub use silence::{Patience, Silence};
