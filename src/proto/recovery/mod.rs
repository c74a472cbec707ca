//! A UA's several flows: each formed, registered over, kept alive, and formed anew when it fails. RFC 5626 §§4.2 to 4.5.
//!
//! ```text
//!             start                    connected: REGISTER                 2xx
//!   +------+ -------> +------------+ ----------------------> +-------------+ ----> +----+ --+ refresh: REGISTER, ping,
//!   | Down |          | Connecting |                         | Registering |       | Up | <-+ and pong over the same flow
//!   +------+          +------------+                         +-------------+       +----+
//!       ^                ^       | failed                     3xx-6xx, |              | closed, no pong,
//!       | removed        |       v                           no answer v              v refused for good
//!   +----------+         |     +-----------------------------------------------------------+
//!   | Removing |         +-----| Waiting: 50 to 100 % of min(max, base * 2^failures)       |
//!   +----------+   time over   +-----------------------------------------------------------+
//!       ^
//!       | stop: REGISTER with Expires 0
//! ```
//!
//! The owner opens connections, hands in what arrives over them, arms one timer for [`Recovery::deadline`], and carries
//! out what [`Recovery::poll`] says until it says `None`. A flow is known by its reg-id, which is the place of its proxy
//! in the outbound-proxy-set and never changes.

mod back_off;
mod flow;
mod registration;
mod settings;
#[cfg(test)]
mod tests;

use flow::{Flow, Shared};

pub use back_off::BackOff;
pub use registration::{Refused, Registered};
pub use settings::{Link, Settings};

use crate::proto::keepalive::client::Failure;
use crate::sip::{Message, Wire, stun};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What to do for a flow.
#[derive(Clone, Debug)]
pub enum Action {
    /// Open a connection or a socket towards the proxy of this reg-id, by a new look at DNS, and say
    /// [`Recovery::connected`] or [`Recovery::lost`].
    Connect {
        /// Which flow.
        reg_id: u32,
    },
    /// Send a REGISTER.
    Send {
        /// Which flow.
        reg_id: u32,
        /// The message.
        wire: Wire,
    },
    /// Send a ping.
    Ping {
        /// Which flow.
        reg_id: u32,
        /// A double CRLF or a STUN request.
        octets: stun::Octets,
    },
    /// Close what was opened; it is not reported as lost.
    Close {
        /// Which flow.
        reg_id: u32,
    },
    /// Something that people and scripts may want to know.
    Tell {
        /// Which flow.
        reg_id: u32,
        /// What happened.
        event: Event,
    },
}

/// What happened to a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The registrar has the binding.
    Registered {
        /// What it said.
        registered: Registered,
        /// Whether it had it before.
        is_refresh: bool,
    },
    /// A ping was answered.
    Pong {
        /// In this time.
        round_trip: Duration,
    },
    /// A refresh was refused, but the flow stays.
    Refused {
        /// By what.
        refused: Refused,
        /// When the next one is sent.
        retry_in: Duration,
    },
    /// The flow has failed, or could not be formed.
    Failed {
        /// Why.
        why: Why,
        /// How often in a row it could not be formed.
        failures: u32,
        /// When it is formed anew.
        retry_in: Duration,
    },
    /// The binding is removed, as far as that could be done, and the flow closed.
    Removed,
}

/// Why a flow has failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Why {
    /// No address for the proxy, or nobody there.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The connection is gone.
    #[error("connection closed")]
    Closed,
    /// The connection broke.
    #[error("connection broken: {0}")]
    Broken(String),
    /// The keep-alive says so.
    #[error(transparent)]
    KeepAlive(Failure),
    /// A REGISTER had no answer.
    #[error("no answer to REGISTER")]
    NoAnswer,
    /// A REGISTER was refused.
    #[error("REGISTER refused: {} {}", .0.status, .0.reason)]
    Refused(Refused),
}

/// All flows of a UA.
#[derive(Debug)]
pub struct Recovery {
    settings: Settings,
    flows: Vec<Flow>,
    random: StdRng,
    actions: VecDeque<Action>,
}

