//! A UA whose proxies are played by the test, in virtual time.

mod calls;
mod messages;
mod requests;

use super::*;
use crate::proto::login::Login;
use crate::sip::{Address, Method, Name, Transport};
use std::net::SocketAddr;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Peer {
    ua: Ua,
    now: Instant,
    transport: Transport,
    /// What was sent and the test has not looked at, with its flow.
    sent: VecDeque<(u32, Message)>,
    events: Vec<Event>,
    /// Flows that were closed.
    closed: Vec<u32>,
}

impl Peer {
    /// With flows that are all registered.
    fn up(flows: usize, transport: Transport) -> Peer {
        Peer::with(flows, transport, |_| {})
    }

    fn with(flows: usize, transport: Transport, change: impl FnOnce(&mut Settings)) -> Peer {
        let mut peer = Peer::down(flows, transport, change);
        for reg_id in 1..=u32::try_from(flows).unwrap() {
            peer.registers(reg_id);
        }
        peer.events.clear();
        peer
    }

    fn down(flows: usize, transport: Transport, change: impl FnOnce(&mut Settings)) -> Peer {
        let proxies = &["sip:a.example.com", "sip:b.example.com", "sip:c.example.com"][..flows];
        let mut registrations =
            recovery::Settings::new("sip:alice@example.com", "urn:uuid:1", proxies).unwrap();
        registrations.expires = seconds(1_000_000);
        registrations.login = Login::new("alice", "secret");
        let mut settings = Settings { registrations, takes_calls: true, ring: seconds(2) };
        change(&mut settings);
        let now = Instant::now();
        let (sent, events, closed) = (VecDeque::new(), Vec::new(), Vec::new());
        let mut peer = Peer { ua: Ua::new(settings, [7; 32]), now, transport, sent, events, closed };
        peer.ua.start(now);
        peer.collect();
        peer
    }

    fn registers(&mut self, reg_id: u32) {
        let local = SocketAddr::from(([192, 0, 2, 1], 40_000 + u16::try_from(reg_id).unwrap()));
        let remote = SocketAddr::from(([192, 0, 2, 2], 5060));
        self.ua.connected(self.now, reg_id, Link { transport: self.transport, local, remote });
        let register = self.sends(reg_id);
        // Without outbound, so that no ping comes between.
        self.answers(reg_id, &register, 200, "");
    }

    fn collect(&mut self) {
        while let Some(action) = self.ua.poll() {
            match action {
                Action::Send { reg_id, wire } => {
                    let message = Message::parse(wire.to_bytes());
                    // A ping is no message.
                    if let Ok(message) = message {
                        assert_eq!(message.validate(), Ok(()), "{message:?}");
                        self.sent.push_back((reg_id, message));
                    }
                }
                Action::Tell(event) => self.events.push(event),
                Action::Close { reg_id } => self.closed.push(reg_id),
                Action::Connect { .. } => {}
            }
        }
    }

    /// Something arrives, as lines that end in LF.
    fn receives(&mut self, reg_id: u32, text: &str) {
        let message = Message::parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap();
        self.ua.message(self.now, reg_id, &message);
        self.collect();
    }

    /// The next message goes over this flow.
    #[track_caller]
    fn sends(&mut self, reg_id: u32) -> Message {
        self.collect();
        let (over, message) = self.sent.pop_front().expect("a message");
        assert_eq!(over, reg_id);
        message
    }

    #[track_caller]
    fn responds(&mut self, reg_id: u32, status: u16) -> Message {
        let response = self.sends(reg_id);
        assert_eq!(response.status(), Some(status), "{response:?}");
        response
    }

    #[track_caller]
    fn sends_nothing(&mut self) {
        self.collect();
        assert!(self.sent.is_empty(), "{:?}", self.sent);
    }

    /// The proxy answers a request of the UA.
    fn answers(&mut self, reg_id: u32, request: &Message, status: u16, fields: &str) {
        let mut text = format!("SIP/2.0 {status} Reason\n");
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            text.extend([name.as_str(), ": ", field(request, name), "\n"]);
        }
        text.push_str(fields);
        text.push('\n');
        self.receives(reg_id, &text);
    }

    fn lost(&mut self, reg_id: u32) {
        self.ua.lost(self.now, reg_id, Why::Closed);
        self.collect();
    }

    fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.ua.deadline().filter(|deadline| *deadline <= until) {
            assert!(deadline >= self.now, "a deadline in the past");
            self.now = deadline;
            self.ua.expire(deadline);
            self.collect();
        }
        self.now = until;
    }

    fn events(&mut self) -> Vec<Event> {
        self.collect();
        std::mem::take(&mut self.events)
    }

    fn calls(&mut self) -> Vec<CallEvent> {
        let call = |event| if let Event::Call { call, .. } = event { Some(call) } else { None };
        self.events().into_iter().filter_map(call).collect()
    }
}

/// A request to the UA, with a branch of its own.
fn request(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:alice@192.0.2.1:40001 SIP/2.0\nVia: SIP/2.0/TCP proxy.example.com;branch=z9hG4bK{branch}\n\
         Max-Forwards: 70\nFrom: \"Bob\" <sip:bob@example.com>;tag=bob\nCall-ID: call\n{more}"
    )
}

fn within(method: &str, branch: &str, cseq: u32, tag: &str) -> String {
    request(method, branch, &format!("To: <sip:alice@example.com>;tag={tag}\nCSeq: {cseq} {method}\n\n"))
}

fn outside(method: &str, branch: &str, more: &str) -> String {
    request(method, branch, &format!("To: <sip:alice@example.com>\nCSeq: 1 {method}\n{more}"))
}

fn field(message: &Message, name: Name) -> &str {
    std::str::from_utf8(message.first(name).unwrap_or_default()).unwrap()
}

fn to_tag(message: &Message) -> String {
    let to = Address::parse(message.first(Name::To).unwrap()).unwrap();
    String::from_utf8(to.tag().expect("a tag").to_vec()).unwrap()
}
