//! Several nodes, one Redis, proved from outside: real processes on free ports, UAs over real sockets.
//!
//! - `auth`: nonces of one node at another
//! - `cluster`: the nodes and their Redis: started, killed, frozen, cut off, started again
//! - `drain`: a node of a cluster that is told to go
//! - `failures`: a node, a link or Redis fails
//! - `flow`: a flow that is read without waiting
//! - `forwarding`: UAs are reached from every node
//! - `hello`: what comes to a cluster listener and is no node
//! - `links`: certificates, congestion, and when a node is ready
//! - `fault_proxy`: stands in front of a node's cluster listener, so that links can be cut and healed
//! - `random`: many UAs, random faults, a seed: what must hold after each settling
//! - `rolling_restart`: one node after another is restarted under load
//! - `users`: users in Redis
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod cluster;
mod drain;
mod failures;
mod fault_proxy;
mod flow;
mod forwarding;
mod hello;
mod links;
mod random;
mod rolling_restart;
mod users;
