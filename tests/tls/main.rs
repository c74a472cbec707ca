//! TLS between a node and those who dial it, or whom it dials: a node as a process, and a client's end of TLS that has
//! nothing of the node's.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod expiry;
mod handshake;
mod listener;
mod next_hops;
mod reload;
mod resumption;
mod sips;
mod user_agent;
mod websocket;
