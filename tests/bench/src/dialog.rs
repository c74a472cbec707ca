//! A call as one of its two UAs has it: the dialog that the INVITE makes, RFC 3261 §12, and its messages.
//!
//! ```text
//!   caller                            callee
//!   Dialog::call, invite ───────────> Dialog::called
//!   check_response <───────────────── ring
//!   establish <────────────────────── accept
//!   request("ACK") ─────────────────> check_request
//!   either side: request("BYE") ────> check_request
//!   check_response <───────────────── agree
//! ```
//!
//! Where the requests in the dialog go is what the server makes of it: the route set is what its Record-Route says, none
//! included. The two sides know each other, so that each message is checked against what the other wrote.

use std::{fmt::Write as _, io::Write as _, net::SocketAddr};

use memchr::memmem;

use crate::{
    Fault,
    response::{self, Sent},
    ua::{DOMAIN, Ua},
    wire,
};

/// One side of a call.
#[derive(Debug)]
pub struct Dialog {
    /// The UA's number.
    ua: u32,
    /// Its end of its flow.
    local: SocketAddr,
    /// Its tag, which no other side of a call has.
    tag: String,
    call_id: String,
    /// From of its requests.
    own: Vec<u8>,
    /// To of its requests: without a tag until the dialog is established.
    peer: Vec<u8>,
    /// The remote target.
    target: Vec<u8>,
    /// The route set, in the order in which it is visited.
    routes: Vec<Vec<u8>>,
    /// `CSeq` number of its last request.
    cseq: u32,
}

impl Dialog {
    /// The caller's side of its next call, to the AOR of another UA.
    pub fn call(ua: &mut Ua, local: SocketAddr, to: u32) -> Self {
        let (number, call) = (ua.number, ua.next_call());
        let tag = format!("c{number:08x}{call:08x}");
        Dialog {
            ua: number,
            local,
            call_id: format!("{number:08x}-{call:08x}-call"),
            own: format!("\"UA {number}\" <sip:u{number:06}@{DOMAIN}>;tag={tag}").into(),
            tag,
            peer: format!("<sip:u{to:06}@{DOMAIN}>").into(),
            target: format!("sip:u{to:06}@{DOMAIN}").into(),
            routes: Vec::new(),
            cseq: call,
        }
    }

    /// Writes the INVITE.
    pub fn invite(&self, out: &mut Vec<u8>) {
        self.begin("INVITE", out);
        self.describe(out);
    }

    /// The callee's side: checks that `invite` is what the caller wrote. RFC 3261 §12.1.1
    pub fn called(ua: &Ua, local: SocketAddr, caller: &Dialog, invite: &[u8]) -> Result<Self, Fault> {
        let tag = format!("d{:08x}{:08x}", caller.ua, caller.cseq);
        let mut callee = Dialog {
            ua: ua.number,
            local,
            call_id: caller.call_id.clone(),
            own: [&caller.peer, &b";tag="[..], tag.as_bytes()].concat(),
            tag,
            peer: caller.own.clone(),
            target: Vec::new(),
            routes: Vec::new(),
            cseq: 0,
        };
        // Whose it is, is told by the user part in the AOR and in the Contact that a server may put in its place.
        let user = format!("INVITE sip:u{:06}@", ua.number);
        if !invite.starts_with(user.as_bytes()) {
            return callee.wrong("not an INVITE for this UA", invite);
        }
        callee.check_sent_by(caller, "INVITE", invite)?;
        callee.check_described_by(caller, invite)?;
        callee.target = caller.contact().into();
        // RFC 3261 §12.1.1: the route set of the callee has the order of Record-Route.
        callee.routes = callee.recorded(invite)?;
        Ok(callee)
    }

    /// Writes the 180.
    pub fn ring(&self, invite: &[u8], out: &mut Vec<u8>) {
        self.respond(invite, "180 Ringing", out);
        write!(out, "Contact: <{}>\r\nContent-Length: 0\r\n\r\n", self.contact())
            .expect("a Vec takes all that is written");
    }

