//! Redis: the only place that knows how it is spoken to.
//!
//! | file | concept |
//! | --- | --- |
//! | `settings` | which Redis, and how long it may take |
//! | `client` | [`Redis`], the handle that runs scripts |
//! | `store` | [`Store`], the bindings of all AORs |
//! | `script`, `value` | a Lua script with its arguments, and what it returns |
//! | `lane` | the connection of one runtime, and what keeps it up |
//! | `breaker` | when a connection is used, waited for and left alone |
//! | `target` | how a connection is made: one Redis, a Redis Cluster, Sentinels |
//! | `failure` | why a command failed |
//! | `lease` | the script of all nodes' leases |

mod breaker;
mod client;
mod failure;
mod lane;
mod lease;
mod script;
mod settings;
mod store;
mod target;
mod value;

pub use breaker::Settings as BreakerSettings;
pub use client::{Failures, Redis};
pub(crate) use lease::{Leases, Reading};
pub use script::{Arg, Script};
pub use settings::{ClientCertificate, Mode, Settings, SettingsError};
pub(crate) use store::Moved;
pub use store::{RestoreFailed, Restored, Settled, Store, UpdateFailed, Updated};
pub use value::Value;
