//! Other programs, as Debian has them: baresip and SIPp register over TCP and UDP and are reached over their flows, and
//! Kamailio is the registrar behind the node, and HAProxy the load balancer in front of it. JsSIP does in a Chromium.
//!
//! A test fails where its program is missing. What goes over the wire is seen by a relay in the test (`relay`), each client
//! is ended by its process id (`program`).
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod baresip;
mod browser;
mod haproxy;
mod kamailio;
mod program;
mod relay;
mod sipp;
