//! The location service: which bindings an AOR has (RFC 3261 §10, RFC 5626 §§6 and 7).
//!
//! One trait, several stores, one test suite for all of them (`tests/location`). Time is always the caller's. Nothing
//! that has expired is ever returned or compared with, purged or not.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use smallvec::SmallVec;

use crate::binding::{Aor, Binding, BindingKey, Timestamp};
use crate::flow::{Flow, NodeRun};

/// Live bindings of one AOR, newest update first. Of one update they have the order in which it puts them.
pub type Bindings = SmallVec<[Arc<Binding>; 2]>;

/// What one REGISTER does to the bindings of its AOR.
#[derive(Clone, Debug)]
pub struct Update {
    /// Whose bindings.
    pub aor: Aor,
    /// The REGISTER's Call-ID.
    pub call_id: Box<[u8]>,
    /// The REGISTER's CSeq number.
    pub cseq: u32,
    /// What is to change.
    pub changes: Changes,
    /// How many bindings the AOR may have afterwards. An update that adds none is never refused for this.
    pub max_bindings: usize,
    /// When.
    pub now: Timestamp,
}

/// The changes of one [`Update`].
#[derive(Clone, Debug)]
pub enum Changes {
    /// None: a query.
    None,
    /// All bindings are removed (`Contact: *`).
    RemoveAll,
    /// Each in turn. The stored bindings are checked as they were before the first.
    Each(Vec<Change>),
}

/// A change of one binding.
// Nearly every change is a put, and there is one of them in an update: a box would only add an allocation.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds the binding in place of all that its key matches.
    Put(Binding),
    /// Removes all bindings that the key matches, if any.
    Remove(BindingKey),
}

/// Why an update was not made. Nothing of it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UpdateError {
    /// RFC 3261 §10.3: it would change a binding with its own Call-ID and a CSeq that is not lower.
    #[error("a REGISTER with the same Call-ID and a CSeq at least as high was served before")]
    OutOfOrder,
    /// The AOR would have more bindings than it may.
    #[error("the AOR has as many bindings as it may have")]
    TooManyBindings,
    /// The store holds as many AORs as it may.
    #[error("the location service holds as many AORs as it may")]
    TooManyAors,
    /// The store cannot be reached.
    #[error("the location service is unavailable")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

/// The store cannot be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the location service is unavailable")]
pub struct Unavailable {
    /// When to try again.
    pub retry_after: Duration,
}

impl From<Unavailable> for UpdateError {
    fn from(Unavailable { retry_after }: Unavailable) -> Self {
        Self::Unavailable { retry_after }
    }
}

/// What is known of an AOR.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Known {
    /// It has no binding, and had none for as long as the store remembers: 404.
    No,
    /// Its live bindings; empty when it had some not long ago: 480.
    Yes(Bindings),
}

/// How much a store holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// AORs, those without bindings that are still remembered included.
    pub aors: usize,
    /// Bindings, those included that have expired and were not purged yet.
    pub bindings: usize,
}

/// A location service.
pub trait Location: Send + Sync + 'static {
    /// Makes all changes of an update or none of them; returns the live bindings that are now there.
    fn update(&self, update: Update) -> BoxFuture<'_, Result<Bindings, UpdateError>>;

    /// The live bindings of an AOR.
    fn lookup<'a>(&'a self, aor: &'a Aor, now: Timestamp) -> BoxFuture<'a, Result<Known, Unavailable>>;

    /// Removes every binding that is still reached over this holder's flow, whichever its AOR (RFC 5626 §7); one that has
    /// moved to another flow stays, and so does one that is not direct. Returns how many live ones went.
    ///
    /// It knows nothing of updates to come: who finds that a flow ended while an update onto it was under way calls this
    /// once more after the update.
    fn flow_failed<'a>(
        &'a self,
        holder: &'a NodeRun,
        flow: &'a Flow,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Unavailable>>;

    /// Does a share of the clearing up: forgets bindings that have expired, and AORs that have been without a binding for
    /// long enough. To be called about once a second; only memory and [`Location::counts`] depend on it.
    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// How much it holds.
    fn counts(&self) -> Counts;
}
