//! Redis: the only place that knows how it is spoken to.
//!
//! | file | concept |
//! | --- | --- |
//! | `settings` | which Redis, and how long it may take |
//! | `client` | [`Redis`], the handle that runs scripts |
//! | `store` | [`Store`], the bindings of all AORs |
//! | `script`, `value` | a Lua script with its arguments, and what it returns |
//! | `hub` | what all connections share: what is known of Redis as a whole, and what is counted |
//! | `lane` | the connection of one runtime to one endpoint, and what keeps it up |
//! | `breaker` | when a connection is used, waited for and left alone |
//! | `target` | how a connection is made: one Redis, a master of a Redis Cluster, the Sentinels' master |
//! | `slots`, `map` | which master of a Redis Cluster holds which keys, and how that is kept up to date |
//! | `failure` | why a command failed |
//! | `lease` | the script of all nodes' leases |

mod breaker;
mod client;
mod failure;
mod hub;
mod lane;
mod lease;
mod map;
mod script;
mod settings;
mod slots;
mod store;
mod target;
mod value;

pub use breaker::Settings as BreakerSettings;
pub use client::Redis;
pub use hub::Failures;
pub(crate) use lease::{Leases, Reading};
pub use script::{Arg, Script};
pub use settings::{ClientCertificate, Mode, Settings, SettingsError};
pub(crate) use store::Moved;
pub use store::{RestoreFailed, Restored, Settled, Store, UpdateFailed, Updated};
pub use value::Value;
