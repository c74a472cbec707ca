//! Sockets: opening listeners, TLS, who is let in and when, what load balancers say of clients, how a WebSocket is opened, the bounded
//! writer, and what ICMP says of a UDP peer.

pub mod admin;
pub mod admission;
pub mod descriptors;
pub mod icmp;
pub mod interfaces;
pub mod listen;
pub mod proxy_protocol;
pub mod service_manager;
pub mod tls;
pub mod turns;
pub mod websocket;
pub mod writer;
