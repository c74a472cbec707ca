//! Time passes: every timer of the transactions, and Timer C. RFC 3261 §16.8, §17.

use std::time::Instant;

use super::context::{Answer, Client, Server};
use super::{About, Action, Event, Proxy, note};
use crate::proto::transaction::Fired;
use crate::sip::Wire;

impl Proxy {
    /// Carries out what is due by `now`.
    pub fn expire(&mut self, now: Instant, out: &mut Vec<Action>) {
        while let Some((_, slot)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.expire_server(now, slot, out);
            self.expire_lookup(now, slot, out);
            // A branch that ends may start another.
            let mut index = 0;
            while index < self.contexts[slot as usize].branches.len() {
                self.expire_branch(now, slot, index, out);
                index += 1;
            }
            self.settle(slot);
        }
    }

    fn expire_server(&mut self, now: Instant, slot: u32, out: &mut Vec<Action>) {
        loop {
            let context = &mut self.contexts[slot as usize];
            let fired = match &mut context.server {
                Server::Invite(server) => server.expire(now, &self.settings.timers),
                Server::NonInvite(server) => server.expire(now),
                Server::Ack => None,
            };
            match fired {
                None => return,
                Some(Fired::Resend) => self.send_last(slot, out),
                Some(Fired::Trying) => self.reassure(slot, out),
                Some(Fired::TimedOut) => note(out, Event::NoAck, About::request(context)),
                Some(Fired::Ended) => {}
            }
        }
    }

    /// The location service was waited for long enough.
    fn expire_lookup(&mut self, now: Instant, slot: u32, out: &mut Vec<Action>) {
        let context = &mut self.contexts[slot as usize];
        if context.awaits.take_if(|until| *until <= now).is_none() {
            return;
        }
        match &mut context.server {
            Server::Invite(_) => {
                let refusal = self.unavailable(Event::Unavailable);
                self.refuse(now, slot, &refusal, out);
            }
            // RFC 4320 §4.2: by now the sender has given up.
            Server::NonInvite(server) => {
                server.give_up(now, &self.settings.timers);
                note(out, Event::Unavailable, About::request(context));
            }
            Server::Ack => note(out, Event::Unavailable, About::request(context)),
        }
    }

    fn expire_branch(&mut self, now: Instant, slot: u32, index: usize, out: &mut Vec<Action>) {
        self.expire_client(now, slot, index, out);
        self.expire_cancel(now, slot, index, out);
        self.expire_timer_c(now, slot, index, out);
        self.expire_silence(now, slot, index, out);
    }

    fn expire_client(&mut self, now: Instant, slot: u32, index: usize, out: &mut Vec<Action>) {
        loop {
            let branch = &mut self.contexts[slot as usize].branches[index];
            let fired = match &mut branch.client {
                Client::Invite(client) => client.expire(now),
                Client::NonInvite(client) => client.expire(now, &self.settings.timers),
            };
            match fired {
                None => return,
                // A silent flow that another took the place of gets nothing more, lest it wakes up to it.
                Some(Fired::Resend) if !self.contexts[slot as usize].forking.is_current(index) => {}
                Some(Fired::Resend) => self.send_again(slot, index, out),
                Some(Fired::TimedOut) => self.nobody_answered(now, slot, index, Event::TimedOut, out),
                Some(Fired::Trying | Fired::Ended) => {}
            }
        }
    }

    fn expire_cancel(&mut self, now: Instant, slot: u32, index: usize, out: &mut Vec<Action>) {
        loop {
            let branch = &mut self.contexts[slot as usize].branches[index];
            let Some(cancel) = &mut branch.cancel else { return };
            match cancel.client.expire(now, &self.settings.timers) {
                None => return,
                Some(Fired::Resend) => {
                    let again = cancel.sent.clone();
                    out.extend(again.map(|octets| branch.send(Wire::from(octets), None)));
                }
                // Nothing hangs on the answer to a CANCEL: what counts is the INVITE's.
                Some(_) => {}
            }
        }
    }

    fn expire_timer_c(&mut self, now: Instant, slot: u32, index: usize, out: &mut Vec<Action>) {
        let context = &mut self.contexts[slot as usize];
        let branch = &mut context.branches[index];
        if branch.timer_c.take_if(|at| *at <= now).is_none() {
            return;
        }
        // Whoever was rung for that long is not rung again over another flow.
        context.forking.exhaust(index);
        // RFC 3261 §16.8: with a provisional response the branch is cancelled, without one it counts as timed out.
        match &branch.client {
            Client::Invite(client) if client.is_proceeding() => {
                let about = About::target(context, &context.branches[index].target);
                note(out, Event::TimerC, about);
                self.cancel_branch(now, slot, index, out);
            }
            _ => {
                branch.fail();
                self.nobody_answered(now, slot, index, Event::TimerC, out);
            }
        }
    }

    /// RFC 5626 §7 has a branch replaced that ends with 408. Departs from it in that `flow_timeout` without any response counts
    /// as that already: 64*T1 is longer than anybody waits, and by then the sender of anything but an INVITE has given up.
    fn expire_silence(&mut self, now: Instant, slot: u32, index: usize, out: &mut Vec<Action>) {
        let context = &mut self.contexts[slot as usize];
        if context.branches[index].silent_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        // An INVITE without a provisional response cannot be cancelled (RFC 3261 §9.1), and a UA may be slow rather than gone:
        // the branch stays as it is, but sends nothing more.
        if context.forking.silent(index) {
            self.try_next(now, slot, out);
        }
    }

    fn nobody_answered(
        &mut self,
        now: Instant,
        slot: u32,
        index: usize,
        event: Event,
        out: &mut Vec<Action>,
    ) {
        let context = &mut self.contexts[slot as usize];
        let late = now >= context.since + self.settings.timers.patience();
        if late && matches!(context.server, Server::NonInvite(_)) {
            // RFC 4320 §4.2: by now the sender has given up.
            context.forking.close();
        }
        note(out, event, About::target(context, &context.branches[index].target));
        self.branch_ended(now, slot, index, 408, Answer::Ours("Request Timeout"), out);
    }
}
