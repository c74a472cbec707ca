//! Which answer a request gets. RFC 3261 §8.2, §9.2, §12.2.2.

use super::call::State;
use super::server::{Arrival, Key};
use super::{CallEvent, Event, Ua};
use crate::sip::{Address, Message, Method, Name, Response, Wire};
use std::time::{Duration, Instant};

/// The methods that are answered.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, INFO";

const NO_SUCH: (u16, &str) = (481, "Call/Transaction Does Not Exist");

/// How long a request is remembered, should it come again over another flow: 64*T1, after which nobody repeats it.
const REMEMBERED: Duration = Duration::from_secs(32);

/// How many are.
const MAX_REMEMBERED: usize = 256;

/// A request within no dialog that has had its final answer.
#[derive(Debug)]
pub(super) struct Answered {
    id: Id,
    status: u16,
    reason: &'static str,
    until: Instant,
}

/// What two copies of a request have in common, whichever way each has taken. RFC 3261 §8.2.2.2.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Id {
    call: Vec<u8>,
    from_tag: Vec<u8>,
    cseq: Vec<u8>,
}

impl Id {
    fn of(request: &Message) -> Id {
        let from = request.first(Name::From).and_then(|value| Address::parse(value).ok());
        let field = |name| request.first(name).unwrap_or_default().to_vec();
        Id {
            call: field(Name::CallId),
            from_tag: from.and_then(|from| from.tag()).unwrap_or_default().to_vec(),
            cseq: field(Name::CSeq),
        }
    }
}

impl Ua {
    /// A request arrived.
    pub(super) fn request(&mut self, now: Instant, reg_id: u32, request: &Message) {
        let Some(link) = self.recovery.link(reg_id) else { return };
        let validity = request.validate();
        if request.method() == Method::Ack && validity.is_err() {
            return;
        }
        let flow = (reg_id, link.transport.is_reliable());
        let key = match self.servers.receive(now, flow, request, &self.timers()) {
            Arrival::New(key) => key,
            Arrival::Repeated(Some(wire)) => return self.transmit(reg_id, wire),
            Arrival::Ack => return self.acknowledged(request),
            Arrival::Repeated(None) | Arrival::Absorbed => return,
            Arrival::Full => {
                let wire = Response::to(request, 503, "Service Unavailable").header(Name::RetryAfter, "10");
                return self.transmit(reg_id, wire.finish());
            }
        };
        if let Err(fault) = validity {
            return self.answer(now, &key, request, (fault.status(), fault.reason()), |response| response);
        }
        if request.method() == Method::Cancel {
            return self.cancelled(now, &key, request);
        }
        // RFC 3261 §8.2.2.3: what is required and not supported is named.
        let required: Vec<&[u8]> = request.values(Name::Require).collect();
        if !required.is_empty() {
            let unsupported = required.join(&b", "[..]);
            return self.answer(now, &key, request, (420, "Bad Extension"), |response| {
                response.header(Name::Unsupported, unsupported)
            });
        }
        let to = request.first(Name::To).and_then(|value| Address::parse(value).ok());
        if to.is_some_and(|to| to.tag().is_some()) {
            return self.within_dialog(now, &key, request);
        }
        self.without_dialog(now, &key, request);
    }

    fn without_dialog(&mut self, now: Instant, key: &Key, request: &Message) {
        self.answered.retain(|answered| answered.until > now);
        let id = Id::of(request);
        if let Some(Answered { status, reason, .. }) = self.answered.iter().find(|answered| answered.id == id)
        {
            // Departs from RFC 3261 §8.2.2.2 in that this is no 482: a proxy that has lost our answer together with a flow asks
            // again over another one (RFC 5626 §7), and the message has been read.
            let status = (*status, *reason);
            return self.answer(now, key, request, status, |response| response);
        }
        let status = match request.method() {
            Method::Invite => return self.invited(now, key, request),
            Method::Message => match text_of(request) {
                Some(text) => {
                    self.tell(Event::Message { reg_id: key.reg_id(), from: from_of(request), text });
                    (200, "OK")
                }
                None => (415, "Unsupported Media Type"),
            },
            Method::Options => (200, "OK"),
            Method::Bye | Method::Info => NO_SUCH,
            Method::Other => (501, "Not Implemented"),
            _ => (405, "Method Not Allowed"),
        };
        self.answer(now, key, request, status, |response| match status.0 {
            // RFC 3261 §11.2: what a call with this UA could be.
            200 if request.method() == Method::Options => response
                .header(Name::Allow, ALLOW)
                .header(Name::Accept, "application/sdp, text/plain")
                .header(Name::Supported, "outbound"),
            // RFC 3261 §21.4.6, §21.4.13: what would have been understood.
            405 => response.header(Name::Allow, ALLOW),
            415 => response.header(Name::Accept, "text/plain"),
            _ => response,
        });
        self.remember(now, id, status);
    }

