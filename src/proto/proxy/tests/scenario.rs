//! A proxy with a location service that answers at once, and what left it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flowhold_cluster::binding::{Binding, BindingKey, Timestamp};
use flowhold_cluster::flow::{self, Flow, FlowId, NodeRun};
use flowhold_cluster::location::{Known, Unavailable};
use flowhold_cluster::token::KeyRing;

use super::super::{Action, BranchId, ContextId, Event, Peer, Proxy, SentBy, Settings};
use crate::proto::edge::Form;
use crate::proto::keepalive::Assign;
use crate::proto::transaction::Timers;
use crate::proto::{Hop, Source};
use crate::sip::{Edit, Message, Name, Response, Transport};

pub(super) const TIMER_C: Duration = Duration::from_secs(181);
pub(super) const FLOW_TIMEOUT: Duration = Duration::from_secs(4);

pub(super) fn settings() -> Settings {
    let sent_by = |port: &str| format!("192.0.2.1:{port}").into_bytes().into_boxed_slice();
    Settings {
        run: run(),
        tokens: Arc::new(KeyRing::of_one_run(&[7; 32])),
        registrar: None,
        routes: Vec::new(),
        further: Vec::new(),
        upstreams: Vec::new(),
        flow_timer: Duration::from_secs(120),
        flow_timer_udp: Duration::from_secs(25),
        proves_users: false,
        domains: vec![b"example.com".as_slice().into()],
        hosts: [5060, 5061, 80, 443].map(|port| (b"192.0.2.1".as_slice().into(), port)).into(),
        sent_by: SentBy {
            udp: sent_by("5060"),
            tcp: sent_by("5060"),
            tls: sent_by("5061"),
            ws: sent_by("80"),
            wss: sent_by("443"),
        },
        cluster: None,
        timers: Timers::default(),
        timer_c: TIMER_C,
        flow_timeout: FLOW_TIMEOUT,
        max_transactions: 100,
        retry_after: Duration::from_secs(7),
        worker: 3,
        server: b"flowhold".as_slice().into(),
    }
}

/// This run of this node.
pub(super) fn run() -> NodeRun {
    run_of("a", 1)
}

pub(super) fn run_of(node: &str, epoch: u64) -> NodeRun {
    NodeRun { node: node.into(), epoch }
}

/// A node of a cluster, by its name, with its addresses: `192.0.2.x`, links at port 5070.
pub(super) fn settings_of(node: &str) -> Settings {
    let host = host_of(node);
    let sent_by = |port: u16| format!("{host}:{port}").into_bytes().into_boxed_slice();
    Settings {
        run: run_of(node, 1),
        hosts: [5060, 5061, 80, 443].map(|port| (host.clone().into_bytes().into(), port)).into(),
        sent_by: SentBy {
            udp: sent_by(5060),
            tcp: sent_by(5060),
            tls: sent_by(5061),
            ws: sent_by(80),
            wss: sent_by(443),
        },
        cluster: Some(sent_by(5070)),
        ..settings()
    }
}

fn host_of(node: &str) -> String {
    format!("192.0.2.{}", node.as_bytes()[0] - b'a' + 1)
}

/// That node as others see it, at the other end of a link in `slot`.
pub(super) fn peer(node: &str, epoch: u64, slot: u32) -> Peer {
    let Settings { sent_by, cluster, .. } = settings_of(node);
    let at = cluster.unwrap();
    let link = source(Transport::Tcp, slot, str::from_utf8(&at).unwrap());
    Peer { run: run_of(node, epoch), link, sent_by, at }
}

pub(super) fn source(transport: Transport, slot: u32, remote: &str) -> Source {
    let id = FlowId { worker: 3, slot, generation: 1 };
    Source::new(Flow { id, remote: remote.parse::<SocketAddr>().unwrap() }, transport)
}

/// Alice asks over TCP, and over UDP.
pub(super) fn alice() -> Source {
    source(Transport::Tcp, 1, "198.51.100.1:40001")
}

