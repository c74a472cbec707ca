//! A CANCEL comes in, and CANCELs go out: RFC 3261 §9, §16.10.

use std::time::Instant;

use super::context::{Cancel, Client};
use super::keys::Kind;
use super::request::Incoming;
use super::validation::Refusal;
use super::{Action, Event, Proxy};
use crate::proto::transaction::NonInviteClient;

impl Proxy {
    /// A CANCEL that is no retransmission. It has a server transaction of its own and no response context.
    pub(super) fn cancel(&mut self, now: Instant, incoming: Incoming, out: &mut Vec<Action>) {
        // RFC 3261 §9.2: what it cancels has everything in common with it but the method.
        let invite = self.like(incoming.likeness, Kind::InviteOrAck);
        let found = invite.or_else(|| self.like(incoming.likeness, Kind::Other));
        let own = self.take_in(now, incoming);
        if found.is_some() {
            self.answer(now, own, 200, "OK", &[], out);
        } else {
            let refusal = Refusal::new(481, "Call/Transaction Does Not Exist", Event::NothingToCancel);
            self.refuse(now, own, &refusal, out);
        }
        self.settle(own);
        // RFC 3261 §9.2: it has an effect on an INVITE only, and only before the final response.
        let Some(slot) = invite.filter(|slot| !self.contexts[*slot as usize].is_answered()) else { return };
        self.contexts[slot as usize].forking.cancel();
        self.drop_unwanted(now, slot, out);
        if self.contexts[slot as usize].awaits.take().is_some() {
            // No branch is out whose 487 could be waited for.
            self.answer(now, slot, 487, "Request Terminated", &[], out);
        }
        self.settle(slot);
    }

    /// Cancels all branches that nothing is to come of: an INVITE now, or as soon as its provisional response comes.
    pub(super) fn drop_unwanted(&mut self, now: Instant, slot: u32, out: &mut Vec<Action>) {
        for index in 0..self.contexts[slot as usize].branches.len() {
            let id = self.branch_id(slot, index);
            let context = &mut self.contexts[slot as usize];
            let branch = &mut context.branches[index];
            if !context.forking.is_unwanted(index) || !branch.is_pending() {
                continue;
            }
            match branch.client {
                Client::Invite(_) => self.cancel_branch(now, slot, index, out),
                // Its instance has answered over another flow, so that even its late answer is of no use. One that belongs
                // to another instance goes on: that UA may not have the request yet.
                Client::NonInvite(_) if context.forking.is_superseded(index) => {
                    branch.fail();
                    let (hop, transport) = branch.leaves_over();
                    self.outstanding.remove(hop, transport, id);
                }
                Client::NonInvite(_) => {}
            }
        }
    }

    /// Sends a CANCEL on a branch if it may have one.
    pub(super) fn cancel_branch(&mut self, now: Instant, slot: u32, index: usize, out: &mut Vec<Action>) {
        let context = &self.contexts[slot as usize];
        let branch = &context.branches[index];
        // RFC 3261 §9.1: only an INVITE is cancelled, and not before a provisional response.
        let Client::Invite(client) = &branch.client else { return };
        let (Some(request), true) = (&context.request, client.may_cancel()) else { return };
        let wire = self.hop_request(request, &context.onward, branch, "CANCEL", None);
        let timers = &self.settings.timers;
        let branch = &mut self.contexts[slot as usize].branches[index];
        let reliable = branch.is_reliable();
        if let Client::Invite(client) = &mut branch.client {
            client.cancelled(now, timers);
        }
        let client = NonInviteClient::new(now, reliable, timers);
        branch.cancel = Some(Box::new(Cancel { client, sent: (!reliable).then(|| wire.to_bytes()) }));
        out.push(branch.send(wire, None));
    }
}
