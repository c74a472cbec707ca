//! Two UAs and the proxy between them, stepped through virtual time over links that delay and lose datagrams.

use std::time::{Duration, Instant};

use super::scenario::*;
use crate::proto::transaction::{
    Acked, Fired, InviteClient, InviteServer, NonInviteClient, NonInviteServer, Received, Timers,
};
use crate::proto::{Hop, Source};
use crate::sip::{Message, Method, Name};

const LATENCY: Duration = Duration::from_millis(20);
const RINGS: Duration = Duration::from_millis(300);

/// Alice's transaction.
enum Client {
    Invite(InviteClient),
    Other(NonInviteClient),
}

/// Alice, who sends one request.
struct Caller {
    from: Source,
    request: Message,
    client: Client,
    timers: Timers,
    /// What is sent again by Timer A or E, or on a repeated failure.
    last: Message,
    /// What reached her, each provisional response too.
    heard: Vec<u16>,
    timed_out: bool,
}

/// Bob, who answers one request.
struct Callee {
    status: u16,
    timers: Timers,
    invite: Option<InviteServer>,
    other: Option<NonInviteServer>,
    request: Option<Sent>,
    /// When he answers for good.
    answers_at: Option<Instant>,
    /// RFC 3261 §13.3.1.4: a 2xx is repeated by the UAS itself until its ACK.
    repeats: Option<(Instant, Duration)>,
    last: Option<Message>,
    acked: bool,
    served: usize,
}

/// A message under way.
struct Packet {
    arrives: Instant,
    message: Message,
    towards: Towards,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Towards {
    Proxy(Source),
    Alice,
    Bob,
}

struct Pair {
    scenario: Scenario,
    alice: Caller,
    bob: Callee,
    bob_at: Source,
    under_way: Vec<Packet>,
    /// How many datagrams were sent, and which of them are lost.
    sent: usize,
    lost: Vec<usize>,
    /// Nothing reaches Bob.
    deaf: bool,
}

impl Pair {
    fn new(method: &str, status: u16, alice_at: Source, bob_at: Source, lost: &[usize]) -> Pair {
        let scenario = Scenario::with(settings(), &[binding(bob_at, "sip:bob@10.0.0.2:5062", "")]);
        let transport = alice_at.transport;
        let text = request(method, transport.as_via_str(), "z9hG4bKalice");
        let (timers, now, reliable) = (Timers::default(), scenario.now, transport.is_reliable());
        let client = match method {
            "INVITE" => Client::Invite(InviteClient::new(now, reliable, &timers)),
            _ => Client::Other(NonInviteClient::new(now, reliable, &timers)),
        };
        let request = message(&text);
        let alice = Caller {
            from: alice_at,
            last: request.clone(),
            request: request.clone(),
            client,
            timers,
            heard: Vec::new(),
            timed_out: false,
        };
        let bob = Callee {
            status,
            timers,
            invite: None,
            other: None,
            request: None,
            answers_at: None,
            repeats: None,
            last: None,
            acked: false,
            served: 0,
        };
        let mut pair = Pair {
            scenario,
            alice,
            bob,
            bob_at,
            under_way: Vec::new(),
            sent: 0,
            lost: lost.to_vec(),
            deaf: false,
        };
        pair.send(Towards::Proxy(alice_at), request);
        pair
    }

    fn send(&mut self, towards: Towards, message: Message) {
        let reliable = match towards {
            Towards::Proxy(from) => from.transport.is_reliable(),
            Towards::Alice => self.alice.from.transport.is_reliable(),
            Towards::Bob => self.bob_at.transport.is_reliable(),
        };
        if !reliable {
            self.sent += 1;
            if self.lost.contains(&(self.sent - 1)) {
                return;
            }
        }
        self.under_way.push(Packet { arrives: self.scenario.now + LATENCY, message, towards });
    }

    fn carry(&mut self, sent: Vec<Sent>) {
        for sent in sent {
            let towards = if sent.to == self.bob_at.flow { Towards::Bob } else { Towards::Alice };
            self.send(towards, sent.message);
        }
    }

    /// Runs until nothing is under way and nobody waits for anything.
    fn run(&mut self) {
        while let Some(next) = self.next() {
            let sent = self.scenario.wait(next.saturating_duration_since(self.scenario.now));
            self.carry(sent);
            if let Some(at) = self.under_way.iter().position(|packet| packet.arrives <= next) {
                let packet = self.under_way.remove(at);
                match packet.towards {
                    Towards::Proxy(from) => {
                        let sent = self.scenario.message(packet.message, from);
                        self.carry(sent);
                    }
                    Towards::Alice => self.alice_hears(&packet.message),
                    Towards::Bob if self.deaf => {}
                    Towards::Bob => self.bob_hears(packet.message),
                }
            }
            self.alice_waits();
            self.bob_waits();
        }
        assert!(self.scenario.proxy.is_at_rest());
    }

