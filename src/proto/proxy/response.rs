//! A response comes in: RFC 3261 §16.7, §17.1.3, RFC 6026 §7.3.

use std::sync::Arc;
use std::time::Instant;

use super::context::{Answer, Client};
use super::keys::tag;
use super::target::Target;
use super::validation::Refusal;
use super::{About, Action, Event, Proxy, Source, note};
use crate::proto::forking::Step;
use crate::proto::transaction::Received;
use crate::sip::{Edit, Message, Method, Name, Wire};

impl Proxy {
    /// A response came to a request of this worker's proxy; see [`Proxy::worker_of_branch`].
    pub fn response(&mut self, now: Instant, response: Message, from: Source, out: &mut Vec<Action>) {
        if let Err(fault) = response.validate() {
            return note(out, Event::Malformed(fault), About::message(&response, from));
        }
        // RFC 3261 §18.1.2: the topmost Via is ours, or the response is none of our business.
        let branch = response.top_via().ok().and_then(|via| via.branch());
        let Some(id) = branch.and_then(|branch| self.keys.read_branch(branch)) else {
            return note(out, Event::StrayResponse, About::message(&response, from));
        };
        let index = usize::from(id.index);
        let slot = self.slot_of(id.context);
        let context = slot.map(|slot| (slot, &mut self.contexts[slot as usize]));
        // RFC 6026 §7.3: without a transaction it is not forwarded; RFC 4320 §4.2 says the same of other methods.
        let Some((slot, context)) = context.filter(|(_, context)| index < context.branches.len()) else {
            return note(out, Event::LateResponse, About::message(&response, from));
        };
        let branch = &mut context.branches[index];
        let (hop, transport) = branch.leaves_over();
        if !hop.is_source(transport, from) {
            return note(out, Event::ResponseOnOtherFlow, About::message(&response, from));
        }
        let (method, status) = (response.method(), response.status().unwrap_or_default());
        let timers = &self.settings.timers;
        if method == Method::Cancel {
            // RFC 3261 §16.7 step 3: the answer to a CANCEL of ours was meant for us alone.
            match &mut branch.cancel {
                // Of a node that keeps no transaction, and whose flow to the UA has ended: nobody else will answer the INVITE.
                Some(_) if status == 430 && branch.by_link.is_some() => {
                    self.report_dead_binding(slot, index, out);
                    return self.branch_failed(now, id, 430, "Flow Failed", Event::FlowFailed, out);
                }
                Some(cancel) => _ = cancel.client.response(now, status, timers),
                None => note(out, Event::LateResponse, About::message(&response, from)),
            }
            return self.settle(slot);
        }
        // RFC 3261 §17.1.3: the method is that of the request. §16.7 step 3: what has no further Via goes no further.
        if method != context.method || response.values(Name::Via).nth(1).is_none() {
            return note(out, Event::StrayResponse, About::message(&response, from));
        }
        let was_pending = branch.is_pending();
        let received = match &mut branch.client {
            Client::Invite(client) => client.response(now, status, timers),
            Client::NonInvite(client) => client.response(now, status, timers),
        };
        match received {
            Received::Pass if status < 200 => self.provisional(now, slot, index, status, &response, out),
            Received::Pass if was_pending => {
                self.branch_ended(now, slot, index, status, Answer::Received(response), out);
            }
            // RFC 3261 §16.7 step 5: a 2xx to an INVITE goes back each time it comes.
            Received::Pass => self.relay(now, slot, status, &response, &[], out),
            Received::PassAndAck => {
                self.acknowledge(slot, index, &response, out);
                self.branch_ended(now, slot, index, status, Answer::Received(response), out);
            }
            Received::AckAgain => self.send_again(slot, index, out),
            Received::Absorb => {}
        }
        self.settle(slot);
    }

    fn provisional(
        &mut self,
        now: Instant,
        slot: u32,
        index: usize,
        status: u16,
        response: &Message,
        out: &mut Vec<Action>,
    ) {
        let context = &mut self.contexts[slot as usize];
        let branch = &mut context.branches[index];
        branch.silent_at = None;
        context.forking.heard(index);
        let is_invite = matches!(branch.client, Client::Invite(_));
        // RFC 3261 §16.7 step 2: each provisional response but a 100 starts Timer C anew.
        if is_invite && status > 100 {
            branch.timer_c = Some(now + self.settings.timer_c);
        }
        self.report_dead_flows(slot, index, out);
        self.drop_unwanted(now, slot, out);
        // RFC 3261 §16.7 step 5: every provisional response goes back but the 100, which is for this hop.
        if is_invite && status > 100 {
            self.relay(now, slot, status, response, &[], out);
        }
    }

