//! What leaves: a message as the pieces that it is written from, most of them slices of the one that came in.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::ops::Range;

/// A message ready to be written, in one piece or several.
#[derive(Clone, Default, Debug)]
pub struct Wire {
    pieces: SmallVec<[Bytes; 8]>,
    len: usize,
}

impl Wire {
    /// Octets in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, in order, none empty.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// The pieces by value, for a writer's queue.
    pub fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        self.pieces.into_iter()
    }

    /// The status code, if it is a response.
    pub fn status(&self) -> Option<u16> {
        // The start line of a forwarded response is not touched, so it is in the first piece.
        let code = self.pieces.first()?.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
        std::str::from_utf8(code).ok()?.parse().ok()
    }

    /// In one piece, for a datagram; copies only when there are several.
    pub fn to_bytes(&self) -> Bytes {
        if let [piece] = self.pieces.as_slice() {
            return piece.clone();
        }
        let mut whole = BytesMut::with_capacity(self.len);
        for piece in &self.pieces {
            whole.extend_from_slice(piece);
        }
        whole.freeze()
    }

    /// The same with `front` before it.
    pub(super) fn behind(mut self, front: Bytes) -> Wire {
        self.len += front.len();
        self.pieces.insert(0, front);
        self
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.pieces.push(piece);
        }
    }
}

/// A run of octets at least this long is shared with the message that it came in; a shorter one is copied. Sharing
/// costs two counts of an atomic and one more entry of a vectored write, which is more than copying a short run.
const SHARE_FROM: usize = 512;

/// Puts a [`Wire`] together from runs of one message and new octets between them.
pub(super) struct Gather<'m> {
    message: &'m Bytes,
    copied: BytesMut,
    wire: Wire,
}

impl<'m> Gather<'m> {
    /// For `message` with about `more` new octets.
    pub(super) fn new(message: &'m Bytes, more: usize) -> Self {
        let capacity = message.len().min(4 * SHARE_FROM) + more;
        Self { message, copied: BytesMut::with_capacity(capacity), wire: Wire::default() }
    }

    /// A run of the message.
    pub(super) fn keep(&mut self, run: Range<usize>) {
        if run.len() < SHARE_FROM {
            self.copied.extend_from_slice(&self.message[run]);
        } else {
            self.wire.push(self.copied.split().freeze());
            self.wire.push(self.message.slice(run));
        }
    }

    /// New octets.
    pub(super) fn write(&mut self, octets: &[u8]) {
        self.copied.extend_from_slice(octets);
    }

    pub(super) fn finish(mut self) -> Wire {
        self.wire.push(self.copied.freeze());
        self.wire
    }
}

impl From<Bytes> for Wire {
    fn from(bytes: Bytes) -> Wire {
        let mut wire = Wire::default();
        wire.push(bytes);
        wire
    }
}
