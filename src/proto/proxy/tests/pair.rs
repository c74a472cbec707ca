//! Two UAs and the proxy between them, stepped through virtual time over links that delay and lose datagrams.

use std::time::{Duration, Instant};

use super::scenario::*;
use super::uas::{Callee, Caller};
use crate::proto::Source;
use crate::sip::Message;

const LATENCY: Duration = Duration::from_millis(20);

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
    under_way: Vec<Packet>,
    /// How many datagrams were sent, and which of them are lost.
    sent: usize,
    lost: Vec<usize>,
    /// Nothing reaches Bob.
    deaf: bool,
}

impl Pair {
    fn new(method: &str, status: u16, alice_at: Source, bob_at: Source, lost: &[usize]) -> Pair {
        let contact = "sip:bob@10.0.0.2:5062";
        let scenario = Scenario::with(settings(), &[binding(bob_at, contact, "")]);
        let request = message(&request(method, alice_at.transport.as_via_str(), "z9hG4bKalice"));
        let mut pair = Pair {
            alice: Caller::new(scenario.now, alice_at, request.clone()),
            bob: Callee::new(bob_at, contact, status),
            scenario,
            under_way: Vec::new(),
            sent: 0,
            lost: lost.to_vec(),
            deaf: false,
        };
        pair.send(Towards::Proxy(alice_at), vec![request]);
        pair
    }

    fn send(&mut self, towards: Towards, messages: Vec<Message>) {
        let over = match towards {
            Towards::Proxy(from) => from,
            Towards::Alice => self.alice.at,
            Towards::Bob => self.bob.at,
        };
        for message in messages {
            if !over.transport.is_reliable() {
                self.sent += 1;
                if self.lost.contains(&(self.sent - 1)) {
                    continue;
                }
            }
            self.under_way.push(Packet { arrives: self.scenario.now + LATENCY, message, towards });
        }
    }

    fn carry(&mut self, sent: Vec<Sent>) {
        for sent in sent {
            let towards = if sent.is_to(self.bob.at) { Towards::Bob } else { Towards::Alice };
            self.send(towards, vec![sent.message]);
        }
    }

    /// Runs until nothing is under way and nobody waits for anything.
    fn run(&mut self) {
        let (alice_at, bob_at) = (self.alice.at, self.bob.at);
        while let Some(next) = self.next() {
            let sent = self.scenario.wait(next.saturating_duration_since(self.scenario.now));
            self.carry(sent);
            let now = self.scenario.now;
            if let Some(at) = self.under_way.iter().position(|packet| packet.arrives <= next) {
                let packet = self.under_way.remove(at);
                match packet.towards {
                    Towards::Proxy(from) => {
                        let sent = self.scenario.message(packet.message, from);
                        self.carry(sent);
                    }
                    Towards::Alice => {
                        let out = self.alice.hears(now, &packet.message);
                        self.send(Towards::Proxy(alice_at), out);
                    }
                    Towards::Bob if self.deaf => {}
                    Towards::Bob => {
                        let out = self.bob.hears(now, packet.message);
                        self.send(Towards::Proxy(bob_at), out);
                    }
                }
            }
            let out = self.alice.waits(now);
            self.send(Towards::Proxy(alice_at), out);
            let out = self.bob.waits(now);
            self.send(Towards::Proxy(bob_at), out);
        }
        assert!(self.scenario.proxy.is_at_rest());
    }

    fn next(&self) -> Option<Instant> {
        let packets = self.under_way.iter().map(|packet| packet.arrives).min();
        let deadlines = [self.alice.deadline(), self.bob.deadline(), self.scenario.proxy.deadline()];
        deadlines.into_iter().chain([packets]).flatten().min()
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
                let finals = pair.alice.finals();
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
        assert_eq!(pair.alice.finals(), [408]);
    }
}
