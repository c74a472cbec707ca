//! The end of a hello that dials: says who it is, proves it when asked, and has the other one prove it too.

use bytes::Bytes;
use flowhold_cluster::flow::NodeRun;

use super::{Me, NODE, Peer, Random, Refusal, has_from_tag, hex};
use crate::sip::digest::{Algorithm, Credentials, Info, choose};
use crate::sip::{MAGIC_COOKIE, Message, Method, Name};

/// The dialer of one connection.
#[derive(Debug)]
pub struct Dialer<'n> {
    me: &'n Me,
    /// Who is meant to answer.
    to: &'n NodeRun,
    /// `host:port` that was dialed.
    at: &'n str,
    /// Of From, and in Call-ID and branch.
    tag: String,
    cnonce: String,
    /// What was sent to prove the secret.
    credentials: Option<Credentials>,
    sent: u32,
}

/// What became of a response.
#[derive(Debug)]
pub enum Progress {
    /// This has to be said next.
    Send(Bytes),
    /// The link is up.
    Up(Peer),
    /// Nothing yet.
    Wait,
}

impl<'n> Dialer<'n> {
    /// For one connection to this run of a node, with new random octets for what names the requests and for its own nonce.
    /// Returns what is to be said first.
    pub fn new(me: &'n Me, to: &'n NodeRun, at: &'n str, names: Random, nonce: Random) -> (Self, Bytes) {
        let mut dialer =
            Self { me, to, at, tag: hex(&names), cnonce: hex(&nonce), credentials: None, sent: 0 };
        let hello = dialer.hello("");
        (dialer, hello)
    }

    /// A message came over the connection.
    pub fn arrive(&mut self, message: &Message) -> Result<Progress, Refusal> {
        let status = message.status().ok_or(Refusal::NotAHello)?;
        let is_ours = message.validate().is_ok()
            && message.method() == Method::Options
            && message.cseq().is_ok_and(|cseq| cseq.number == self.sent)
            && has_from_tag(message, &self.tag);
        match status {
            _ if !is_ours => Err(Refusal::NotAHello),
            100..200 => Ok(Progress::Wait),
            200 => self.check(message).map(Progress::Up),
            401 if self.credentials.is_none() => self.prove(message).map(Progress::Send),
            _ => Err(Refusal::Status(status)),
        }
    }

    fn prove(&mut self, message: &Message) -> Result<Bytes, Refusal> {
        let ha1 = self.me.ha1_of(&self.me.run.node).ok_or(Refusal::Status(401))?;
        let challenge = choose(message.fields(Name::WwwAuthenticate)).map_err(|_| Refusal::NotAHello)?;
        // Whoever asks for something weaker, or for nothing that is this connection's, is none of the cluster.
        if challenge.realm != super::REALM || challenge.algorithm() != Algorithm::Sha256 || !challenge.has_qop
        {
            return Err(Refusal::NotAHello);
        }
        let uri = uri(self.at, self.me);
        let method = b"OPTIONS".as_slice();
        let credentials =
            challenge.answer(self.me.run.node.as_bytes(), &ha1, (method, uri.as_bytes()), 1, &self.cnonce);
        let value = String::from_utf8(credentials.to_value()).map_err(|_| Refusal::NotAHello)?;
        self.credentials = Some(credentials);
        Ok(self.hello(&format!("{}: {value}\r\n", Name::Authorization.as_str())))
    }

    /// Whether the one that says it is the node knows the secret too, and is the run that was meant.
    fn check(&self, message: &Message) -> Result<Peer, Refusal> {
        let peer = Peer::of(message).ok_or(Refusal::NotAHello)?;
        if let Some(ha1) = self.me.ha1_of(&self.me.run.node) {
            let credentials = self.credentials.as_ref().ok_or(Refusal::WrongSecret)?;
            let info = message.first(Name::AuthenticationInfo).ok_or(Refusal::WrongSecret)?;
            let info = Info::parse(info).map_err(|_| Refusal::NotAHello)?;
            if !info.is_right(credentials, &ha1) {
                return Err(Refusal::WrongSecret);
            }
        }
        if peer.run != *self.to {
            return Err(Refusal::AnotherRun(peer.run));
        }
        Ok(peer)
    }

    fn hello(&mut self, line: &str) -> Bytes {
        self.sent += 1;
        let Self { me, at, tag, sent, .. } = self;
        let (uri, node, transport) = (uri(at, me), &me.run.node, me.transport.as_via_str());
        let host = &me.at;
        let presents = me.presents();
        // RFC 3261 §20.22: it goes no further than the node that it is for.
        let text = format!(
            "OPTIONS {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {host};branch={MAGIC_COOKIE}-hello-{tag}-{sent}\r\n\
             Max-Forwards: 0\r\n\
             From: <sip:{node}@{host}>;tag={tag}\r\n\
             To: <{uri}>\r\n\
             Call-ID: {tag}@{node}\r\n\
             CSeq: {sent} OPTIONS\r\n\
             {NODE}: {presents}\r\n\
             {line}\
             Content-Length: 0\r\n\r\n"
        );
        Bytes::from(text)
    }
}

impl Me {
    /// The URI that a hello to this node is sent to.
    pub(super) fn uri(&self) -> String {
        uri(&self.at, self)
    }
}

fn uri(at: &str, me: &Me) -> String {
    format!("sip:{at};transport={}", me.transport.as_uri_str())
}
