//! The typed configuration: what a node is told, read from layers and checked before anything starts.
//!
//! ```text
//! config/default.toml  <  --config FILE ...  <  FLOWHOLD__SECTION__KEY
//!        (embedded)          (later wins)            (environment)
//! ```
//!
//! Each layer is checked on its own, key by key, so that a fault names where it stands; then the layers are merged and the
//! rules between keys are checked. Every fault is reported, not only the first.
//!
//! - `model`: the types, one field per key; those of three sections are in `auth`, `listen` and `tls`
//! - `load`: the layers, and from which of them a value came
//! - `check`: the rules between keys, faults and warnings
//! - `units`: durations, sizes, addresses and names as they are written
//! - `secret`: texts that are shown nowhere
//! - `next_hop`: next hops and routes as they are written
//! - `network`: addresses and networks of peers as they are written
//! - `upstream`: other providers, a table each
//!
//! A key that has no effect is no key: what this version does not do, it does not accept.

mod auth;
mod check;
mod fault;
mod listen;
mod load;
mod model;
mod network;
mod next_hop;
mod secret;
mod tls;
mod units;
mod upstream;

pub use auth::{Algorithm, Auth, AuthMode, Strangers, UserStore};
pub use fault::{Fault, Faults};
pub use listen::{Listen, Listener};
pub use load::{DEFAULTS, Loaded, load};
pub use model::{
    Admin, Cluster, Config, Limits, Location, Log, LogFormat, Node, Outbound, PingTimeout, Profile, Proxy,
    RedisMode, Registrar, Store, TokenKey, Tokens, WhenDown,
};
pub use network::Network;
pub use next_hop::{Matcher, NextHop, NextHopTransport, Route, RouteTo};
pub use secret::Secret;
pub use tls::{ClientCertificates, Tls, TlsVersion};
pub use upstream::Upstream;
