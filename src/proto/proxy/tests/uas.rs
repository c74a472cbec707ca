//! Two UAs in virtual time, with the transactions of RFC 3261 §17: one sends a request, the other answers one. Each takes
//! what reaches it, and returns what it sends.

use std::time::{Duration, Instant};

use crate::proto::Source;
use crate::proto::transaction::{
    Acked, Fired, InviteClient, InviteServer, NonInviteClient, NonInviteServer, Received, Timers,
};
use crate::sip::{Message, Method, Name, Response};

/// How long a callee takes to answer for good.
pub(super) const RINGS: Duration = Duration::from_millis(300);

enum Client {
    Invite(InviteClient),
    Other(NonInviteClient),
}

/// Alice, who sends one request.
pub(super) struct Caller {
    pub(super) at: Source,
    pub(super) request: Message,
    client: Client,
    timers: Timers,
    /// What is sent again by Timer A or E, or on a repeated failure.
    last: Message,
    /// What reached her, each provisional response too.
    pub(super) heard: Vec<u16>,
    /// The last 2xx.
    pub(super) success: Option<Message>,
    /// She gives up when she hears this, and sends CANCEL.
    pub(super) cancels_on: Option<u16>,
    cancel: Option<(Message, NonInviteClient)>,
}

impl Caller {
    /// Sends `request`, which is hers to send again.
    pub(super) fn new(now: Instant, at: Source, request: Message) -> Caller {
        let (timers, reliable) = (Timers::default(), at.transport.is_reliable());
        let client = match request.method() {
            Method::Invite => Client::Invite(InviteClient::new(now, reliable, &timers)),
            _ => Client::Other(NonInviteClient::new(now, reliable, &timers)),
        };
        Caller {
            at,
            last: request.clone(),
            request,
            client,
            timers,
            heard: Vec::new(),
            success: None,
            cancels_on: None,
            cancel: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let request = match &self.client {
            Client::Invite(client) => client.deadline(),
            Client::Other(client) => client.deadline(),
        };
        let cancel = self.cancel.as_ref().and_then(|(_, client)| client.deadline());
        [request, cancel].into_iter().flatten().min()
    }

    pub(super) fn hears(&mut self, now: Instant, response: &Message) -> Vec<Message> {
        let status = response.status().unwrap();
        if response.method() == Method::Cancel {
            let (_, client) = self.cancel.as_mut().unwrap();
            client.response(now, status, &self.timers);
            return Vec::new();
        }
        let received = match &mut self.client {
            Client::Invite(client) => client.response(now, status, &self.timers),
            Client::Other(client) => client.response(now, status, &self.timers),
        };
        let mut out = Vec::new();
        match received {
            Received::Pass => {
                self.heard.push(status);
                if (200..300).contains(&status) {
                    self.success = Some(response.clone());
                    if self.request.method() == Method::Invite {
                        out.push(self.ack_to_2xx(response));
                    }
                }
                if self.cancels_on.take_if(|on| *on == status).is_some() {
                    out.push(self.cancel(now));
                }
            }
            Received::PassAndAck => {
                self.heard.push(status);
                self.last = self.hop_request("ACK", response.first(Name::To));
                out.push(self.last.clone());
            }
            Received::AckAgain => out.push(self.last.clone()),
            Received::Absorb => {}
        }
        out
    }

    pub(super) fn waits(&mut self, now: Instant) -> Vec<Message> {
        let fired = match &mut self.client {
            Client::Invite(client) => client.expire(now),
            Client::Other(client) => client.expire(now, &self.timers),
        };
        let mut out = Vec::new();
        if fired == Some(Fired::Resend) {
            out.push(self.request.clone());
        }
        if let Some((cancel, client)) = &mut self.cancel
            && client.expire(now, &self.timers) == Some(Fired::Resend)
        {
            out.push(cancel.clone());
        }
        out
    }

    pub(super) fn finals(&self) -> Vec<u16> {
        self.heard.iter().copied().filter(|status| *status >= 200).collect()
    }

    fn cancel(&mut self, now: Instant) -> Message {
        let cancel = self.hop_request("CANCEL", None);
        let client = NonInviteClient::new(now, self.at.transport.is_reliable(), &self.timers);
        self.cancel = Some((cancel.clone(), client));
        if let Client::Invite(client) = &mut self.client {
            client.cancelled(now, &self.timers);
        }
        cancel
    }

    /// RFC 3261 §9.1, §17.1.1.3: what the first hop of the request gets.
    fn hop_request(&self, method: &str, to: Option<&[u8]>) -> Message {
        let text = text_of(&self.request).replace("INVITE", method);
        let own = format!("To: {}", str::from_utf8(self.request.first(Name::To).unwrap()).unwrap());
        let to = to.map(|to| format!("To: {}", str::from_utf8(to).unwrap()));
        Message::parse(text.replace(&own, to.as_ref().unwrap_or(&own)).into_bytes().into()).unwrap()
    }

    /// RFC 3261 §13.2.2.4: a request of its own, along the route set of the dialog.
    fn ack_to_2xx(&self, response: &Message) -> Message {
        let ack = text_of(&self.hop_request("ACK", response.first(Name::To)));
        let branch = str::from_utf8(self.request.top_via().unwrap().branch().unwrap()).unwrap().to_owned();
        let ack = ack.replace(&branch, &format!("{branch}ack"));
        let ack = match contact_of(response) {
            Some(contact) => ack.replacen(str::from_utf8(self.request.request_uri()).unwrap(), &contact, 1),
            None => ack,
        };
        let routes = route_set(response, true);
        let own = self.request.fields(Name::Route).next().is_some();
        let ack = if routes.is_empty() || own { ack } else { with_route(&ack, &routes) };
        Message::parse(ack.into_bytes().into()).unwrap()
    }
}

/// Bob, who answers one request.
pub(super) struct Callee {
    pub(super) at: Source,
    contact: String,
    status: u16,
    timers: Timers,
    invite: Option<InviteServer>,
    other: Option<NonInviteServer>,
    pub(super) request: Option<Message>,
    /// When he answers for good.
    answers_at: Option<Instant>,
    /// RFC 3261 §13.3.1.4: a 2xx is repeated by the UAS itself until its ACK.
    repeats: Option<(Instant, Duration)>,
    last: Option<Message>,
    pub(super) acked: bool,
    pub(super) cancelled: bool,
    pub(super) served: usize,
}

impl Callee {
    pub(super) fn new(at: Source, contact: &str, status: u16) -> Callee {
        Callee {
            at,
            contact: contact.to_owned(),
            status,
            timers: Timers::default(),
            invite: None,
            other: None,
            request: None,
            answers_at: None,
            repeats: None,
            last: None,
            acked: false,
            cancelled: false,
            served: 0,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let invite = self.invite.as_ref().and_then(InviteServer::deadline);
        let other = self.other.as_ref().and_then(NonInviteServer::deadline);
        [invite, other, self.answers_at, self.repeats.map(|(at, _)| at)].into_iter().flatten().min()
    }

    pub(super) fn hears(&mut self, now: Instant, request: Message) -> Vec<Message> {
        match request.method() {
            Method::Ack => {
                self.acked = true;
                self.repeats = None;
                if let Some(server) = &mut self.invite {
                    let acked = server.ack(now, &self.timers);
                    assert!(matches!(acked, Acked::Absorb | Acked::ToUser));
                }
                Vec::new()
            }
            Method::Cancel => {
                let mut out = vec![Message::parse(ok(&request)).unwrap()];
                // RFC 3261 §9.2
                if self.answers_at.take().is_some() {
                    self.cancelled = true;
                    self.status = 487;
                    out.push(self.answer(now));
                }
                out
            }
            _ => self.is_asked(now, request),
        }
    }

    fn is_asked(&mut self, now: Instant, request: Message) -> Vec<Message> {
        let known = self.invite.as_ref().map(InviteServer::repeated);
        let known = known.or(self.other.as_ref().map(NonInviteServer::repeated));
        if let Some(again) = known {
            return self.last.clone().filter(|_| again).into_iter().collect();
        }
        let reliable = self.at.transport.is_reliable();
        self.served += 1;
        self.answers_at = Some(now + RINGS);
        let is_invite = request.method() == Method::Invite;
        self.request = Some(request);
        if is_invite {
            self.invite = Some(InviteServer::new(reliable));
            vec![self.says(180)]
        } else {
            self.other = Some(NonInviteServer::new(now, reliable, &self.timers));
            Vec::new()
        }
    }

    pub(super) fn waits(&mut self, now: Instant) -> Vec<Message> {
        let mut out = Vec::new();
        if self.answers_at.take_if(|at| *at <= now).is_some() {
            out.push(self.answer(now));
        }
        if let Some((at, interval)) = self.repeats.filter(|(at, _)| *at <= now) {
            let interval = (interval * 2).min(self.timers.t2);
            // RFC 3261 §13.3.1.4: given up after 64*T1, which is when the transaction ends as well.
            let accepted = self.invite.as_ref().is_some_and(InviteServer::is_accepted);
            self.repeats = accepted.then_some((at + interval, interval));
            out.push(self.says(self.status));
        }
        let fired = match (&mut self.invite, &mut self.other) {
            (Some(server), _) => server.expire(now, &self.timers),
            (None, Some(server)) => server.expire(now),
            (None, None) => None,
        };
        match (fired, self.last.clone()) {
            (Some(Fired::Resend), Some(last)) => out.push(last),
            (Some(Fired::Trying), _) => out.push(self.says(100)),
            _ => {}
        }
        out
    }

    /// Answers for good.
    fn answer(&mut self, now: Instant) -> Message {
        if let Some(server) = &mut self.invite {
            server.respond(now, self.status, &self.timers);
            self.repeats = (self.status < 300).then(|| (now + self.timers.t1, self.timers.t1));
        }
        if let Some(server) = &mut self.other {
            server.respond(now, self.status, &self.timers);
        }
        self.says(self.status)
    }

    fn says(&mut self, status: u16) -> Message {
        let request = self.request.as_ref().unwrap();
        let mut response = Response::to(request, status, "Whatever");
        if status > 100 {
            response = response.to_tag("bobtag").header(Name::Contact, format!("<{}>", self.contact));
            // RFC 3261 §12.1.1
            for value in request.values(Name::RecordRoute) {
                response = response.header(Name::RecordRoute, value);
            }
        }
        let response = Message::parse(response.finish().to_bytes()).unwrap();
        self.last = Some(response.clone());
        response
    }
}

fn ok(request: &Message) -> bytes::Bytes {
    Response::to(request, 200, "OK").to_tag("bobtag").finish().to_bytes()
}

/// RFC 3261 §12.1: the route set of a dialog that this message has begun, of the caller (`reverse`) or the callee.
pub(super) fn route_set(message: &Message, reverse: bool) -> Vec<String> {
    let mut routes: Vec<String> =
        message.values(Name::RecordRoute).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect();
    if reverse {
        routes.reverse();
    }
    routes
}

/// The request along that route set.
pub(super) fn with_route(request: &str, routes: &[String]) -> String {
    request.replacen("\r\nMax-Forwards", &format!("\r\nRoute: {}\r\nMax-Forwards", routes.join(", ")), 1)
}

pub(super) fn contact_of(message: &Message) -> Option<String> {
    let contact = str::from_utf8(message.first(Name::Contact)?).unwrap();
    Some(contact.trim_matches(['<', '>']).to_owned())
}

pub(super) fn text_of(message: &Message) -> String {
    String::from_utf8(message.bytes().to_vec()).unwrap()
}