    fn within_dialog(&mut self, now: Instant, key: &Key, request: &Message) {
        let cseq = request.cseq().map_or(0, |cseq| cseq.number);
        let Some(at) = self.calls.iter().position(|call| call.has(request)) else {
            // RFC 3261 §12.2.2: a dialog that is not, or no more.
            return self.answer(now, key, request, NO_SUCH, |response| response);
        };
        if !self.calls[at].advances(cseq) {
            return self.answer(now, key, request, (500, "Out of Order"), |response| response);
        }
        match request.method() {
            Method::Bye => {
                self.answer(now, key, request, (200, "OK"), |response| response);
                self.ended(now, at);
            }
            Method::Invite => self.invited_again(now, key, at, request),
            Method::Options | Method::Info => {
                self.answer(now, key, request, (200, "OK"), |response| response.header(Name::Allow, ALLOW));
            }
            _ => self.answer(now, key, request, (405, "Method Not Allowed"), |response| {
                response.header(Name::Allow, ALLOW)
            }),
        }
    }

    /// RFC 3261 §9.2: a CANCEL ends a call that still rings, and is answered either way.
    fn cancelled(&mut self, now: Instant, key: &Key, cancel: &Message) {
        let invite = key.of_cancelled();
        let ringing = self
            .calls
            .iter()
            .position(|call| matches!(&call.state, State::Ringing { key, .. } if *key == invite));
        let Some(at) = ringing else {
            // What has its final response already stays as it is.
            let status = if self.servers.knows(&invite) { (200, "OK") } else { NO_SUCH };
            return self.answer(now, key, cancel, status, |response| response);
        };
        self.answer(now, key, cancel, (200, "OK"), |response| response);
        let call = self.calls.remove(at);
        if let State::Ringing { key, invite, .. } = &call.state {
            let wire = self.response_to(key, invite, (487, "Request Terminated"));
            let wire = wire.map(|response| response.to_tag(&call.local_tag).finish());
            self.respond(now, key, wire);
        }
        self.tell(Event::Call { reg_id: call.reg_id, from: call.from, call: CallEvent::Cancelled });
    }

    /// A final answer, with a tag where it needs one.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        key: &Key,
        request: &Message,
        status: (u16, &'static str),
        complete: impl FnOnce(Response<'_>) -> Response<'_>,
    ) {
        let tag = self.new_tag();
        let wire = self.response_to(key, request, status);
        let wire = wire.map(|response| complete(response.to_tag(&tag)).finish());
        self.respond(now, key, wire);
    }

    /// A response that begins with what each has.
    pub(super) fn response_to<'m>(
        &self,
        key: &Key,
        request: &'m Message,
        (status, reason): (u16, &'m str),
    ) -> Option<Response<'m>> {
        let link = self.recovery.link(key.reg_id())?;
        Some(Response::to(request, status, reason).source(link.remote.ip(), link.remote.port()))
    }

    /// Sends a response over the flow that its request came over.
    pub(super) fn respond(&mut self, now: Instant, key: &Key, wire: Option<Wire>) {
        if let Some(wire) = wire
            && self.servers.respond(now, key, &wire, &self.timers())
        {
            self.transmit(key.reg_id(), wire);
        }
    }

    fn remember(&mut self, now: Instant, id: Id, (status, reason): (u16, &'static str)) {
        if self.answered.len() == MAX_REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back(Answered { id, status, reason, until: now + REMEMBERED });
    }
}

/// The URI in From, for people.
pub(super) fn from_of(request: &Message) -> String {
    let from = request.first(Name::From).and_then(|value| Address::parse(value).ok());
    from.map_or_else(String::new, |from| String::from_utf8_lossy(from.uri).into_owned())
}

/// The body of a MESSAGE; `None` where it is not text.
fn text_of(request: &Message) -> Option<String> {
    let kind = request.first(Name::ContentType).unwrap_or(b"text/plain");
    let is_text = kind.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/"));
    is_text.then(|| String::from_utf8_lossy(request.body()).into_owned())
}
