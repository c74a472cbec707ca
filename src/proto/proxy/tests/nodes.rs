//! Two nodes, each with a proxy and the owner's hop, and the links between them; a UA at each. Stepped through virtual time:
//! datagrams of UAs are delayed and lost, what is on a link is delayed only.

use std::time::{Duration, Instant};

use flowhold_cluster::binding::Binding;
use flowhold_cluster::flow::{Flow, FlowId};
use flowhold_cluster::location::Known;

use super::scenario::*;
use super::uas::{Callee, Caller};
use crate::proto::Source;
use crate::proto::relay::{Relay, Relayed};
use crate::sip::{Message, Transport};

const LATENCY: Duration = Duration::from_millis(20);

/// Where the UAs are.
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

const NAMES: [&str; 2] = ["a", "b"];
pub(super) const CONTACTS: [&str; 2] = ["sip:bob@10.0.0.2:5062", "sip:alice@10.0.0.1:5062"];

/// A node with its UA: Bob at a, Alice at b.
pub(super) struct Node {
    pub(super) scenario: Scenario,
    relay: Relay,
    epoch: u64,
    pub(super) ua: Ua,
}

pub(super) struct Ua {
    pub(super) at: Source,
    pub(super) caller: Option<Caller>,
    pub(super) callee: Option<Callee>,
    /// Its connection has ended, and only its node has seen it so far.
    pub(super) gone: bool,
}

/// A message under way.
struct Packet {
    arrives: Instant,
    message: Message,
    towards: Towards,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Towards {
    /// A node, over a flow of that name there.
    Node(usize, Source),
    Ua(usize),
}

pub(super) struct Pair {
    pub(super) nodes: [Node; 2],
    /// Which links there are: each node's own, and the other's as it sees it. None while they are cut.
    links: Option<u32>,
    begun: u32,
    under_way: Vec<Packet>,
    pub(super) now: Instant,
    /// How many datagrams were sent, and which of them are lost.
    pub(super) sent: usize,
    lost: Vec<usize>,
    /// How many messages went over links.
    pub(super) on_links: usize,
}

impl Pair {
    /// Bob is registered at a, and Alice at b.
    pub(super) fn new(bob_at: Source, alice_at: Source, lost: &[usize]) -> Pair {
        let nodes = [Node::new(A, 1, bob_at), Node::new(B, 1, alice_at)];
        let now = nodes[A].scenario.now;
        let mut pair = Pair {
            nodes,
            links: None,
            begun: 0,
            under_way: Vec::new(),
            now,
            sent: 0,
            lost: lost.to_vec(),
            on_links: 0,
        };
        pair.nodes[B].scenario.now = now;
        pair.register(&[bob_at], &[alice_at]);
        pair.link();
        pair
    }

    /// Both nodes know of these flows, of which the first is the newest.
    pub(super) fn register(&mut self, bobs: &[Source], alices: &[Source]) {
        let bindings = |node: usize, flows: &[Source]| -> Vec<Binding> {
            let holder = run_of(NAMES[node], self.nodes[node].epoch);
            let of = |(reg_id, on): (u32, &Source)| Binding {
                holder: holder.clone(),
                contact: CONTACTS[node].as_bytes().into(),
                ..flow_of("ua", reg_id, *on, u64::from(10 - reg_id))
            };
            (1..).zip(flows).map(of).collect()
        };
        self.set_bindings(bindings(A, bobs), bindings(B, alices));
    }

    pub(super) fn set_bindings(&mut self, bobs: Vec<Binding>, alices: Vec<Binding>) {
        for (aor, bindings) in [("bob@example.com", bobs), ("alice@example.com", alices)] {
            let known = Known::Yes(bindings.into_iter().map(std::sync::Arc::new).collect());
            for node in &mut self.nodes {
                node.scenario.aors.insert(aor.into(), Ok(known.clone()));
            }
        }
    }

    /// Puts up a link each way, in place of those that are there.
    pub(super) fn link(&mut self) {
        self.begun += 1;
        self.links = Some(self.begun);
        for (at, other) in [(A, B), (B, A)] {
            let slot = own_link(self.begun).id.slot;
            let peer = peer(NAMES[other], self.nodes[other].epoch, slot);
            self.nodes[at].scenario.proxy.link_up(peer);
        }
    }

