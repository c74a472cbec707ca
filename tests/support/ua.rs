//! What a UA does over its connection or socket: register, send requests, take them in.

use super::client::Client;
use super::message::{Message, param};
use super::request::{Request, branch, unique};

/// The domain that every node of the tests is the registrar of.
pub(crate) const DOMAIN: &str = "example.com";

impl Client {
    /// A request within no dialog, complete but for a body.
    pub(crate) fn request(&self, method: &str, uri: &str) -> Request {
        Request::bare(method, uri)
            .with("Via", format!("{}{};branch={}", self.sent_by(), self.rport(), branch()))
            .with("From", format!("<sip:caller@{DOMAIN}>;tag={}", unique("f")))
            .with("To", format!("<{uri}>"))
            .with("Call-ID", unique("call"))
            .with("CSeq", format!("1 {method}"))
            .with("Max-Forwards", "70")
    }

    /// `SIP/2.0/TCP 127.0.0.1:40000`: the beginning of its Via.
    pub(crate) fn sent_by(&self) -> String {
        format!("SIP/2.0/{} {}", self.transport(), self.host())
    }

    /// Over WebSocket nobody asks for it.
    fn rport(&self) -> &'static str {
        if self.transport().starts_with("WS") { "" } else { ";rport" }
    }

    /// A REGISTER of this user's AOR, without Contact. All of one client have the same Call-ID and a rising `CSeq`.
    pub(crate) fn register(&self, user: &str) -> Request {
        self.cseq.set(self.cseq.get() + 1);
        let aor = format!("<sip:{user}@{DOMAIN}>");
        self.request("REGISTER", &format!("sip:{DOMAIN}"))
            .set("From", format!("{aor};tag={}", unique("f")))
            .set("To", aor)
            .call_id(&self.call_id)
            .cseq(self.cseq.get())
    }

    /// A REGISTER of this client's own Contact, without outbound.
    pub(crate) fn register_contact(&self, user: &str) -> Request {
        self.register(user).contact(format!("<{}>", self.contact_uri(user)))
    }

    /// A REGISTER of this client's own Contact with outbound, by an instance-id that the user's name decides.
    pub(crate) fn register_outbound(&self, user: &str, reg_id: u32) -> Request {
        let contact =
            format!("<{}>;+sip.instance=\"<{}>\";reg-id={reg_id}", self.contact_uri(user), instance(user));
        self.register(user).contact(contact).with("Supported", "path, outbound")
    }

    /// Registers this flow of one of the user's UAs with outbound; `name` decides the instance-id.
    #[track_caller]
    pub(crate) fn registers_flow(&self, user: &str, name: &str, reg_id: u32) -> Message {
        self.registers_flow_with(user, name, reg_id, "")
    }

    /// The same with further parameters of the Contact: `;q=0.5`.
    #[track_caller]
    pub(crate) fn registers_flow_with(&self, user: &str, name: &str, reg_id: u32, params: &str) -> Message {
        let (uri, instance) = (self.contact_uri(user), instance(name));
        let contact = format!("<{uri}>;+sip.instance=\"<{instance}>\";reg-id={reg_id}{params}");
        let register = self.register(user).contact(contact).with("Supported", "path, outbound");
        self.ask(&register).expect_status(200)
    }

    /// Where this client is reached.
    pub(crate) fn contact_uri(&self, user: &str) -> String {
        // RFC 7118 §5.2: `ws`, over TLS too.
        let transport = self.transport().replace("WSS", "WS").to_lowercase();
        format!("sip:{user}@{};transport={transport}", self.host())
    }

    /// Registers without outbound.
    #[track_caller]
    pub(crate) fn registers(&self, user: &str) -> Message {
        self.ask(&self.register_contact(user)).expect_status(200)
    }

    /// Registers with outbound.
    #[track_caller]
    pub(crate) fn registers_outbound(&self, user: &str, reg_id: u32) -> Message {
        let response = self.ask(&self.register_outbound(user, reg_id)).expect_status(200);
        assert!(response.has_tag("Require", "outbound"), "{response}");
        response
    }

    /// The Contacts that the registrar has for this user.
    #[track_caller]
    pub(crate) fn bindings(&self, user: &str) -> Vec<String> {
        let response = self.ask(&self.register(user)).expect_status(200);
        response.contacts().into_iter().map(str::to_owned).collect()
    }

    /// The URIs of the Contacts that the registrar has for this user, sorted.
    #[track_caller]
    pub(crate) fn bound_uris(&self, user: &str) -> Vec<String> {
        let mut uris: Vec<String> =
            self.bindings(user).iter().map(|contact| uri_of(contact).to_owned()).collect();
        uris.sort();
        uris
    }

    /// A MESSAGE to this user.
    pub(crate) fn message(&self, user: &str) -> Request {
        let request = self.request("MESSAGE", &format!("sip:{user}@{DOMAIN}"));
        request.with("Content-Type", "text/plain").body(format!("Hello {user}"))
    }

    /// An INVITE of this user.
    pub(crate) fn invite(&self, user: &str) -> Request {
        let request = self.request("INVITE", &format!("sip:{user}@{DOMAIN}"));
        request.with("Contact", format!("<{}>", self.contact_uri("caller")))
    }

    /// A MESSAGE to this user arrives at `ua` and its 200 comes back. Returns what arrived.
    #[track_caller]
    pub(crate) fn reaches(&self, user: &str, ua: &Client) -> Message {
        let request = self.message(user);
        self.send(request.to_bytes());
        let arrived = ua.receive().expect_method("MESSAGE");
        assert_eq!(arrived.header("Call-ID"), request.field("Call-ID"), "{arrived}");
        ua.send(arrived.answer(200, "OK"));
        let response = self.receive().expect_status(200);
        assert_eq!(response.header("Call-ID"), request.field("Call-ID"), "{response}");
        arrived
    }

    /// How a MESSAGE to this user ends.
    #[track_caller]
    pub(crate) fn message_status(&self, user: &str) -> u16 {
        self.ask(&self.message(user)).status()
    }
}

/// The instance-id of a user's UA.
pub(crate) fn instance(user: &str) -> String {
    let number =
        user.bytes().fold(0_u64, |number, octet| (number << 5) ^ u64::from(octet)) & 0xFFFF_FFFF_FFFF;
    format!("urn:uuid:f81d4fae-7dec-11d0-a765-{number:012x}")
}

/// The URI of a Contact value.
pub(crate) fn uri_of(contact: &str) -> &str {
    match contact.split_once('<') {
        Some((_, rest)) => rest.split_once('>').unwrap().0,
        None => contact.split(';').next().unwrap(),
    }
}

/// The `expires` parameter of a Contact value, in seconds.
#[track_caller]
pub(crate) fn expires_of(contact: &str) -> u32 {
    param(contact, "expires").unwrap_or_else(|| panic!("no expires in {contact}")).parse().unwrap()
}