    /// Writes the 200 to the INVITE.
    pub fn accept(&self, invite: &[u8], out: &mut Vec<u8>) {
        self.respond(invite, "200 OK", out);
        self.describe(out);
    }

    /// Whether this is a 100 to the INVITE, which a server may send before anything else; an error if it is one to another.
    pub fn is_trying(&self, answer: &[u8]) -> Result<bool, Fault> {
        let trying = response::is(100, answer);
        if trying {
            self.check_answer(100, "INVITE", answer)?;
        }
        Ok(trying)
    }

    /// The caller's side, once the 200 is there and found right. RFC 3261 §12.1.2
    pub fn establish(&mut self, callee: &Dialog, answer: &[u8]) -> Result<(), Fault> {
        self.check_answer(200, "INVITE", answer)?;
        self.check_parties(self, callee, answer)?;
        self.check_described_by(callee, answer)?;
        self.peer.clone_from(&callee.own);
        self.target = callee.contact().into();
        // RFC 3261 §12.1.2: the route set of the caller has the reverse order of Record-Route.
        self.routes = self.recorded(answer)?;
        self.routes.reverse();
        Ok(())
    }

    /// Writes a request in the dialog: BYE, or ACK, which has the number of the INVITE. RFC 3261 §12.2.1.1, §13.2.2.4
    pub fn request(&mut self, method: &str, out: &mut Vec<u8>) {
        if method != "ACK" {
            self.cseq += 1;
        }
        self.begin(method, out);
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    /// Checks that `request` is the one that the other side wrote last, at the end of all its routes.
    pub fn check_request(&self, sender: &Dialog, method: &str, request: &[u8]) -> Result<(), Fault> {
        if wire::start_line(request) != format!("{method} {} SIP/2.0", self.contact()).as_bytes() {
            return self.wrong(&format!("not the {method} to this UA's Contact"), request);
        }
        self.check_sent_by(sender, method, request)?;
        // RFC 3261 §16.4: each Route led to a server, which takes itself off.
        if wire::field(request, "Route", "Route").is_some() {
            return self.wrong(&format!("a Route is left over in the {method}"), request);
        }
        self.check_empty(request)
    }

    /// Writes the 200 to a request in the dialog.
    pub fn agree(request: &[u8], out: &mut Vec<u8>) {
        response::begin(request, "200 OK", "", out);
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    /// Checks a response without a body to the last request of this side: that the other side gave it.
    pub fn check_response(
        &self,
        sender: &Dialog,
        status: u16,
        method: &str,
        answer: &[u8],
    ) -> Result<(), Fault> {
        self.check_answer(status, method, answer)?;
        self.check_parties(self, sender, answer)?;
        self.check_empty(answer)
    }

    /// The UA's Contact URI. RFC 5626 §4.3: with `ob`, requests in the dialog are to come over the flow.
    fn contact(&self) -> String {
        format!("sip:u{:06}@{};transport=tcp;ob", self.ua, self.local)
    }

    fn branch(&self, method: &str) -> String {
        format!("z9hG4bK{method}{}", self.tag)
    }

    /// Writes what all requests of a call have.
    fn begin(&self, method: &str, out: &mut Vec<u8>) {
        out.clear();
        for piece in [method.as_bytes(), b" ", &self.target, b" SIP/2.0\r\n"] {
            out.extend_from_slice(piece);
        }
        let (local, branch) = (self.local, self.branch(method));
        write!(out, "Via: SIP/2.0/TCP {local};branch={branch};rport\r\nMax-Forwards: 70\r\n")
            .expect("a Vec takes all that is written");
        let routes = self.routes.iter().map(|route| (&b"Route: "[..], route));
        for (name, value) in routes.chain([(&b"From: "[..], &self.own), (b"To: ", &self.peer)]) {
            for piece in [name, value, b"\r\n"] {
                out.extend_from_slice(piece);
            }
        }
        let (call_id, cseq) = (&self.call_id, self.cseq);
        write!(out, "Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nUser-Agent: flowhold-bench\r\n")
            .expect("a Vec takes all that is written");
    }

    /// Begins a response to the INVITE. RFC 3261 §12.1.1: Record-Route is copied, so that the caller learns it.
    fn respond(&self, invite: &[u8], status: &str, out: &mut Vec<u8>) {
        response::begin(invite, status, &format!(";tag={}", self.tag), out);
        response::copy(invite, "Record-Route", "Record-Route", "", out);
    }

    /// Writes what the INVITE and its 200 have in common: Contact, and a session description, with which they end.
    fn describe(&self, out: &mut Vec<u8>) {
        let (contact, body) = (self.contact(), self.description());
        write!(
            out,
            "Contact: <{contact}>\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, NOTIFY, REFER, UPDATE\r\n\
             Supported: outbound, timer\r\n\
             Content-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        )
        .expect("a Vec takes all that is written");
    }

    /// An audio offer or answer, of this side and of this call only.
    fn description(&self) -> String {
        let (ua, tag, ip) = (self.ua, &self.tag, self.local.ip());
        let mut text = format!("v=0\r\no=u{ua:06} {tag} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n");
        let port = 16_384 + ua % 8192 * 2;
        write!(text, "m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n")
            .expect("a String takes all that is written");
        text + "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    }

    /// The values of Record-Route, in their order. RFC 3261 §16.6: each says `lr`, so that a Request-URI stays the remote
    /// target.
    fn recorded(&self, message: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let values: Vec<_> =
            wire::values(message, "Record-Route", "Record-Route").map(<[u8]>::to_vec).collect();
        if values.iter().any(|value| memmem::find(value, b";lr").is_none()) {
            return self.wrong("a Record-Route without lr", message);
        }
        Ok(values)
    }

    /// Checks that the other side wrote this request last.
    fn check_sent_by(&self, sender: &Dialog, method: &str, request: &[u8]) -> Result<(), Fault> {
        let wrong = |part: &str| self.wrong(&format!("{method} of another {part}"), request);
        if wire::field(request, "Call-ID", "i") != Some(sender.call_id.as_bytes()) {
            return wrong("Call-ID");
        }
        if wire::field(request, "CSeq", "CSeq") != Some(format!("{} {method}", sender.cseq).as_bytes()) {
            return wrong("CSeq");
        }
        let via = wire::fields(request, "Via", "v").last().unwrap_or_default();
        if memmem::find(via, sender.branch(method).as_bytes()).is_none() {
            return wrong("branch");
        }
        if wire::field(request, "From", "f") != Some(&sender.own) {
            return wrong("From");
        }
        if wire::field(request, "To", "t") != Some(&sender.peer) {
            return wrong("To");
        }
        Ok(())
    }

    fn check_answer(&self, status: u16, method: &str, answer: &[u8]) -> Result<(), Fault> {
        let (cseq, branch) = (format!("{} {method}", self.cseq), self.branch(method));
        Sent { call_id: &self.call_id, cseq: &cseq, branch: &branch }.check(self.ua, status, answer)
    }

    /// Checks From and To, with their tags.
    fn check_parties(&self, from: &Dialog, to: &Dialog, message: &[u8]) -> Result<(), Fault> {
        if wire::field(message, "From", "f") != Some(&from.own) {
            return self.wrong("another From", message);
        }
        if wire::field(message, "To", "t") != Some(&to.own) {
            return self.wrong("another To", message);
        }
        Ok(())
    }

    /// Checks Contact and body, as [`Dialog::describe`] writes them.
    fn check_described_by(&self, sender: &Dialog, message: &[u8]) -> Result<(), Fault> {
        if wire::field(message, "Contact", "m") != Some(format!("<{}>", sender.contact()).as_bytes()) {
            return self.wrong("another Contact", message);
        }
        if wire::body(message) != sender.description().as_bytes() {
            return self.wrong("a session description whose body was changed", message);
        }
        Ok(())
    }

    fn check_empty(&self, message: &[u8]) -> Result<(), Fault> {
        if wire::body(message).is_empty() { Ok(()) } else { self.wrong("a body that nobody wrote", message) }
    }

    fn wrong<T>(&self, why: &str, got: &[u8]) -> Result<T, Fault> {
        Err(Fault::wrong(self.ua, format!("{why} (call {})", self.call_id), got))
    }
}
