//! Real clients, as Debian has them: baresip and SIPp register over TCP and UDP and are reached over their flows.
//!
//! A test fails where its client is missing. What goes over the wire is seen by a relay in the test (`relay`), each client
//! is ended by its process id (`program`).
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod baresip;
mod program;
mod relay;
mod sipp;
