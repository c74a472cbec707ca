//! A relay between a client and the node that keeps what passes, so that a test can read the wire.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};

/// Passes on what comes, for as long as the test runs. Each client gets a connection, or a socket, of its own.
pub(crate) struct Relay {
    address: SocketAddr,
    passed: Arc<Mutex<Vec<Passed>>>,
}

/// What was read at a time: a datagram, or what a stream had.
#[derive(Clone, Debug)]
struct Passed {
    from: From,
    octets: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum From {
    Client,
    Node,
}

impl Relay {
    /// In front of this TCP listener.
    pub(crate) fn tcp(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self::at(listener.local_addr().unwrap());
        let passed = Arc::clone(&relay.passed);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let node = TcpStream::connect(node).unwrap();
                pass_stream(
                    client.try_clone().unwrap(),
                    node.try_clone().unwrap(),
                    From::Client,
                    Arc::clone(&passed),
                );
                pass_stream(node, client, From::Node, Arc::clone(&passed));
            }
        });
        relay
    }

    /// In front of this UDP listener, for one client.
    pub(crate) fn udp(node: SocketAddr) -> Self {
        let outer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inner = UdpSocket::bind("127.0.0.1:0").unwrap();
        inner.connect(node).unwrap();
        let relay = Self::at(outer.local_addr().unwrap());
        let passed = Arc::clone(&relay.passed);
        std::thread::spawn(move || {
            let mut back = None;
            let mut octets = vec![0; 65_536];
            while let Ok((len, client)) = outer.recv_from(&mut octets) {
                let passed = Arc::clone(&passed);
                keep(&passed, From::Client, &octets[..len]);
                let _ = inner.send(&octets[..len]);
                // The first datagram tells where the client is.
                let (outer, inner) = (outer.try_clone().unwrap(), inner.try_clone().unwrap());
                back.get_or_insert_with(move || {
                    std::thread::spawn(move || {
                        let mut octets = vec![0; 65_536];
                        while let Ok(len) = inner.recv(&mut octets) {
                            keep(&passed, From::Node, &octets[..len]);
                            let _ = outer.send_to(&octets[..len], client);
                        }
                    })
                });
            }
        });
        relay
    }

    fn at(address: SocketAddr) -> Self {
        Self { address, passed: Arc::default() }
    }

    /// Where a client finds it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed in this direction, in its order.
    pub(crate) fn passed(&self, from: From) -> Vec<Vec<u8>> {
        let passed = self.passed.lock().unwrap();
        passed.iter().filter(|passed| passed.from == from).map(|passed| passed.octets.clone()).collect()
    }

    /// The first that passed in this direction and begins like this.
    pub(crate) fn first(&self, from: From, beginning: &str) -> Option<String> {
        let passed = self.passed(from);
        let found = passed.iter().find(|octets| octets.starts_with(beginning.as_bytes()))?;
        Some(String::from_utf8_lossy(found).into_owned())
    }
}

fn pass_stream(mut from: TcpStream, mut to: TcpStream, who: From, passed: Arc<Mutex<Vec<Passed>>>) {
    std::thread::spawn(move || {
        let mut octets = vec![0; 65_536];
        while let Ok(len @ 1..) = from.read(&mut octets) {
            keep(&passed, who, &octets[..len]);
            if to.write_all(&octets[..len]).is_err() {
                break;
            }
        }
        // The end of one direction is the end of both, as it is without a relay.
        let _ = from.shutdown(std::net::Shutdown::Both);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

fn keep(passed: &Mutex<Vec<Passed>>, from: From, octets: &[u8]) {
    passed.lock().unwrap().push(Passed { from, octets: octets.to_vec() });
}
