//! Responses of our own making, and all that leaves towards the one who asked.

use std::time::Instant;

use super::context::{Context, Server};
use super::keys::{Likeness, tag};
use super::request::Incoming;
use super::validation::Refusal;
use super::{About, Action, Event, Proxy, Source, note};
use crate::proto::Hop;
use crate::proto::keepalive::Assign;
use crate::sip::{Message, Name, Response, Wire};

/// What this node itself serves.
const ALLOW: Field<'static> = (Name::Allow.as_str(), b"OPTIONS, REGISTER");

/// A field's name and value.
pub(super) type Field<'a> = (&'a str, &'a [u8]);

impl Proxy {
    /// Sends a response through the server transaction, if that still lets one out.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        slot: u32,
        status: u16,
        wire: Wire,
        out: &mut Vec<Action>,
    ) {
        self.respond_and_assign(now, slot, status, wire, None, out);
    }

    /// As [`Proxy::respond`]; the response changes the keep-alive of the flow that it leaves over.
    pub(super) fn respond_and_assign(
        &mut self,
        now: Instant,
        slot: u32,
        status: u16,
        wire: Wire,
        assign: Option<Assign>,
        out: &mut Vec<Action>,
    ) {
        let timers = &self.settings.timers;
        let context = &mut self.contexts[slot as usize];
        let leaves = match &mut context.server {
            Server::Invite(server) => server.respond(now, status, timers),
            Server::NonInvite(server) => server.respond(now, status, timers),
            Server::Ack => false,
        };
        if leaves {
            keep(context, &wire);
            out.push(send(context, wire, assign));
        }
    }

    /// Sends the last response again.
    pub(super) fn send_last(&self, slot: u32, out: &mut Vec<Action>) {
        let context = &self.contexts[slot as usize];
        if let Some(octets) = context.last.clone() {
            out.push(send(context, Wire::from(octets), None));
        }
    }

    /// Sends a response of ours.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        slot: u32,
        status: u16,
        reason: &'static str,
        fields: &[Field<'_>],
        out: &mut Vec<Action>,
    ) {
        let context = &self.contexts[slot as usize];
        let Some(request) = &context.request else { return };
        let wire = self.made(request, context.from, context.likeness, status, reason, fields);
        if context.old_peer && status >= 300 {
            let to_tag = tag(request, Name::To).map(Box::from);
            let to_tag = to_tag.unwrap_or_else(|| Box::from(&self.keys.tag_of(context.likeness)[..]));
            self.contexts[slot as usize].final_tag = Some(to_tag);
        }
        self.respond(now, slot, status, wire, out);
    }

    /// Sends a final response of ours and notes why.
    pub(super) fn refuse(&mut self, now: Instant, slot: u32, refusal: &Refusal, out: &mut Vec<Action>) {
        note(out, refusal.event, About::request(&self.contexts[slot as usize]));
        match &refusal.field {
            Some((name, value)) => {
                self.answer(now, slot, refusal.status, refusal.reason, &[(name.as_str(), value)], out);
            }
            None => self.answer(now, slot, refusal.status, refusal.reason, &[], out),
        }
    }

    /// RFC 3261 §8.2.7: answers without keeping anything; a retransmission is answered in the same way, To tag included.
    pub(super) fn refuse_without_state(&self, incoming: &Incoming, refusal: &Refusal, out: &mut Vec<Action>) {
        let Incoming { request, from, reply_to, likeness, .. } = incoming;
        note(out, refusal.event, About::message(request, *from));
        let field = refusal.field.as_ref().map(|(name, value)| (name.as_str(), &value[..]));
        let wire = self.made(request, *from, *likeness, refusal.status, refusal.reason, field.as_slice());
        out.push(Action::Send {
            to: Hop::Flow(*reply_to),
            transport: from.transport,
            wire,
            assign: None,
            branch: None,
        });
    }

    /// RFC 4320 §4.1: a 100 to a request other than INVITE. Its server transaction has asked for it and lets it out itself.
    pub(super) fn reassure(&mut self, slot: u32, out: &mut Vec<Action>) {
        let context = &self.contexts[slot as usize];
        let Some(request) = &context.request else { return };
        let wire = self.made(request, context.from, context.likeness, 100, "Trying", &[]);
        let context = &mut self.contexts[slot as usize];
        keep(context, &wire);
        out.push(send(context, wire, None));
    }

    /// RFC 3261 §11.2: the 200 to an OPTIONS for this node.
    pub(super) fn capabilities(&mut self, now: Instant, slot: u32, out: &mut Vec<Action>) {
        let fields: [Field<'_>; 5] = [
            ALLOW,
            (Name::Accept.as_str(), b"*/*"),
            ("Accept-Encoding", b"identity"),
            ("Accept-Language", b"en"),
            (Name::Supported.as_str(), b"path, outbound"),
        ];
        self.answer(now, slot, 200, "OK", &fields, out);
    }

    /// RFC 3261 §21.4.6: this node itself does nothing of the kind.
    pub(super) fn not_allowed(&mut self, now: Instant, slot: u32, out: &mut Vec<Action>) {
        note(out, Event::NotServed, About::request(&self.contexts[slot as usize]));
        self.answer(now, slot, 405, "Method Not Allowed", &[ALLOW], out);
    }

    /// RFC 3261 §21.5.4: we cannot serve now, and say when to come back.
    pub(super) fn unavailable(&self, event: Event) -> Refusal {
        let seconds = self.settings.retry_after.as_secs().max(1).to_string().into_bytes();
        Refusal {
            field: Some((Name::RetryAfter, seconds)),
            ..Refusal::new(503, "Service Unavailable", event)
        }
    }

    fn made(
        &self,
        request: &Message,
        from: Source,
        likeness: Likeness,
        status: u16,
        reason: &'static str,
        fields: &[Field<'_>],
    ) -> Wire {
        let tag = self.keys.tag_of(likeness);
        let mut response = Response::to(request, status, reason).source(from.ip(), from.port());
        // RFC 3261 §8.2.6.2: every response of ours but a 100 has a To tag.
        if status > 100 {
            response = response.to_tag(str::from_utf8(&tag).expect("a tag is hex digits"));
        }
        if status > 100 && !self.settings.server.is_empty() {
            response = response.header(Name::Server, &self.settings.server);
        }
        for (name, value) in fields {
            response = response.header(name, value);
        }
        response.finish()
    }
}

/// Keeps a response for retransmissions, where there are any.
fn keep(context: &mut Context, wire: &Wire) {
    // RFC 6026 §7.1: a 2xx to an INVITE is repeated by the UAS, not here.
    let repeats = match &context.server {
        Server::Invite(server) => !server.is_accepted(),
        Server::NonInvite(_) => true,
        Server::Ack => false,
    };
    context.last = (repeats && !context.from.transport.is_reliable()).then(|| wire.to_bytes());
}

/// Towards the one who asked.
fn send(context: &Context, wire: Wire, assign: Option<Assign>) -> Action {
    Action::Send {
        to: Hop::Flow(context.reply_to),
        transport: context.from.transport,
        wire,
        assign: assign.map(|assign| (context.from.flow, assign)),
        branch: None,
    }
}
