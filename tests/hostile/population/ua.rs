//! One of them: registers, pings, sends the next one a message or calls it, and answers whoever does the same to it.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use super::call::{Callee, Caller};
use super::carrier::{Carrier, Event};
use super::{LOST, PACE, PINGS_PER_REQUEST, Tally, Terms, Way};
use crate::support::Message;
use crate::support::digest::Login;

/// RFC 3261 §17.1.1.1: over UDP the first repetition comes after as long.
pub(super) const T1: Duration = Duration::from_millis(500);

/// One of them.
pub(super) struct Ua {
    pub(super) carrier: Carrier,
    pub(super) number: usize,
    count: usize,
    said: u64,
    pong_since: Option<Instant>,
    request: Option<Outgoing>,
    caller: Option<Caller>,
    callee: Option<Callee>,
}

/// A request that waits for its final response.
struct Outgoing {
    method: &'static str,
    octets: Vec<u8>,
    since: Instant,
    /// Over UDP it is sent again.
    again: Instant,
}

impl Ua {
    /// Over a flow of its own, with its password if it is asked for that.
    pub(super) async fn register(way: Way, number: usize, terms: Terms) -> Self {
        // Some of the many addresses that UAs come from.
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(10 + number % 20).unwrap());
        let carrier = Carrier::connect(&way, from).await;
        let mut ua = Self {
            carrier,
            number,
            count: terms.count,
            said: 0,
            pong_since: None,
            request: None,
            caller: None,
            callee: None,
        };
        let contact = format!(
            "Supported: path, outbound\r\nContact: <{}>;reg-id=1\
             ;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-{number:012}>\"\r\n",
            ua.contact()
        );
        let mut response = ua.asks(&contact).await;
        if let (401, Some(password)) = (response.status(), terms.password) {
            let mut login = Login::new(&response, &format!("good{number}"), password);
            let (field, value) = login.next("REGISTER", "sip:example.com");
            response = ua.asks(&format!("{contact}{field}: {value}\r\n")).await;
        }
        assert_eq!(response.status(), 200, "{response}");
        ua
    }

    /// Sends a REGISTER, and takes what it is answered.
    async fn asks(&mut self, lines: &str) -> Message {
        self.said += 1;
        let register = self.request("REGISTER", "sip:example.com", self.number, lines);
        let response = async {
            loop {
                self.carrier.send(register.as_bytes()).await;
                let wait = if self.carrier.loses() { T1 } else { LOST };
                if let Ok(Some(Event::Message(response))) = timeout(wait, self.event()).await
                    && response.header("CSeq").starts_with(&format!("{} ", self.said))
                {
                    return response;
                }
            }
        };
        timeout(LOST, response).await.expect("a REGISTER is answered")
    }

    async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.carrier.next() {
                return Some(event);
            }
            if !self.carrier.read().await {
                return None;
            }
        }
    }

    /// The URI of its Contact.
    pub(super) fn contact(&self) -> String {
        let Self { number, carrier: Carrier { local, transport, .. }, .. } = self;
        match *transport {
            // RFC 7118 §5: a page does not know its address.
            "WS" => format!("sip:good{number}@good{number}.invalid;transport=ws"),
            transport => format!("sip:good{number}@{local};transport={}", transport.to_lowercase()),
        }
    }

    /// Its Via, for the request that it has come to.
    pub(super) fn via(&self, kind: &str) -> String {
        let Self { number, said, carrier: Carrier { local, transport, .. }, .. } = self;
        format!("Via: SIP/2.0/{transport} {local};branch=z9hG4bKgood{number}-{said}{kind};rport\r\n")
    }

    fn request(&self, method: &str, uri: &str, to: usize, lines: &str) -> String {
        let Self { number, said, .. } = self;
        format!(
            "{method} {uri} SIP/2.0\r\n{}From: <sip:good{number}@example.com>;tag=good\r\n\
             To: <sip:good{to}@example.com>\r\nCall-ID: good{number}-{said}\r\nCSeq: {said} {method}\r\n\
             Max-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n",
            self.via("")
        )
    }

    /// Goes on until the node closes its flow, which is a harm.
    pub(super) async fn live(mut self, tally: &Tally) {
        // Not all at the same time.
        let phase = PACE * u32::try_from(self.number % 97).unwrap() / 97;
        let mut next = Instant::now() + phase;
        loop {
            tokio::select! {
                is_open = self.carrier.read() => {
                    if !is_open {
                        return tally.harm(format!("{} was cut off", self.name()));
                    }
                    while let Some(event) = self.carrier.next() {
                        match event {
                            Event::Pong => self.take_pong(tally),
                            Event::Message(message) => self.take(message, tally).await,
                        }
                    }
                }
                () = sleep_until(next.into()) => {
                    next = Instant::now() + PACE;
                    self.miss(tally);
                    self.repeat().await;
                    if !tally.is_over() {
                        self.say(tally).await;
                    }
                }
            }
        }
    }

    fn name(&self) -> String {
        format!("good{} over {}", self.number, self.carrier.transport)
    }

    async fn send(&mut self, octets: &[u8], tally: &Tally) {
        if !self.carrier.send(octets).await {
            tally.harm(format!("{} could not write", self.name()));
        }
    }

    /// What did not come in time is lost.
    fn miss(&mut self, tally: &Tally) {
        if self.pong_since.is_some_and(|since| since.elapsed() > LOST) {
            self.pong_since = None;
            tally.harm(format!("{} lost its pong", self.name()));
        }
        if let Some(lost) = self.request.take_if(|request| request.since.elapsed() > LOST) {
            self.caller = None;
            tally.harm(format!("{} lost the answer to its {}", self.name(), lost.method));
        }
        if self
            .callee
            .take_if(|callee| callee.awaits_ack_since().is_some_and(|at| at.elapsed() > LOST))
            .is_some()
        {
            tally.harm(format!("{} lost an ACK", self.name()));
        }
    }

    /// Sends again what may have been lost: over UDP here, or where the other one is.
    async fn repeat(&mut self) {
        // RFC 3261 §13.3.1.4: until the ACK comes, whatever the transport.
        if let Some(answer) = self.callee.as_ref().and_then(Callee::unacknowledged) {
            self.carrier.send(answer).await;
        }
        if !self.carrier.loses() {
            return;
        }
        if self.pong_since.is_some() {
            self.carrier.ping().await;
        }
        if let Some(request) = self.request.as_mut().filter(|request| request.again < Instant::now()) {
            request.again = Instant::now() + 2 * request.since.elapsed();
            let octets = request.octets.clone();
            self.carrier.send(&octets).await;
        }
    }

    async fn say(&mut self, tally: &Tally) {
        self.said += 1;
        if self.pong_since.is_none() {
            self.pong_since = Some(Instant::now());
            tally.await_one();
            if !self.carrier.ping().await {
                tally.harm(format!("{} could not ping", self.name()));
            }
        }
        if self.request.is_some() {
            return;
        }
        if let Some(caller) = self.caller.as_ref().filter(|caller| !caller.is_over()) {
            // The call that was answered has lasted long enough.
            let bye = caller.bye(self);
            return self.ask("BYE", bye, tally).await;
        }
        let turn = self.said + self.number as u64;
        let to = (self.number + 1) % self.count;
        let uri = format!("sip:good{to}@example.com");
        if turn.is_multiple_of(2 * PINGS_PER_REQUEST) {
            let contact = format!("Contact: <{}>\r\n", self.contact());
            let invite = self.request("INVITE", &uri, to, &contact);
            self.ask("INVITE", invite, tally).await;
        } else if turn.is_multiple_of(PINGS_PER_REQUEST) {
            let message = self.request("MESSAGE", &uri, to, "");
            self.ask("MESSAGE", message, tally).await;
        }
    }

    async fn ask(&mut self, method: &'static str, request: String, tally: &Tally) {
        let now = Instant::now();
        let octets = request.into_bytes();
        tally.await_one();
        self.send(&octets, tally).await;
        self.request = Some(Outgoing { method, octets, since: now, again: now + T1 });
    }

    fn take_pong(&mut self, tally: &Tally) {
        match self.pong_since.take() {
            Some(since) => tally.pong(since.elapsed()),
            None => tally.harm(format!("{} got a pong too many", self.name())),
        }
    }

    async fn take(&mut self, message: Message, tally: &Tally) {
        if message.is_request() {
            for answer in self.answers(&message, tally) {
                self.send(&answer, tally).await;
            }
            return;
        }
        if message.status() < 200 {
            return;
        }
        let (cseq, call_id) = (message.header("CSeq"), message.header("Call-ID"));
        let is_awaited = |request: &mut Outgoing| {
            // One request of a call is out at a time.
            cseq.ends_with(request.method)
                && request.octets.windows(call_id.len()).any(|at| at == call_id.as_bytes())
        };
        let Some(request) = self.request.take_if(is_awaited) else {
            // RFC 3261 §13.2.2.4: each 200 that comes again, because an ACK was lost or late, has its ACK.
            if let Some(ack) = self.caller.as_ref().and_then(|caller| caller.ack_again(call_id, cseq)) {
                self.carrier.send(&ack).await;
            } else if (message.status(), cseq.ends_with("INVITE"), self.carrier.loses()) == (200, true, true)
            {
                // A copy of its INVITE was turned away, and the call was made all the same.
                let caller = Caller::answered(self, &message);
                self.carrier.send(caller.ack()).await;
                self.caller = Some(caller);
            } else if !self.carrier.loses() && !cseq.ends_with("INVITE") {
                tally.harm(format!("{} got an answer too many: {message}", self.name()));
            }
            return;
        };
        match (message.status(), request.method) {
            (200, "INVITE") => {
                let caller = Caller::answered(self, &message);
                self.send(caller.ack(), tally).await;
                self.caller = Some(caller);
            }
            (200, "BYE") => {
                // Its ACK may be asked for still.
                self.caller.iter_mut().for_each(Caller::end);
                tally.call();
            }
            (200, _) => {}
            (503, _) => tally.turn_away(&message),
            _ => tally.harm(format!("{} was answered {message}", self.name())),
        }
        tally.answer();
    }

    /// What is answered to a request.
    fn answers(&mut self, request: &Message, tally: &Tally) -> Vec<Vec<u8>> {
        match request.method() {
            "INVITE" => {
                let callee = Callee::called(request, &self.contact());
                let answers = callee.answers();
                if self.callee.as_ref().is_none_or(|before| !before.is_of(request)) {
                    tally.await_one();
                    self.callee = Some(callee);
                }
                answers
            }
            "ACK" => {
                if self.callee.as_mut().is_some_and(|callee| callee.acknowledged(request)) {
                    tally.answer();
                }
                Vec::new()
            }
            _ => vec![request.answer(200, "OK")],
        }
    }
}