    /// Cuts both, with all that is under way on them.
    pub(super) fn cut(&mut self) {
        let Some(link) = self.links.take() else { return };
        let on_link = |from: &Source| [own_link(link).id, others_link(link).id].contains(&from.flow.id);
        self.under_way.retain(|packet| !matches!(&packet.towards, Towards::Node(_, from) if on_link(from)));
        for at in [A, B] {
            let sent = self.nodes[at].scenario.flow_failed(own_link(link));
            self.carry(at, sent);
        }
    }

    /// The node stops, and begins another run.
    pub(super) fn restart(&mut self, node: usize) {
        self.cut();
        let ua = self.nodes[node].ua.at;
        let mut restarted = Node::new(node, self.nodes[node].epoch + 1, ua);
        restarted.scenario.now = self.now;
        restarted.scenario.aors = std::mem::take(&mut self.nodes[node].scenario.aors);
        std::mem::swap(&mut restarted.ua, &mut self.nodes[node].ua);
        self.nodes[node] = restarted;
        self.link();
    }

    /// A UA sends its request.
    pub(super) fn ask(&mut self, at: usize, request: Message) {
        let on = self.nodes[at].ua.at;
        self.nodes[at].ua.caller = Some(Caller::new(self.now, on, request.clone()));
        self.send(Towards::Node(at, on), vec![request]);
    }

    /// A UA will answer one request so.
    pub(super) fn serve(&mut self, at: usize, status: u16) {
        self.nodes[at].ua.callee = Some(Callee::new(self.nodes[at].ua.at, CONTACTS[at], status));
    }

    /// Runs until nothing is under way and nobody waits for anything.
    pub(super) fn run(&mut self) {
        while let Some(next) = self.next() {
            self.step(next);
        }
        for node in &self.nodes {
            assert!(node.scenario.proxy.is_at_rest());
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.step(next);
        }
        self.step(end);
    }

    pub(super) fn caller(&self, at: usize) -> &Caller {
        self.nodes[at].ua.caller.as_ref().unwrap()
    }

    pub(super) fn callee(&self, at: usize) -> &Callee {
        self.nodes[at].ua.callee.as_ref().unwrap()
    }

    fn next(&self) -> Option<Instant> {
        let packets = self.under_way.iter().map(|packet| packet.arrives);
        let nodes = self.nodes.iter().flat_map(|node| {
            let Ua { caller, callee, .. } = &node.ua;
            [
                node.scenario.proxy.deadline(),
                caller.as_ref().and_then(Caller::deadline),
                callee.as_ref().and_then(Callee::deadline),
            ]
        });
        packets.chain(nodes.flatten()).min()
    }

    fn step(&mut self, next: Instant) {
        self.now = next.max(self.now);
        for at in [A, B] {
            let scenario = &mut self.nodes[at].scenario;
            let sent = scenario.wait(self.now.saturating_duration_since(scenario.now));
            self.carry(at, sent);
        }
        if let Some(at) = self.under_way.iter().position(|packet| packet.arrives <= self.now) {
            let Packet { message, towards, .. } = self.under_way.remove(at);
            match towards {
                Towards::Node(at, from) => self.node_hears(at, message, from),
                Towards::Ua(at) => self.ua_hears(at, message),
            }
        }
        for at in [A, B] {
            let ua = &mut self.nodes[at].ua;
            let mut out = ua.caller.as_mut().map(|caller| caller.waits(self.now)).unwrap_or_default();
            out.extend(ua.callee.as_mut().map(|callee| callee.waits(self.now)).unwrap_or_default());
            let on = ua.at;
            self.send(Towards::Node(at, on), out);
        }
    }

    fn node_hears(&mut self, at: usize, message: Message, from: Source) {
        let node = &mut self.nodes[at];
        let is_others_link = self.links.is_some_and(|link| from.flow.id == others_link(link).id);
        let is_relays = |message: &Message| {
            let branch = message.top_via().ok().and_then(|via| via.branch().map(Relay::is_branch));
            !message.is_request() && branch == Some(true)
        };
        if is_others_link {
            assert!(message.is_request(), "responses come over the link that their request went over");
            self.relay(at, &message, from);
        } else if is_relays(&message) {
            let (to, wire) = node.relay.response(&message, from).expect("the UA answers what it got");
            self.over_link(at, to.id, Message::parse(wire.to_bytes()).unwrap());
        } else {
            let sent = node.scenario.message(message, from);
            self.carry(at, sent);
        }
    }

