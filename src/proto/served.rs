//! The REGISTERs of the last 64 T1 that came over UDP, so that a retransmission gets the response that its first copy got
//! (the non-INVITE server transaction of RFC 3261 §17.2.2, for a server that needs nothing else of it).
//!
//! Streams lose nothing, so what comes over one is never looked up here.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::slack::Slack;
use crate::sip::{Message, Name};

/// One transaction. A retransmission repeats its request octet for octet, so the topmost Via as a whole, which holds
/// branch and sent-by (RFC 3261 §17.2.3), says as much as its parts; Call-ID and CSeq tell requests apart whose UA
/// predates the branch.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    remote: SocketAddr,
    cseq: u32,
    via_and_call_id: Box<[u8]>,
}

impl Key {
    /// `None` for a request that lacks what identifies it, and which is therefore refused.
    fn of(request: &Message, remote: SocketAddr) -> Option<Self> {
        let via = request.values(Name::Via).next()?;
        let call_id = request.first(Name::CallId)?;
        let cseq = request.cseq().ok()?.number;
        Some(Self { remote, cseq, via_and_call_id: [via, b"\n", call_id].concat().into() })
    }
}

/// What is to be done with a request that arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// Serve it, and say [`Served::answered`] with this key. Without a key it is not to be remembered: each copy of
    /// it is refused alike.
    New(Option<Key>),
    /// It was served: send this response again.
    Again(Bytes),
    /// It is being served: wait.
    Pending,
    /// There is no room to remember it.
    Full,
}

/// The transactions that are not yet forgotten.
#[derive(Debug)]
pub struct Served {
    patience: Duration,
    limit: usize,
    responses: HashMap<Key, Option<Bytes>>,
    forget: VecDeque<(Instant, Key)>,
}

impl Served {
    /// Remembers `limit` transactions at most, each for `patience` (timer J: 64 T1) after its response.
    pub fn new(patience: Duration, limit: usize) -> Self {
        Self { patience, limit, responses: HashMap::new(), forget: VecDeque::new() }
    }

    /// A request came from `remote`.
    pub fn arrive(&mut self, now: Instant, request: &Message, remote: SocketAddr) -> Arrival {
        self.expire(now);
        let Some(key) = Key::of(request, remote) else { return Arrival::New(None) };
        match self.responses.get(&key) {
            Some(Some(response)) => Arrival::Again(response.clone()),
            Some(None) => Arrival::Pending,
            None if self.responses.len() >= self.limit => Arrival::Full,
            None => {
                self.responses.insert(key.clone(), None);
                Arrival::New(Some(key))
            }
        }
    }

    /// The request of this key was answered.
    pub fn answered(&mut self, now: Instant, key: Key, response: Bytes) {
        self.forget.push_back((now + self.patience, key.clone()));
        self.responses.insert(key, Some(response));
    }

    /// Transactions that are remembered.
    pub fn len(&self) -> usize {
        self.responses.len()
    }

    /// True when none is remembered.
    pub fn is_empty(&self) -> bool {
        self.responses.is_empty()
    }

    fn expire(&mut self, now: Instant) {
        while self.forget.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, key)) = self.forget.pop_front() {
                self.responses.remove(&key);
            }
        }
        self.responses.give_back();
        self.forget.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(32);

    fn register(branch: &str, cseq: u32) -> Message {
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\
             Call-ID: one\r\nCSeq: {cseq} REGISTER\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn new_key(served: &mut Served, now: Instant, request: &Message, remote: SocketAddr) -> Key {
        match served.arrive(now, request, remote) {
            Arrival::New(Some(key)) => key,
            other => panic!("expected a new transaction, not {other:?}"),
        }
    }

    #[test]
    fn s17_2_2_a_retransmission_gets_the_same_response() {
        let (mut served, now, request) = (Served::new(PATIENCE, 10), Instant::now(), register("z9hG4bKa", 1));
        let key = new_key(&mut served, now, &request, peer(1));
        assert_eq!(served.arrive(now, &request, peer(1)), Arrival::Pending);
        served.answered(now, key, Bytes::from_static(b"response"));
        let again = Arrival::Again(Bytes::from_static(b"response"));
        assert_eq!(served.arrive(now + PATIENCE / 2, &request, peer(1)), again);
    }

    #[test]
    fn s17_2_2_timer_j_ends_the_transaction() {
        let (mut served, now, request) = (Served::new(PATIENCE, 10), Instant::now(), register("z9hG4bKa", 1));
        let key = new_key(&mut served, now, &request, peer(1));
        served.answered(now, key, Bytes::new());
        new_key(&mut served, now + PATIENCE, &request, peer(1));
        assert_eq!(served.len(), 1);
    }

    #[test]
    fn s17_2_3_another_branch_cseq_or_peer_is_another_transaction() {
        let (mut served, now) = (Served::new(PATIENCE, 10), Instant::now());
        new_key(&mut served, now, &register("z9hG4bKa", 1), peer(1));
        new_key(&mut served, now, &register("z9hG4bKb", 1), peer(1));
        new_key(&mut served, now, &register("z9hG4bKa", 2), peer(1));
        new_key(&mut served, now, &register("z9hG4bKa", 1), peer(2));
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let (mut served, now) = (Served::new(PATIENCE, 2), Instant::now());
        for branch in ["z9hG4bKa", "z9hG4bKb"] {
            let key = new_key(&mut served, now, &register(branch, 1), peer(1));
            served.answered(now, key, Bytes::new());
        }
        assert_eq!(served.arrive(now, &register("z9hG4bKc", 1), peer(1)), Arrival::Full);
        new_key(&mut served, now + PATIENCE, &register("z9hG4bKc", 1), peer(1));
    }
}
