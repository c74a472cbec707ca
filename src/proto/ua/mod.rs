//! A user agent: its flows, the requests that it answers, the messages that it sends. RFC 3261 §8, RFC 3428, RFC 5626 §4.
//!
//! | file | concept |
//! | --- | --- |
//! | `receive` | which answer a request gets |
//! | `server` | which requests are repetitions, and which response is sent again |
//! | `call`, `calls` | a call that came in; when it is answered and ended |
//! | `sdp` | the SDP of a UA without media |
//! | `send`, `outgoing` | a MESSAGE over one flow after another; the BYE of a call |
//!
//! The flows are [`Recovery`]'s. The owner opens connections, hands in what arrives over them, arms one timer for
//! [`Ua::deadline`], and carries out what [`Ua::poll`] says until it says `None`.

mod call;
mod calls;
mod event;
mod outgoing;
mod receive;
mod sdp;
mod send;
mod server;
#[cfg(test)]
mod tests;

pub use event::{Action, CallEvent, Event, Outcome};

use crate::proto::recovery::{self, Link, Recovery, Why};
use crate::proto::transaction::Timers;
use crate::sip::{Message, Wire, stun};
use bytes::Bytes;
use call::Call;
use outgoing::Outgoing;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use receive::Answered;
use server::Servers;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a UA goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its flows.
    pub registrations: recovery::Settings,
    /// Whether it takes calls.
    pub takes_calls: bool,
    /// How long a call rings before it is answered.
    pub ring: Duration,
}

/// A user agent.
#[derive(Debug)]
pub struct Ua {
    recovery: Recovery,
    takes_calls: bool,
    ring: Duration,
    servers: Servers,
    calls: Vec<Call>,
    outgoing: Vec<Outgoing>,
    /// What was answered lately, should it come again over another flow.
    answered: VecDeque<Answered>,
    random: StdRng,
    actions: VecDeque<Action>,
}

impl Ua {
    /// `seed` is random.
    pub fn new(settings: Settings, seed: [u8; 32]) -> Ua {
        let mut random = StdRng::from_seed(seed);
        let Settings { registrations, takes_calls, ring } = settings;
        Ua {
            recovery: Recovery::new(registrations, random.random()),
            takes_calls,
            ring,
            servers: Servers::default(),
            calls: Vec::new(),
            outgoing: Vec::new(),
            answered: VecDeque::new(),
            random,
            actions: VecDeque::new(),
        }
    }

    /// It registers over every flow.
    pub fn start(&mut self, now: Instant) {
        self.recovery.start(now);
        self.carry_on(now);
    }

    /// It hangs up, removes its bindings, and closes its flows.
    pub fn stop(&mut self, now: Instant) {
        self.hang_up_all(now);
        self.give_up_messages();
        self.recovery.stop(now);
        self.carry_on(now);
    }

    /// Whether nothing is left to do after [`Ua::stop`].
    pub fn is_down(&self) -> bool {
        self.recovery.is_down()
    }

    /// The reg-ids of the flows that requests may go over.
    pub fn up(&self) -> impl Iterator<Item = u32> {
        self.recovery.up()
    }

    /// The outbound-proxy-set: one URI for each flow.
    pub fn proxies(&self) -> &[String] {
        &self.recovery.settings().proxies
    }

    /// The connection that [`Action::Connect`] asked for is open.
    pub fn connected(&mut self, now: Instant, reg_id: u32, link: Link) {
        self.tell(Event::Connected { reg_id, link });
        self.recovery.connected(now, reg_id, link);
        self.carry_on(now);
    }

    /// The connection could not be opened, or is gone.
    pub fn lost(&mut self, now: Instant, reg_id: u32, why: Why) {
        self.recovery.lost(now, reg_id, why);
        self.carry_on(now);
    }

    /// A message arrived.
    pub fn message(&mut self, now: Instant, reg_id: u32, message: &Message) {
        if message.is_request() {
            self.request(now, reg_id, message);
        } else if message.validate().is_ok() && !self.recovery.response(now, reg_id, message) {
            self.response(now, reg_id, message);
        }
        self.carry_on(now);
    }

    /// A CRLF arrived between messages.
    pub fn pong(&mut self, now: Instant, reg_id: u32) {
        self.recovery.pong(now, reg_id);
        self.carry_on(now);
    }

    /// A STUN response arrived.
    pub fn stun_response(&mut self, now: Instant, reg_id: u32, response: &stun::BindingResponse) {
        self.recovery.stun_response(now, reg_id, response);
        self.carry_on(now);
    }

    /// When to ask [`Ua::expire`].
    pub fn deadline(&self) -> Option<Instant> {
        let outgoing =
            self.outgoing.iter().filter_map(|outgoing| outgoing.sent.as_ref()?.transaction.deadline());
        let calls = self.calls.iter().filter_map(Call::deadline);
        let others = [self.recovery.deadline(), self.servers.deadline()];
        others.into_iter().flatten().chain(outgoing).chain(calls).min()
    }

    /// The timer for [`Ua::deadline`] fired, and what had arrived by then has been handed in.
    pub fn expire(&mut self, now: Instant) {
        self.recovery.expire(now);
        for (reg_id, wire) in self.servers.expire(now, &self.timers()) {
            self.transmit(reg_id, wire);
        }
        self.expire_calls(now);
        self.expire_outgoing(now);
        self.carry_on(now);
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes up what the flows ask for, and what waits for a flow.
    fn carry_on(&mut self, now: Instant) {
        while let Some(action) = self.recovery.poll() {
            match action {
                recovery::Action::Connect { reg_id } => {
                    self.tell(Event::Connecting { reg_id });
                    self.actions.push_back(Action::Connect { reg_id });
                }
                recovery::Action::Send { reg_id, wire } => self.transmit(reg_id, wire),
                recovery::Action::Ping { reg_id, octets } => {
                    self.tell(Event::Ping { reg_id });
                    self.transmit(reg_id, Wire::from(Bytes::copy_from_slice(&octets)));
                }
                recovery::Action::Close { reg_id } => {
                    self.actions.push_back(Action::Close { reg_id });
                    self.servers.lost(reg_id);
                    self.calls_lost(reg_id);
                    self.messages_lost(reg_id);
                }
                recovery::Action::Tell { reg_id, event } => self.tell(Event::Flow { reg_id, event }),
            }
        }
        self.send_what_waits(now);
    }

    fn timers(&self) -> Timers {
        self.recovery.settings().timers
    }

    fn transmit(&mut self, reg_id: u32, wire: Wire) {
        self.actions.push_back(Action::Send { reg_id, wire });
    }

    fn tell(&mut self, event: Event) {
        self.actions.push_back(Action::Tell(event));
    }

    fn new_tag(&mut self) -> String {
        format!("{:016x}", self.random.random::<u64>())
    }
}
