//! A node that registers with another provider, over two flows: two further nodes are the provider's edge proxies, or the
//! test plays them, and a client is the PBX behind the node.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod flows;
mod provider;
mod strangers;
mod tls;
mod trunk;