pub(super) fn alice_udp() -> Source {
    source(Transport::Udp, 0, "198.51.100.1:40001")
}

/// Bob is registered over TCP, and over UDP.
pub(super) fn bob() -> Source {
    source(Transport::Tcp, 2, "198.51.100.2:40002")
}

pub(super) fn bob_udp() -> Source {
    source(Transport::Udp, 0, "198.51.100.2:40002")
}

pub(super) const BOB_CONTACT: &str = "sip:bob@10.0.0.2:5062;transport=tcp";

pub(super) fn binding(on: Source, contact: &str, path: &str) -> Binding {
    let transport = match on.transport {
        Transport::Udp => flow::Transport::Udp,
        Transport::Tcp => flow::Transport::Tcp,
        Transport::Tls => flow::Transport::Tls,
        Transport::Ws => flow::Transport::Ws,
        Transport::Wss => flow::Transport::Wss,
    };
    Binding {
        key: BindingKey::Instance { instance_id: b"<urn:uuid:bob>".as_slice().into(), reg_id: 1 },
        contact: contact.as_bytes().into(),
        params: Box::default(),
        path: path.as_bytes().into(),
        call_id: Box::default(),
        cseq: 1,
        q: 1000,
        expires_at: Timestamp(u64::MAX),
        updated_at: Timestamp(0),
        holder: run(),
        flow: on.flow,
        transport,
        direct: true,
        outbound: true,
        user_agent: Box::default(),
    }
}

/// A flow of one of Bob's UAs; the higher `updated_at`, the newer.
pub(super) fn flow_of(instance: &str, reg_id: u32, on: Source, updated_at: u64) -> Binding {
    let instance_id = format!("<urn:uuid:{instance}>").into_bytes().into();
    Binding {
        key: BindingKey::Instance { instance_id, reg_id },
        updated_at: Timestamp(updated_at),
        ..binding(on, &format!("sip:{instance}@10.0.0.2:506{reg_id}"), "")
    }
}

/// A message that left.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The flow; for a next hop its address on no flow that there is.
    pub(super) to: Flow,
    pub(super) hop: Hop,
    pub(super) transport: Transport,
    pub(super) message: Message,
    pub(super) assign: Option<Assign>,
    pub(super) branch: Option<BranchId>,
}

impl Sent {
    pub(super) fn status(&self) -> u16 {
        self.message.status().unwrap_or_default()
    }

    pub(super) fn first(&self, name: Name) -> &str {
        str::from_utf8(self.message.first(name).unwrap_or_default()).unwrap()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.message.bytes()).into_owned()
    }

    /// Whether it goes over that flow. A token says of a connection nothing but its id.
    pub(super) fn is_to(&self, at: Source) -> bool {
        matches!(self.hop, Hop::Flow(_))
            && self.transport == at.transport
            && self.hop.is_source(at.transport, at)
    }

    pub(super) fn values(&self, name: Name) -> Vec<String> {
        self.message.values(name).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
    }

    /// This request's response from the UA that got it.
    pub(super) fn answer(&self, status: u16) -> Message {
        self.answer_with_tag(status, "bobtag")
    }

    pub(super) fn answer_with_tag(&self, status: u16, tag: &str) -> Message {
        let response = Response::to(&self.message, status, "Whatever");
        let response = if status > 100 { response.to_tag(tag) } else { response };
        Message::parse(response.finish().to_bytes()).unwrap()
    }
}

pub(super) struct Scenario {
    pub(super) proxy: Proxy,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) aors: HashMap<Vec<u8>, Result<Known, Unavailable>>,
    /// Lookups are not answered while this is set.
    pub(super) hold: bool,
    pub(super) held: Vec<ContextId>,
    pub(super) events: Vec<Event>,
    /// What [`Action::FlowDead`] named.
    pub(super) dead: Vec<Flow>,
    /// What [`Action::BindingDead`] named.
    pub(super) dead_bindings: Vec<BindingKey>,
}

