//! What ends a run as failed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a run failed.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Fault {
    /// An answer did not come.
    #[error("lost: {what} of flow {flow} had no answer within {after:?}")]
    Lost {
        /// The operation.
        what: String,
        /// The UA's number.
        flow: u32,
        /// How long was waited.
        after: Duration,
    },
    /// An answer came that is not the one asked for, or one that nobody asked for.
    #[error("wrong: {why}, on flow {flow}; what came:\n{got}")]
    Wrong {
        /// The UA's number.
        flow: u32,
        /// The rule that the answer breaks.
        why: String,
        /// What came instead.
        got: String,
    },
    /// The server closed a flow.
    #[error("lost: flow {flow} was closed by the server")]
    Closed {
        /// The UA's number.
        flow: u32,
    },
    /// A socket failed.
    #[error("lost: flow {flow}: {why}")]
    Socket {
        /// The UA's number.
        flow: u32,
        /// What the system said.
        why: String,
    },
    /// The server under measurement did not start, or ended.
    #[error("{server}: {why}")]
    Server {
        /// The server's name in the table.
        server: String,
        /// What happened, with the end of its log.
        why: String,
    },
    /// This machine or this process lacks something that the bench needs.
    #[error("{0}")]
    Setup(String),
}

impl Fault {
    /// Whether an answer was lost or wrong: what the bench is there to notice.
    pub fn is_answer(&self) -> bool {
        !matches!(self, Fault::Server { .. } | Fault::Setup(_))
    }

    /// A [`Fault::Wrong`] that shows the bytes that came.
    pub(crate) fn wrong(flow: u32, why: impl Into<String>, got: &[u8]) -> Self {
        Fault::Wrong { flow, why: why.into(), got: String::from_utf8_lossy(got).into_owned() }
    }
}
