//! An ACK comes in. It ends the transaction of a failed INVITE, or it belongs to a 2xx and goes on without any transaction:
//! RFC 3261 §17.2.1, §16.11, RFC 6026 §7.1.
//!
//! One that belongs to a 2xx of a UA of ours follows the flow token of the Record-Route that its INVITE took along. What has
//! none, and is for an AOR, belongs to nothing: nobody asks who it is from, since an ACK cannot be answered, and it would
//! be looked up and delivered to whoever is registered.

use std::time::Instant;

use super::context::Server;
use super::keys::{Kind, tag};
use super::request::Incoming;
use super::validation::{Decision, To};
use super::{About, Action, Event, Proxy, note};
use crate::proto::transaction::Acked;
use crate::sip::Name;

impl Proxy {
    pub(super) fn ack(&mut self, now: Instant, incoming: Incoming, out: &mut Vec<Action>) {
        let to_tag = tag(&incoming.request, Name::To);
        if let Some(slot) = self.like(incoming.likeness, Kind::InviteOrAck) {
            let context = &mut self.contexts[slot as usize];
            // RFC 3261 §17.2.3: an old peer's ACK belongs to our response only if it names its To tag.
            let foreign = context.final_tag.is_some() && context.final_tag.as_deref() != to_tag;
            let acked = match &mut context.server {
                Server::Invite(server) if !foreign => server.ack(now, &self.settings.timers),
                _ => Acked::ToUser,
            };
            self.settle(slot);
            if acked == Acked::Absorb {
                return;
            }
        } else if to_tag == Some(&self.keys.tag_of(incoming.likeness)[..]) {
            // Of a response that we gave without keeping anything, or whose transaction is over.
            return;
        }
        if let Err(fault) = incoming.request.validate() {
            return note(out, Event::Malformed(fault), About::message(&incoming.request, incoming.from));
        }
        if self.contexts.len() >= self.settings.max_transactions {
            return note(out, Event::Overload, About::message(&incoming.request, incoming.from));
        }
        // RFC 3261 §17: an ACK is never answered.
        let is_upstreams = self.upstreams.of(incoming.from).is_some();
        match self.decide(&incoming) {
            Ok(Decision::Onward(To::Aor(_), _)) if !is_upstreams => {
                note(out, Event::StrayAck, About::message(&incoming.request, incoming.from));
            }
            Ok(Decision::Onward(to, onward)) => {
                let slot = self.take_in(now, incoming);
                self.go_on(now, slot, to, onward, out);
                self.settle(slot);
            }
            Ok(Decision::Here) => {
                note(out, Event::StrayAck, About::message(&incoming.request, incoming.from));
            }
            Err(refusal) if refusal.event == Event::NotOurs => {
                note(out, Event::StrayAck, About::message(&incoming.request, incoming.from));
            }
            Err(refusal) => note(out, refusal.event, About::message(&incoming.request, incoming.from)),
        }
    }
}