impl Scenario {
    /// Bob is registered over TCP.
    pub(super) fn new() -> Scenario {
        Scenario::with(settings(), &[binding(bob(), BOB_CONTACT, "")])
    }

    /// Bob is registered over UDP.
    pub(super) fn udp() -> Scenario {
        Scenario::with(settings(), &[binding(bob_udp(), "sip:bob@10.0.0.2:5062", "")])
    }

    pub(super) fn with(settings: Settings, bobs: &[Binding]) -> Scenario {
        let start = Instant::now();
        let known = Known::Yes(bobs.iter().cloned().map(Arc::new).collect());
        Scenario {
            proxy: Proxy::new(settings, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
            start,
            now: start,
            aors: HashMap::from([(b"bob@example.com".to_vec(), Ok(known))]),
            hold: false,
            held: Vec::new(),
            events: Vec::new(),
            dead: Vec::new(),
            dead_bindings: Vec::new(),
        }
    }

    pub(super) fn request(&mut self, text: &str, from: Source) -> Vec<Sent> {
        self.message(message(text), from)
    }

    pub(super) fn message(&mut self, message: Message, from: Source) -> Vec<Sent> {
        let mut out = Vec::new();
        if message.is_request() {
            self.proxy.request(self.now, message, from, &mut out);
        } else {
            self.proxy.response(self.now, message, from, &mut out);
        }
        self.carry_out(out)
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn wait(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some(at) = self.proxy.deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline was missed");
            self.now = at;
            let mut out = Vec::new();
            self.proxy.expire(at, &mut out);
            assert!(self.proxy.deadline().is_none_or(|next| next > at), "what was due is done");
            sent.extend(self.carry_out(out));
        }
        self.now = end;
        sent
    }

    /// As [`Scenario::wait`], with the times in milliseconds from the start.
    pub(super) fn times_of(&mut self, time: Duration) -> Vec<u128> {
        let end = self.now + time;
        let mut times = Vec::new();
        while let Some(at) = self.proxy.deadline().filter(|at| *at <= end) {
            let sent = self.wait(at - self.now);
            times.extend(sent.iter().map(|_| (at - self.start).as_millis()));
        }
        self.now = end;
        times
    }

    pub(super) fn flow_failed(&mut self, flow: Flow) -> Vec<Sent> {
        let mut out = Vec::new();
        self.proxy.flow_failed(self.now, flow, &mut out);
        self.carry_out(out)
    }

    /// Takes that node's link down, and everything that is out on it.
    pub(super) fn cut(&mut self, peer: &Peer) -> Vec<Sent> {
        self.proxy.link_down(&peer.run.node, peer.link.flow.id);
        self.flow_failed(peer.link.flow)
    }

    pub(super) fn undeliverable(&mut self, branch: BranchId) -> Vec<Sent> {
        let mut out = Vec::new();
        self.proxy.undeliverable(self.now, branch, &mut out);
        self.carry_out(out)
    }

    /// Answers what was held back.
    pub(super) fn release(&mut self) -> Vec<Sent> {
        self.hold = false;
        let known = self.aors[&b"bob@example.com".to_vec()].clone();
        let mut out = Vec::new();
        for context in std::mem::take(&mut self.held) {
            self.proxy.found(self.now, context, known.clone(), &mut out);
        }
        self.carry_out(out)
    }

    /// After every timer there is nothing is left.
    pub(super) fn assert_comes_to_rest(&mut self) {
        self.wait(TIMER_C + Duration::from_secs(200));
        assert_eq!(self.proxy.counts(), super::super::Counts::default());
        assert_eq!(self.proxy.deadline(), None);
        assert!(self.proxy.is_at_rest());
    }

    pub(super) fn carry_out(&mut self, mut actions: Vec<Action>) -> Vec<Sent> {
        let mut sent = Vec::new();
        while !actions.is_empty() {
            for action in std::mem::take(&mut actions) {
                match action {
                    Action::Send { to: hop, transport, wire, assign, branch } => {
                        let message = Message::parse(wire.to_bytes()).unwrap();
                        assert_eq!(message.validate(), Ok(()), "what leaves is valid");
                        let to = match hop {
                            Hop::Flow(flow) => flow,
                            Hop::Address(next) => {
                                source(next.transport, u32::MAX, &next.address.to_string()).flow
                            }
                        };
                        let assign = assign.map(|(_, assign)| assign);
                        sent.push(Sent { to, hop, transport, message, assign, branch });
                    }
                    Action::Lookup { context, .. } if self.hold => self.held.push(context),
                    Action::Lookup { context, aor } => {
                        let known = self.aors.get(aor.as_bytes()).cloned().unwrap_or(Ok(Known::No));
                        self.proxy.found(self.now, context, known, &mut actions);
                    }
                    Action::FlowDead { flow } => self.dead.push(flow),
                    Action::BindingDead { binding, .. } => self.dead_bindings.push(binding.key.clone()),
                    Action::Note { event, .. } => self.events.push(event),
                }
            }
        }
        sent
    }
}

pub(super) fn message(text: &str) -> Message {
    let text = text.replace('\n', "\r\n");
    let text = if text.contains("\r\n\r\n") { text } else { format!("{text}\r\n\r\n") };
    Message::parse(Bytes::from(text)).unwrap()
}

/// A request from Alice to Bob, over the transport that its Via names.
pub(super) fn request(method: &str, transport: &str, branch: &str) -> String {
    request_to("sip:bob@example.com", method, transport, branch)
}

pub(super) fn request_to(uri: &str, method: &str, transport: &str, branch: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\n\
         Via: SIP/2.0/{transport} 10.0.0.1:5062;branch={branch};rport\n\
         Max-Forwards: 70\n\
         From: \"Alice\" <sip:alice@example.com>;tag=alicetag\n\
         To: <sip:bob@example.com>\n\
         Call-ID: call-{branch}\n\
         CSeq: 1 {method}\n\
         Content-Length: 0\n\n"
    )
}