    fn relay(&mut self, at: usize, request: &Message, link: Source) {
        let node = &self.nodes[at];
        let relayed = match node.relay.request(request, link) {
            Relayed::Onward { .. } if node.ua.gone => node.relay.gone(request, link),
            relayed => relayed,
        };
        match relayed {
            Relayed::Onward { to, wire, .. } => {
                assert!(self.is_uas(at, to.flow, to.transport));
                self.send(Towards::Ua(at), vec![Message::parse(wire.to_bytes()).unwrap()]);
            }
            Relayed::Refused { answer, .. } => {
                if let Some(wire) = answer {
                    self.over_link(at, link.flow.id, Message::parse(wire.to_bytes()).unwrap());
                }
            }
            Relayed::Absorbed => {}
        }
    }

    fn ua_hears(&mut self, at: usize, message: Message) {
        let (now, ua) = (self.now, &mut self.nodes[at].ua);
        let out = match (&mut ua.caller, &mut ua.callee) {
            _ if ua.gone => Vec::new(),
            (_, Some(callee)) if message.is_request() => callee.hears(now, message),
            (Some(caller), _) if !message.is_request() => caller.hears(now, &message),
            _ => panic!("nobody expected {message:?}"),
        };
        let on = ua.at;
        self.send(Towards::Node(at, on), out);
    }

    /// What left a node.
    fn carry(&mut self, at: usize, sent: Vec<Sent>) {
        for sent in sent {
            if self.is_uas(at, sent.to, sent.transport) {
                self.send(Towards::Ua(at), vec![sent.message]);
            } else {
                self.over_link(at, sent.to.id, sent.message);
            }
        }
    }

    fn is_uas(&self, at: usize, flow: Flow, transport: Transport) -> bool {
        let ua = self.nodes[at].ua.at;
        ua.transport == transport && ua.flow.id == flow.id && (transport.is_reliable() || ua.flow == flow)
    }

    /// A link ends over there with the other name.
    fn over_link(&mut self, at: usize, link: FlowId, message: Message) {
        let other = 1 - at;
        let there = self.links.and_then(|up| {
            let (own, others) = (own_link(up), others_link(up));
            [(own.id, others), (others.id, own)].into_iter().find(|(here, _)| *here == link)
        });
        // Of a link that was cut.
        let Some((_, flow)) = there else { return };
        self.on_links += 1;
        self.send(Towards::Node(other, Source::new(flow, Transport::Tcp)), vec![message]);
    }

    fn send(&mut self, towards: Towards, messages: Vec<Message>) {
        let over = match towards {
            Towards::Node(_, from) => from,
            Towards::Ua(at) => self.nodes[at].ua.at,
        };
        for message in messages {
            if !over.transport.is_reliable() {
                self.sent += 1;
                if self.lost.contains(&(self.sent - 1)) {
                    continue;
                }
            }
            self.under_way.push(Packet { arrives: self.now + LATENCY, message, towards });
        }
    }
}

impl Node {
    fn new(node: usize, epoch: u64, ua_at: Source) -> Node {
        let settings = super::super::Settings { run: run_of(NAMES[node], epoch), ..settings_of(NAMES[node]) };
        let relay = Relay::new(&settings, (node as u128 + 1) << 64 | u128::from(epoch));
        let ua = Ua { at: ua_at, caller: None, callee: None, gone: false };
        Node { scenario: Scenario::with(settings, &[]), relay, epoch, ua }
    }
}

/// The link that a node has opened, as it sees it.
fn own_link(nth: u32) -> Flow {
    source(Transport::Tcp, 50 + 10 * nth, "192.0.2.9:5070").flow
}

/// The link that the other node has opened.
fn others_link(nth: u32) -> Flow {
    source(Transport::Tcp, 51 + 10 * nth, "192.0.2.9:40000").flow
}
