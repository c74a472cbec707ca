//! The bounded writer of a stream: what waits to be written is counted in octets and has a limit, so that a peer
//! that does not read costs a known amount of memory and then its connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use crate::sip::Wire;

/// As many slices go into one system call; a forwarded message has fewer.
const SLICES_PER_WRITE: usize = 32;

/// The queue would hold more octets than its limit: the peer does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the write queue is full")]
pub struct Full;

/// Octets that wait for the peer to read, in order. Empty, it keeps no memory of its own.
#[derive(Debug)]
pub struct Writer {
    queue: VecDeque<Bytes>,
    queued: usize,
    limit: usize,
}

impl Writer {
    /// A writer that holds `limit` octets at most.
    pub fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), queued: 0, limit }
    }

    /// Queues all of `wire`, or nothing of it.
    ///
    /// An empty queue takes any one message, so that a limit below `limits.max_message` cannot make a message
    /// undeliverable to a peer that reads well.
    pub fn push(&mut self, wire: Wire) -> Result<(), Full> {
        if self.queued > 0 && self.queued + wire.len() > self.limit {
            return Err(Full);
        }
        self.queued += wire.len();
        self.queue.extend(wire.into_pieces().filter(|piece| !piece.is_empty()));
        Ok(())
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.queued = 0;
    }

    /// How many octets wait.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Writes until nothing waits (`Ready(Ok)`) or the peer's window is full (`Pending`, and the task is woken
    /// when there is room).
    pub fn poll_flush<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + Unpin,
    {
        while !self.queue.is_empty() {
            let written = ready!(self.poll_write_some(stream, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        // The queue's memory goes with its last octet: most flows are idle most of the time.
        self.queue = VecDeque::new();
        // A stream that encrypts may hold the end of it back.
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_write_some<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        S: AsyncWrite + Unpin,
    {
        let stream = Pin::new(stream);
        if let [only] = self.queue.as_slices().0
            && self.queue.len() == 1
        {
            return stream.poll_write(cx, only);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let mut used = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(piece);
            used += 1;
        }
        stream.poll_write_vectored(cx, &slices[..used])
    }

    fn advance(&mut self, mut written: usize) {
        self.queued -= written;
        while written > 0 {
            let piece = self.queue.front_mut().expect("no more is written than was queued");
            if written < piece.len() {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Waker;

    /// A peer that takes `window` octets a call and `calls` calls before it is `Pending`.
    struct Peer {
        got: Vec<u8>,
        window: usize,
        calls: usize,
    }

    impl AsyncWrite for Peer {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            if this.calls == 0 {
                return Poll::Pending;
            }
            this.calls -= 1;
            let taken = buf.len().min(this.window);
            this.got.extend_from_slice(&buf[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
            self.poll_write(cx, &all)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn wire(octets: &[u8]) -> Wire {
        Wire::from(Bytes::copy_from_slice(octets))
    }

    #[test]
    fn a_full_queue_takes_nothing_of_the_next_message() {
        let mut writer = Writer::new(10);
        assert_eq!(writer.push(wire(b"12345")), Ok(()));
        assert_eq!(writer.push(wire(b"678901")), Err(Full));
        assert_eq!(writer.push(wire(b"67890")), Ok(()));
        assert_eq!(writer.push(wire(b"x")), Err(Full));
    }

    #[test]
    fn a_message_larger_than_the_limit_passes_when_nothing_waits() {
        let mut writer = Writer::new(4);
        assert_eq!(writer.push(wire(b"123456")), Ok(()));
        assert_eq!(writer.push(wire(b"7")), Err(Full));
    }

    #[test]
    fn an_emptied_queue_keeps_no_memory() {
        let mut writer = Writer::new(1 << 20);
        for _ in 0..100 {
            writer.push(wire(b"message")).unwrap();
        }
        let mut peer = Peer { got: Vec::new(), window: usize::MAX, calls: usize::MAX };
        assert!(writer.poll_flush(&mut peer, &mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(peer.got.len(), 700);
        assert_eq!(writer.queue.capacity(), 0);
        assert_eq!(writer.queued, 0);
    }

    proptest! {
        #[test]
        fn octets_leave_whole_and_in_order(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..60),
            window in 1_usize..50,
            calls in 0_usize..8,
        ) {
            let mut writer = Writer::new(usize::MAX);
            let mut peer = Peer { got: Vec::new(), window, calls };
            for message in &messages {
                writer.push(wire(message)).unwrap();
                peer.calls = calls;
                let _ = writer.poll_flush(&mut peer, &mut Context::from_waker(Waker::noop())).map(Result::unwrap);
            }
            peer.calls = usize::MAX;
            let _ = writer.poll_flush(&mut peer, &mut Context::from_waker(Waker::noop())).map(Result::unwrap);
            prop_assert_eq!(peer.got, messages.concat());
            prop_assert!(writer.is_empty());
            prop_assert_eq!(writer.queued, 0);
        }
    }
}
