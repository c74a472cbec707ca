//! A MESSAGE that goes out: over one flow, and over the next when that one does not bring it there. RFC 3428, RFC 5626
//! §4.3.

use super::outgoing::{Outgoing, What};
use super::{Event, Outcome, Ua};
use crate::proto::transaction::Fired;
use crate::sip::Message;
use rand::RngExt;
use std::time::Instant;

impl Ua {
    /// Sends a MESSAGE as soon as there is a flow for it.
    pub fn send(&mut self, now: Instant, to: &str, text: &str) {
        let what = What::Message { to: to.to_owned(), text: text.to_owned() };
        let name = self.random.random();
        let outgoing = Outgoing::new(what, &self.recovery.settings().login, name);
        self.outgoing.push(outgoing);
        self.carry_on(now);
    }

    /// A response that answers no REGISTER.
    pub(super) fn response(&mut self, now: Instant, reg_id: u32, response: &Message) {
        let timers = self.timers();
        let answered = self
            .outgoing
            .iter_mut()
            .position(|outgoing| outgoing.is_answered(now, reg_id, response, &timers));
        let Some(at) = answered else { return };
        let status = response.status().expect("a response");
        let outgoing = &mut self.outgoing[at];
        let mut reason = String::from_utf8_lossy(response.reason()).into_owned();
        match status {
            401 | 407 => match outgoing.challenged(response) {
                Ok(()) => {
                    let again = outgoing.sent.take().map(|sent| sent.reg_id);
                    return self.send_over(now, at, again);
                }
                Err(why) => reason = why.to_string(),
            },
            // RFC 5626 §4.3 leaves the flow to the UA: one that leads nowhere (430), or whose way onwards is broken, is no
            // reason to give up while there is another.
            408 | 430 | 503 => {
                outgoing.failed();
                let tried = outgoing.tried.clone();
                let next = self.recovery.up().find(|up| !tried.contains(up));
                if next.is_some() {
                    return self.send_over(now, at, next);
                }
            }
            _ => {}
        }
        self.sent(at, Outcome::Answered { reg_id, status, reason });
    }

    /// What has no flow yet gets one, or comes to its end where every flow has been tried.
    pub(super) fn send_what_waits(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.outgoing.len() {
            let outgoing = &self.outgoing[at];
            if outgoing.sent.is_some() {
                at += 1;
                continue;
            }
            let next = self.recovery.up().find(|up| !outgoing.tried.contains(up));
            let may_wait = outgoing.tried.is_empty() && matches!(outgoing.what, What::Message { .. });
            match next {
                Some(_) => {
                    self.send_over(now, at, next);
                    at += 1;
                }
                None if may_wait => at += 1,
                None => self.sent(at, Outcome::NoAnswer),
            }
        }
    }

    pub(super) fn expire_outgoing(&mut self, now: Instant) {
        let timers = self.timers();
        let mut again = Vec::new();
        for outgoing in &mut self.outgoing {
            let Some(sent) = &mut outgoing.sent else { continue };
            match sent.transaction.expire(now, &timers) {
                Some(Fired::Resend) => again.push((sent.reg_id, sent.wire())),
                Some(Fired::TimedOut) => outgoing.failed(),
                _ => {}
            }
        }
        for (reg_id, wire) in again {
            self.transmit(reg_id, wire);
        }
    }

    /// Nothing comes over this flow any more.
    pub(super) fn messages_lost(&mut self, reg_id: u32) {
        for outgoing in &mut self.outgoing {
            if outgoing.sent.as_ref().is_some_and(|sent| sent.reg_id == reg_id) {
                outgoing.failed();
            }
        }
    }

    /// This UA ends before they do.
    pub(super) fn give_up_messages(&mut self) {
        while let Some(at) =
            self.outgoing.iter().position(|outgoing| matches!(outgoing.what, What::Message { .. }))
        {
            self.sent(at, Outcome::NoAnswer);
        }
    }

    fn send_over(&mut self, now: Instant, at: usize, reg_id: Option<u32>) {
        let Some((reg_id, link)) = reg_id.and_then(|reg_id| Some((reg_id, self.recovery.link(reg_id)?)))
        else {
            return;
        };
        let random = self.random.random();
        let outgoing = &mut self.outgoing[at];
        let wire = outgoing.send(now, (reg_id, link), self.recovery.settings(), random);
        if let What::Message { to, .. } = &outgoing.what {
            let to = to.clone();
            self.tell(Event::Sending { reg_id, to });
        }
        self.transmit(reg_id, wire);
    }

    fn sent(&mut self, at: usize, outcome: Outcome) {
        if let What::Message { to, .. } = self.outgoing.remove(at).what {
            self.tell(Event::Sent { to, outcome });
        }
    }
}
