//! A TCP proxy in front of a listener that can be cut and healed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// Passes on what comes, until it is cut.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What becomes of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Those that are up are reset, new ones are closed at once.
    Refused,
    /// Nothing passes and nothing is closed, as when a cable is pulled.
    Silent,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    streams: Vec<TcpStream>,
}

impl FaultProxy {
    /// In front of this listener, which need not be there yet.
    pub(crate) fn start(before: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if lock(&shared).fault == Some(Fault::Refused) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(before) else { continue };
                let mut state = lock(&shared);
                state.streams.retain(|stream| stream.peer_addr().is_ok());
                state.streams.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                drop(state);
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&shared));
                pass(server, client, Arc::clone(&shared));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts what is up and what comes.
    pub(crate) fn cut(&self, fault: Fault) {
        let mut state = lock(&self.state);
        state.fault = Some(fault);
        if fault == Fault::Refused {
            state.end();
        }
    }

    /// New connections pass; those that were up are over.
    pub(crate) fn heal(&self) {
        let mut state = lock(&self.state);
        state.fault = None;
        state.end();
    }
}

impl State {
    fn end(&mut self) {
        for stream in self.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: Arc<Mutex<State>>) {
    std::thread::spawn(move || {
        let mut octets = vec![0; 65_536];
        while let Ok(len @ 1..) = from.read(&mut octets) {
            // What came while nothing passes is lost, and with it the stream, which is never whole again.
            if lock(&state).fault.is_none() && to.write_all(&octets[..len]).is_err() {
                break;
            }
        }
        if lock(&state).fault != Some(Fault::Silent) {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::DEADLINE;

    /// A connection through the proxy to a server that gives back what it gets.
    fn connect(proxy: &FaultProxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn comes_back(stream: &mut TcpStream) -> bool {
        let mut octets = [0; 2];
        stream.write_all(b"ab").is_ok() && stream.read_exact(&mut octets).is_ok() && octets == *b"ab"
    }

    #[test]
    fn what_is_cut_is_closed_and_what_is_healed_passes() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = FaultProxy::start(server.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in server.incoming().map_while(Result::ok) {
                std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        let mut first = connect(&proxy);
        assert!(comes_back(&mut first));
        proxy.cut(Fault::Refused);
        assert!(!comes_back(&mut first));
        assert!(!comes_back(&mut connect(&proxy)));
        proxy.heal();
        let mut second = connect(&proxy);
        assert!(comes_back(&mut second));
        proxy.cut(Fault::Silent);
        second.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        assert!(!comes_back(&mut second), "nothing passes");
        proxy.heal();
        assert!(!comes_back(&mut second), "what was lost is lost");
        assert!(comes_back(&mut connect(&proxy)));
    }
}