    fn next(&self) -> Option<Instant> {
        let alice = match &self.alice.client {
            Client::Invite(client) => client.deadline(),
            Client::Other(client) => client.deadline(),
        };
        let bob = [
            self.bob.invite.as_ref().and_then(InviteServer::deadline),
            self.bob.other.as_ref().and_then(NonInviteServer::deadline),
            self.bob.answers_at,
            self.bob.repeats.map(|(at, _)| at),
        ];
        let packets = self.under_way.iter().map(|packet| packet.arrives).min();
        [alice, packets, self.scenario.proxy.deadline()].into_iter().chain(bob).flatten().min()
    }

    fn alice_hears(&mut self, response: &Message) {
        let status = response.status().unwrap();
        let (now, alice) = (self.scenario.now, &mut self.alice);
        let received = match &mut alice.client {
            Client::Invite(client) => client.response(now, status, &alice.timers),
            Client::Other(client) => client.response(now, status, &alice.timers),
        };
        let from = alice.from;
        match received {
            Received::Pass => {
                alice.heard.push(status);
                if alice.request.method() == Method::Invite && (200..300).contains(&status) {
                    let ack = self.alice_acks(response, "z9hG4bKack");
                    self.send(Towards::Proxy(from), ack);
                }
            }
            Received::PassAndAck => {
                alice.heard.push(status);
                let ack = self.alice_acks(response, "z9hG4bKalice");
                self.alice.last = ack.clone();
                self.send(Towards::Proxy(from), ack);
            }
            Received::AckAgain => {
                let ack = alice.last.clone();
                self.send(Towards::Proxy(from), ack);
            }
            Received::Absorb => {}
        }
    }

    fn alice_acks(&self, response: &Message, branch: &str) -> Message {
        let text = String::from_utf8(self.alice.request.bytes().to_vec()).unwrap();
        let to = str::from_utf8(response.first(Name::To).unwrap()).unwrap();
        let text = text
            .replace("INVITE", "ACK")
            .replace("branch=z9hG4bKalice", &format!("branch={branch}"))
            .replace("To: <sip:bob@example.com>", &format!("To: {to}"));
        Message::parse(text.into_bytes().into()).unwrap()
    }

    fn alice_waits(&mut self) {
        let (now, alice) = (self.scenario.now, &mut self.alice);
        let fired = match &mut alice.client {
            Client::Invite(client) => client.expire(now),
            Client::Other(client) => client.expire(now, &alice.timers),
        };
        let (from, request) = (alice.from, alice.request.clone());
        match fired {
            Some(Fired::Resend) => self.send(Towards::Proxy(from), request),
            Some(Fired::TimedOut) => alice.timed_out = true,
            _ => {}
        }
    }

    fn bob_hears(&mut self, request: Message) {
        let (now, bob) = (self.scenario.now, &mut self.bob);
        let reliable = self.bob_at.transport.is_reliable();
        if request.method() == Method::Ack {
            bob.acked = true;
            bob.repeats = None;
            if let Some(server) = &mut bob.invite {
                assert!(matches!(server.ack(now, &bob.timers), Acked::Absorb | Acked::ToUser));
            }
            return;
        }
        let known = bob.invite.as_ref().map(InviteServer::repeated);
        let known = known.or(bob.other.as_ref().map(NonInviteServer::repeated));
        if let Some(again) = known {
            if let (true, Some(last)) = (again, bob.last.clone()) {
                self.send(Towards::Proxy(self.bob_at), last);
            }
            return;
        }
        bob.served += 1;
        bob.answers_at = Some(now + RINGS);
        let flow = self.bob_at.flow;
        let is_invite = request.method() == Method::Invite;
        bob.request = Some(Sent {
            to: flow,
            hop: Hop::Flow(flow),
            transport: self.bob_at.transport,
            message: request,
            assign: None,
            branch: None,
        });
        if is_invite {
            bob.invite = Some(InviteServer::new(reliable));
            self.bob_says(180);
        } else {
            bob.other = Some(NonInviteServer::new(now, reliable, &bob.timers));
        }
    }

    fn bob_says(&mut self, status: u16) {
        let bob = &mut self.bob;
        let response = bob.request.as_ref().unwrap().answer(status);
        bob.last = Some(response.clone());
        self.send(Towards::Proxy(self.bob_at), response);
    }

