//! What the RFCs and a node's issue ask for, proved from outside: a node as a process, clients over real sockets.
//!
//! A file per section, a test per rule, named by the section. `README.md` lists which test proves which MUST.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;
