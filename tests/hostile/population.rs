//! UAs that do nothing wrong: each registers over a flow of its own, pings, sends the next one a message, and answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{sleep_until, timeout};

use crate::support::client::PING;
use crate::support::{Message, Node, wait_until};

/// How long a pong or an answer may take before it counts as lost. Far beyond what it takes: everybody shares the machine.
const LOST: Duration = Duration::from_secs(15);

/// Each says something so often.
const PACE: Duration = Duration::from_secs(1);

/// Every so many pings a UA sends a message.
const PINGS_PER_MESSAGE: u64 = 8;

/// All of them. They go on until [`Population::end`].
pub(crate) struct Population {
    runtime: Runtime,
    tally: Arc<Tally>,
}

/// What has become of what they sent.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    awaited: AtomicU64,
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

    fn harm(&self, what: String) {
        self.harms.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Population {
    /// Registers as many UAs, one after the other for each of a few at a time, and has them begin.
    #[track_caller]
    pub(crate) fn register(node: &Node, count: usize) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tally, at) = (Arc::new(Tally::default()), node.tcp());
        let registered = runtime.block_on(async {
            let mut registered = Vec::new();
            for first in (0..count).step_by(50) {
                let some = (first..count.min(first + 50))
                    .map(|number| tokio::spawn(Ua::register(at, number, count)));
                for ua in some.collect::<Vec<_>>() {
                    registered.push(ua.await.unwrap());
                }
            }
            registered
        });
        for ua in registered {
            runtime.spawn(ua.live(Arc::clone(&tally)));
        }
        Self { runtime, tally }
    }

    /// How many pongs and answers have come.
    pub(crate) fn answered(&self) -> u64 {
        self.tally.answered.load(Relaxed)
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
        wait_until("all pongs and answers are there", || self.tally.awaited.load(Relaxed) == 0);
        self.assert_unharmed("the end");
        self.runtime.shutdown_background();
    }
}

/// One of them.
struct Ua {
    stream: TcpStream,
    inbox: Vec<u8>,
    local: SocketAddr,
    number: usize,
    count: usize,
    said: u64,
    pong_since: Option<Instant>,
    answer_since: Option<Instant>,
}

impl Ua {
    async fn register(node: SocketAddr, number: usize, count: usize) -> Self {
        // Ten of the many addresses that UAs come from.
        let socket = TcpSocket::new_v4().unwrap();
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(10 + number % 10).unwrap());
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let stream = socket.connect(node).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let local = stream.local_addr().unwrap();
        let inbox = Vec::new();
        let mut ua =
            Self { stream, inbox, local, number, count, said: 0, pong_since: None, answer_since: None };
        let contact = format!(
            "Supported: path, outbound\r\nContact: <sip:good{number}@{local};transport=tcp>;reg-id=1\
             ;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-{number:012}>\"\r\n"
        );
        let register = ua.request("REGISTER", "sip:example.com", number, &contact);
        ua.stream.write_all(register.as_bytes()).await.unwrap();
        let response = timeout(LOST, ua.receive()).await.unwrap().unwrap();
        assert_eq!(response.status(), 200, "{response}");
        ua
    }

    fn request(&self, method: &str, uri: &str, to: usize, lines: &str) -> String {
        let Self { number, local, said, .. } = self;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKgood{number}-{said}\r\n\
             From: <sip:good{number}@example.com>;tag=good\r\nTo: <sip:good{to}@example.com>\r\n\
             Call-ID: good{number}-{said}\r\nCSeq: {} {method}\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n",
            said + 1
        )
    }

    /// The next message; `None` at the end of the connection.
    async fn receive(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = Message::take(&mut self.inbox) {
                return Some(message);
            }
            if self.stream.read_buf(&mut self.inbox).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn live(mut self, tally: Arc<Tally>) {
        // Not all at the same time.
        let phase = PACE * u32::try_from(self.number % 97).unwrap() / 97;
        let mut next = Instant::now() + phase;
        loop {
            tokio::select! {
                read = self.stream.read_buf(&mut self.inbox) => {
                    if read.unwrap_or(0) == 0 {
                        return tally.harm(format!("good{} was cut off", self.number));
                    }
                    self.take_in(&tally).await;
                }
                () = sleep_until(next.into()) => {
                    next = Instant::now() + PACE;
                    self.say(&tally).await;
                }
            }
        }
    }

    async fn say(&mut self, tally: &Tally) {
        for (what, since) in [("pong", &mut self.pong_since), ("answer", &mut self.answer_since)] {
            if since.is_some_and(|since| since.elapsed() > LOST) {
                tally.harm(format!("good{} lost its {what}", self.number));
                *since = None;
            }
        }
        if tally.over.load(Relaxed) {
            return;
        }
        self.said += 1;
        let mut octets = Vec::new();
        if self.pong_since.is_none() {
            self.pong_since = Some(Instant::now());
            tally.await_one();
            octets.extend_from_slice(PING);
        }
        if self.answer_since.is_none() && (self.said + self.number as u64).is_multiple_of(PINGS_PER_MESSAGE) {
            self.answer_since = Some(Instant::now());
            tally.await_one();
            let to = (self.number + 1) % self.count;
            octets.extend(self.request("MESSAGE", &format!("sip:good{to}@example.com"), to, "").as_bytes());
        }
        if self.stream.write_all(&octets).await.is_err() {
            tally.harm(format!("good{} could not write", self.number));
        }
    }

    async fn take_in(&mut self, tally: &Tally) {
        loop {
            if self.inbox.starts_with(b"\r\n") {
                self.inbox.drain(..2);
                let Some(since) = self.pong_since.take() else {
                    return tally.harm(format!("good{} got a pong too many", self.number));
                };
                let took = u64::try_from(since.elapsed().as_millis()).unwrap();
                tally.slowest_pong.fetch_max(took, Relaxed);
                tally.answer();
                continue;
            }
            let Some(message) = Message::take(&mut self.inbox) else { return };
            if message.is_request() {
                if self.stream.write_all(&message.answer(200, "OK")).await.is_err() {
                    tally.harm(format!("good{} could not answer", self.number));
                }
                continue;
            }
            match message.status() {
                100..200 => continue,
                // Where there is too much to do, that is an answer too.
                200 | 503 => {}
                _ => tally.harm(format!("good{}: {message}", self.number)),
            }
            if self.answer_since.take().is_some() {
                tally.answer();
            }
        }
    }
}

/// Has this process open as many descriptors as it may, and says how many those are.
pub(crate) fn raise_descriptors() -> usize {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    usize::try_from(most).unwrap_or(usize::MAX)
}
