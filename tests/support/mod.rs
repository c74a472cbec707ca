//! What tests from outside need: a node as a process, and plain clients that speak to it over real sockets.
//!
//! Nothing here uses the library: messages are built, framed and read by code of its own, so that a test is a second
//! opinion on what goes over the wire. Everything waits for a condition with a deadline; nothing sleeps for a fixed time.
//!
//! - `node`: starts a node, knows its listeners, reads its metrics and its log
//! - `client`: a peer over TCP, TLS or UDP: sends octets, receives messages, asserts silence and the end of a connection
//! - `request`: makes requests; `message`: reads what arrived and answers it
//! - `dialog`: a dialog, and a call that makes one
//! - `digest`: a node's users, and credentials
//! - `ua`: what a UA does with them: register, send, take in, answer
//! - `redis`: a `redis-server` of the test's own
//! - `ua_process`: `flowhold ua` as a process, and what it says happens
//! - `stun`: STUN Binding requests and responses
//! - `tls`: a CA with its certificates, and a client's end of TLS
//! - `wait`: conditions
//! - `websocket`: a peer over WebSocket, its frames
#![allow(dead_code, unused_imports, reason = "each test target uses its own part of it")]

pub(crate) mod client;
pub(crate) mod dialog;
pub(crate) mod digest;
pub(crate) mod message;
pub(crate) mod node;
pub(crate) mod redis;
pub(crate) mod request;
pub(crate) mod stun;
pub(crate) mod tls;
pub(crate) mod ua;
pub(crate) mod ua_process;
pub(crate) mod wait;
pub(crate) mod websocket;

pub(crate) use client::Client;
pub(crate) use dialog::{Dialog, call, rings};
pub(crate) use message::Message;
pub(crate) use node::Node;
pub(crate) use redis::RedisServer;
pub(crate) use request::Request;
pub(crate) use ua_process::UaProcess;
pub(crate) use wait::{DEADLINE, wait_until, wait_until_within};
