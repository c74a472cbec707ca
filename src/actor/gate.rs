//! What a peer may send, and how often: asked for each message before it goes anywhere.
//!
//! ```text
//!                  over a connection               over UDP
//!   read    ---->  message of its flow             datagram of its address --- above the rate: dropped, unread
//!                    |  above the rate: 503,         |
//!                    |  and in the end closed        |
//!                    v                               v
//!   message ----> its shape: too many fields, hops or routes: 4xx or 513
//!                    v                               v
//!   REGISTER ----> of its address, if a stranger ----> proves who it is -----> of the node ------> served
//!                    |  above the rate: 503 with a turn                         |  above the rate: 503 with a turn
//! ```
//!
//! What comes again over UDP while it is served has passed all this, and goes to its transaction: a UA that is told 503 would
//! take for undelivered what is delivered.
//!
//! A REGISTER takes one of the node's turns when it has proved who it is. One that has to be challenged first counts once, and
//! who has no password takes no turn away from who has: what it costs is a challenge, within what its flow and its address
//! may send.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::next_hops::NextHops;
use super::worker::Worker;
use crate::config::Limits;
use crate::metrics::{FlowClosed, Refused};
use crate::proto::Source;
use crate::proto::keepalive::Patience;
use crate::proto::pace::{Addresses, Asker, Bucket, Full, Rate, Shared, Turns};
use crate::proto::repeats::Mark;
use crate::proto::stateless::Reply;
use crate::sip::{Address, Message, Method, Misshapen, Name, Shape};

/// REGISTERs in a second over one flow that count as refreshes of somebody who is known: far more than a UA needs.
const REFRESHES_PER_FLOW: u32 = 5;

/// In how many seconds a request may come again that was shed, at random.
const AFTER_OVERLOAD: RangeInclusive<u64> = 1..=10;

/// The limits in time of all peers of a node.
#[derive(Debug)]
pub struct Gate {
    started: Instant,
    shape: Shape,
    /// How long a connection may say nothing.
    pub patience: Patience,
    /// Whose messages are not limited: next hops that the configuration names.
    trusted: Vec<IpAddr>,
    registers: Option<Rate>,
    registers_of_address: Option<Rate>,
    messages_of_flow: Option<Rate>,
    refreshes_of_flow: Option<Rate>,
    datagrams_of_address: Option<Rate>,
    stun_of_address: Option<Rate>,
    all_registers: Shared,
    turns: Turns,
    registers_by_address: Addresses,
    datagrams_by_address: Addresses,
    stun_by_address: Addresses,
}

/// What the gate knows of one flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    messages: Bucket,
    refreshes: Bucket,
    /// Whether somebody has registered over it.
    pub is_known: bool,
}

/// As what a message was let in.
#[derive(Clone, Copy, Debug)]
pub enum LetIn {
    /// As one of somebody known or not. A request over UDP may come again, and is known then by its mark.
    As(Asker, Option<Mark>),
    /// As a copy of one that is served already.
    Again,
}

impl LetIn {
    /// For another request, which was let in as that one.
    #[must_use]
    pub fn without_mark(self) -> Self {
        match self {
            LetIn::As(asker, _) => LetIn::As(asker, None),
            LetIn::Again => LetIn::Again,
        }
    }

    /// Whether it is no copy.
    pub fn is_new(self) -> bool {
        matches!(self, LetIn::As(..))
    }
}

/// What becomes of a message that is not taken.
#[derive(Clone, Copy, Debug)]
pub enum Stopped {
    /// It holds too much of something.
    Misshapen(Misshapen),
    /// 503, and the seconds after which it may come again.
    Later(u64),
    /// Its flow has to end.
    Close(FlowClosed),
}

impl Gate {
    /// Of a node with these limits.
    pub fn new(limits: &Limits, next_hops: &NextHops) -> Self {
        let by_address = || Addresses::new((rand::random(), rand::random()));
        Self {
            started: Instant::now(),
            shape: Shape {
                headers: limits.max_headers,
                header_length: limits.max_header_length,
                vias: limits.max_vias,
                routes: limits.max_routes,
            },
            patience: Patience { first: limits.first_message, idle: limits.idle_timeout },
            trusted: next_hops.all().map(|next| next.address.ip()).collect(),
            registers: Rate::per_second(limits.registers_per_second),
            registers_of_address: Rate::per_second(limits.registers_per_address),
            messages_of_flow: Rate::per_second(limits.messages_per_flow),
            refreshes_of_flow: Rate::per_second(REFRESHES_PER_FLOW),
            datagrams_of_address: Rate::per_second(limits.datagrams_per_address),
            stun_of_address: Rate::per_second(limits.stun_per_address),
            all_registers: Shared::default(),
            turns: Turns::default(),
            registers_by_address: by_address(),
            datagrams_by_address: by_address(),
            stun_by_address: by_address(),
        }
    }

