//! A request comes in: is it new, may it go on, is it for this node itself. RFC 3261 §§16.2 to 16.5, §17.2.3.

use std::time::Instant;

use flowhold_cluster::flow::Flow;
use smallvec::SmallVec;

use super::context::{Context, Onward, Server};
use super::keys::{Kind, Likeness};
use super::validation::{Decision, Refusal, To};
use super::{About, Action, Event, Proxy, Source, note};
use crate::proto::forking::Forking;
use crate::proto::transaction::{InviteServer, NonInviteServer};
use crate::sip::{Message, Method, Name};

/// A request that is about to be taken in hand.
pub(super) struct Incoming {
    pub(super) request: Message,
    pub(super) from: Source,
    pub(super) reply_to: Flow,
    pub(super) likeness: Likeness,
    /// RFC 3261 §17.2.3: the peer is of RFC 2543 and gives no branch that identifies the transaction.
    pub(super) old_peer: bool,
}

impl Proxy {
    /// A request came: any, but a REGISTER only where the registrar is another node.
    pub fn request(&mut self, now: Instant, request: Message, from: Source, out: &mut Vec<Action>) {
        let Ok(via) = request.top_via() else {
            return note(out, Event::Unanswerable, About::message(&request, from));
        };
        let likeness = self.keys.likeness(&request, &via, from.ip());
        let reply_to = from.reply_to(&via);
        let old_peer = via.unique_branch().is_none();
        let method = request.method();
        let incoming = Incoming { request, from, reply_to, likeness, old_peer };
        if method == Method::Ack {
            return self.ack(now, incoming, out);
        }
        if let Some(slot) = self.like(likeness, Kind::of(method)) {
            return self.repeated(slot, &incoming, out);
        }
        // Nothing is kept of a request that breaks a rule: its answer is the same each time.
        if let Err(fault) = incoming.request.validate() {
            let refusal = Refusal::new(fault.status(), fault.reason(), Event::Malformed(fault));
            return self.refuse_without_state(&incoming, &refusal, out);
        }
        if self.contexts.len() >= self.settings.max_transactions {
            let refusal = self.unavailable(Event::Overload);
            return self.refuse_without_state(&incoming, &refusal, out);
        }
        if method == Method::Cancel {
            return self.cancel(now, incoming, out);
        }
        match self.decide(&incoming) {
            Err(refusal) => {
                let slot = self.take_in(now, incoming);
                self.refuse(now, slot, &refusal, out);
                self.settle(slot);
            }
            Ok(Decision::Here) => self.serve_here(now, incoming, out),
            Ok(Decision::Onward(to, onward)) => {
                let slot = self.take_in(now, incoming);
                if method == Method::Invite {
                    // RFC 3261 §17.2.1: a 100 within 200 ms; nobody can say how long the callee takes, so it leaves at once.
                    self.answer(now, slot, 100, "Trying", &[], out);
                }
                self.go_on(now, slot, to, onward, out);
                self.settle(slot);
            }
        }
    }

    /// Where a request goes.
    pub(super) fn decide(&self, incoming: &Incoming) -> Result<Decision, Refusal> {
        let upstream = self.upstreams.of(incoming.from).map(|place| &self.settings.upstreams[place]);
        self.settings.decide(&incoming.request, incoming.from, upstream)
    }

    /// Sends a request on, or asks the location service first.
    pub(super) fn go_on(&mut self, now: Instant, slot: u32, to: To, onward: Onward, out: &mut Vec<Action>) {
        let context = &mut self.contexts[slot as usize];
        context.onward = onward;
        let aor = match to {
            To::Target(target) => return self.forward_to(now, slot, target, out),
            To::Aor(aor) => {
                context.aor = Some(aor.clone());
                aor
            }
            To::IfRegistered(aor, next) => {
                context.onward.vouched_to = Some(next);
                aor
            }
        };
        context.awaits = Some(now + self.settings.timers.patience());
        out.push(Action::Lookup { context: self.id_of(slot), aor });
    }

    /// A context for a new request.
    pub(super) fn take_in(&mut self, now: Instant, incoming: Incoming) -> u32 {
        let Incoming { request, from, reply_to, likeness, old_peer } = incoming;
        let reliable = from.transport.is_reliable();
        let method = request.method();
        let server = match method {
            Method::Invite => Server::Invite(InviteServer::new(reliable)),
            Method::Ack => Server::Ack,
            _ => Server::NonInvite(NonInviteServer::new(now, reliable, &self.settings.timers)),
        };
        self.insert(Context {
            generation: 0,
            server,
            from,
            reply_to,
            likeness,
            method,
            since: now,
            old_peer,
            final_tag: None,
            request: Some(request),
            last: None,
            onward: Onward::default(),
            awaits: None,
            authoritative: false,
            aor: None,
            merge: None,
            forking: Forking::default(),
            branches: SmallVec::new(),
        })
    }

    /// RFC 3261 §17.2: a retransmission gets the last response again, or nothing.
    fn repeated(&mut self, slot: u32, incoming: &Incoming, out: &mut Vec<Action>) {
        let context = &self.contexts[slot as usize];
        if context.method != incoming.request.method() {
            let refusal = Refusal::new(400, "Branch Used Before", Event::BranchReused);
            return self.refuse_without_state(incoming, &refusal, out);
        }
        let again = match &context.server {
            Server::Invite(server) => server.repeated(),
            Server::NonInvite(server) => server.repeated(),
            Server::Ack => false,
        };
        if again {
            self.send_last(slot, out);
        }
    }

    /// RFC 3261 §11: this node is asked what it can do, or for what it cannot.
    fn serve_here(&mut self, now: Instant, incoming: Incoming, out: &mut Vec<Action>) {
        let merge = self.keys.merge(&incoming.request);
        let untagged = super::keys::tag(&incoming.request, Name::To).is_none();
        let method = incoming.request.method();
        let slot = self.take_in(now, incoming);
        // RFC 3261 §8.2.2.2: the same request once more, but in another transaction.
        if untagged && self.served_here.contains_key(&merge) {
            self.refuse(now, slot, &Refusal::new(482, "Merged Request", Event::Merged), out);
            return self.settle(slot);
        }
        self.served_here.insert(merge, slot);
        self.contexts[slot as usize].merge = Some(merge);
        match method {
            Method::Options => self.capabilities(now, slot, out),
            // RFC 3261 §21.5.2: 501 is for methods that we do not know at all.
            Method::Other => {
                self.refuse(now, slot, &Refusal::new(501, "Not Implemented", Event::NotServed), out);
            }
            _ => self.not_allowed(now, slot, out),
        }
        self.settle(slot);
    }
}
