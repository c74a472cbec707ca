//! What came of an update or a restore.

use crate::binding::{Aor, Timestamp};
use crate::location::{Bindings, Unavailable, UpdateError};
use crate::redis::client::Failed;
use crate::redis::value::Value;

use super::text;

/// What an update found.
#[derive(Clone, Debug, Default)]
pub struct Updated {
    /// The live bindings that it did not touch, newest update first.
    pub kept: Bindings,
    /// Bindings of other nodes that it replaced or removed.
    pub displaced: Bindings,
    /// When those that it put count as updated, if not as they say: a node whose clock is ahead wrote what they replaced.
    pub updated_at: Option<Timestamp>,
}

impl Updated {
    /// From what the script answered.
    pub(super) fn read(aor: &Aor, reply: Vec<Value>) -> Self {
        let mut updated = Self::default();
        let mut reply = reply.into_iter();
        while let (Some(field), Some(value)) = (reply.next(), reply.next()) {
            let (Some(field), Some(value)) = (field.octets(), value.octets()) else { continue };
            if field == b"updated" {
                updated.updated_at = text::number(value).map(Timestamp);
            } else if let Some(field) = field.strip_prefix(b"-") {
                updated.displaced.extend(text::read(field, value).map(|stored| stored.binding));
            } else if let Some(stored) = text::read(field, value) {
                updated.kept.push(stored.binding);
            } else {
                tracing::warn!(%aor, field = %field.escape_ascii(), "what Redis holds is no binding");
            }
        }
        updated
    }
}

/// An update was not made, or it is not known whether it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{error}")]
pub struct UpdateFailed {
    /// Why.
    pub error: UpdateError,
    /// It may have been made all the same, or may still be until the time that was given.
    pub is_doubtful: bool,
}

impl From<UpdateError> for UpdateFailed {
    fn from(error: UpdateError) -> Self {
        Self { error, is_doubtful: false }
    }
}

impl From<Unavailable> for UpdateFailed {
    fn from(error: Unavailable) -> Self {
        UpdateError::from(error).into()
    }
}

impl From<Failed> for UpdateFailed {
    fn from(Failed { error, is_doubtful }: Failed) -> Self {
        Self { error: error.into(), is_doubtful }
    }
}

/// What became of a binding that was to be put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restored {
    /// It was not there and now is.
    Put,
    /// It was there.
    Present,
    /// A newer one is there in its place, or its time has run out.
    Outdated,
}

/// Bindings were not put back, or it is not known whether they were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{error}")]
pub struct RestoreFailed {
    /// Why.
    pub error: Unavailable,
    /// They may be there all the same, or may still be put until the time that was given.
    pub is_doubtful: bool,
}

impl From<Failed> for RestoreFailed {
    fn from(Failed { error, is_doubtful }: Failed) -> Self {
        Self { error, is_doubtful }
    }
}