    /// Whether nothing is limited that comes from this address.
    pub fn trusts(&self, from: IpAddr) -> bool {
        self.trusted.contains(&from)
    }

    /// Whether a datagram with SIP is read.
    pub fn admits_datagram(&self, from: IpAddr) -> bool {
        admits(&self.datagrams_by_address, self.datagrams_of_address, from, self.now()) || self.trusts(from)
    }

    /// Whether a datagram with STUN is answered.
    pub fn admits_stun(&self, from: IpAddr) -> bool {
        admits(&self.stun_by_address, self.stun_of_address, from, self.now())
    }

    /// Whether one more message of a flow is taken.
    fn message(&self, standing: &mut Standing, from: IpAddr) -> Result<(), Full> {
        self.messages(standing, from, 1)
    }

    fn messages(&self, standing: &mut Standing, from: IpAddr, count: usize) -> Result<(), Full> {
        let Some(rate) = self.messages_of_flow else { return Ok(()) };
        let taken = standing.messages.take_several(rate, self.now(), count as u64);
        if self.trusts(from) { Ok(()) } else { taken }
    }

    /// Whether one more REGISTER over a flow may be a refresh. Who has more is registering others.
    fn refresh(&self, standing: &mut Standing) -> Result<(), Full> {
        self.refreshes_of_flow.map_or(Ok(()), |rate| standing.refreshes.take(rate, self.now()))
    }

