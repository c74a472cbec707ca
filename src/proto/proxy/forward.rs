//! The location service has answered: the request goes out. RFC 3261 §§16.5 and 16.6.

use std::time::Instant;

use flowhold_cluster::flow::Flow;
use flowhold_cluster::location::{Bindings, Known, Unavailable};

use super::breadth::{breadth, set_breadth};
use super::context::{Answer, Branch, Client, Server};
use super::instances::instances;
use super::target::{Target, leaves_over};
use super::validation::Refusal;
use super::{About, Action, BranchId, ContextId, Event, Exit, Proxy, note};
use crate::proto::forking::{Forking, Try};
use crate::proto::transaction::{InviteClient, NonInviteClient};
use crate::proto::{NextHop, Source};
use crate::sip::{Edit, Name};

impl Proxy {
    /// The location service's answer to a [`Action::Lookup`]. One that comes too late is ignored.
    pub fn found(
        &mut self,
        now: Instant,
        context: ContextId,
        known: Result<Known, Unavailable>,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slot_of(context) else { return };
        let context = &mut self.contexts[slot as usize];
        if context.awaits.take().is_none() {
            return;
        }
        let vouched_to = context.onward.vouched_to.take();
        let from = context.from.flow;
        let refusal = match known {
            Ok(known) if vouched_to.is_some() => {
                let is_registered = match &known {
                    Known::Yes(bindings) => {
                        bindings.iter().any(|binding| binding.is_on(&self.settings.run, &from))
                    }
                    Known::No => false,
                };
                match vouched_to.filter(|_| is_registered) {
                    Some(Exit::NextHop(next)) => {
                        self.forward_to(now, slot, Target::NextHop(next), out);
                        return self.settle(slot);
                    }
                    Some(Exit::Upstream(place)) => match self.go_upstream(now, slot, place, out) {
                        Ok(()) => return self.settle(slot),
                        Err(refusal) => refusal,
                    },
                    None => Refusal::new(403, "Forbidden", Event::NotRegistered),
                }
            }
            Ok(Known::Yes(bindings)) => match self.fork(now, slot, bindings, out) {
                Ok(()) => return self.settle(slot),
                Err(refusal) => refusal,
            },
            Ok(Known::No) if self.contexts[slot as usize].onward.is_aor_known => {
                Refusal::new(480, "Temporarily Unavailable", Event::NoBinding)
            }
            // RFC 3261 §16.5: an AOR that does not exist.
            Ok(Known::No) => Refusal::new(404, "Not Found", Event::NotFound),
            Err(Unavailable { retry_after }) => {
                let field = retry_after.as_secs().max(1).to_string().into_bytes();
                Refusal {
                    field: Some((crate::sip::Name::RetryAfter, field)),
                    ..self.unavailable(Event::Unavailable)
                }
            }
        };
        self.refuse(now, slot, &refusal, out);
        self.settle(slot);
    }

    /// Sends the request to its one target.
    pub(super) fn forward_to(&mut self, now: Instant, slot: u32, target: Target, out: &mut Vec<Action>) {
        let context = &mut self.contexts[slot as usize];
        // RFC 3261 §26.2.2: a request for a sips URI goes over TLS or not at all.
        if context.onward.secure && !target.transport().is_secure() {
            return self.refuse(now, slot, &not_secure(), out);
        }
        context.forking = Forking::to(target);
        self.try_next(now, slot, out);
    }

    /// Sends the request to the instances of an AOR.
    fn fork(
        &mut self,
        now: Instant,
        slot: u32,
        bindings: Bindings,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let context = &mut self.contexts[slot as usize];
        context.authoritative = true;
        let is_bound = !bindings.is_empty();
        context.forking = Forking::new(instances(bindings, context.onward.secure));
        if is_bound && context.forking.width() == 0 {
            return Err(not_secure());
        }
        // RFC 3261 §16.5: an AOR with nobody to reach.
        if context.forking.width() == 0 {
            return Err(Refusal::new(480, "Temporarily Unavailable", Event::NoBinding));
        }
        // RFC 5393 §5.3.3: a proxy may try instances in turn instead, but then the second phone would ring when the first
        // has given up.
        if context.request.as_ref().is_some_and(|request| context.forking.width() > breadth(request)) {
            return Err(Refusal::new(440, "Max-Breadth Exceeded", Event::TooBroad));
        }
        self.try_next(now, slot, out);
        Ok(())
    }

