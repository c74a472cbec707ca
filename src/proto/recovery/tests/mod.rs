//! A UA whose proxies are played by the test, in virtual time.

mod answers;
mod draft03;
mod keepalive;
mod recovery;
mod requests;

use super::*;
use crate::sip::{Address, Name, Params, Transport};
use bytes::Bytes;
use std::net::SocketAddr;

const INSTANCE: &str = "urn:uuid:00000000-0000-1000-8000-000a95a0e128";
const OUTBOUND: &[&str] = &["Require: outbound", "Flow-Timer: 120"];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A UA and what it has done.
struct Ua {
    recovery: Recovery,
    start: Instant,
    now: Instant,
    /// What it did and the test has not looked at.
    done: Vec<Action>,
    /// The last REGISTER of each flow.
    registers: [Option<Message>; 4],
    transport: Transport,
}

impl Ua {
    fn new(flows: usize) -> Ua {
        Ua::with(flows, |_| {})
    }

    fn with(flows: usize, change: impl FnOnce(&mut Settings)) -> Ua {
        let proxies =
            &["sip:a.example.com;transport=tcp", "sip:b.example.com", "sip:c.example.com;lr"][..flows];
        let mut settings = Settings::new("sip:alice@example.com", INSTANCE, proxies).unwrap();
        change(&mut settings);
        let start = Instant::now();
        let recovery = Recovery::new(settings, [7; 32]);
        let mut ua = Ua {
            recovery,
            start,
            now: start,
            done: Vec::new(),
            registers: Default::default(),
            transport: Transport::Tcp,
        };
        ua.recovery.start(start);
        ua.collect();
        ua
    }

    /// With flows that are all connected, registered and kept alive for a while.
    fn up(flows: usize) -> Ua {
        let mut ua = Ua::new(flows);
        for reg_id in ua.recovery.reg_ids() {
            ua.connected(reg_id);
            ua.answer(reg_id, 200, OUTBOUND);
        }
        ua.advance_with_pongs(seconds(130));
        ua.done.clear();
        ua
    }

    fn collect(&mut self) {
        while let Some(action) = self.recovery.poll() {
            if let Action::Send { reg_id, wire } = &action {
                let message = Message::parse(wire.to_bytes()).unwrap();
                assert_eq!(message.validate(), Ok(()));
                self.registers[*reg_id as usize] = Some(message);
            }
            self.done.push(action);
        }
    }

    fn link(&self, reg_id: u32) -> Link {
        let local = SocketAddr::from(([192, 0, 2, 1], 40_000 + u16::try_from(reg_id).unwrap()));
        Link { transport: self.transport, local, remote: SocketAddr::from(([192, 0, 2, 2], 5060)) }
    }

    fn connected(&mut self, reg_id: u32) {
        self.recovery.connected(self.now, reg_id, self.link(reg_id));
        self.collect();
    }

    fn lost(&mut self, reg_id: u32) {
        self.done.clear();
        self.recovery.lost(self.now, reg_id, Why::Closed);
        self.collect();
    }

    fn unreachable(&mut self, reg_id: u32) {
        self.done.clear();
        self.recovery.lost(self.now, reg_id, Why::Unreachable("refused".to_owned()));
        self.collect();
    }

    /// Time goes on until the next REGISTER of a flow.
    fn refreshes(&mut self, reg_id: u32) {
        let before = self.register(reg_id).cseq().unwrap().number;
        while self.register(reg_id).cseq().unwrap().number == before {
            self.advance_with_pongs(seconds(1));
        }
        self.done.clear();
    }

    /// The last REGISTER of a flow.
    #[track_caller]
    fn register(&self, reg_id: u32) -> &Message {
        self.registers[reg_id as usize].as_ref().expect("a REGISTER")
    }

