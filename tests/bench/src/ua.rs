//! A UA of the load: who it is, what it writes, and how it knows its answers.
//!
//! It registers as RFC 5626 §4.2 asks (instance-id, reg-id, `outbound` and `path` supported), with a REGISTER of the size
//! and the fields that real UAs send. Each request has its own branch and `CSeq`, so that no answer can pass for another's.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
};

use crate::{
    Fault,
    login::{Challenge, Login},
    over::Over,
    response::{self, Sent},
    wire,
};

/// The domain which the node is configured to serve.
pub const DOMAIN: &str = "bench.test";

/// Loopback addresses which the UAs are spread over: no source address holds more than a small part of the flows.
const SOURCES: u32 = 8;

/// A UA, by its number in the run.
#[derive(Debug)]
pub struct Ua {
    /// Its number.
    pub number: u32,
    login: Login,
    /// What it was asked with last.
    challenge: Option<Challenge>,
    /// Whether the next REGISTER answers that.
    is_asked: bool,
    /// `CSeq` of its last REGISTER.
    registers: u32,
    /// Count of the MESSAGE requests that it sent.
    messages: u32,
    /// Count of the calls that it made.
    calls: u32,
}

impl Ua {
    /// The UA of this number.
    pub fn new(number: u32, login: Login) -> Self {
        Ua { number, login, challenge: None, is_asked: false, registers: 0, messages: 0, calls: 0 }
    }

