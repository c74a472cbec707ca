//! A response comes in: RFC 3261 §16.7, §17.1.3, RFC 6026 §7.3.

use std::time::Instant;

use super::context::{Answer, Client};
use super::keys::tag;
use super::validation::Refusal;
use super::{Action, BranchId, Event, Proxy, Source, note};
use crate::proto::forking::Step;
use crate::proto::transaction::Received;
use crate::sip::{Edit, Message, Method, Name};

impl Proxy {
    /// A response came to a request of this worker's proxy; see [`Proxy::worker_of_branch`].
    pub fn response(&mut self, now: Instant, response: Message, from: Source, out: &mut Vec<Action>) {
        if let Err(fault) = response.validate() {
            return note(out, Event::Malformed(fault), from);
        }
        // RFC 3261 §18.1.2: the topmost Via is ours, or the response is none of our business.
        let branch = response.top_via().ok().and_then(|via| via.branch());
        let Some(id) = branch.and_then(|branch| self.keys.read_branch(branch)) else {
            return note(out, Event::StrayResponse, from);
        };
        let index = usize::from(id.index);
        let slot = self.slot_of(id.context);
        let context = slot.map(|slot| (slot, &mut self.contexts[slot as usize]));
        // RFC 6026 §7.3: without a transaction it is not forwarded; RFC 4320 §4.2 says the same of other methods.
        let Some((slot, context)) = context.filter(|(_, context)| index < context.branches.len()) else {
            return note(out, Event::LateResponse, from);
        };
        let branch = &mut context.branches[index];
        if !branch.target.hop().is_source(branch.transport, from) {
            return note(out, Event::ResponseOnOtherFlow, from);
        }
        let (method, status) = (response.method(), response.status().unwrap_or_default());
        let timers = &self.settings.timers;
        if method == Method::Cancel {
            // RFC 3261 §16.7 step 3: the answer to a CANCEL of ours was meant for us alone.
            match &mut branch.cancel {
                Some(cancel) => _ = cancel.client.response(now, status, timers),
                None => note(out, Event::LateResponse, from),
            }
            return self.settle(slot);
        }
        // RFC 3261 §17.1.3: the method is that of the request. §16.7 step 3: what has no further Via goes no further.
        if method != context.method || response.values(Name::Via).nth(1).is_none() {
            return note(out, Event::StrayResponse, from);
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
            Received::Pass => self.relay(now, slot, status, &response, out),
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
        let Client::Invite(_) = &context.branches[index].client else { return };
        // RFC 3261 §16.7 step 2: each provisional response but a 100 starts Timer C anew.
        if status > 100 {
            context.branches[index].timer_c = Some(now + self.settings.timer_c);
        }
        if context.unwanted {
            self.cancel_branch(now, slot, index, out);
        }
        // RFC 3261 §16.7 step 5: every provisional response goes back but the 100, which is for this hop.
        if status > 100 {
            self.relay(now, slot, status, response, out);
        }
    }

    /// Sends a response back the way that the request came.
    fn relay(&mut self, now: Instant, slot: u32, status: u16, response: &Message, out: &mut Vec<Action>) {
        let context = &mut self.contexts[slot as usize];
        if context.old_peer && status >= 300 && !context.is_answered() {
            context.final_tag = tag(response, Name::To).map(Box::from);
        }
        // RFC 3261 §16.7 step 3: the topmost Via is ours and comes off.
        let mut edit = Edit::new(response);
        edit.pop_via();
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
        branch.sent = (!branch.transport.is_reliable()).then(|| wire.clone());
        out.push(branch.send(wire, None));
    }

    /// Sends what was last sent on a branch again.
    pub(super) fn send_again(&self, slot: u32, index: usize, out: &mut Vec<Action>) {
        let branch = &self.contexts[slot as usize].branches[index];
        if let Some(wire) = branch.sent.clone() {
            out.push(branch.send(wire, None));
        }
    }

    /// A branch came to an end of its own; `status` stands for the response that it did not get.
    pub(super) fn branch_ended_without_response(
        &mut self,
        now: Instant,
        slot: u32,
        index: usize,
        status: u16,
        reason: &'static str,
        out: &mut Vec<Action>,
    ) {
        self.branch_ended(now, slot, index, status, Answer::Ours(reason), out);
    }

    /// A branch is no longer pending: what does that mean for the request? RFC 3261 §16.7 steps 5, 6 and 10.
    fn branch_ended(
        &mut self,
        now: Instant,
        slot: u32,
        index: usize,
        status: u16,
        answer: Answer,
        out: &mut Vec<Action>,
    ) {
        let id = BranchId { context: self.id_of(slot), index: u8::try_from(index).unwrap_or(u8::MAX) };
        let context = &mut self.contexts[slot as usize];
        let branch = &mut context.branches[index];
        branch.timer_c = None;
        if matches!(branch.client, Client::NonInvite(_)) {
            branch.sent = None;
        }
        self.outstanding.remove(branch.target.hop(), branch.transport, id);
        match context.forking.ended(status, answer) {
            Step::Wait => {}
            Step::CancelOthers => self.cancel_branches(now, slot, out),
            // The next binding is tried, such as another flow of the same instance.
            Step::Next => _ = self.try_next(now, slot, out),
            Step::Forward(Answer::Received(response)) => {
                self.relay(now, slot, status, &response, out);
                self.cancel_branches(now, slot, out);
            }
            Step::Forward(Answer::Ours(_)) => unreachable!("we never answer 2xx for a UA"),
            Step::Answer(status, answer) => self.answer_with_best(now, slot, status, &answer, out),
        }
    }

    fn answer_with_best(
        &mut self,
        now: Instant,
        slot: u32,
        status: u16,
        answer: &Answer,
        out: &mut Vec<Action>,
    ) {
        let context = &mut self.contexts[slot as usize];
        if let (408, super::context::Server::NonInvite(server)) = (status, &mut context.server) {
            // RFC 4320 §4.2: a 408 to anything but an INVITE comes too late to be of use and is never sent.
            return server.give_up(now, &self.settings.timers);
        }
        match answer {
            // RFC 3261 §16.7 step 6: a 503 speaks of the UA, not of us; passed on, it would turn the sender away from us.
            Answer::Received(_) if status == 503 => {
                self.answer(now, slot, 500, "Server Internal Error", &[], out);
            }
            Answer::Received(response) => self.relay(now, slot, status, response, out),
            Answer::Ours(_) if status == 503 => {
                let Refusal { field, reason, .. } = self.unavailable(Event::Undeliverable);
                let fields = field.as_ref().map(|(name, value)| (name.as_str(), &value[..]));
                self.answer(now, slot, 503, reason, fields.as_slice(), out);
            }
            Answer::Ours(reason) => self.answer(now, slot, status, reason, &[], out),
        }
    }
}