    /// Whether an address may send one more REGISTER; otherwise in how many seconds it may come again.
    fn register_of_address(&self, from: IpAddr, asker: Asker) -> Result<(), u64> {
        match self.registers_of_address {
            Some(rate)
                if asker == Asker::Stranger
                    && !self.trusts(from)
                    && !self.registers_by_address.take(from, rate, self.now()) =>
            {
                Err(self.turns.retry_after(self.registers.unwrap_or(rate), self.now(), rand::random()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the node may serve one more REGISTER; otherwise in how many seconds it may come again.
    fn register(&self, asker: Asker) -> Result<(), u64> {
        match self.registers {
            Some(rate) if !self.all_registers.take(rate, self.now(), asker) => {
                Err(self.turns.retry_after(rate, self.now(), rand::random()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// In how many seconds what was shed may come again.
    fn after_overload(&self, is_register: bool) -> u64 {
        match self.registers.filter(|_| is_register) {
            Some(rate) => self.turns.retry_after(rate, self.now(), rand::random()),
            None => rand::random_range(AFTER_OVERLOAD),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

fn admits(addresses: &Addresses, rate: Option<Rate>, from: IpAddr, now: Duration) -> bool {
    rate.is_none_or(|rate| addresses.take(from, rate, now))
}

/// Whether a request is the first of its kind, and does not belong to something that is under way.
fn starts_something(request: &Message) -> bool {
    let has_tag = || request.first(Name::To).and_then(|to| Address::parse(to).ok()?.params.get("tag"));
    !matches!(request.method(), Method::Ack | Method::Cancel) && has_tag().is_none()
}

impl Worker {
    /// Whether a flow may go on that brought so many pings. Each was answered, and counts as a message.
    pub fn admit_pings(&self, count: usize, source: Source, standing: &mut Standing) -> Result<(), Stopped> {
        match self.node.gate.messages(standing, source.ip(), count) {
            Err(Full::Flood) => Err(Stopped::Close(FlowClosed::Flood)),
            Err(Full::Over) | Ok(()) => Ok(()),
        }
    }

    /// Whether a message that came over a connection is taken, and as whose.
    pub fn admit_over_stream(
        &self,
        message: &Message,
        source: Source,
        standing: &mut Standing,
    ) -> Result<LetIn, Stopped> {
        match self.node.gate.message(standing, source.ip()) {
            Err(Full::Flood) => return Err(Stopped::Close(FlowClosed::Flood)),
            // Nobody sends a response again over a stream.
            Err(Full::Over) if message.is_request() => {
                self.node.refuse(Refused::MessageRate, source.flow.remote);
                return Err(Stopped::Later(self.node.retry_after()));
            }
            Err(Full::Over) | Ok(()) => {}
        }
        let is_known = standing.is_known
            && (message.method() != Method::Register || self.node.gate.refresh(standing).is_ok());
        self.admit(message, source, is_known)
    }

    /// Whether a message is taken that came over a flow over which `is_known` has registered, and as whose.
    pub fn admit(&self, message: &Message, source: Source, is_known: bool) -> Result<LetIn, Stopped> {
        let mark = self.mark(message, source);
        if self.is_served(mark) {
            return Ok(LetIn::Again);
        }
        self.admit_shape(message, source)?;
        let asker = if is_known { Asker::Known } else { Asker::Stranger };
        if !message.is_request() {
            return Ok(LetIn::As(asker, None));
        }
        let is_register = message.method() == Method::Register;
        if is_register && let Err(retry_after) = self.node.gate.register_of_address(source.ip(), asker) {
            self.node.refuse(Refused::RegisterRateOfAddress, source.flow.remote);
            return Err(Stopped::Later(retry_after));
        }
        // Others than REGISTERs are strangers: a flow that is known can wait for its call, and cannot for its binding.
        self.shed(message, source, if is_register { asker } else { Asker::Stranger })?;
        Ok(LetIn::As(asker, mark))
    }

    /// Whether a message is taken that came over a flow to another provider. It has no rate: the operator has chosen it.
    pub fn admit_upstream(&self, message: &Message, source: Source) -> Result<LetIn, Stopped> {
        let mark = self.mark(message, source);
        if self.is_served(mark) {
            return Ok(LetIn::Again);
        }
        self.admit_shape(message, source)?;
        if message.is_request() {
            self.shed(message, source, Asker::Stranger)?;
        }
        Ok(LetIn::As(Asker::Stranger, mark))
    }

    fn admit_shape(&self, message: &Message, source: Source) -> Result<(), Stopped> {
        message.check_shape(&self.node.gate.shape).map_err(|misshapen| {
            self.node.refuse(Refused::from(misshapen), source.flow.remote);
            Stopped::Misshapen(misshapen)
        })
    }

    fn shed(&self, request: &Message, source: Source, asker: Asker) -> Result<(), Stopped> {
        if !self.load().sheds(asker) || !starts_something(request) {
            return Ok(());
        }
        self.node.refuse(Refused::Overload, source.flow.remote);
        Err(Stopped::Later(self.node.gate.after_overload(request.method() == Method::Register)))
    }

    /// What a request is known by when it comes again, where it may: its transaction answers it then.
    fn mark(&self, message: &Message, source: Source) -> Option<Mark> {
        if source.transport.is_reliable() || !message.is_request() {
            return None;
        }
        match message.method() {
            Method::Cancel => None,
            Method::Ack => {
                self.repeats.borrow_mut().acked(self.node.clock.now(), message, source.flow.remote);
                None
            }
            _ => Some(self.repeats.borrow().mark(message, source.flow.remote)),
        }
    }

    fn is_served(&self, mark: Option<Mark>) -> bool {
        mark.is_some_and(|mark| self.repeats.borrow().has(self.node.clock.now(), mark))
    }

    /// An ACK has come to an answer that was made here: whoever captured its request cannot have it served for it.
    pub fn forget_repeats(&self, ack: &Message, source: Source) {
        if let Some(authenticator) = self.authenticator.as_ref().filter(|_| !source.transport.is_reliable()) {
            let now = self.node.clock.now();
            authenticator.borrow_mut().repeats.acked(now, ack, source.flow.remote);
        }
    }

    /// A request has got as far as its transaction.
    pub fn was_served(&self, let_in: LetIn) {
        if let LetIn::As(_, Some(mark)) = let_in {
            self.repeats.borrow_mut().add(self.node.clock.now(), mark);
        }
    }

    /// Whether a REGISTER is served, whose sender has proved who it is where that is asked for.
    pub fn admit_register(&self, source: Source, asker: Asker) -> Result<(), Stopped> {
        self.node.gate.register(asker).map_err(|retry_after| {
            self.node.refuse(Refused::RegisterRate, source.flow.remote);
            Stopped::Later(retry_after)
        })
    }

    /// The answer to a request that is not taken.
    pub fn turn_away(&self, request: &Message, source: Source, stopped: Stopped) -> Option<Reply> {
        match stopped {
            Stopped::Misshapen(misshapen) => {
                let (status, reason) = misshapen.status();
                self.answer(request, source, status, reason)
            }
            Stopped::Later(seconds) => self.unavailable(request, source, Some(seconds)),
            Stopped::Close(_) => None,
        }
    }
}

impl From<Misshapen> for Refused {
    fn from(misshapen: Misshapen) -> Self {
        match misshapen {
            Misshapen::Headers => Self::MaxHeaders,
            Misshapen::HeaderLength => Self::MaxHeaderLength,
            Misshapen::Vias => Self::MaxVias,
            Misshapen::Routes => Self::MaxRoutes,
        }
    }
}