    /// The source address of its flow.
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, 2 + (self.number % SOURCES) as u8)
    }

    /// Writes the next REGISTER.
    pub fn register(&mut self, over: Over, local: SocketAddr, out: &mut Vec<u8>) {
        self.registers += 1;
        let (number, cseq, via) = (self.number, self.registers, over.via());
        let is_due = self.is_asked || self.login == Login::Each;
        let challenge = self.challenge.as_mut().filter(|_| is_due);
        let credentials = challenge.map(|challenge| challenge.credentials(number)).unwrap_or_default();
        out.clear();
        write!(
            out,
            "REGISTER sip:{DOMAIN} SIP/2.0\r\n\
             Via: SIP/2.0/{via} {local};branch=z9hG4bKr{number:08x}{cseq:08x};rport\r\n\
             Max-Forwards: 70\r\n\
             From: \"UA {number}\" <sip:u{number:06}@{DOMAIN}>;tag=f{number:08x}\r\n\
             To: \"UA {number}\" <sip:u{number:06}@{DOMAIN}>\r\n\
             Call-ID: {number:08x}-7c1d-4e0b-9f52-register\r\n\
             CSeq: {cseq} REGISTER\r\n\
             Contact: <sip:u{number:06}@{local};transport={over}>;reg-id=1;\
             +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0000{number:08x}>\"\r\n\
             Expires: 3600\r\n\
             Supported: path, outbound\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, NOTIFY, REFER, UPDATE\r\n\
             User-Agent: flowhold-bench\r\n\
             {credentials}\
             Content-Length: 0\r\n\r\n",
        )
        .expect("a Vec takes all that is written");
    }

    /// Whether `answer` asks who this UA is, which the next REGISTER then says. It does so over a new flow, and later only where
    /// [`Login`] lets it.
    pub fn is_challenged(&mut self, answer: &[u8]) -> Result<bool, Fault> {
        let read = || Challenge::read(answer).filter(|_| response::is(401, answer));
        let challenge = match (self.login, &self.challenge) {
            (Login::Never, _) | (Login::Once, Some(_)) => None,
            (Login::Each, Some(_)) => read().filter(|challenge| challenge.is_stale),
            (Login::Once | Login::Each, None) => {
                let missing = || Fault::wrong(self.number, "a REGISTER that was not challenged", answer);
                Some(read().ok_or_else(missing)?)
            }
        };
        self.is_asked = challenge.is_some();
        if self.is_asked {
            self.check_answered(401, answer)?;
            self.challenge = challenge;
        }
        Ok(self.is_asked)
    }

    /// Checks that `answer` is the 200 to the last REGISTER.
    pub fn check_registered(&mut self, answer: &[u8]) -> Result<(), Fault> {
        self.is_asked = false;
        self.check_answered(200, answer)
    }

    fn check_answered(&self, status: u16, answer: &[u8]) -> Result<(), Fault> {
        let (number, cseq) = (self.number, self.registers);
        let call_id = format!("{number:08x}-7c1d-4e0b-9f52-register");
        let branch = format!("z9hG4bKr{number:08x}{cseq:08x}");
        let sent = Sent { call_id: &call_id, cseq: &format!("{cseq} REGISTER"), branch: &branch };
        sent.check(number, status, answer)
    }

    /// Writes the next MESSAGE to another UA's AOR.
    pub fn message(&mut self, to: u32, local: SocketAddr, out: &mut Vec<u8>) {
        self.messages += 1;
        let (number, count) = (self.number, self.messages);
        let body = self.text();
        out.clear();
        write!(
            out,
            "MESSAGE sip:u{to:06}@{DOMAIN} SIP/2.0\r\n\
             Via: SIP/2.0/TCP {local};branch=z9hG4bKm{number:08x}{count:08x};rport\r\n\
             Max-Forwards: 70\r\n\
             From: \"UA {number}\" <sip:u{number:06}@{DOMAIN}>;tag=m{number:08x}\r\n\
             To: <sip:u{to:06}@{DOMAIN}>\r\n\
             Call-ID: {number:08x}-{count:08x}-message\r\n\
             CSeq: {count} MESSAGE\r\n\
             User-Agent: flowhold-bench\r\n\
             Content-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        )
        .expect("a Vec takes all that is written");
    }

    /// Checks, at the UA of number `at`, that `request` is this UA's last MESSAGE, its body unchanged.
    pub fn check_delivered(&self, at: u32, request: &[u8]) -> Result<(), Fault> {
        let call_id = format!("{:08x}-{:08x}-message", self.number, self.messages);
        let wrong = |why: &str| Err(Fault::wrong(at, format!("{why} (expected Call-ID {call_id})"), request));
        if !request.starts_with(b"MESSAGE ") {
            return wrong("not a MESSAGE request");
        }
        if wire::field(request, "Call-ID", "i") != Some(call_id.as_bytes()) {
            return wrong("a MESSAGE of another Call-ID");
        }
        if wire::field(request, "CSeq", "CSeq") != Some(format!("{} MESSAGE", self.messages).as_bytes()) {
            return wrong("a MESSAGE of another CSeq");
        }
        if wire::body(request) != self.text().as_bytes() {
            return wrong("a MESSAGE whose body was changed");
        }
        Ok(())
    }

    /// Writes the 200 to a request that came over this UA's flow: RFC 3261 §8.2.6.2.
    pub fn accept(&self, request: &[u8], out: &mut Vec<u8>) {
        response::begin(request, "200 OK", &format!(";tag=a{:08x}", self.number), out);
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    /// Checks that `answer` is the 200 to the last MESSAGE, and that UA `from` gave it.
    pub fn check_accepted(&self, from: u32, answer: &[u8]) -> Result<(), Fault> {
        let (number, count) = (self.number, self.messages);
        let call_id = format!("{number:08x}-{count:08x}-message");
        let branch = format!("z9hG4bKm{number:08x}{count:08x}");
        let sent = Sent { call_id: &call_id, cseq: &format!("{count} MESSAGE"), branch: &branch };
        sent.check(number, 200, answer)?;
        let tag = format!(";tag=a{from:08x}");
        match wire::field(answer, "To", "t") {
            Some(to) if to.ends_with(tag.as_bytes()) => Ok(()),
            _ => Err(Fault::wrong(number, format!("a 200 whose To has not {tag}"), answer)),
        }
    }

    /// Counts a call that this UA makes: its number among its calls, from 1.
    pub fn next_call(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }

    /// The body of the last MESSAGE: it differs from all others, and is as long as a short text of a person.
    fn text(&self) -> String {
        let mut text = format!("message {} of UA {}: ", self.messages, self.number);
        while text.len() < 160 {
            write!(
                text,
                "{:08x} ",
                self.messages.wrapping_mul(0x9e37_79b9) ^ (self.number + text.len() as u32)
            )
            .expect("a String takes all that is written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn credentials_go_along_when_they_are_asked_for_or_each_time() {
        for (login, expected) in [(Login::Once, [false, true, false]), (Login::Each, [false, true, true])] {
            let mut ua = Ua::new(1, login);
            let mut out = Vec::new();
            let mut has_credentials = |ua: &mut Ua| {
                ua.register(Over::Tcp, (Ipv4Addr::LOCALHOST, 5060).into(), &mut out);
                wire::field(&out, "Authorization", "Authorization").is_some()
            };
            let response = |status: &str, cseq: u32| {
                format!(
                    "SIP/2.0 {status}\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKr00000001{cseq:08x}\r\n\
                     Call-ID: 00000001-7c1d-4e0b-9f52-register\r\nCSeq: {cseq} REGISTER\r\n\
                     WWW-Authenticate: Digest realm=\"{DOMAIN}\", nonce=\"n\", algorithm=SHA-256\r\n\r\n"
                )
            };
            let first = has_credentials(&mut ua);
            assert!(ua.is_challenged(response("401 Unauthorized", 1).as_bytes()).unwrap());
            let second = has_credentials(&mut ua);
            ua.check_registered(response("200 OK", 2).as_bytes()).unwrap();
            assert_eq!([first, second, has_credentials(&mut ua)], expected);
        }
    }
}
