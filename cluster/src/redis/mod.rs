//! Redis: the connections to it, and the scripts that run in it. The only place that knows how it is spoken to.
//!
//! | file | concept |
//! | --- | --- |
//! | `settings` | which Redis, and how long it may take |
//! | `client` | [`Redis`], the handle that runs scripts |
//! | `script`, `value` | a Lua script with its arguments, and what it returns |
//! | `failure` | why a command failed |
//! | `hub` | what all connections share: what is known of Redis as a whole, and what is counted |
//! | `lane` | the connection of one runtime to one endpoint, and what keeps it up |
//! | `breaker` | when a connection is used, waited for and left alone (with its diagram) |
//! | `target` | how a connection is made: one Redis, a master of a Redis Cluster, the Sentinels' master |
//! | `slots`, `map` | which master of a Redis Cluster holds which keys, and how that is kept up to date |
//! | `store` | [`Store`], the bindings of all AORs: what stands in Redis, and why so |
//! | `lease` | the script of all nodes' leases |
//! | `users` | [`Users`], the users of a cluster |
//!
//! # Connections
//!
//! Every runtime, and so every worker, has a connection of its own to each server that it needs (a *lane*). A command is
//! written by the thread that issued it and its answer read by the same, and the commands that a worker issues in one turn
//! leave in one write. A REGISTER's update costs a node about 10 us when some come together, and 40 to 50 us, most of it
//! in the kernel, when one comes alone; in Redis it is 20 to 30 us.
//!
//! Every command has a deadline. Each one is sent at most once, but for a script that the server does not know and for a
//! server that says that another one has the key: after a lost connection nobody knows whether it was carried out, and
//! a REGISTER that is carried out twice is refused as out of order the second time. So who issued it decides.
//!
//! A connection that broke is made again at once, and its commands wait for it, since it may only have been a restart. When
//! that fails, and when several commands in a row were not answered in time, commands fail at once, and Redis is tried
//! again after pauses that grow. Redis is back when it has said that it would run a script that writes: not yet while it
//! loads its data, and not when it has become a replica. [`Redis::reconnects`] counts these returns, each of which may be
//! that of a Redis that has forgotten something.
//!
//! # Redis Cluster
//!
//! The keys of an AOR are in one slot, and each script is on one key. Which master has which slots is asked of whichever
//! server answers first, and again whenever a master says that it has a key no more, or is lost. A master that is dead,
//! frozen or cut off costs its own keys, and only until its replica has taken over. (The library's own connection to a Redis
//! Cluster is not used: it sends a command again after a lost connection, stays with a frozen master for as long as TCP
//! does, and does not tell what was lost.)

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
mod users;
mod value;

pub use breaker::Settings as BreakerSettings;
pub use client::Redis;
pub use hub::Failures;
pub(crate) use lease::{Leases, Reading};
pub use script::{Arg, Script};
pub use settings::{ClientCertificate, Mode, Settings, SettingsError};
pub(crate) use store::Moved;
pub use store::{RestoreFailed, Restored, Settled, Store, UpdateFailed, Updated};
pub use users::{Fields, News, Users};
pub use value::Value;
