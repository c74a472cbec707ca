//! What leaves: a message as the pieces that it is written from, most of them slices of the one that came in.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

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

    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.pieces.push(piece);
        }
    }
}

impl From<Bytes> for Wire {
    fn from(bytes: Bytes) -> Wire {
        let mut wire = Wire::default();
        wire.push(bytes);
        wire
    }
}
