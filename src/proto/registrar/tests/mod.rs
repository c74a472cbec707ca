//! REGISTERs to a registrar with a store in memory, in virtual time. The section in a name is of RFC 3261 (s10), RFC 5626
//! (s6) or RFC 3327 (s5).

mod contacts;
mod draft03;
mod expiry;
mod model;
mod order;
mod outbound;
mod path;
mod steps;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use flowhold_cluster::binding::{Binding, Timestamp};
use flowhold_cluster::flow::{Flow, FlowId, NodeRun};
use flowhold_cluster::location::{Known, Location};
use flowhold_cluster::memory::{self, Memory};
use futures_util::FutureExt;

use super::{Plan, Reject, Settings, plan};
use crate::proto::{Profile, Source};
use crate::sip::{Address, Message, Name, Transport};

const ALICE: &str = "<sip:alice@example.com>";
/// A UA with outbound.
const OUTBOUND: &str = "<sip:a@192.0.2.1:5060;ob>;+sip.instance=\"<urn:uuid:0001>\";reg-id=1";

/// A registrar, the time, and a store.
struct Registrar {
    settings: Settings,
    store: Memory,
    source: Source,
    now: Timestamp,
}

impl Registrar {
    fn new() -> Self {
        let settings = Settings {
            domains: vec![b"example.com"[..].into(), b"example.org"[..].into()],
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(7200),
            default_expires: Duration::from_secs(1800),
            max_bindings: 3,
            require_outbound: false,
            flow_timer: Duration::from_secs(120),
            flow_timer_udp: Duration::ZERO,
        };
        let remote = SocketAddr::from(([198, 51, 100, 7], 40_000));
        let flow = Flow { id: FlowId { worker: 0, slot: 1, generation: 1 }, remote };
        Self {
            settings,
            store: Memory::new(memory::Settings::default()),
            source: Source::new(flow, Transport::Tcp),
            now: Timestamp(784_111_777_000),
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn plan(&self, register: &Register) -> Result<Plan, Reject> {
        let request = register.message();
        assert_eq!(request.validate(), Ok(()), "{register:?}");
        let holder = NodeRun { node: "a".into(), epoch: 1 };
        plan(&self.settings, &request, &self.source, &holder, self.now)
    }

    fn send(&self, register: &Register) -> Answered {
        let request = register.message();
        let answer = match self.plan(register) {
            Err(reject) => reject.answer(&request, &self.source, "tag"),
            Ok(Plan { update, terms }) => {
                let outcome = self.store.update(update).now_or_never().unwrap();
                terms.answer(&request, &self.source, outcome, "tag", self.now)
            }
        };
        let response = Message::parse(answer.wire.to_bytes()).unwrap();
        assert_eq!(response.validate(), Ok(()));
        assert_eq!(response.status(), Some(answer.status));
        let flow_timer = answer.keepalive.and_then(|assign| assign.flow_timer);
        Answered { response, flow_timer, changes_keepalive: answer.keepalive.is_some() }
    }

    fn bindings(&self, aor: &str) -> Vec<Binding> {
        match self.store.lookup(&aor.into(), self.now).now_or_never().unwrap().unwrap() {
            Known::No => Vec::new(),
            Known::Yes(bindings) => bindings.iter().map(|binding| (**binding).clone()).collect(),
        }
    }
}

/// A REGISTER; what is not said is as alice's UA would have it.
#[derive(Clone, Debug)]
struct Register {
    uri: String,
    to: String,
    call_id: String,
    cseq: u32,
    vias: usize,
    fields: String,
}

impl Register {
    fn new(cseq: u32) -> Self {
        Self {
            uri: "sip:example.com".to_owned(),
            to: ALICE.to_owned(),
            call_id: "call".to_owned(),
            cseq,
            vias: 1,
            fields: String::new(),
        }
    }

    /// The first REGISTER of a UA with outbound.
    fn outbound() -> Self {
        Self::new(1).with("Supported", "path, outbound").contact(OUTBOUND)
    }

    fn uri(self, uri: &str) -> Self {
        Self { uri: uri.to_owned(), ..self }
    }

    fn to(self, to: &str) -> Self {
        Self { to: to.to_owned(), ..self }
    }

    fn call_id(self, call_id: &str) -> Self {
        Self { call_id: call_id.to_owned(), ..self }
    }

    /// How many elements have written a Via: 1 is the UA alone.
    fn hops(self, vias: usize) -> Self {
        Self { vias, ..self }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.extend([name, ": ", value, "\r\n"]);
        self
    }

    fn contact(self, value: &str) -> Self {
        self.with("Contact", value)
    }

    fn message(&self) -> Message {
        let Self { uri, to, call_id, cseq, fields, .. } = self;
        let vias: Vec<_> =
            (0..self.vias).map(|n| format!("SIP/2.0/TCP 192.0.2.{n};branch=z9hG4bK{n}")).collect();
        let vias = vias.join(", ");
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: {vias}\r\nFrom: {to};tag=f\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }
}

/// A response, and what the flow is told.
struct Answered {
    response: Message,
    flow_timer: Option<Duration>,
    changes_keepalive: bool,
}

impl Answered {
    fn status(&self) -> u16 {
        self.response.status().unwrap()
    }

    fn ok(self) -> Self {
        assert_eq!(self.status(), 200, "{}", text(self.response.bytes()));
        self
    }

    fn all(&self, name: Name) -> Vec<String> {
        self.response.values(name).map(text).collect()
    }

    fn first(&self, name: Name) -> Option<String> {
        self.response.first(name).map(text)
    }

    fn contacts(&self) -> Vec<String> {
        self.all(Name::Contact)
    }

    /// The Contact URIs.
    fn uris(&self) -> Vec<String> {
        let uri = |value| text(Address::parse(value).unwrap().uri);
        self.response.values(Name::Contact).map(uri).collect()
    }

    /// The `expires` of each Contact.
    fn expires(&self) -> Vec<u64> {
        let expires = |value| text(Address::parse(value).unwrap().params.value("expires").unwrap());
        self.response.values(Name::Contact).map(|value| expires(value).parse().unwrap()).collect()
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