    /// Sends a response back the way that the request came, with the challenges of others.
    fn relay(
        &mut self,
        now: Instant,
        slot: u32,
        status: u16,
        response: &Message,
        challenges: &[Answer],
        out: &mut Vec<Action>,
    ) {
        let context = &mut self.contexts[slot as usize];
        if context.old_peer && status >= 300 && !context.is_answered() {
            context.final_tag = tag(response, Name::To).map(Box::from);
        }
        // RFC 3261 §16.7 step 3: the topmost Via is ours and comes off.
        let mut edit = Edit::new(response);
        edit.pop_via();
        // RFC 3325 §5: as in requests between UAs.
        let context = &self.contexts[slot as usize];
        let is_of_uas = context.branches.iter().all(|branch| branch.target.is_ua());
        if self.settings.proves_users && is_of_uas && !self.is_trusted(context.from) {
            edit.remove(Name::PAssertedIdentity).remove(Name::RemotePartyId);
        }
        add_challenges(&mut edit, challenges);
        if context.from.transport.is_reliable() {
            edit.ensure_content_length();
        }
        let assign = self.take_flow_timer(&self.contexts[slot as usize], response, &mut edit);
        let wire = edit.finish();
        self.respond_and_assign(now, slot, status, wire, assign, out);
    }

    /// RFC 3261 §17.1.1.3: the ACK to a failure, which is sent again for each repetition of it.
    fn acknowledge(&mut self, slot: u32, index: usize, response: &Message, out: &mut Vec<Action>) {
        let context = &self.contexts[slot as usize];
        let branch = &context.branches[index];
        let Some(request) = &context.request else { return };
        let wire = self.hop_request(request, &context.onward, branch, "ACK", response.first(Name::To));
        let branch = &mut self.contexts[slot as usize].branches[index];
        branch.sent = (!branch.is_reliable()).then(|| wire.to_bytes());
        out.push(branch.send(wire, None));
    }

    /// Sends what was last sent on a branch again.
    pub(super) fn send_again(&self, slot: u32, index: usize, out: &mut Vec<Action>) {
        let branch = &self.contexts[slot as usize].branches[index];
        if let Some(octets) = branch.sent.clone() {
            out.push(branch.send(Wire::from(octets), None));
        }
    }

    /// A branch has its final response, or `status` stands for it.
    pub(super) fn branch_ended(
        &mut self,
        now: Instant,
        slot: u32,
        index: usize,
        status: u16,
        answer: Answer,
        out: &mut Vec<Action>,
    ) {
        let context = &mut self.contexts[slot as usize];
        // The node that has the flow answers so where that takes no more. Departs from RFC 5626 §7 in that a UA's own 503 over
        // a link has the next flow tried as well: it cannot be told from that.
        //
        // RFC 3263 §4.3: a 503 of an upstream's edge proxy has its next one tried.
        let branch = &context.branches[index];
        let is_full =
            status == 503 && (branch.by_link.is_some() || matches!(branch.target, Target::Upstream(_)));
        let step = if is_full {
            context.forking.failed(index, status, answer)
        } else {
            context.forking.ended(index, status, answer)
        };
        // None of these says anything of the UA, and a 482 says that another flow brought it the request.
        if !matches!(status, 408 | 430 | 482) && !is_full {
            self.report_dead_flows(slot, index, out);
        }
        if status == 430 {
            self.report_dead_binding(slot, index, out);
        }
        self.after_branch(now, slot, index, step, out);
    }

    /// A branch is no longer pending: what does that mean for the request? RFC 3261 §16.7 steps 5, 6 and 10.
    pub(super) fn after_branch(
        &mut self,
        now: Instant,
        slot: u32,
        index: usize,
        step: Step<Answer>,
        out: &mut Vec<Action>,
    ) {
        let id = self.branch_id(slot, index);
        let branch = &mut self.contexts[slot as usize].branches[index];
        branch.timer_c = None;
        branch.silent_at = None;
        if matches!(branch.client, Client::NonInvite(_)) {
            branch.sent = None;
        }
        let (hop, transport) = branch.leaves_over();
        self.outstanding.remove(hop, transport, id);
        self.take_step(now, slot, step, out);
        self.try_next(now, slot, out);
    }

