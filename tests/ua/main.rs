//! `flowhold ua` and `flowhold demo` as processes, against nodes, and against proxies that the test plays.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod command_line;
mod demo;
mod draft03;
mod keepalive;
mod messages;
mod password;
mod recovery;
mod registrar;
