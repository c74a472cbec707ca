//! Where what comes over a flow goes: to the registrar, to a proxy, or between a UA and the node that sent it a request.

use std::rc::Rc;

use super::auth::Admitted;
use super::connection::Client;
use super::flows::Undelivered;
use super::gate::LetIn;
use super::message::{Deliver, Inbound, Register};
use super::worker::Worker;
use super::{event_count, event_log};
use crate::metrics::{Refused, Status};
use crate::proto::proxy::Proxy;
use crate::proto::relay::{Relay, Relayed};
use crate::proto::stateless::Reply;
use crate::proto::{Source, registrar};
use crate::sip::{Message, Method, Name, Via, Wire};

impl Worker {
    /// Hands what came over a flow to the actor that serves it. `let_in` is what the gate made of it.
    ///
    /// Returns the answer to a request that no actor has room for.
    pub fn dispatch(self: &Rc<Self>, message: Message, source: Source, let_in: LetIn) -> Option<Reply> {
        if !message.is_request() {
            self.dispatch_response(message, source);
            return None;
        }
        let method = message.method();
        self.node.metrics.requests.inc(method);
        if self.is_acked(&message) {
            self.forget_repeats(&message, source);
            return None;
        }
        if method == Method::Register
            && let_in.is_new()
            && self.node.is_draining()
            && registrar::asks_for_binding(&message)
        {
            self.node.metrics.refused.inc(Refused::Draining);
            self.node.registered(&message, &source, 503);
            return self.answer(&message, source, 503, "Node Is Draining");
        }
        match self.authenticate(message, source, let_in) {
            Admitted::Onward(message) => self.let_through(message, source, let_in),
            Admitted::Done(answer) => answer.map(|reply| *reply),
        }
    }

    /// A request has proved who it is from, or need not.
    pub(super) fn let_through(&self, message: Message, source: Source, let_in: LetIn) -> Option<Reply> {
        if message.method() == Method::Register
            && let LetIn::As(asker, _) = let_in
            && let Err(stopped) = self.admit_register(source, asker)
        {
            return self.turn_away(&message, source, stopped);
        }
        let refused = self.serve(message, source);
        self.unless_served(refused, let_in)
    }

    /// What is said of a request that nobody had room for. Of a copy nothing is: the one before it is served, and there will
    /// be another one.
    fn unless_served(&self, refused: Option<Reply>, let_in: LetIn) -> Option<Reply> {
        if refused.is_none() {
            self.was_served(let_in);
        }
        refused.filter(|_| let_in.is_new())
    }

    /// Hands a request to the registrar or the proxy.
    fn serve(&self, message: Message, source: Source) -> Option<Reply> {
        // As an edge proxy the node is not the registrar: REGISTER is a request like any other.
        let is_registrar = self.node.next_hops.registrar.is_none();
        if message.method() != Method::Register || !is_registrar {
            return self.dispatch_to_own_proxy(message, source);
        }
        let ticket = self.load().enter();
        let full = self.peers.registrar.try_send(Register { message, source, ticket }).err();
        full.and_then(|error| self.overloaded(&error.into_inner().message, source))
    }

    /// A request that is new here.
    fn dispatch_to_own_proxy(&self, message: Message, source: Source) -> Option<Reply> {
        let (proxy, ticket) = (&self.peers.proxies[usize::from(self.index)], self.load().enter());
        let full = proxy.try_send(Inbound { message, source, ticket }).err();
        full.and_then(|error| self.overloaded(&error.into_inner().message, source))
    }

    /// Hands on what came over a link that another node has opened: its requests for flows of this one.
    ///
    /// Returns the answer to a request that goes no further.
    pub fn dispatch_accepted(&self, request: &Message, link: Source) -> Option<Wire> {
        if !request.is_request() {
            self.node.metrics.refused.inc(Refused::StrayResponse);
            return None;
        }
        let relayed = match self.relay.request(request, link) {
            Relayed::Onward { to, wire, code } => {
                let message = Deliver { flow: to.flow, wire, assign: None };
                // Before the response can be there.
                self.node.relayed.request(code, to.flow.id, request.method());
                let Err(undelivered) = self.node.flows.deliver(message) else {
                    self.node.metrics.cluster_relayed.inc();
                    return None;
                };
                self.node.relayed.undelivered(code, to.flow.id);
                match undelivered {
                    Undelivered::Gone => self.relay.gone(request, link),
                    Undelivered::Full => self.relay.full(request, link),
                }
            }
            refused => refused,
        };
        let Relayed::Refused { answer, event } = relayed else { return None };
        event_count::count(&self.node.metrics, event);
        event_log::relay(event, request, &link);
        answer
    }

    /// Hands on what came over a link that this node has opened: the responses to its requests.
    ///
    /// Returns the answer to a request, for which another node has a link of its own.
    pub fn dispatch_dialed(&self, message: Message, source: Source) -> Option<Wire> {
        if message.is_request() {
            self.node.metrics.refused.inc(Refused::NotOurs);
            return self.answer(&message, source, 403, "Forbidden").map(|reply| reply.wire);
        }
        self.dispatch_to_proxy(message, source);
        None
    }