    /// What a branch that is over means for the request, but for the targets that are tried next.
    pub(super) fn take_step(&mut self, now: Instant, slot: u32, step: Step<Answer>, out: &mut Vec<Action>) {
        match step {
            Step::Wait => {}
            Step::Forward(Answer::Received(response)) => {
                let status = response.status().unwrap_or_default();
                self.relay(now, slot, status, &response, &[], out);
            }
            Step::Forward(Answer::Ours(_)) => unreachable!("we never answer 2xx for a UA"),
            Step::Answer { status, response, challenges } => {
                self.answer_with_best(now, slot, status, &response, &challenges, out);
            }
        }
        self.drop_unwanted(now, slot, out);
    }

    /// RFC 5626 §7, §11.5: a 430 of an edge proxy says that the flow beyond it is gone. The flow to the edge proxy is not, and
    /// serves other UAs. The node that has a flow says the same over a link. A 430 that came over a UA's own flow says nothing
    /// of that flow: it brought the 430.
    fn report_dead_binding(&self, slot: u32, index: usize, out: &mut Vec<Action>) {
        let context = &self.contexts[slot as usize];
        let branch = &context.branches[index];
        if let (Target::Binding(binding), Some(aor)) = (&branch.target, &context.aor)
            && (!binding.direct || branch.by_link.is_some())
        {
            out.push(Action::BindingDead { aor: aor.clone(), binding: Arc::clone(binding) });
        }
    }

    /// The UA has answered on one flow. Another flow to it that it was silent on for `flow_timeout` is dead.
    ///
    /// RFC 5626 §7: bindings go when it is known that their flow delivers nothing any more. Silence alone does not tell: the UA
    /// may be slow, or not know what to answer, and without its bindings nobody would reach it before it registers again. But
    /// here it is reached over the other flow.
    fn report_dead_flows(&mut self, slot: u32, index: usize, out: &mut Vec<Action>) {
        let context = &mut self.contexts[slot as usize];
        for dead in context.forking.take_dead(index) {
            let Target::Binding(alive) = &context.branches[index].target else { continue };
            let Target::Binding(binding) = &context.branches[dead].target else { continue };
            // What is not direct is silent somewhere beyond the flow, which serves others too.
            if binding.is_on(&alive.holder, &alive.flow) || !binding.direct {
                continue;
            }
            // What is silent may be the node that has the flow, which is then paused or slow, and the flow as good as ever. That
            // node watches it too, by Flow-Timer.
            if binding.holder == self.settings.run {
                out.push(Action::FlowDead { flow: binding.flow });
            }
        }
    }

    fn answer_with_best(
        &mut self,
        now: Instant,
        slot: u32,
        status: u16,
        answer: &Answer,
        challenges: &[Answer],
        out: &mut Vec<Action>,
    ) {
        let context = &mut self.contexts[slot as usize];
        if let (408, super::context::Server::NonInvite(server)) = (status, &mut context.server) {
            // RFC 4320 §4.2: a 408 to anything but an INVITE comes too late to be of use and is never sent.
            return server.give_up(now, &self.settings.timers);
        }
        match answer {
            // RFC 5626 §11.5: a 430 is between an edge proxy and the authoritative one. That is us, and we know of no flow to
            // the UA that works.
            _ if status == 430 && context.authoritative && context.aor.is_none() => {
                // Of an upstream, over which a PBX may know a way around.
                let refusal = self.unavailable(Event::UpstreamDown);
                self.refuse(now, slot, &refusal, out);
            }
            _ if status == 430 && context.authoritative => {
                self.answer(now, slot, 480, "Temporarily Unavailable", &[], out);
            }
            // RFC 3261 §16.7 step 6: a 503 speaks of the UA, not of us; passed on, it would turn the sender away from us.
            Answer::Received(_) if status == 503 => {
                self.answer(now, slot, 500, "Server Internal Error", &[], out);
            }
            Answer::Received(response) => self.relay(now, slot, status, response, challenges, out),
            Answer::Ours(_) if status == 503 => {
                let Refusal { field, reason, .. } = self.unavailable(Event::Undeliverable);
                let fields = field.as_ref().map(|(name, value)| (name.as_str(), &value[..]));
                self.answer(now, slot, 503, reason, fields.as_slice(), out);
            }
            Answer::Ours(reason) => self.answer(now, slot, status, reason, &[], out),
        }
    }
}

/// RFC 3261 §16.7 step 7: all challenges of other branches, as they came.
fn add_challenges(edit: &mut Edit<'_>, challenges: &[Answer]) {
    for answer in challenges {
        let Answer::Received(response) = answer else { continue };
        for name in [Name::WwwAuthenticate, Name::ProxyAuthenticate] {
            // A field each: a challenge has commas of its own, so that lists of them are hard to take apart.
            response.fields(name).for_each(|value| _ = edit.append(name, value));
        }
    }
}
