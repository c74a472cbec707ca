//! The proxy as a whole, in virtual time: messages in, messages out.

#![allow(clippy::unwrap_used, clippy::unchecked_time_subtraction)]

mod cancelling;
mod dialogs;
mod edge_role;
mod failover;
mod forks;
mod forwarding;
mod link_tokens;
mod links;
mod nodes;
mod pair;
mod property;
mod responses;
mod retransmissions;
mod routes;
mod scenario;
mod tokens;
mod two_nodes;
mod uas;
mod under_way;
mod upstreams;
mod validation;
