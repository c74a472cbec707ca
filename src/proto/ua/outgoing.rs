//! Requests that a UA sends over its flows: a MESSAGE, tried on one flow after another, and the BYE of a call.

use super::call::Bye;
use crate::proto::login::{Login, Unanswered};
use crate::proto::recovery::{self, Link};
use crate::proto::transaction::{NonInviteClient, Timers};
use crate::sip::{MAGIC_COOKIE, Message, Name, Request, Wire};
use bytes::Bytes;
use std::time::Instant;

/// A request, and what is known of it.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) what: What,
    call_id: String,
    tag: String,
    cseq: u32,
    login: Login,
    /// The flows that it went over without success.
    pub(super) tried: Vec<u32>,
    pub(super) sent: Option<Sent>,
}

#[derive(Debug)]
pub(super) enum What {
    Message { to: String, text: String },
    Bye(Bye),
}

/// It is on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) reg_id: u32,
    branch: String,
    wire: Wire,
    pub(super) transaction: NonInviteClient,
}

impl Sent {
    pub(super) fn wire(&self) -> Wire {
        self.wire.clone()
    }
}

impl Outgoing {
    /// `name` is random and names it.
    pub(super) fn new(what: What, login: &Login, name: u128) -> Outgoing {
        let (call_id, tag) = (format!("{name:032x}"), format!("{:08x}", name >> 96));
        let mut login = login.clone();
        login.begin();
        Outgoing { what, call_id, tag, cseq: 0, login, tried: Vec::new(), sent: None }
    }

    /// The request, to be sent over this flow.
    pub(super) fn send(
        &mut self,
        now: Instant,
        (reg_id, link): (u32, Link),
        settings: &recovery::Settings,
        random: u128,
    ) -> Wire {
        let branch = format!("{MAGIC_COOKIE}{random:032x}");
        let via = format!("SIP/2.0/{} {};rport;branch={branch}", link.transport.as_via_str(), link.local);
        let wire = self.request(settings, reg_id, &via, &format!("{:016x}", random >> 64));
        let transaction = NonInviteClient::new(now, link.transport.is_reliable(), &settings.timers);
        self.sent = Some(Sent { reg_id, branch, wire: wire.clone(), transaction });
        wire
    }

    /// Whether this response, over that flow, is to it and final: then it is over there.
    pub(super) fn is_answered(
        &mut self,
        now: Instant,
        reg_id: u32,
        response: &Message,
        timers: &Timers,
    ) -> bool {
        let Some(sent) = &mut self.sent else { return false };
        let branch = response.top_via().ok().and_then(|via| via.branch());
        let method = response.cseq().map(|cseq| cseq.method).unwrap_or_default();
        let is_ours = sent.reg_id == reg_id
            && branch == Some(sent.branch.as_bytes())
            && method == self.what.method().as_bytes();
        let Some(status) = response.status().filter(|_| is_ours) else { return false };
        sent.transaction.response(now, status, timers);
        status >= 200
    }

    /// It was answered 401 or 407. `Ok`: send it again over the same flow.
    pub(super) fn challenged(&mut self, response: &Message) -> Result<(), Unanswered> {
        self.login.challenged(response)
    }

    /// It did not come through over its flow. Another one may do better.
    pub(super) fn failed(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.tried.push(sent.reg_id);
        }
    }

    fn request(&mut self, settings: &recovery::Settings, reg_id: u32, via: &str, cnonce: &str) -> Wire {
        let method = self.what.method();
        let uri = self.what.uri();
        let credentials = self.login.credentials(method, uri, cnonce);
        self.cseq += 1;
        let mut request = Request::new(method, uri).header(Name::Via, via).header(Name::MaxForwards, "70");
        request = match &self.what {
            What::Message { to, .. } => request
                .header(Name::Route, settings.route(reg_id))
                .header(Name::From, format!("<{}>;tag={}", settings.aor, self.tag))
                .header(Name::To, format!("<{to}>"))
                .header(Name::CallId, &self.call_id)
                .header(Name::CSeq, format!("{} MESSAGE", self.cseq)),
            What::Bye(bye) => {
                for route in &bye.routes {
                    request = request.header(Name::Route, route);
                }
                request
                    .header(Name::From, &bye.from)
                    .header(Name::To, &bye.to)
                    .header(Name::CallId, &bye.call_id)
                    .header(Name::CSeq, format!("{} BYE", self.cseq))
            }
        };
        for (name, value) in credentials {
            request = request.header(name, value);
        }
        // RFC 5626 §4.3: in requests other than REGISTER too.
        request = request.header(Name::Supported, "outbound");
        match &self.what {
            // RFC 3428 §4: a MESSAGE has no Contact.
            What::Message { text, .. } => request
                .header(Name::ContentType, "text/plain;charset=UTF-8")
                .body(Bytes::copy_from_slice(text.as_bytes()))
                .finish(),
            What::Bye(_) => request.finish(),
        }
    }
}

impl What {
    fn method(&self) -> &'static str {
        match self {
            What::Message { .. } => "MESSAGE",
            What::Bye(_) => "BYE",
        }
    }

    fn uri(&self) -> &[u8] {
        match self {
            What::Message { to, .. } => to.as_bytes(),
            What::Bye(bye) => &bye.uri,
        }
    }
}