    /// Sends the request over one flow to an upstream after another.
    fn go_upstream(
        &mut self,
        now: Instant,
        slot: u32,
        upstream: usize,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let context = &mut self.contexts[slot as usize];
        let Some(ways) = self.upstreams.ways(upstream, context.onward.secure) else {
            return Err(self.unavailable(Event::UpstreamDown));
        };
        context.authoritative = true;
        context.forking = Forking::new([ways]);
        self.try_next(now, slot, out);
        Ok(())
    }

    /// Sends the request to all targets whose turn it is.
    pub(super) fn try_next(&mut self, now: Instant, slot: u32, out: &mut Vec<Action>) {
        while let Some(next) = self.contexts[slot as usize].forking.next() {
            if next.again {
                note(out, Event::Failover, About::target(&self.contexts[slot as usize], &next.target));
            }
            self.forward(now, slot, next, out);
            // RFC 3261 §13.2.2.4: an ACK is for the one UA that sent the 2xx.
            if let Server::Ack = self.contexts[slot as usize].server {
                return;
            }
        }
    }

    fn forward(&mut self, now: Instant, slot: u32, next: Try<Target>, out: &mut Vec<Action>) {
        let context = &self.contexts[slot as usize];
        let Some(request) = &context.request else { return };
        let target = &next.target;
        let Ok(by_link) = self.by_link(target) else {
            return self.unreachable(now, slot, next.target, out);
        };
        let (hop, transport) = leaves_over(target, by_link.as_ref());
        let id = self.branch_id(slot, context.branches.len());
        let text = self.keys.branch(self.settings.worker, id, context.onward.loop_hash);

        let mut edit = Edit::new(request);
        // RFC 3261 §16.6 step 2: the Request-URI is the target's, which for a binding is its Contact (§16.5).
        if let Some(uri) = target.request_uri().as_deref().or(context.onward.request_uri.as_deref()) {
            edit.request_uri(uri);
        }
        // RFC 3261 §18.2.1: where the request came from is written into the Via of the one who sent it.
        edit.note_source(context.from.ip(), context.from.port());
        // RFC 3261 §16.6 step 8
        edit.push_via(&self.via(transport, by_link.is_some(), &text));
        // RFC 3261 §16.6 step 3
        edit.max_forwards(context.onward.max_forwards);
        for _ in 0..context.onward.own_routes {
            edit.pop_route();
        }
        // RFC 3327 §5.3: the binding's Path is the way to the UA.
        if !target.path().is_empty() {
            edit.push_route(target.path());
        }
        // RFC 5626 §5.3: the flow's own node comes before it.
        if let Some(by_link) = &by_link {
            edit.push_route(&by_link.route());
        }
        self.record_way(&mut edit, request, context, target, by_link.as_ref());
        // RFC 3325 §5: what a UA asserts of itself, nobody has asserted. The other elements that the operator named may, and
        // see for themselves what they make of it.
        if self.settings.proves_users && target.is_ua() && !self.is_trusted(context.from) {
            edit.remove(Name::PAssertedIdentity).remove(Name::RemotePartyId);
        }
        set_breadth(&mut edit, request, &next);
        // RFC 3261 §16.6 step 9, §20.14
        if transport.is_reliable() {
            edit.ensure_content_length();
        }
        let wire = edit.finish();

        let Some(client) = self.client(now, slot, target) else {
            // RFC 3261 §16.11: an ACK goes without a transaction; if it is lost, the UAS repeats its 2xx.
            return out.push(Action::Send { to: hop, transport, wire, assign: None, branch: None });
        };
        self.outstanding.add(hop, transport, id);
        // RFC 3261 §16.6 step 11
        let timer_c = matches!(client, Client::Invite(_)).then(|| now + self.settings.timer_c);
        // Without another flow to try nothing is gained by hurrying.
        let silent_at = next.more.then(|| now + self.settings.flow_timeout);
        let sent = (!target.transport().is_reliable()).then(|| wire.to_bytes());
        let target = next.target;
        let branch = Branch { client, target, by_link, text, sent, timer_c, silent_at, cancel: None };
        out.push(branch.send(wire, Some(id)));
        self.contexts[slot as usize].branches.push(branch);
    }

