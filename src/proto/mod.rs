//! The protocol's rules as state machines: input and `now` in, actions out. No I/O, no clock, no randomness of their
//! own, so that all of them run in virtual time.

pub mod auth;
pub mod drain;
pub mod edge;
pub mod forking;
pub mod hello;
mod hex;
mod hop;
pub mod keepalive;
pub mod lately;
pub mod locate;
pub mod login;
pub mod overload;
pub mod pace;
pub mod profile;
pub mod proxy;
mod random;
pub mod recovery;
pub mod registrar;
pub mod relay;
pub mod repeats;
pub mod served;
pub mod slack;
mod source;
pub mod stateless;
pub mod transaction;
pub mod ua;
mod via;

pub use hop::{Hop, NextHop};
pub use profile::Profile;
pub use source::Source;
