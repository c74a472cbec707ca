mod demand;
mod digest;
mod failures;
mod known;
mod nonce;
mod replay;
mod trust;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flowhold_cluster::binding::Timestamp;
use flowhold_cluster::flow::{Flow, FlowId, NodeRun};
use flowhold_cluster::token::KeyRing;

use super::{
    Answer, Authenticator, Changed, Failures, Found, Keys, KnownUsers, Lifetimes, Nonces, Outcome, Question,
    Reading, Replay, Rules, Secrets, Shared, Step, Strangers, Terms, Trust, User,
};
use crate::proto::Source;
use crate::proto::login::Login;
use crate::proto::repeats::{Patience, Repeats};
use crate::proto::stateless::Stateless;
use crate::sip::digest::Algorithm;
use crate::sip::{Message, Transport};

const SECRET: &[u8] = b"a secret of the cluster";
const HOUR: Duration = Duration::from_secs(3600);
const LIFETIME: Duration = Duration::from_secs(300);
const PATIENCE: Patience = Patience { transaction: Duration::from_secs(32), acked: Duration::from_secs(5) };
const START: Timestamp = Timestamp(1_750_000_000_000);

fn user(name: &str) -> User {
    User { name: name.as_bytes().into(), realm: b"example.com".as_slice().into() }
}

fn run(node: &str, epoch: u64) -> NodeRun {
    NodeRun { node: node.into(), epoch }
}

/// A node with one worker, whose users are alice and bob, and carol at example.org, each with their name as password.
struct Node {
    shared: Shared,
    authenticator: Authenticator,
    now: Timestamp,
    random: u64,
    has_users: bool,
    run: NodeRun,
    tokens: Arc<KeyRing>,
}

impl Node {
    fn new(node: &str) -> Self {
        Self::with(node, Terms { streams: HOUR, udp: Duration::ZERO }, |_| {})
    }

    fn with(node: &str, terms: Terms, change: impl FnOnce(&mut Rules)) -> Self {
        let tokens = Arc::new(KeyRing::new([(1, SECRET)]).unwrap());
        let mut rules = Rules {
            checks_uri: true,
            domains: vec![b"example.com".as_slice().into(), b"example.org".as_slice().into()],
            realm: None,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            strangers: Strangers::Refuse,
            upstreams: Vec::new(),
            peers: Vec::new(),
            numbers: Vec::new(),
            tokens: Arc::clone(&tokens),
        };
        change(&mut rules);
        let (keys, run) = (Keys::new([SECRET]), run(node, 1));
        let nonces = Nonces::new(keys.clone(), &run, LIFETIME);
        let replay = |limit| Replay::new(limit, LIFETIME);
        let failures = |limit| Failures::new(limit, 3, Duration::from_secs(30));
        Self {
            shared: Shared::new(rules, Stateless::new(SECRET, b"x"), keys, nonces, replay, failures, 1600),
            authenticator: Authenticator {
                trust: Trust::new(terms, 100, (1, 2)),
                repeats: Repeats::new(100, PATIENCE, (3, 4)),
            },
            now: START,
            random: 0,
            has_users: true,
            run,
            tokens,
        }
    }

    fn secrets(user: &User) -> Option<Secrets> {
        let is_there = match &user.realm[..] {
            b"example.com" => matches!(&user.name[..], b"alice" | b"bob" | b"imported"),
            b"example.org" => &user.name[..] == b"carol",
            _ => false,
        };
        let algorithms = match &user.name[..] {
            b"imported" => &[Algorithm::Md5][..],
            _ => &[Algorithm::Sha256, Algorithm::Md5],
        };
        is_there.then(|| Secrets::of(user, &user.name, algorithms))
    }

