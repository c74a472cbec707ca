//! A node among what operators put around it: load balancers in front of it, signals that end it.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod drain;
mod proxy_protocol;
