//! UAs that do nothing wrong: each registers over a flow of its own, pings, sends the next one messages and calls it, and
//! answers.
//!
//! Of ten, seven have flows over TCP, one over UDP, one over TLS, and one over WebSocket, so that most calls are from one
//! transport to another.
//!
//! - `ua`: what one does; `call`: its calls; `carrier`: what carries them

mod call;
mod carrier;
mod ua;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio_rustls::rustls::ClientConfig;

use self::ua::Ua;
use crate::support::{Message, Node, wait_until_within};

/// How long a pong or an answer may take before it counts as lost. Far beyond what it takes, for everybody shares the machine,
/// and as long as a request lives (64 T1).
pub(crate) const LOST: Duration = Duration::from_secs(32);

/// Each says something so often.
const PACE: Duration = Duration::from_secs(2);

/// Every so many pings a UA sends a message, or in its place calls.
const PINGS_PER_REQUEST: u64 = 8;

/// So many at a time register.
const AT_ONCE: usize = 50;

/// All of them. They go on until [`Population::end`].
pub(crate) struct Population {
    runtime: Runtime,
    tally: Arc<Tally>,
    connections: u64,
}

/// What a UA is reached by.
#[derive(Clone)]
enum Way {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Tls(SocketAddr, Arc<ClientConfig>),
    Ws(SocketAddr),
}

/// Who they are.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// How many there are.
    pub(crate) count: usize,
    /// The password of all of them, where the node asks for one.
    pub(crate) password: Option<&'static str>,
}

/// What has become of what they sent.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    awaited: AtomicU64,
    calls: AtomicU64,
    turned_away: AtomicU64,
    slowest_pong: AtomicU64,
    over: AtomicBool,
    harms: Mutex<Vec<String>>,
}

impl Tally {
    fn await_one(&self) {
        self.awaited.fetch_add(1, Relaxed);
    }

    fn answer(&self) {
        self.awaited.fetch_sub(1, Relaxed);
        self.answered.fetch_add(1, Relaxed);
    }

    fn pong(&self, took: Duration) {
        self.slowest_pong.fetch_max(u64::try_from(took.as_millis()).unwrap(), Relaxed);
        self.answer();
    }

    /// A call was made, answered, acknowledged and ended.
    fn call(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    fn turn_away(&self, response: &Message) {
        if self.turned_away.fetch_add(1, Relaxed) == 0 {
            println!("the first that was turned away: {response}");
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    fn harm(&self, what: String) {
        self.harms.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Population {
    /// Registers them, a few at a time, and has them begin. Those over TLS trust whom `tls` says.
    #[track_caller]
    pub(crate) fn register(node: &Node, terms: Terms, tls: &Arc<ClientConfig>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let way = |number| match number % 10 {
            3 => Way::Udp(node.udp()),
            6 => Way::Tls(node.tls(), Arc::clone(tls)),
            9 => Way::Ws(node.listener("ws")),
            _ => Way::Tcp(node.tcp()),
        };
        let tally = Arc::new(Tally::default());
        let registered = runtime.block_on(async {
            let mut registered = Vec::new();
            for first in (0..terms.count).step_by(AT_ONCE) {
                let some = (first..terms.count.min(first + AT_ONCE))
                    .map(|number| tokio::spawn(Ua::register(way(number), number, terms)));
                for ua in some.collect::<Vec<_>>() {
                    registered.push(ua.await.unwrap());
                }
            }
            registered
        });
        let connections = registered.iter().filter(|ua| !ua.carrier.loses()).count() as u64;
        for ua in registered {
            let tally = Arc::clone(&tally);
            runtime.spawn(async move { ua.live(&tally).await });
        }
        Self { runtime, tally, connections }
    }

    /// How many connections they have.
    pub(crate) fn flows(&self) -> u64 {
        self.connections
    }

    /// How many pongs and answers have come.
    pub(crate) fn answered(&self) -> u64 {
        self.tally.answered.load(Relaxed)
    }

    /// How many calls were made, answered, acknowledged and ended.
    pub(crate) fn calls(&self) -> u64 {
        self.tally.calls.load(Relaxed)
    }

    /// How many requests were answered 503.
    pub(crate) fn turned_away(&self) -> u64 {
        self.tally.turned_away.load(Relaxed)
    }

    /// The longest that a pong took since this was asked last.
    pub(crate) fn slowest_pong(&self) -> Duration {
        Duration::from_millis(self.tally.slowest_pong.swap(0, Relaxed))
    }

    /// Nothing was lost, and nobody was cut off.
    #[track_caller]
    pub(crate) fn assert_unharmed(&self, by: &str) {
        let harms = self.tally.harms.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(harms.is_empty(), "{by} did harm to {}: {:#?}", harms.len(), &harms[..harms.len().min(5)]);
    }

    /// They say nothing more, and go when what all of them wait for has come.
    #[track_caller]
    pub(crate) fn end(self) {
        self.tally.over.store(true, Relaxed);
        wait_until_within(2 * LOST, "all pongs and answers are there", || {
            self.assert_unharmed("the end");
            self.tally.awaited.load(Relaxed) == 0
        });
        self.runtime.shutdown_background();
    }
}

/// Has this process open as many descriptors as it may, and says how many those are.
pub(crate) fn raise_descriptors() -> usize {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    usize::try_from(most).unwrap_or(usize::MAX)
}
