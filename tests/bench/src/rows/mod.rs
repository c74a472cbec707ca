//! The rows of the table. A row is an operation that a lane repeats; a new row is a file here and a line in [`all`].
//!
//! A row that needs another server (TLS, WebSocket, two nodes) adds it to [`crate::server::Kind`]; its flows come from a
//! row of its own in the place of [`connect`].

mod call;
mod connect;
mod message;
mod ping;
mod refresh;

use std::{pin::Pin, sync::Arc};

use crate::{Fault, lane::Lane};

/// An operation under way.
pub type Operation<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

/// A row of the table.
pub trait Row: Send + Sync {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// What the node's CPU may be of the floor's at most; `None`: for information.
    fn limit(&self) -> Option<f64>;

    /// How often it runs in a round.
    fn amount(&self) -> Amount {
        Amount::Operations
    }

    /// One operation: ends when its answer came and was found right.
    fn operate<'a>(&'a self, lane: &'a mut Lane) -> Operation<'a>;
}

/// How often a row's operation runs in a round, all slices together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Once for each flow, without warming up: it can be done only once.
    EachFlow,
    /// As often as `--ops` says, after a slice that is not.
    Operations,
}

/// All rows, in the order in which a round runs them. The first one opens the flows.
pub fn all() -> Vec<Arc<dyn Row>> {
    vec![
        Arc::new(connect::ConnectAndRegister),
        Arc::new(ping::Ping),
        Arc::new(refresh::Refresh),
        Arc::new(message::Message),
        Arc::new(call::Call::default()),
    ]
}
