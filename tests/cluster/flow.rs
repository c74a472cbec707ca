//! A TCP flow that is read whenever the test looks at it, and never waited for.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::support::Message;

/// One end of a flow.
pub(crate) struct Flow {
    stream: TcpStream,
    inbox: Vec<u8>,
    open: bool,
}

impl Flow {
    /// A connection to a node; none where nobody takes it.
    pub(crate) fn connect(node: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&node, Duration::from_secs(5)).ok()?;
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        Some(Self { stream, inbox: Vec::new(), open: true })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Whether the other end has not closed it, as far as was read.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Sends all of it, or finds that the flow is over. What a test sends is far less than what a socket takes.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.open &= self.stream.write_all(octets).is_ok();
    }

    /// The messages that have come.
    pub(crate) fn receive(&mut self) -> Vec<Message> {
        let mut octets = [0; 16_384];
        while self.open {
            match self.stream.read(&mut octets) {
                Ok(0) => self.open = false,
                Ok(len) => self.inbox.extend_from_slice(&octets[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.open = false,
            }
        }
        std::iter::from_fn(|| Message::take(&mut self.inbox)).collect()
    }

    /// Ends it by a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}
