//! The floor's answers, and its way from one connection to another.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use memchr::{memchr, memmem};
use tokio::net::tcp::OwnedWriteHalf;

use super::head::{self, Head};

/// The floor's Via, up to the number of the connection that the request came over.
const VIA: &[u8] = b"Via: SIP/2.0/TCP floor;branch=z9hG4bKfloor";

/// A connection, as the others see it.
pub(super) struct Peer {
    number: usize,
    /// None where a connection is written to by nobody but itself.
    writer: Option<OwnedWriteHalf>,
    /// The user part that it registered first, to be forgotten at its end.
    user: OnceLock<Box<[u8]>>,
}

impl Peer {
    /// Writes all of it now, or fails: there is no queue.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let writer = self.writer.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        match writer.try_write(bytes)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

/// All connections, by their number and by the user part which they registered.
#[derive(Default)]
pub(super) struct Peers {
    last: AtomicUsize,
    numbered: RwLock<HashMap<usize, Arc<Peer>>>,
    registered: RwLock<HashMap<Box<[u8]>, Arc<Peer>>>,
}

impl Peers {
    pub(super) fn enter(&self, writer: Option<OwnedWriteHalf>) -> Arc<Peer> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let peer = Arc::new(Peer { number, writer, user: OnceLock::new() });
        self.numbered.write().unwrap_or_else(PoisonError::into_inner).insert(number, peer.clone());
        peer
    }

    pub(super) fn leave(&self, peer: &Peer) {
        self.numbered.write().unwrap_or_else(PoisonError::into_inner).remove(&peer.number);
        if let Some(user) = peer.user.get() {
            let mut registered = self.registered.write().unwrap_or_else(PoisonError::into_inner);
            if registered.get(user).is_some_and(|held| held.number == peer.number) {
                registered.remove(user);
            }
        }
    }

    fn register(&self, user: &[u8], peer: &Arc<Peer>) {
        let known = self.registered(user).is_some_and(|held| held.number == peer.number);
        if !known {
            peer.user.get_or_init(|| user.into());
            self.registered.write().unwrap_or_else(PoisonError::into_inner).insert(user.into(), peer.clone());
        }
    }

    fn registered(&self, user: &[u8]) -> Option<Arc<Peer>> {
        self.registered.read().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    fn numbered(&self, number: usize) -> Option<Arc<Peer>> {
        self.numbered.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }
}

/// Answers all that is complete in `input`: answers to `peer` are added to `answers`, a relayed message is written at once.
/// Gives the number of bytes that were used; an error ends the connection.
pub(super) fn answer(
    input: &[u8],
    peer: &Arc<Peer>,
    peers: &Peers,
    answers: &mut Vec<u8>,
    relayed: &mut Vec<u8>,
) -> io::Result<usize> {
    let mut used = 0;
    loop {
        let rest = &input[used..];
        match rest {
            [b'\r', b'\n', b'\r', b'\n', ..] => {
                answers.extend_from_slice(b"\r\n");
                used += 4;
                continue;
            }
            [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(used),
            _ => {}
        }
        let Some(head) = Head::read(rest) else { return Ok(used) };
        let message = &rest[..head.length];
        match message[0] {
            b'R' => {
                peers.register(user(&message[head.to.clone()]), peer);
                respond(b"SIP/2.0 200 OK\r\n", message, &head, answers);
            }
            b'M' | b'I' | b'A' | b'B' => match peers.registered(user(&message[..head.start])) {
                Some(callee) => {
                    relayed.clear();
                    relayed.extend_from_slice(&message[..head.start]);
                    relayed.extend_from_slice(VIA);
                    write!(relayed, "{}\r\n", peer.number)?;
                    relayed.extend_from_slice(&message[head.start..]);
                    callee.write(relayed)?;
                }
                // RFC 3261 §17: an ACK is never answered.
                None if message[0] == b'A' => {}
                None => respond(b"SIP/2.0 404 Not Found\r\n", message, &head, answers),
            },
            b'S' => {
                let via = &message[head.via.clone()];
                let number = via.strip_prefix(VIA).map(head::number).ok_or(io::ErrorKind::InvalidData)?;
                if let Some(caller) = peers.numbered(number) {
                    relayed.clear();
                    relayed.extend_from_slice(&message[..head.via.start]);
                    relayed.extend_from_slice(&message[head.via.end..]);
                    caller.write(relayed)?;
                }
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        used += head.length;
    }
}

fn respond(start: &[u8], message: &[u8], head: &Head, answers: &mut Vec<u8>) {
    answers.extend_from_slice(start);
    answers.extend_from_slice(&message[head.via.clone()]);
    answers.extend_from_slice(&message[head.from.clone()]);
    answers.extend_from_slice(message[head.to.clone()].trim_ascii_end());
    answers.extend_from_slice(b";tag=floor\r\n");
    answers.extend_from_slice(&message[head.call_id.clone()]);
    answers.extend_from_slice(&message[head.cseq.clone()]);
    answers.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// The user part of the first `sip` URI of a line.
fn user(line: &[u8]) -> &[u8] {
    let Some(at) = memmem::find(line, b"sip:") else { return &[] };
    let uri = &line[at + 4..];
    &uri[..memchr(b'@', uri).unwrap_or(0)]
}
