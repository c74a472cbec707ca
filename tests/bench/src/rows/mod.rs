//! The rows of the tables. A row is an operation that a lane repeats; a new row is a file here and a line in
//! [`Table::rows`].
//!
//! What the flows run over is the table's: [`Table::over`].

mod call;
mod connect;
mod message;
mod ping;
mod refresh;

use std::{pin::Pin, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Fault, lane::Lane, over::Over};

/// An operation under way.
pub type Operation<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

/// A row of the table.
pub trait Row: Send + Sync {
    /// What the table calls it.
    fn name(&self) -> &'static str;

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

/// A table: two servers, and what is done to both of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Table {
    /// The floor and a node.
    Floor,
    /// The same over TLS, behind the same library.
    Tls,
    /// The same over WebSocket.
    Ws,
    /// The same over WebSocket over TLS.
    Wss,
    /// A node that asks nobody who they are, and one that asks once over each flow.
    Trusted,
    /// The same, and one that asks with each request.
    Each,
    /// A node with its bindings in its own memory, and one that keeps them in Redis.
    Store,
    /// One node, and two between which every request crosses. Both keep their bindings in Redis.
    Across,
}

/// A row in its table.
pub struct Entry {
    /// The row.
    pub row: Arc<dyn Row>,
    /// What the second server's CPU may be of the first's at most; `None`: for information.
    pub limit: Option<f64>,
}

impl Table {
    /// The table of floor and node for flows over this.
    pub fn of(over: Over) -> Self {
        match over {
            Over::Tcp => Table::Floor,
            Over::Tls => Table::Tls,
            Over::Ws => Table::Ws,
            Over::Wss => Table::Wss,
        }
    }

    /// What its flows run over.
    pub fn over(self) -> Over {
        match self {
            Table::Floor | Table::Trusted | Table::Each | Table::Store | Table::Across => Over::Tcp,
            Table::Tls => Over::Tls,
            Table::Ws => Over::Ws,
            Table::Wss => Over::Wss,
        }
    }

    /// Resident bytes of the second server for an idle registered flow, its binding included, at most.
    pub fn memory_limit(self) -> Option<f64> {
        match self {
            Table::Floor | Table::Trusted | Table::Each => Some(3072.0),
            Table::Tls => Some(13.0 * 1024.0),
            Table::Ws => Some(5.0 * 1024.0),
            Table::Wss => Some(18.0 * 1024.0),
            Table::Store | Table::Across => None,
        }
    }

    /// Its rows, in the order in which a round runs them. The first one opens the flows.
    pub fn rows(self) -> Vec<Entry> {
        fn entry(row: impl Row + 'static, limit: Option<f64>) -> Entry {
            Entry { row: Arc::new(row), limit }
        }
        let connect = entry(connect::ConnectAndRegister, None);
        match self {
            Table::Floor => vec![
                connect,
                entry(ping::Ping, Some(1.3)),
                entry(refresh::Refresh, Some(2.5)),
                entry(message::Message, Some(2.5)),
                entry(call::Call::default(), Some(2.5)),
            ],
            Table::Tls | Table::Ws | Table::Wss => {
                vec![connect, entry(ping::Ping, Some(1.3)), entry(refresh::Refresh, Some(2.5))]
            }
            Table::Trusted => {
                vec![connect, entry(refresh::Refresh, Some(1.5)), entry(message::Message, Some(1.5))]
            }
            Table::Each => vec![connect, entry(refresh::Refresh, Some(2.0))],
            Table::Store => vec![
                connect,
                entry(ping::Ping, None),
                entry(refresh::Refresh, Some(2.0)),
                entry(message::Message, None),
            ],
            Table::Across => {
                vec![connect, entry(message::Message, Some(2.0)), entry(call::Call::default(), None)]
            }
        }
    }
}
