//! A dialog, as one of its two UAs keeps it: RFC 3261 §12.

use std::cell::Cell;

use super::client::Client;
use super::message::Message;
use super::request::Request;
use super::ua::uri_of;

/// One UA's side of a dialog.
pub(crate) struct Dialog<'c> {
    ua: &'c Client,
    call_id: String,
    /// Its own From value, with its tag.
    local: String,
    remote: String,
    /// The other's Contact URI.
    target: String,
    /// The route set.
    routes: Vec<String>,
    cseq: Cell<u32>,
}

impl<'c> Dialog<'c> {
    /// The caller's side, once it has a response that makes a dialog: §12.1.2.
    #[track_caller]
    pub(crate) fn of_caller(ua: &'c Client, invite: &Request, response: &Message) -> Self {
        let cseq = invite.field("CSeq").split(' ').next().unwrap().parse().unwrap();
        Self {
            ua,
            call_id: invite.field("Call-ID").to_owned(),
            local: invite.field("From").to_owned(),
            remote: response.header("To").to_owned(),
            target: contact_of(response),
            routes: response.values("Record-Route").into_iter().rev().map(str::to_owned).collect(),
            cseq: Cell::new(cseq),
        }
    }

    /// The callee's side, which answers with the tag that `Message::answer` gives: §12.1.1.
    #[track_caller]
    pub(crate) fn of_callee(ua: &'c Client, invite: &Message) -> Self {
        Self {
            ua,
            call_id: invite.header("Call-ID").to_owned(),
            local: format!("{};tag=ua", invite.header("To")),
            remote: invite.header("From").to_owned(),
            target: contact_of(invite),
            routes: invite.values("Record-Route").into_iter().map(str::to_owned).collect(),
            cseq: Cell::new(100),
        }
    }

    /// The next request: §12.2.1.1.
    pub(crate) fn request(&self, method: &str) -> Request {
        self.cseq.set(self.cseq.get() + 1);
        let request = self.same_cseq(method);
        if method == "INVITE" { request.contact(format!("<{}>", private_uri("again"))) } else { request }
    }

    /// The ACK to the 2xx of the last INVITE: §13.2.2.4.
    pub(crate) fn ack(&self) -> Request {
        self.same_cseq("ACK")
    }

    fn same_cseq(&self, method: &str) -> Request {
        let request = self
            .ua
            .request(method, &self.target)
            .set("From", &self.local)
            .set("To", &self.remote)
            .call_id(&self.call_id)
            .cseq(self.cseq.get());
        self.routes.iter().fold(request, |request, route| request.with("Route", route))
    }

    /// A request of the other's replaces the remote target: §12.2.2.
    #[track_caller]
    pub(crate) fn refresh(&mut self, message: &Message) {
        self.target = contact_of(message);
    }

    /// The UA of this side.
    pub(crate) fn ua(&self) -> &'c Client {
        self.ua
    }

    /// Its route set.
    pub(crate) fn routes(&self) -> &[String] {
        &self.routes
    }

    /// The other's Contact URI.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// This side sends a request, `other` takes it and answers 200, and an INVITE's 2xx is acknowledged. All of it arrives
    /// over the flows of the two UAs. Returns what arrived.
    #[track_caller]
    pub(crate) fn asks(&mut self, method: &str, other: &mut Dialog<'_>) -> Message {
        let request = self.request(method);
        self.ua.send(request.to_bytes());
        let arrived = other.ua.receive().expect_method(method);
        assert_eq!(arrived.header("Call-ID"), self.call_id, "{arrived}");
        assert_eq!(arrived.uri(), self.target, "{arrived}");
        assert_eq!(arrived.values("Route"), [""; 0], "{arrived}");
        assert_eq!(arrived.header("CSeq"), request.field("CSeq"), "{arrived}");
        if method == "INVITE" {
            other.refresh(&arrived);
            other.ua.send(arrived.answer_in_dialog(200, "OK", &private_uri("answered")));
            let response = self.ua.receive_final().expect_status(200);
            self.refresh(&response);
            self.ua.send(self.ack().to_bytes());
            let ack = other.ua.receive().expect_method("ACK");
            assert_eq!(ack.uri(), self.target, "{ack}");
            assert_eq!(ack.values("Route"), [""; 0], "{ack}");
        } else {
            other.ua.send(arrived.answer(200, "OK"));
            self.ua.receive_final().expect_status(200);
        }
        arrived
    }
}

/// A Contact of a UA behind a NAT: nobody is there.
pub(crate) fn private_uri(user: &str) -> String {
    format!("sip:{user}@192.0.2.77:5062")
}

/// `caller` calls the AOR of `user`, whose UA is `ua`, and it rings. Returns the INVITE, and what arrived of it.
#[track_caller]
pub(crate) fn rings(caller: &Client, user: &str, ua: &Client) -> (Request, Message) {
    let invite = caller.invite(user);
    caller.ask(&invite).expect_status(100);
    let arrived = ua.receive().expect_method("INVITE");
    ua.send(arrived.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    (invite, arrived)
}

/// `caller` calls the AOR of `user`, whose UA is `ua`: it rings, is answered and acknowledged.
#[track_caller]
pub(crate) fn call<'c>(caller: &'c Client, user: &str, ua: &'c Client) -> (Dialog<'c>, Dialog<'c>) {
    let invite = caller.invite(user).set("Contact", format!("<{}>", private_uri("caller")));
    let (arrived, at_caller) = call_with(caller, &invite, ua);
    (at_caller, Dialog::of_callee(ua, &arrived))
}

/// The same with this INVITE. Returns what arrived, and the caller's side.
#[track_caller]
pub(crate) fn call_with<'c>(caller: &'c Client, invite: &Request, ua: &Client) -> (Message, Dialog<'c>) {
    caller.ask(invite).expect_status(100);
    let arrived = ua.receive().expect_method("INVITE");
    ua.send(arrived.answer_in_dialog(180, "Ringing", &private_uri("callee")));
    caller.receive().expect_status(180);
    ua.send(arrived.answer_in_dialog(200, "OK", &private_uri("callee")));
    let answered = caller.receive().expect_status(200);
    let dialog = Dialog::of_caller(caller, invite, &answered);
    caller.send(dialog.ack().to_bytes());
    let ack = ua.receive().expect_method("ACK");
    assert_eq!(ack.uri(), private_uri("callee"), "{ack}");
    assert_eq!(ack.values("Route"), [""; 0], "{ack}");
    (arrived, dialog)
}

#[track_caller]
fn contact_of(message: &Message) -> String {
    uri_of(message.header("Contact")).to_owned()
}