    /// Hands on what came over a flow to another provider: its requests to the proxy, which knows whom they are for, and the
    /// responses to REGISTERs to whoever keeps the registration.
    ///
    /// Returns the answer to a request that goes no further. No credentials are asked for: the flow is one that this node
    /// has opened, to where its configuration says. What it may hold, and what it may ask of a node that has too much to do, is
    /// what anybody may.
    pub fn dispatch_upstream(&self, message: Message, source: Source, owner: &Client) -> Option<Reply> {
        let let_in = match self.admit_upstream(&message, source) {
            Ok(let_in) => let_in,
            Err(stopped) => return self.turn_away(&message, source, stopped),
        };
        if !message.is_request() {
            if message.method() == Method::Register {
                owner.response(source.flow, message);
            } else {
                self.dispatch_response(message, source);
            }
            return None;
        }
        let method = message.method();
        self.node.metrics.requests.inc(method);
        if self.is_acked(&message) {
            return None;
        }
        if method == Method::Register {
            // A provider is no UA of ours.
            self.node.metrics.refused.inc(Refused::NotOurs);
            return self.answer(&message, source, 403, "Forbidden");
        }
        let refused = self.dispatch_to_own_proxy(message, source);
        self.unless_served(refused, let_in)
    }

    /// A response goes back over the link that its request came over, or to the proxy that sent it.
    fn dispatch_response(&self, message: Message, source: Source) {
        let is_of_link = |via: Via<'_>| via.branch().is_some_and(Relay::is_branch);
        if !message.top_via().is_ok_and(is_of_link) {
            return self.dispatch_to_proxy(message, source);
        }
        // Not as an answer, which finds room in a full mailbox: nothing here knows how many of them a UA may send.
        let delivered = self
            .relay
            .response(&message, source)
            .map(|(flow, wire)| self.node.flows.deliver(Deliver { flow, wire, assign: None }));
        match delivered {
            Some(Ok(())) => self.node.relayed.response(source.flow.id, &message),
            Some(Err(Undelivered::Full)) => self.node.metrics.refused.inc(Refused::MailboxFull),
            Some(Err(Undelivered::Gone)) | None => self.node.metrics.refused.inc(Refused::StrayResponse),
        }
    }

    /// The proxy may be another worker's.
    fn dispatch_to_proxy(&self, message: Message, source: Source) {
        let branch = message.top_via().ok().and_then(|via| via.branch().and_then(Proxy::worker_of_branch));
        let found = branch.and_then(|worker| {
            let index = usize::from(worker);
            Some((self.peers.proxies.get(index)?, self.node.loads.get(index)?))
        });
        let taken = found.is_some_and(|(proxy, load)| {
            let ticket = load.enter();
            let is_taken = proxy.try_send(Inbound { message, source, ticket }).is_ok();
            if !is_taken {
                load.leave();
            }
            is_taken
        });
        if !taken {
            self.node.metrics.refused.inc(Refused::StrayResponse);
        }
    }

    /// There was no room for a request that has a ticket.
    fn overloaded(&self, request: &Message, source: Source) -> Option<Reply> {
        self.load().leave();
        self.node.metrics.refused.inc(Refused::MailboxFull);
        self.unavailable(request, source, None)
    }

    /// An ACK to a response that was made here has nothing to say to anybody else.
    fn is_acked(&self, message: &Message) -> bool {
        message.method() == Method::Ack && self.node.stateless.is_acked(message)
    }

    /// A response to a request that goes no further than its flow; `None` to what is never answered.
    pub fn answer(&self, request: &Message, source: Source, status: u16, reason: &str) -> Option<Reply> {
        let retry_after = (status == 503).then(|| self.node.retry_after());
        self.answer_with(request, source, (status, reason), retry_after)
    }

    /// 503, with this Retry-After or that of a node that has no room.
    pub fn unavailable(&self, request: &Message, source: Source, retry_after: Option<u64>) -> Option<Reply> {
        let retry_after = retry_after.unwrap_or_else(|| self.node.retry_after());
        self.answer_with(request, source, (503, "Service Unavailable"), Some(retry_after))
    }

    fn answer_with(
        &self,
        request: &Message,
        source: Source,
        status: (u16, &str),
        retry_after: Option<u64>,
    ) -> Option<Reply> {
        // RFC 3261 §17.1.1.3: an ACK is not answered, and a response is not either.
        if !request.is_request() || request.method() == Method::Ack {
            return None;
        }
        self.node.metrics.responses.inc(Status(status.0));
        let retry_after = retry_after.map(|seconds| (Name::RetryAfter, seconds.to_string().into_bytes()));
        Some(self.node.stateless.answer(request, &source, status, retry_after))
    }
}
