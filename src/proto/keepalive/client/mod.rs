//! Keep-alive of a flow at the client that opened it (RFC 5626 §4.4).
//!
//! ```text
//!             registered(..), fixed(..)                     deadline: ping, drawn interval
//!   +------+ ------------------------> +---------+ -----------------------------------------> +---------+
//!   | Idle |                           | Waiting |                                            | Pinging | --+ ping
//!   +------+ <------------------------ +---------+ <----------------------------------------- +---------+ <-+
//!             stop()                                pong; or none is expected                      |
//!                                                                                                  | no pong in
//!                                                                                                  v time
//!                                                                                             flow failed
//! ```
//!
//! Whoever owns the flow arms one timer for [`Client::deadline`] and asks [`Client::expire`] when it fires. Over a
//! stream a ping is CRLFCRLF and a pong CRLF; over UDP they are a STUN Binding request, sent again as STUN does it, and
//! its response. After a failure there is nothing more to ask: the flow is closed.

mod binding;
mod pace;
#[cfg(test)]
mod tests;

use binding::Binding;
pub use pace::{Means, Pace};

use crate::proto::random::between;
use crate::sip::stun;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What the successful response to a REGISTER over this flow said of keep-alives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its Flow-Timer, if it has one.
    pub flow_timer: Option<Duration>,
    /// Whether `outbound` is in its Require: the other side answers pings.
    pub outbound_required: bool,
}

/// What [`Client::expire`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A ping is to be sent now.
    Ping(Ping),
    /// The flow has failed.
    Failed(Failure),
    /// Not yet: arm the timer for this instant.
    NotBefore(Instant),
    /// No keep-alive is in use.
    Idle,
}

/// A ping to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// The double CRLF, between two messages of a stream.
    Crlf,
    /// A Binding request with this transaction id.
    Stun([u8; 12]),
}

/// Why a flow has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A ping was not answered in time.
    #[error("no pong")]
    NoPong,
    /// A Binding request was answered with an error.
    #[error("STUN error {0}")]
    StunError(u16),
    /// The other side sees us at another address than before.
    #[error("the mapped address changed from {was} to {is}")]
    Moved {
        /// The address that it saw first.
        was: SocketAddr,
        /// The address that it sees now.
        is: SocketAddr,
    },
}

/// A pong that answers a ping of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// From the ping to its pong.
    pub round_trip: Duration,
}

/// The client's side of one flow's keep-alive.
#[derive(Clone, Debug)]
pub struct Client {
    pace: Pace,
    /// From one ping to the next, shortest and longest; `None`: no keep-alive is in use.
    interval: Option<(Duration, Duration)>,
    is_pong_expected: bool,
    next_ping: Option<Instant>,
    /// When each ping left that has no pong yet, the oldest first. Only over streams.
    unanswered: VecDeque<Instant>,
    /// The Binding request that has no response yet. Only over UDP.
    binding: Option<Binding>,
    mapped: Option<SocketAddr>,
    has_answered: bool,
}

impl Client {
    /// For a flow that is yet to be registered over: no keep-alive.
    pub fn new(pace: Pace) -> Client {
        Client {
            pace,
            interval: None,
            is_pong_expected: false,
            next_ping: None,
            unanswered: VecDeque::new(),
            binding: None,
            mapped: None,
            has_answered: false,
        }
    }

    /// For a stream to a peer that is known to answer: a ping every `every` from now on, and its pong `within`.
    pub fn fixed(now: Instant, every: Duration, within: Duration) -> Client {
        let mut client = Client::new(Pace { pong_within: within, ..Pace::STREAM });
        client.interval = Some((every, every));
        client.is_pong_expected = true;
        client.next_ping = Some(now + every);
        client
    }

    /// A REGISTER over this flow was answered with success; `random` is uniform.
    pub fn registered(&mut self, now: Instant, registered: Registered, random: u128) {
        let Registered { flow_timer, outbound_required } = registered;
        // RFC 5626 §4.4: without `outbound` in Require no pong can be expected, and STUN may not be sent unless there is
        // an explicit indication of another kind. A double CRLF may always be sent.
        self.is_pong_expected = outbound_required || self.pace.is_supported_by_peer;
        if !self.is_pong_expected {
            self.unanswered.clear();
            self.binding = None;
            if self.pace.means != Means::Crlf {
                self.stop();
                return;
            }
        }
        let interval = match flow_timer {
            // RFC 5626 §4.4: the interval is randomly distributed between 80 % and 100 % of Flow-Timer.
            Some(flow_timer) if !flow_timer.is_zero() => (flow_timer * 4 / 5, flow_timer),
            // RFC 5626 §4.4: without Flow-Timer the UA pings at its own discretion.
            _ => self.pace.discretion,
        };
        self.interval = Some(interval);
        // A refresh puts no ping off that is due already, or the interval would be longer than it may be.
        let drawn = now + between(interval.0, interval.1, interval_of(random));
        self.next_ping = Some(self.next_ping.map_or(drawn, |next| next.min(drawn)));
    }

