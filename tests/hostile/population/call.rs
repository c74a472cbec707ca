//! A call, as each of its sides keeps it: RFC 3261 §§12, 13 and 15.

use std::fmt::Write as _;
use std::time::Instant;

use super::ua::{T1, Ua};
use crate::support::Message;
use crate::support::ua::uri_of;

/// The side that called, once it was answered.
pub(super) struct Caller {
    call_id: String,
    cseq: u64,
    from: String,
    to: String,
    target: String,
    routes: String,
    ack: Vec<u8>,
    is_over: bool,
}

impl Caller {
    /// The INVITE was answered by this 200.
    pub(super) fn answered(ua: &Ua, response: &Message) -> Self {
        let mut routes = String::new();
        for route in response.values("Record-Route").into_iter().rev() {
            write!(routes, "Route: {route}\r\n").unwrap();
        }
        let mut caller = Self {
            call_id: response.header("Call-ID").to_owned(),
            cseq: response.header("CSeq").split(' ').next().unwrap().parse().unwrap(),
            from: response.header("From").to_owned(),
            to: response.header("To").to_owned(),
            target: uri_of(response.header("Contact")).to_owned(),
            routes,
            ack: Vec::new(),
            is_over: false,
        };
        caller.ack = caller.request("ACK", caller.cseq, ua).into_bytes();
        caller
    }

    pub(super) fn ack(&self) -> &[u8] {
        &self.ack
    }

    /// The ACK for a response that is the same once more.
    pub(super) fn ack_again(&self, call_id: &str, cseq: &str) -> Option<Vec<u8>> {
        (self.call_id == call_id && cseq == format!("{} INVITE", self.cseq)).then(|| self.ack.clone())
    }

    /// The BYE was answered.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What ends it.
    pub(super) fn bye(&self, ua: &Ua) -> String {
        self.request("BYE", self.cseq + 1, ua)
    }

    fn request(&self, method: &str, cseq: u64, ua: &Ua) -> String {
        let Self { call_id, from, to, target, routes, .. } = self;
        format!(
            "{method} {target} SIP/2.0\r\n{}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\n{routes}Content-Length: 0\r\n\r\n",
            ua.via(method)
        )
    }
}

/// The side that was called.
pub(super) struct Callee {
    call_id: String,
    ringing: Vec<u8>,
    answer: Vec<u8>,
    since: Instant,
    is_acknowledged: bool,
}

impl Callee {
    /// It rings and is answered.
    pub(super) fn called(invite: &Message, contact: &str) -> Self {
        Self {
            call_id: invite.header("Call-ID").to_owned(),
            ringing: invite.answer_in_dialog(180, "Ringing", contact),
            answer: invite.answer_in_dialog(200, "OK", contact),
            since: Instant::now(),
            is_acknowledged: false,
        }
    }

    pub(super) fn is_of(&self, request: &Message) -> bool {
        self.call_id == request.header("Call-ID")
    }

    pub(super) fn answers(&self) -> Vec<Vec<u8>> {
        vec![self.ringing.clone(), self.answer.clone()]
    }

    /// The answer, when an ACK should have come by now.
    pub(super) fn unacknowledged(&self) -> Option<&[u8]> {
        let is_late = !self.is_acknowledged && self.since.elapsed() > T1;
        is_late.then_some(&self.answer)
    }

    pub(super) fn awaits_ack_since(&self) -> Option<Instant> {
        (!self.is_acknowledged).then_some(self.since)
    }

    /// Whether this is the ACK that it waits for.
    pub(super) fn acknowledged(&mut self, ack: &Message) -> bool {
        let is_awaited = !self.is_acknowledged && self.is_of(ack);
        self.is_acknowledged |= is_awaited;
        is_awaited
    }
}