pub(super) fn statuses(sent: &[Sent]) -> Vec<u16> {
    sent.iter().map(Sent::status).collect()
}

/// The only message that left.
pub(super) fn only(mut sent: Vec<Sent>) -> Sent {
    assert_eq!(sent.len(), 1, "{:#?}", sent.iter().map(Sent::text).collect::<Vec<_>>());
    sent.remove(0)
}

/// The request with one field more, above all others.
pub(super) fn with_field(text: &str, field: &str) -> String {
    text.replacen("\nMax-Forwards", &format!("\n{field}\nMax-Forwards"), 1)
}

/// The Route value with the token of a flow.
pub(super) fn route(to: Source) -> String {
    let settings = settings();
    let at = settings.sent_by.of(to.transport);
    String::from_utf8(settings.edge().value(Some(to), at, to.transport, Form::RecordRoute)).unwrap()
}

/// The request along the way that the Record-Route of its dialog tells.
pub(super) fn along_flow(text: &str, to: Source) -> String {
    with_field(text, &format!("Route: {}", route(to)))
}

/// What Alice's ACK to that failure looks like.
pub(super) fn ack_to(invite: &str, response: &Sent) -> String {
    let to = response.first(Name::To).to_owned();
    invite.replace("INVITE", "ACK").replace("To: <sip:bob@example.com>", &format!("To: {to}"))
}

/// Puts a Via of another hop on top, as if the message had gone on.
pub(super) fn one_hop_further(message: &Message, branch: &str) -> Message {
    let mut edit = Edit::new(message);
    edit.push_via(format!("SIP/2.0/TCP 203.0.113.9;branch={branch}").as_bytes());
    Message::parse(edit.finish().to_bytes()).unwrap()
}