    fn serve(&mut self, request: &Message, source: &Source) -> Step {
        self.random += 1;
        let at = (self.now, self.random);
        match self.authenticator.arrive(&self.shared, at, request, source) {
            Step::Ask(question) => {
                let secrets = Self::secrets(&question.user);
                let found = if self.has_users {
                    Found::Known(secrets.as_ref())
                } else {
                    Found::Unavailable(Duration::from_secs(2))
                };
                self.authenticator.finish(&self.shared, at, (request, source), &question, found)
            }
            step => step,
        }
    }

    /// What became of it.
    fn outcome(&mut self, request: &Message, source: &Source) -> Outcome {
        match self.serve(request, source) {
            Step::Pass(outcome) => outcome,
            Step::Answer(answer) => answer.why,
            other @ Step::Ask(_) => panic!("{other:?}"),
        }
    }

    /// The request is to wait for its user.
    fn asked(&mut self, request: &Message, source: &Source) -> Box<Question> {
        match self.authenticator.arrive(&self.shared, (self.now, 0), request, source) {
            Step::Ask(question) => question,
            other => panic!("{other:?}"),
        }
    }

    /// It has waited.
    fn finished(&mut self, request: &Message, source: &Source, question: &Question) -> Outcome {
        let (secrets, at) = (Self::secrets(&question.user), (self.now, 0));
        let found = Found::Known(secrets.as_ref());
        match self.authenticator.finish(&self.shared, at, (request, source), question, found) {
            Step::Pass(outcome) => outcome,
            Step::Answer(answer) => answer.why,
            other @ Step::Ask(_) => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, request: &Message, source: &Source) -> Answer {
        match self.serve(request, source) {
            Step::Answer(answer) => *answer,
            other => panic!("{other:?}"),
        }
    }
}

fn response(answer: &Answer) -> Message {
    Message::parse(answer.reply.wire.to_bytes()).unwrap()
}

fn source(transport: Transport, slot: u32, remote: &str) -> Source {
    let remote: SocketAddr = remote.parse().unwrap();
    Source::new(Flow { id: FlowId { worker: 0, slot, generation: 0 }, remote }, transport)
}

fn tcp(slot: u32) -> Source {
    source(Transport::Tcp, slot, "192.0.2.1:40000")
}

/// A request of a UA.
struct Draft {
    method: &'static str,
    uri: &'static str,
    from: &'static str,
    to: &'static str,
    to_tag: bool,
    lines: Vec<String>,
    cseq: u32,
}

impl Draft {
    fn register(name: &'static str) -> Self {
        Self { method: "REGISTER", uri: "sip:example.com", to: name, ..Self::message(name) }
    }

    fn message(from: &'static str) -> Self {
        Self {
            method: "MESSAGE",
            uri: "sip:bob@example.com",
            from,
            to: "sip:bob@example.com",
            to_tag: false,
            lines: Vec::new(),
            cseq: 1,
        }
    }

    fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into() + "\r\n");
        self
    }

    fn make(&self) -> Message {
        let Self { method, uri, from, to, cseq, .. } = self;
        let tag = if self.to_tag { ";tag=t" } else { "" };
        let lines = self.lines.concat();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{cseq}\r\n\
             From: <{from}>;tag=f\r\nTo: <{to}>{tag}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    /// With what the login knows.
    fn with(&self, login: &mut Login) -> Message {
        let mut draft = Self { lines: self.lines.clone(), ..*self };
        login.begin();
        for (name, value) in login.credentials(self.method, self.uri.as_bytes(), "cnonce") {
            draft = draft.line(format!("{}: {}", name.as_str(), String::from_utf8(value).unwrap()));
        }
        draft.make()
    }
}

const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// A login that has been challenged once.
fn challenged(node: &mut Node, draft: &Draft, source: &Source, name: &str, password: &str) -> Login {
    let mut login = Login::new(name, password);
    let answer = node.answer(&draft.make(), source);
    assert_eq!(answer.why, Outcome::Challenged);
    login.begin();
    login.challenged(&response(&answer)).unwrap();
    login
}
