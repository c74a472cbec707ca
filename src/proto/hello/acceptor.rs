//! The end of a hello that was dialed: asks who it is, and believes nothing before it is proved.

use bytes::Bytes;

use super::{Me, NODE, Peer, REALM, Random, Refusal, hex};
use crate::sip::digest::{Algorithm, Challenge, Credentials, Info};
use crate::sip::{Message, Method, Name, Response};

/// The acceptor of one connection.
#[derive(Debug)]
pub struct Acceptor<'n> {
    me: &'n Me,
    /// Of To in what is answered.
    tag: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has come. What the nonce is made of.
    Fresh(Random),
    /// This nonce was given.
    Challenged(String),
    /// Nothing more is said.
    Over,
}

/// What became of a message.
#[derive(Debug)]
pub enum Arrival {
    /// This goes back, and there is more to come.
    Challenged(Bytes),
    /// A node has proved that it knows the secret, or says who its certificate has to name. With this going back, the link
    /// is up.
    Proved(Peer, Bytes),
    /// The connection is to be closed, after [`Acceptor::forbid`].
    Refused(Refusal),
}

impl<'n> Acceptor<'n> {
    /// For one connection, with new random octets.
    pub fn new(me: &'n Me, random: Random) -> Self {
        Self { me, tag: hex(&random[..8]), state: State::Fresh(random) }
    }

    /// A message came over the connection.
    pub fn arrive(&mut self, message: &Message) -> Arrival {
        let state = std::mem::replace(&mut self.state, State::Over);
        self.step(state, message).unwrap_or_else(Arrival::Refused)
    }

    fn step(&mut self, state: State, message: &Message) -> Result<Arrival, Refusal> {
        let peer = self.hello(message)?;
        match state {
            State::Fresh(_) if self.me.secret.is_none() => {
                let answer = self.accept(message).finish().to_bytes();
                Ok(Arrival::Proved(peer, answer))
            }
            State::Fresh(random) => {
                let nonce = hex(&random);
                let challenge = Challenge {
                    realm: REALM.into(),
                    nonce: nonce.clone().into_bytes(),
                    opaque: None,
                    algorithm: Some(Algorithm::Sha256),
                    has_qop: true,
                    is_stale: false,
                };
                self.state = State::Challenged(nonce);
                let answer = Response::to(message, 401, "Unauthorized").to_tag(&self.tag);
                let answer = answer.header(Name::WwwAuthenticate.as_str(), challenge.to_value());
                Ok(Arrival::Challenged(answer.finish().to_bytes()))
            }
            State::Challenged(nonce) => {
                let info = self.prove(message, &peer, &nonce)?;
                let answer = self.accept(message).header(Name::AuthenticationInfo.as_str(), info.to_value());
                Ok(Arrival::Proved(peer, answer.finish().to_bytes()))
            }
            State::Over => Err(Refusal::NotAHello),
        }
    }

    /// Who says hello, if that is what it is.
    fn hello(&self, message: &Message) -> Result<Peer, Refusal> {
        if !message.is_request() || message.method() != Method::Options || message.validate().is_err() {
            return Err(Refusal::NotAHello);
        }
        let peer = Peer::of(message).ok_or(Refusal::NotAHello)?;
        if message.request_uri() != self.me.uri().as_bytes() {
            return Err(Refusal::NotForUs);
        }
        if peer.run.node == self.me.run.node {
            return Err(Refusal::OwnId);
        }
        Ok(peer)
    }

    fn prove(&self, message: &Message, peer: &Peer, nonce: &str) -> Result<Info, Refusal> {
        let mut values = message.fields(Name::Authorization);
        let value = values.next().filter(|_| values.next().is_none()).ok_or(Refusal::NotAHello)?;
        let credentials = Credentials::parse(value).map_err(|_| Refusal::NotAHello)?;
        if credentials.nonce != nonce.as_bytes() {
            return Err(Refusal::WrongNonce);
        }
        let node = &*peer.run.node;
        // The digest is of these values: who changes one of them has to know the secret.
        let is_of_hello = credentials.username == node.as_bytes()
            && credentials.realm == REALM
            && credentials.uri == message.request_uri()
            && credentials.protection.as_ref().is_some_and(|protection| protection.count() == 1);
        let ha1 = self.me.ha1_of(node).filter(|_| is_of_hello).ok_or(Refusal::WrongSecret)?;
        if !credentials.is_right(&ha1, message.method_bytes()) {
            return Err(Refusal::WrongSecret);
        }
        Ok(Info::of(&credentials, &ha1))
    }

    fn accept<'m>(&'m self, request: &'m Message) -> Response<'m> {
        Response::to(request, 200, "OK").to_tag(&self.tag).header(NODE, self.me.presents())
    }

    /// The answer to what is refused, if that was a request. What was wrong is for the log of this node, not for who sent it.
    pub fn forbid(&self, refused: &Message) -> Option<Bytes> {
        let answer = || Response::to(refused, 403, "Forbidden").to_tag(&self.tag).finish().to_bytes();
        refused.is_request().then(answer)
    }
}
