//! A node among what operators put around it: load balancers in front of it, signals that end it, and the files of
//! `config/deploy`.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod bindings;
mod drain;
mod fail2ban;
mod files;
mod local_cluster;
mod proxy_protocol;
mod watch;