    /// The flow is no longer registered over: no keep-alive.
    pub fn stop(&mut self) {
        let kept = Client { mapped: self.mapped, has_answered: self.has_answered, ..Client::new(self.pace) };
        *self = kept;
    }

    /// When to ask [`Client::expire`]; `None`: not at all.
    pub fn deadline(&self) -> Option<Instant> {
        let pong_due = self.unanswered.front().map(|sent| *sent + self.pace.pong_within);
        match &self.binding {
            // A request that is sent again and again keeps the flow alive by itself.
            Some(binding) => Some(binding.deadline(self.pace.rto)),
            None => self.next_ping.into_iter().chain(pong_due).min(),
        }
    }

    /// The timer for [`Client::deadline`] fired, and what had arrived by then has been handed in; `random` is uniform.
    pub fn expire(&mut self, now: Instant, random: u128) -> Due {
        match self.deadline() {
            None => return Due::Idle,
            Some(deadline) if now < deadline => return Due::NotBefore(deadline),
            Some(_) => {}
        }
        if let Some(binding) = &mut self.binding {
            return match binding.again(now) {
                Some(transaction) => Due::Ping(Ping::Stun(transaction)),
                // RFC 5626 §4.4.2: no response after all transmissions is a failed flow.
                None => Due::Failed(Failure::NoPong),
            };
        }
        // RFC 5626 §4.4.1: no pong in 10 seconds after a ping is a failed flow.
        if self.unanswered.front().is_some_and(|sent| *sent + self.pace.pong_within <= now) {
            return Due::Failed(Failure::NoPong);
        }
        self.ping(now, random)
    }

    /// A CRLF arrived over the stream. `None`: it answers no ping.
    pub fn pong(&mut self, now: Instant) -> Option<Pong> {
        // A stream keeps the order, so the first pong answers the first ping.
        let sent = self.unanswered.pop_front()?;
        self.has_answered = true;
        Some(Pong { round_trip: now.saturating_duration_since(sent) })
    }

    /// A STUN response arrived over the flow. `Ok(None)`: it answers no ping.
    pub fn stun_response(
        &mut self,
        now: Instant,
        response: &stun::BindingResponse,
    ) -> Result<Option<Pong>, Failure> {
        let Some(binding) = self.binding.take_if(|binding| binding.transaction == response.transaction)
        else {
            return Ok(None);
        };
        let mapped = response.outcome.map_err(Failure::StunError)?;
        let was = *self.mapped.get_or_insert(mapped);
        if was != mapped {
            // RFC 5626 §4.4.2: a changed XOR-MAPPED-ADDRESS is a failed flow.
            return Err(Failure::Moved { was, is: mapped });
        }
        self.has_answered = true;
        self.next_ping = Some(binding.last_sent + binding.interval);
        Ok(Some(Pong { round_trip: now.saturating_duration_since(binding.first_sent) }))
    }

    /// Whether a pong has come since the flow was made. RFC 5626 §4.5: only then was the flow a success.
    pub fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether pings are sent that have to be answered.
    pub fn is_pong_expected(&self) -> bool {
        self.interval.is_some() && self.is_pong_expected
    }

    fn ping(&mut self, now: Instant, random: u128) -> Due {
        let Some((shortest, longest)) = self.interval else { return Due::Idle };
        let interval = between(shortest, longest, interval_of(random));
        self.next_ping = Some(now + interval);
        match self.pace.means {
            Means::Crlf => {
                if self.is_pong_expected {
                    self.unanswered.push_back(now);
                }
                Due::Ping(Ping::Crlf)
            }
            Means::Stun | Means::StunOverStream => {
                let transaction = transaction_of(random);
                let is_reliable = self.pace.means == Means::StunOverStream;
                self.binding = Some(Binding::new((now, is_reliable), transaction, interval));
                Due::Ping(Ping::Stun(transaction))
            }
        }
    }
}

impl Ping {
    /// What goes over the flow.
    pub fn octets(&self) -> stun::Octets {
        match self {
            Ping::Crlf => stun::Octets::from_slice(b"\r\n\r\n"),
            Ping::Stun(transaction) => stun::binding_request(*transaction),
        }
    }
}

/// The part of a random number that an interval is drawn by.
fn interval_of(random: u128) -> u32 {
    u32::try_from(random & u128::from(u32::MAX)).expect("32 bits")
}

/// The part of a random number that names a transaction: the other 96 bits.
fn transaction_of(random: u128) -> [u8; 12] {
    let mut transaction = [0; 12];
    transaction.copy_from_slice(&random.to_be_bytes()[..12]);
    transaction
}
