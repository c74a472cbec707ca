//! When a call is answered, and how it ends. RFC 3261 §13.3, §14.2, §15.

use super::call::{Call, State};
use super::outgoing::{Outgoing, What};
use super::receive::{ALLOW, from_of};
use super::server::Key;
use super::{CallEvent, Event, Ua, sdp};
use crate::sip::{Message, Name, Wire};
use bytes::Bytes;
use rand::RngExt;
use std::time::{Duration, Instant};

/// Calls at a time; another caller finds this UA busy.
const MAX_CALLS: usize = 16;

impl Ua {
    /// An INVITE within no dialog.
    pub(super) fn invited(&mut self, now: Instant, key: &Key, invite: &Message) {
        let reg_id = key.reg_id();
        let refusal = if self.calls.iter().any(|call| Some(&call.id[..]) == invite.first(Name::CallId)) {
            // RFC 3261 §8.2.2.2: the same call by another way.
            Some((482, "Merged Request"))
        } else if !self.takes_calls || self.calls.len() >= MAX_CALLS {
            Some((486, "Busy Here"))
        } else {
            None
        };
        let answer = match refusal {
            Some(status) => Err(status),
            None => self.sdp_for(reg_id, invite, 1),
        };
        let tag = self.new_tag();
        let call = answer.and_then(|sdp| {
            let state = State::Ringing { at: now + self.ring, key: key.clone(), invite: invite.clone(), sdp };
            Call::of(reg_id, invite, tag, state).ok_or((400, "Missing or Malformed Contact"))
        });
        match call {
            Ok(call) => {
                let ringing = self.dialog_response(key, invite, (180, "Ringing"), &call.local_tag, None);
                self.respond(now, key, ringing);
                let from = call.from.clone();
                self.calls.push(call);
                self.tell(Event::Call { reg_id, from, call: CallEvent::Ringing });
            }
            Err(status) => {
                let from = from_of(invite);
                self.answer(now, key, invite, status, |response| match status.0 {
                    415 => response.header(Name::Accept, "application/sdp"),
                    _ => response,
                });
                self.tell(Event::Call { reg_id, from, call: CallEvent::Refused { status: status.0 } });
            }
        }
    }

    /// An INVITE within a call: it stays as it is. RFC 3261 §14.2.
    pub(super) fn invited_again(&mut self, now: Instant, key: &Key, at: usize, invite: &Message) {
        let call = &mut self.calls[at];
        if !matches!(call.state, State::Confirmed) {
            // RFC 3261 §14.2: one INVITE at a time.
            return self.answer(now, key, invite, (500, "INVITE in Progress"), |response| {
                response.header(Name::RetryAfter, "1")
            });
        }
        call.version += 1;
        let (version, tag) = (call.version, call.local_tag.clone());
        match self.sdp_for(key.reg_id(), invite, version) {
            Ok(sdp) => {
                self.calls[at].refresh_target(invite);
                let accepted = self.dialog_response(key, invite, (200, "OK"), &tag, Some(&sdp));
                self.accept(now, key, at, accepted);
            }
            Err(status) => self.answer(now, key, invite, status, |response| response),
        }
    }

    /// An ACK for a 200.
    pub(super) fn acknowledged(&mut self, ack: &Message) {
        let call = self.calls.iter_mut().find(|call| call.has(ack));
        let confirmed = call.filter(|call| matches!(call.state, State::Accepting { .. }));
        if let Some(call) = confirmed
            && call.confirm()
        {
            let (reg_id, from) = (call.reg_id, call.from.clone());
            self.tell(Event::Call { reg_id, from, call: CallEvent::Confirmed });
        }
    }

    /// The caller has hung up.
    pub(super) fn ended(&mut self, now: Instant, at: usize) {
        let call = self.calls.remove(at);
        if let State::Ringing { key, invite, .. } = &call.state {
            // RFC 3261 §15.1.2: what is pending is answered 487.
            let wire = self.dialog_response(key, invite, (487, "Request Terminated"), &call.local_tag, None);
            self.respond(now, key, wire);
        }
        self.tell(Event::Call { reg_id: call.reg_id, from: call.from, call: CallEvent::Ended });
    }