    /// Whether it is from an element that the operator named, and not from a UA.
    pub(super) fn is_trusted(&self, from: Source) -> bool {
        self.upstreams.of(from).is_some() || self.settings.is_from_route(from)
    }

    /// The client transaction of a request that goes to `target`; none for an ACK.
    fn client(&self, now: Instant, slot: u32, target: &Target) -> Option<Client> {
        let (reliable, timers) = (target.transport().is_reliable(), &self.settings.timers);
        match self.contexts[slot as usize].server {
            Server::Invite(_) => Some(Client::Invite(InviteClient::new(now, reliable, timers))),
            Server::NonInvite(_) => Some(Client::NonInvite(NonInviteClient::new(now, reliable, timers))),
            Server::Ack => None,
        }
    }

    /// The node that has the target's flow cannot be reached, or has begun another run: the branch is over before it began.
    fn unreachable(&mut self, now: Instant, slot: u32, target: Target, out: &mut Vec<Action>) {
        let event = match target {
            Target::Elsewhere(_) => Event::FlowGone,
            _ => Event::NoLink,
        };
        note(out, event, About::target(&self.contexts[slot as usize], &target));
        let Some(client) = self.client(now, slot, &target) else { return };
        let index = self.contexts[slot as usize].branches.len();
        let id = self.branch_id(slot, index);
        let text = self.keys.branch(self.settings.worker, id, 0);
        let mut branch = Branch {
            client,
            target,
            by_link: None,
            text,
            sent: None,
            timer_c: None,
            silent_at: None,
            cancel: None,
        };
        branch.fail();
        let context = &mut self.contexts[slot as usize];
        context.branches.push(branch);
        // RFC 5626 §11.5: as if the answer were 430.
        let step = context.forking.failed(index, 430, Answer::Ours("Flow Failed"));
        self.take_step(now, slot, step, out);
    }

    /// Reports that a request could not be queued for its flow: the `branch` of its [`Action::Send`].
    pub fn undeliverable(&mut self, now: Instant, branch: BranchId, out: &mut Vec<Action>) {
        // RFC 3261 §16.9: as if the answer were 503.
        self.branch_failed(now, branch, 503, "Service Unavailable", Event::Undeliverable, out);
    }

    /// Reports that a flow is gone, or a link: every branch that is out on it ends, and its request goes out over the next
    /// flow.
    ///
    /// Nothing happens to requests that came in on it: RFC 6026 §7.1 keeps their transactions, RFC 3261 §16.9 their
    /// branches; their responses have nowhere to go.
    pub fn flow_failed(&mut self, now: Instant, flow: Flow, out: &mut Vec<Action>) {
        // Before the next flow is tried, which may be one of the same node.
        self.peers.close(flow.id);
        self.upstreams.close(flow);
        for branch in self.outstanding.take_flow(flow) {
            // RFC 5626 §11.5: as if the answer were 430.
            self.branch_failed(now, branch, 430, "Flow Failed", Event::FlowFailed, out);
        }
    }

    /// Reports that a next hop cannot be reached: every branch that is out to it ends.
    pub fn next_hop_failed(&mut self, now: Instant, next: NextHop, out: &mut Vec<Action>) {
        for branch in self.outstanding.take_next_hop(next) {
            // RFC 3261 §16.9: as if the answer were 503.
            self.branch_failed(now, branch, 503, "Service Unavailable", Event::Undeliverable, out);
        }
    }

    pub(super) fn branch_failed(
        &mut self,
        now: Instant,
        id: BranchId,
        status: u16,
        reason: &'static str,
        event: Event,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.slot_of(id.context) else { return };
        let index = usize::from(id.index);
        let context = &mut self.contexts[slot as usize];
        let Some(branch) = context.branches.get_mut(index) else { return };
        if !branch.is_pending() {
            return;
        }
        branch.fail();
        note(out, event, About::target(context, &context.branches[index].target));
        let step = context.forking.failed(index, status, Answer::Ours(reason));
        self.after_branch(now, slot, index, step, out);
        self.settle(slot);
    }
}

/// RFC 3261 §26.2.2: nobody whom a request for a sips URI is for can be reached over TLS.
fn not_secure() -> Refusal {
    Refusal::new(480, "No Secure Flow", Event::NotSecure)
}
