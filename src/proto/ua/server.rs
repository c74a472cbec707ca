//! The server transactions of a UA: which requests are repetitions, and which response is sent again. RFC 3261 §17.2.

use crate::proto::transaction::{Acked, Fired, InviteServer, NonInviteServer, Timers};
use crate::sip::{Message, Method, Response, Wire};
use std::time::Instant;

/// How many requests are answered at a time.
const MAX_TRANSACTIONS: usize = 1000;

/// What makes a request the same. RFC 3261 §17.2.3.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Key {
    reg_id: u32,
    /// Branch and sent-by of the topmost Via.
    via: (Vec<u8>, Vec<u8>),
    call_id: Vec<u8>,
    cseq: u32,
    /// That of the INVITE for an ACK.
    method: Vec<u8>,
}

impl Key {
    fn of(reg_id: u32, request: &Message) -> Option<Key> {
        let via = request.top_via().ok()?;
        let cseq = request.cseq().ok()?;
        let method = if cseq.method == b"ACK" { b"INVITE" } else { cseq.method };
        Some(Key {
            reg_id,
            via: (via.branch().unwrap_or_default().to_vec(), via.sent_by().to_vec()),
            call_id: request.first(crate::sip::Name::CallId)?.to_vec(),
            cseq: cseq.number,
            method: method.to_vec(),
        })
    }

    /// Of the INVITE that this CANCEL is for. RFC 3261 §9.2.
    pub(super) fn of_cancelled(&self) -> Key {
        Key { method: b"INVITE".to_vec(), ..self.clone() }
    }

    /// The flow that it came over.
    pub(super) fn reg_id(&self) -> u32 {
        self.reg_id
    }
}

/// What a request turns out to be.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A new one.
    New(Key),
    /// One that has been seen; its response is sent again where there is one.
    Repeated(Option<Wire>),
    /// An ACK that is for the call and not for the transaction.
    Ack,
    /// Nothing to do.
    Absorbed,
    /// Too many are answered already.
    Full,
}

/// All transactions.
#[derive(Debug, Default)]
pub(super) struct Servers {
    list: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    key: Key,
    machine: Machine,
    /// The last response.
    last: Option<Wire>,
    /// To make a 100 of.
    request: Message,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(NonInviteServer),
}

impl Servers {
    pub(super) fn receive(
        &mut self,
        now: Instant,
        (reg_id, is_reliable): (u32, bool),
        request: &Message,
        timers: &Timers,
    ) -> Arrival {
        let Some(key) = Key::of(reg_id, request) else { return Arrival::Absorbed };
        let known = self.list.iter_mut().find(|server| server.key == key);
        if request.method() == Method::Ack {
            let Some(Server { machine: Machine::Invite(invite), .. }) = known else { return Arrival::Ack };
            let acked = invite.ack(now, timers);
            self.tidy();
            return if acked == Acked::ToUser { Arrival::Ack } else { Arrival::Absorbed };
        }
        if let Some(server) = known {
            let is_repeated = match &server.machine {
                Machine::Invite(invite) => invite.repeated(),
                Machine::Other(other) => other.repeated(),
            };
            return Arrival::Repeated(server.last.clone().filter(|_| is_repeated));
        }
        if self.list.len() >= MAX_TRANSACTIONS {
            return Arrival::Full;
        }
        let machine = match request.method() {
            Method::Invite => Machine::Invite(InviteServer::new(is_reliable)),
            _ => Machine::Other(NonInviteServer::new(now, is_reliable, timers)),
        };
        self.list.push(Server { key: key.clone(), machine, last: None, request: request.clone() });
        Arrival::New(key)
    }

    /// Whether there is one.
    pub(super) fn knows(&self, key: &Key) -> bool {
        self.list.iter().any(|server| server.key == *key)
    }

    /// A response to one of them; `false`: it comes too late.
    pub(super) fn respond(&mut self, now: Instant, key: &Key, wire: &Wire, timers: &Timers) -> bool {
        let Some(server) = self.list.iter_mut().find(|server| server.key == *key) else { return false };
        let status = wire.status().expect("a response");
        let is_sent = match &mut server.machine {
            Machine::Invite(invite) => invite.respond(now, status, timers),
            Machine::Other(other) => other.respond(now, status, timers),
        };
        if is_sent {
            server.last = Some(wire.clone());
        }
        self.tidy();
        is_sent
    }

    /// Nothing goes over this flow any more.
    pub(super) fn lost(&mut self, reg_id: u32) {
        self.list.retain(|server| server.key.reg_id != reg_id);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.list.iter().filter_map(|server| match &server.machine {
            Machine::Invite(invite) => invite.deadline(),
            Machine::Other(other) => other.deadline(),
        });
        deadlines.min()
    }

    /// What ran out by now: responses to send, each over its flow.
    pub(super) fn expire(&mut self, now: Instant, timers: &Timers) -> Vec<(u32, Wire)> {
        let mut resent = Vec::new();
        for server in &mut self.list {
            loop {
                let fired = match &mut server.machine {
                    Machine::Invite(invite) => invite.expire(now, timers),
                    Machine::Other(other) => other.expire(now),
                };
                match fired {
                    Some(Fired::Resend) => {
                        resent.extend(server.last.clone().map(|wire| (server.key.reg_id, wire)));
                    }
                    Some(Fired::Trying) => {
                        let trying = Response::to(&server.request, 100, "Trying").finish();
                        server.last = Some(trying.clone());
                        resent.push((server.key.reg_id, trying));
                    }
                    Some(Fired::TimedOut | Fired::Ended) | None => break,
                }
            }
        }
        self.tidy();
        resent
    }

    fn tidy(&mut self) {
        self.list.retain(|server| match &server.machine {
            Machine::Invite(invite) => !invite.is_terminated(),
            Machine::Other(other) => !other.is_terminated(),
        });
    }
}