    pub(super) fn expire_calls(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.calls.len() {
            let call = &mut self.calls[at];
            if call.deadline().is_none_or(|deadline| deadline > now) {
                at += 1;
                continue;
            }
            match &mut call.state {
                State::Ringing { key, invite, sdp, .. } => {
                    let (key, invite, sdp) = (key.clone(), invite.clone(), std::mem::take(sdp));
                    let tag = call.local_tag.clone();
                    let accepted = self.dialog_response(&key, &invite, (200, "OK"), &tag, Some(&sdp));
                    let (reg_id, from) = (self.calls[at].reg_id, self.calls[at].from.clone());
                    self.accept(now, &key, at, accepted);
                    self.tell(Event::Call { reg_id, from, call: CallEvent::Answered });
                }
                State::Accepting { end, .. } if *end <= now => {
                    // RFC 3261 §13.3.1.4: without an ACK the call is ended.
                    let call = self.calls.remove(at);
                    self.hang_up(now, call, CallEvent::Unconfirmed);
                }
                State::Accepting { accepted, again, interval, .. } => {
                    let (accepted, reg_id) = (accepted.clone(), call.reg_id);
                    *interval = (*interval * 2).min(self.recovery.settings().timers.t2);
                    *again = now + (*interval).max(Duration::from_millis(1));
                    self.transmit(reg_id, accepted);
                }
                State::Confirmed => at += 1,
            }
        }
    }

    pub(super) fn hang_up_all(&mut self, now: Instant) {
        for call in std::mem::take(&mut self.calls) {
            self.hang_up(now, call, CallEvent::HungUp);
        }
    }

    /// A flow is gone, and with it the answer to what still rings there. Other calls go on over another flow.
    pub(super) fn calls_lost(&mut self, lost: u32) {
        let is_lost = |call: &mut Call| call.reg_id == lost && matches!(call.state, State::Ringing { .. });
        let gone: Vec<Call> = self.calls.extract_if(.., is_lost).collect();
        for Call { reg_id, from, .. } in gone {
            self.tell(Event::Call { reg_id, from, call: CallEvent::Cancelled });
        }
    }

    fn hang_up(&mut self, now: Instant, call: Call, why: CallEvent) {
        if let State::Ringing { key, invite, .. } = &call.state {
            let refused = (480, "Temporarily Unavailable");
            let wire = self.dialog_response(key, invite, refused, &call.local_tag, None);
            self.respond(now, key, wire);
        } else {
            let name = self.random.random();
            let bye = Outgoing::new(What::Bye(call.bye()), &self.recovery.settings().login, name);
            self.outgoing.push(bye);
            // Now: the flow may be closed next.
            self.send_what_waits(now);
        }
        self.tell(Event::Call { reg_id: call.reg_id, from: call.from, call: why });
    }

    fn accept(&mut self, now: Instant, key: &Key, at: usize, accepted: Option<Wire>) {
        self.respond(now, key, accepted.clone());
        if let Some(accepted) = accepted {
            let timers = self.timers();
            self.calls[at].accept(now, accepted, &timers);
        }
    }

    /// The SDP for this INVITE, or the status that refuses it.
    fn sdp_for(&self, reg_id: u32, invite: &Message, version: u32) -> Result<String, (u16, &'static str)> {
        let local = self.recovery.link(reg_id).map(|link| link.local.ip());
        let local = local.ok_or((480, "Temporarily Unavailable"))?;
        if invite.body().is_empty() {
            return Ok(sdp::offer(local, version));
        }
        let kind = invite.first(Name::ContentType).unwrap_or_default();
        let kind = kind.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
        if !kind.eq_ignore_ascii_case(b"application/sdp") {
            return Err((415, "Unsupported Media Type"));
        }
        sdp::answer(invite.body(), local, version).ok_or((488, "Not Acceptable Here"))
    }

    /// A response that makes, or belongs to, the call's dialog. RFC 3261 §12.1.1.
    fn dialog_response(
        &self,
        key: &Key,
        invite: &Message,
        status: (u16, &'static str),
        tag: &str,
        sdp: Option<&str>,
    ) -> Option<Wire> {
        let link = self.recovery.link(key.reg_id())?;
        let contact = self.recovery.settings().contact(link);
        let mut response = self.response_to(key, invite, status)?.to_tag(tag);
        for route in invite.fields(Name::RecordRoute) {
            response = response.header(Name::RecordRoute, route);
        }
        let contact = [b"<", contact.as_slice(), b">"].concat();
        response = response.header(Name::Contact, contact).header(Name::Allow, ALLOW);
        if let Some(sdp) = sdp {
            let sdp = Bytes::copy_from_slice(sdp.as_bytes());
            response = response.header(Name::ContentType, "application/sdp").body(sdp);
        }
        Some(response.finish())
    }
}
