//! What the RFCs ask of a registrar and edge proxy, proved from outside: a node as a process, clients over real sockets.
//!
//! A file per section or group of sections, a test per rule, named by the section. `README.md` lists every rule with its
//! test, and the test in `coverage` holds that list and the tests together.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod coverage;
mod impostors;
mod limits;
mod rates;
mod rfc3261_s10_3;
mod rfc3261_s16;
mod rfc3261_s16_forking;
mod rfc3261_s16_routes;
mod rfc3261_s17;
mod rfc3261_s18_3;
mod rfc3261_s8_2;
mod rfc3261_s9;
mod rfc3327_s5_3;
mod rfc3581_s4;
mod rfc4320_s4;
mod rfc5626_s12;
mod rfc5626_s3_5_1;
mod rfc5626_s5_1;
mod rfc5626_s5_3;
mod rfc5626_s5_4;
mod rfc5626_s6;
mod rfc5626_s7;
mod rfc5626_s7_flows;
mod rfc5626_s8;
mod rfc7118;
mod rfc7118_handshake;
mod rfc7616;
mod rfc8760;
mod shape;