    fn bob_waits(&mut self) {
        let (now, bob) = (self.scenario.now, &mut self.bob);
        let status = bob.status;
        if bob.answers_at.take_if(|at| *at <= now).is_some() {
            let mut repeats = None;
            if let Some(server) = &mut bob.invite {
                server.respond(now, status, &bob.timers);
                repeats = (status < 300).then(|| (now + bob.timers.t1, bob.timers.t1));
            }
            if let Some(server) = &mut bob.other {
                server.respond(now, status, &bob.timers);
            }
            bob.repeats = repeats;
            self.bob_says(status);
        }
        let bob = &mut self.bob;
        if let Some((at, interval)) = bob.repeats.filter(|(at, _)| *at <= now) {
            let interval = (interval * 2).min(bob.timers.t2);
            // RFC 3261 §13.3.1.4: given up after 64*T1, which is when the transaction ends as well.
            let accepted = bob.invite.as_ref().is_some_and(InviteServer::is_accepted);
            bob.repeats = accepted.then_some((at + interval, interval));
            self.bob_says(status);
        }
        let bob = &mut self.bob;
        let fired = match (&mut bob.invite, &mut bob.other) {
            (Some(server), _) => server.expire(now, &bob.timers),
            (None, Some(server)) => server.expire(now),
            (None, None) => None,
        };
        match (fired, bob.last.clone()) {
            (Some(Fired::Resend), Some(last)) => self.send(Towards::Proxy(self.bob_at), last),
            (Some(Fired::Trying), _) => self.bob_says(100),
            _ => {}
        }
    }

    fn finals(&self) -> Vec<u16> {
        self.alice.heard.iter().copied().filter(|status| *status >= 200).collect()
    }
}

fn over(udp: bool) -> (Source, Source) {
    if udp { (alice_udp(), bob_udp()) } else { (alice(), bob()) }
}

/// How many datagrams go to and fro when none is lost.
fn datagrams(method: &str, status: u16) -> usize {
    let mut pair = Pair::new(method, status, alice_udp(), bob_udp(), &[]);
    pair.run();
    pair.sent
}

#[test]
fn a_message_arrives_once_and_its_200_comes_back_once() {
    for udp in [false, true] {
        let (alice, bob) = over(udp);
        let mut pair = Pair::new("MESSAGE", 200, alice, bob, &[]);
        pair.run();
        assert_eq!((pair.alice.heard, pair.bob.served), (vec![200], 1));
    }
}

#[test]
fn a_call_is_set_up_and_its_ack_arrives() {
    for udp in [false, true] {
        let (alice, bob) = over(udp);
        let mut pair = Pair::new("INVITE", 200, alice, bob, &[]);
        pair.run();
        assert_eq!((pair.alice.heard, pair.bob.served, pair.bob.acked), (vec![100, 180, 200], 1, true));
    }
}

#[test]
fn a_call_from_udp_to_tcp_and_back() {
    for (alice, bob) in [(alice_udp(), bob()), (alice(), bob_udp())] {
        for status in [200, 486] {
            let mut pair = Pair::new("INVITE", status, alice, bob, &[]);
            pair.run();
            assert_eq!((pair.alice.heard, pair.bob.acked), (vec![100, 180, status], true));
        }
    }
}

#[test]
fn any_two_lost_datagrams_change_nothing() {
    for (method, status) in [("MESSAGE", 200), ("MESSAGE", 404), ("INVITE", 200), ("INVITE", 486)] {
        let count = datagrams(method, status) + 2;
        for one in 0..count {
            for two in one..count {
                let mut pair = Pair::new(method, status, alice_udp(), bob_udp(), &[one, two]);
                pair.run();
                let finals = pair.finals();
                let what = format!("{method} {status} without {one} and {two}: {:?}", pair.alice.heard);
                assert!(!finals.is_empty() && finals.iter().all(|heard| *heard == status), "{what}");
                assert!(finals.len() == 1 || (method, status) == ("INVITE", 200), "{what}");
                assert_eq!(pair.bob.served, 1, "{what}");
                assert_eq!(pair.bob.acked, method == "INVITE", "{what}");
            }
        }
    }
}

#[test]
fn s16_7_step_6_a_caller_hears_408_where_bob_hears_nothing() {
    for udp in [false, true] {
        let (alice, bob) = over(udp);
        let mut pair = Pair::new("INVITE", 200, alice, bob, &[]);
        pair.deaf = true;
        pair.run();
        assert_eq!(pair.finals(), [408]);
    }
}