    /// Answers the last REGISTER of a flow.
    #[track_caller]
    fn answer(&mut self, reg_id: u32, status: u16, fields: &[&str]) {
        let response = answer_to(self.register(reg_id), status, fields);
        assert!(self.recovery.response(self.now, reg_id, &response), "it is ours");
        self.collect();
    }

    /// Time goes on, every deadline is kept, and nobody answers.
    fn advance(&mut self, time: Duration) {
        self.advance_to(self.now + time, |_, _| {});
    }

    /// The same, with pings that are answered at once.
    fn advance_with_pongs(&mut self, time: Duration) {
        self.advance_to(self.now + time, |ua, reg_id| ua.recovery.pong(ua.now, reg_id));
    }

    fn advance_to(&mut self, until: Instant, on_ping: impl Fn(&mut Ua, u32)) {
        while let Some(deadline) = self.recovery.deadline().filter(|deadline| *deadline <= until) {
            assert!(deadline >= self.now, "a deadline in the past");
            self.now = deadline;
            self.recovery.expire(deadline);
            let seen = self.done.len();
            self.collect();
            for index in seen..self.done.len() {
                if let Action::Ping { reg_id, .. } = self.done[index] {
                    on_ping(self, reg_id);
                    self.collect();
                }
            }
        }
        self.now = until;
    }

    /// Time goes on until this happens to a flow.
    #[track_caller]
    fn advance_until(&mut self, what: &str, is_it: impl Fn(&Action) -> bool) -> Duration {
        let from = self.now;
        loop {
            if let Some(at) = self.done.iter().position(&is_it) {
                self.done.drain(..=at);
                return self.now - from;
            }
            let deadline =
                self.recovery.deadline().unwrap_or_else(|| panic!("{what}: nothing is waited for"));
            assert!(deadline < self.start + seconds(1_000_000), "{what}");
            self.advance_to(deadline, |_, _| {});
        }
    }

    /// When the flow is formed anew.
    #[track_caller]
    fn reconnects(&mut self, reg_id: u32) -> Duration {
        self.advance_until(
            "a connection",
            |action| matches!(action, Action::Connect { reg_id: it } if *it == reg_id),
        )
    }

    /// What was told of a flow since the test last asked.
    fn told(&mut self, reg_id: u32) -> Vec<Event> {
        let told = |action: &mut Action| matches!(action, Action::Tell { reg_id: it, .. } if *it == reg_id);
        let events = self.done.extract_if(.., told);
        events
            .map(|action| if let Action::Tell { event, .. } = action { event } else { unreachable!() })
            .collect()
    }

    /// The one failure that was told of a flow, as reason, number and wait.
    #[track_caller]
    fn failed(&mut self, reg_id: u32) -> (Why, u32, Duration) {
        let told = self.told(reg_id);
        let [Event::Failed { why, failures, retry_in }] = &told[..] else { panic!("{told:?}") };
        (why.clone(), *failures, *retry_in)
    }

    fn closes(&mut self, reg_id: u32) -> bool {
        self.done
            .extract_if(.., |action| matches!(action, Action::Close { reg_id: it } if *it == reg_id))
            .count()
            == 1
    }
}

/// A response as a registrar makes it, its Contact included where it is a 200.
fn answer_to(request: &Message, status: u16, fields: &[&str]) -> Message {
    let mut text = format!("SIP/2.0 {status} Reason\r\n");
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
        text.extend([name.as_str(), ": ", text_of(request.first(name).unwrap()), "\r\n"]);
    }
    for field in fields {
        text.push_str(field);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    Message::parse(Bytes::from(text)).unwrap()
}

fn text_of(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

fn field(message: &Message, name: Name) -> &str {
    text_of(message.first(name).unwrap_or_default())
}

fn contact(message: &Message) -> Address<'_> {
    Address::parse(message.first(Name::Contact).unwrap()).unwrap()
}

fn param<'a>(params: Params<'a>, name: &str) -> Option<&'a str> {
    params.value(name).map(text_of)
}