impl Recovery {
    /// `seed` is random.
    pub fn new(settings: Settings, seed: [u8; 32]) -> Recovery {
        let mut random = StdRng::from_seed(seed);
        // RFC 5626 §4.2.1: the same sequence of reg-ids each time the UA starts.
        let count = u32::try_from(settings.proxies.len()).expect("a handful of flows");
        let flow = |reg_id| Flow::new(&settings, reg_id, random.random());
        let flows = (1..=count).map(flow).collect();
        Recovery { settings, flows, random, actions: VecDeque::new() }
    }

    /// What it goes by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every flow is wanted.
    pub fn start(&mut self, now: Instant) {
        for reg_id in self.reg_ids() {
            self.with(now, reg_id, Flow::start);
        }
    }

    /// The bindings are to be removed and the flows closed.
    pub fn stop(&mut self, now: Instant) {
        for reg_id in self.reg_ids() {
            self.with(now, reg_id, Flow::stop);
        }
    }

    /// The connection that [`Action::Connect`] asked for is open.
    pub fn connected(&mut self, now: Instant, reg_id: u32, link: Link) {
        self.with(now, reg_id, |flow, shared| flow.connected(link, shared));
    }

    /// The connection could not be opened, or is gone.
    pub fn lost(&mut self, now: Instant, reg_id: u32, why: Why) {
        self.with(now, reg_id, |flow, shared| flow.lost(why, shared));
    }

    /// A response arrived; `false`: it is to no REGISTER of that flow.
    pub fn response(&mut self, now: Instant, reg_id: u32, response: &Message) -> bool {
        self.with(now, reg_id, |flow, shared| flow.response(response, shared)).unwrap_or(false)
    }

    /// A CRLF arrived between messages.
    pub fn pong(&mut self, now: Instant, reg_id: u32) {
        self.with(now, reg_id, Flow::pong);
    }

    /// A STUN response arrived.
    pub fn stun_response(&mut self, now: Instant, reg_id: u32, response: &stun::BindingResponse) {
        self.with(now, reg_id, |flow, shared| flow.stun_response(response, shared));
    }

    /// When to ask [`Recovery::expire`].
    pub fn deadline(&self) -> Option<Instant> {
        self.flows.iter().filter_map(Flow::deadline).min()
    }

    /// The timer for [`Recovery::deadline`] fired, and what had arrived by then has been handed in.
    pub fn expire(&mut self, now: Instant) {
        for reg_id in self.reg_ids() {
            self.with(now, reg_id, Flow::expire);
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The reg-ids of the flows that requests may go over, in order.
    pub fn up(&self) -> impl Iterator<Item = u32> {
        self.reg_ids().filter(|reg_id| self.flow(*reg_id).is_some_and(Flow::is_up))
    }

    /// The ends of a flow, while it has some.
    pub fn link(&self, reg_id: u32) -> Option<Link> {
        self.flow(reg_id).and_then(Flow::link)
    }

    /// Whether no flow is wanted and nothing of any is left.
    pub fn is_down(&self) -> bool {
        self.flows.iter().all(Flow::is_down)
    }

    /// Every reg-id, in order.
    pub fn reg_ids(&self) -> impl Iterator<Item = u32> + use<> {
        1..=u32::try_from(self.flows.len()).expect("a handful of flows")
    }

    fn flow(&self, reg_id: u32) -> Option<&Flow> {
        self.flows.get(position(reg_id)?)
    }

    fn with<T>(
        &mut self,
        now: Instant,
        reg_id: u32,
        act: impl FnOnce(&mut Flow, &mut Shared<'_>) -> T,
    ) -> Option<T> {
        let is_another_up = self.up().any(|up| up != reg_id);
        let Recovery { settings, flows, random, actions } = self;
        let flow = flows.get_mut(position(reg_id)?)?;
        Some(act(flow, &mut Shared { now, settings, random, actions, is_another_up }))
    }
}

/// Where the flow of this reg-id stands in the list.
fn position(reg_id: u32) -> Option<usize> {
    usize::try_from(reg_id.checked_sub(1)?).ok()
}
