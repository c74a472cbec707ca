//! Responses that leave before anything is kept of their request, and the ACKs to them. RFC 3261 §8.2.7.

use std::fmt::Write as _;
use std::hash::Hasher;

use flowhold_cluster::flow::Flow;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use siphasher::sip::SipHasher13;

use super::Source;
use crate::sip::{Address, Message, Name, Response, Wire};

/// Why the key is derived: the same secret used elsewhere gives other keys.
const PURPOSE: &[u8] = b"flowhold answer tag 1";

/// Who makes them.
#[derive(Clone)]
pub struct Stateless {
    key: [u8; 16],
    server: Box<[u8]>,
}

/// A response, and where it goes.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The flow that it goes back over.
    pub to: Flow,
    /// The status code.
    pub status: u16,
    /// The response.
    pub wire: Wire,
}

/// Without the key.
impl std::fmt::Debug for Stateless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stateless")
    }
}

impl Stateless {
    /// With tags that only who has the secret can tell, and this in Server.
    pub fn new(secret: &[u8], server: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        mac.update(PURPOSE);
        let code: [u8; 32] = mac.finalize().into_bytes().into();
        Self { key: *code.first_chunk().expect("a code is longer"), server: server.into() }
    }

    /// The response to a request, which is no ACK.
    pub fn answer(
        &self,
        request: &Message,
        source: &Source,
        (status, reason): (u16, &str),
        fields: impl IntoIterator<Item = (Name, Vec<u8>)>,
    ) -> Reply {
        let tag = self.tag(request);
        let response = Response::to(request, status, reason)
            .to_tag(&tag)
            .source(source.ip(), source.port())
            .header(Name::Server, &self.server);
        let response =
            fields.into_iter().fold(response, |response, (name, value)| response.header(name, value));
        // RFC 3261 §18.2.2: over UDP to the port that the topmost Via names.
        let to = request.top_via().map_or(source.flow, |via| source.reply_to(&via));
        Reply { to, status, wire: response.finish() }
    }

    /// Whether an ACK is to a response made here, and goes no further.
    pub fn is_acked(&self, ack: &Message) -> bool {
        let to = ack.first(Name::To).and_then(|to| Address::parse(to).ok());
        to.and_then(|to| to.tag()).is_some_and(|found| found == self.tag(ack).as_bytes())
    }

    /// The To tag of what is answered to a request.
    ///
    /// RFC 3261 §8.2.7: a stateless server gives each copy of a request the same tag. The ACK to the answer has it too.
    fn tag(&self, request: &Message) -> String {
        let mut hash = SipHasher13::new_with_key(&self.key);
        let mut put = |octets: &[u8]| {
            hash.write_usize(octets.len());
            hash.write(octets);
        };
        let from = request.first(Name::From).and_then(|from| Address::parse(from).ok());
        put(request.first(Name::CallId).unwrap_or_default());
        put(from.and_then(|from| from.tag()).unwrap_or_default());
        put(request.top_via().ok().and_then(|via| via.branch()).unwrap_or_default());
        put(&request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes());
        let mut tag = String::with_capacity(16);
        write!(tag, "{:016x}", hash.finish()).expect("a String takes all that is written");
        tag
    }
}

#[cfg(test)]
mod tests {
    use flowhold_cluster::flow::FlowId;

    use super::*;
    use crate::sip::Transport;

    fn message(method: &str, via: &str, to: &str) -> Message {
        let text = format!(
            "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1\r\n\
             From: <sip:alice@example.com>;tag=a\r\nTo: {to}\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\r\n"
        );
        Message::parse(text.into_bytes().into()).unwrap()
    }

    fn answer(stateless: &Stateless, via: &str) -> (Reply, Message) {
        let id = FlowId { worker: 0, slot: 0, generation: 0 };
        let source = Source::new(Flow { id, remote: "192.0.2.1:40000".parse().unwrap() }, Transport::Udp);
        let invite = message("INVITE", via, "<sip:bob@example.com>");
        let reply = stateless.answer(&invite, &source, (503, "Service Unavailable"), []);
        let response = Message::parse(reply.wire.to_bytes()).unwrap();
        (reply, response)
    }

    #[test]
    fn s8_2_7_each_copy_gets_the_same_tag_and_the_ack_is_known_by_it() {
        let (ours, others) = (Stateless::new(b"one", b"x"), Stateless::new(b"other", b"x"));
        let to = |stateless| {
            let response = answer(stateless, "10.0.0.1").1;
            String::from_utf8(response.first(Name::To).unwrap().to_vec()).unwrap()
        };
        assert_eq!(to(&ours), to(&ours));
        assert!(ours.is_acked(&message("ACK", "10.0.0.1", &to(&ours))));
        assert!(!ours.is_acked(&message("ACK", "10.0.0.1", &to(&others))));
        assert!(!ours.is_acked(&message("ACK", "10.0.0.1", "<sip:bob@example.com>")));
    }

    #[test]
    fn s18_2_2_without_rport_it_goes_to_the_port_in_via() {
        let stateless = Stateless::new(b"one", b"x");
        let to = |via| answer(&stateless, via).0.to.remote.to_string();
        assert_eq!(to("10.0.0.1:5070"), "192.0.2.1:5070");
        assert_eq!(to("10.0.0.1"), "192.0.2.1:5060");
        assert_eq!(to("10.0.0.1:5070;rport"), "192.0.2.1:40000");
    }
}
