//! Flowhold: a SIP registrar and edge proxy that holds the flows of clients behind NAT (RFC 5626).

pub mod actor;
pub mod config;
pub mod metrics;
pub mod net;
pub mod proto;
pub mod sip;
