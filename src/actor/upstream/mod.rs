//! The registration with another provider: its flows are opened, registered over, kept alive and formed anew, as
//! [`proto::recovery`](crate::proto::recovery) says.
//!
//! ```text
//!   Recovery: Connect ──> dialed ──> a Connection, which the proxies know before its first REGISTER leaves
//!             Send, Ping ──> over the connection           Registered ──> requests may go out over it
//!             Close ──> the connection closes              Tell ──> the log and the counters
//!   the Connection: responses to REGISTER, pongs, its end ──> Recovery      requests, other responses ──> the proxy
//! ```
//!
//! - `dial`: opens a flow
//! - `socket`: a flow over UDP
//! - `settings`: from the configuration to what the registration goes by
//! - `tell`: what happens, for the log and the counters

mod dial;
mod settings;
mod socket;
mod tell;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use actix::prelude::*;
use flowhold_cluster::flow::Flow;
use tokio::sync::oneshot;

use self::dial::{Opened, dial};
use self::tell::Teller;
use super::flows::Undelivered;
use super::message::{Close, Deliver, Heard, Unregister, UpstreamChanged, UpstreamHeard};
use super::worker::Worker;
use crate::metrics::FlowClosed;
use crate::proto::recovery::{Action, Event, Recovery, Why};
use crate::sip::Wire;
use crate::ua::resolver::System;

pub use settings::{proxy, recovery};

/// The actor of one upstream.
struct Upstream {
    /// Its place in the configuration.
    place: usize,
    recovery: Recovery,
    /// By reg-id.
    flows: BTreeMap<u32, State>,
    /// How often each flow was formed, so that each attempt begins with another of its proxy's addresses.
    attempts: BTreeMap<u32, usize>,
    /// Set while there is a deadline.
    timer: Option<SpawnHandle>,
    dns: Rc<System>,
    teller: Teller,
    worker: Rc<Worker>,
    /// Who hears of its flows: the proxies of all workers.
    proxies: Vec<Recipient<UpstreamChanged>>,
    /// Who waits for its end.
    waits: Option<oneshot::Sender<()>>,
}

enum State {
    Connecting(SpawnHandle),
    Open { flow: Flow, close: Recipient<Close> },
}

/// Starts those upstreams that are this thread's worker's part.
pub fn start(worker: &Rc<Worker>, proxies: &[Recipient<UpstreamChanged>]) -> Vec<Recipient<Unregister>> {
    let node = &worker.node;
    let workers = usize::from(node.config.node.worker_count());
    let own = (0..).zip(&node.config.upstream);
    let own = own.filter(|(place, _)| place % workers == usize::from(worker.index));
    let mut dns = None;
    let mut started = Vec::new();
    for (place, upstream) in own {
        let recovery = Recovery::new(settings::recovery(&node.config, upstream), rand::random());
        let dns = Rc::clone(dns.get_or_insert_with(|| Rc::new(System::configured())));
        let teller = Teller::new(upstream, node);
        let actor = Upstream {
            place,
            recovery,
            flows: BTreeMap::new(),
            attempts: BTreeMap::new(),
            timer: None,
            dns,
            teller,
            worker: Rc::clone(worker),
            proxies: proxies.to_vec(),
            waits: None,
        };
        started.push(actor.start().recipient());
    }
    started
}

impl Upstream {
    /// Carries out what the registration asks for.
    fn carry_out(&mut self, ctx: &mut Context<Self>) {
        while let Some(action) = self.recovery.poll() {
            match action {
                Action::Connect { reg_id } => self.connect(reg_id, ctx),
                Action::Send { reg_id, wire } => self.send(reg_id, wire),
                Action::Ping { reg_id, octets } => {
                    self.teller.ping(reg_id);
                    self.send(reg_id, Wire::from(bytes::Bytes::copy_from_slice(&octets)));
                }
                Action::Close { reg_id } => self.close(reg_id, ctx),
                Action::Tell { reg_id, event } => {
                    if let Event::Registered { .. } = event {
                        self.registered(reg_id);
                    }
                    self.teller.tell(reg_id, &event);
                }
            }
        }
        if self.recovery.is_down()
            && let Some(waits) = self.waits.take()
        {
            let _ = waits.send(());
        }
        self.arm(ctx);
    }

    fn connect(&mut self, reg_id: u32, ctx: &mut Context<Self>) {
        self.teller.connecting(reg_id);
        let attempt = self.attempts.entry(reg_id).or_default();
        let place = usize::try_from(reg_id).expect("a small number") - 1;
        let proxy = self.recovery.settings().proxies[place].clone();
        let over = (proxy, *attempt, self.recovery.settings().profile);
        *attempt = attempt.wrapping_add(1);
        let (dns, worker) = (Rc::clone(&self.dns), Rc::clone(&self.worker));
        let owner = ctx.address().recipient();
        let dialed = async move { dial(over, &dns, owner, worker).await }.into_actor(self);
        let handle = ctx.spawn(dialed.map(move |dialed, upstream, ctx| {
            match dialed {
                Ok(opened) => upstream.opened(reg_id, opened),
                Err(reason) => {
                    upstream.flows.remove(&reg_id);
                    upstream.recovery.lost(Instant::now(), reg_id, Why::Unreachable(reason));
                }
            }
            upstream.carry_out(ctx);
        }));
        self.flows.insert(reg_id, State::Connecting(handle));
    }

    fn opened(&mut self, reg_id: u32, Opened { link, flow, close }: Opened) {
        self.teller.opened(reg_id, flow);
        self.flows.insert(reg_id, State::Open { flow: flow.flow, close });
        // Before the REGISTER leaves, whose answer may have a request right behind it.
        self.say(&UpstreamChanged::Opened { upstream: self.place, flow });
        self.recovery.connected(Instant::now(), reg_id, link);
    }

    fn registered(&self, reg_id: u32) {
        if let Some(State::Open { flow, .. }) = self.flows.get(&reg_id) {
            let route = self.recovery.settings().route(reg_id).into_bytes().into();
            self.say(&UpstreamChanged::Registered { flow: *flow, reg_id, route });
        }
    }

    fn send(&mut self, reg_id: u32, wire: Wire) {
        let Some(State::Open { flow, .. }) = self.flows.get(&reg_id) else { return };
        let why = match self.worker.node.flows.deliver(Deliver { flow: *flow, wire, assign: None }) {
            Ok(()) => return,
            Err(Undelivered::Gone) => Why::Closed,
            Err(full @ Undelivered::Full) => Why::Broken(full.to_string()),
        };
        self.recovery.lost(Instant::now(), reg_id, why);
    }

    fn close(&mut self, reg_id: u32, ctx: &mut Context<Self>) {
        match self.flows.remove(&reg_id) {
            Some(State::Connecting(handle)) => _ = ctx.cancel_future(handle),
            Some(State::Open { flow, close }) => {
                self.say(&UpstreamChanged::Closed(flow));
                close.do_send(Close(FlowClosed::Released));
            }
            None => {}
        }
    }

    /// Tells all proxies.
    fn say(&self, change: &UpstreamChanged) {
        for proxy in &self.proxies {
            // Not `try_send`, for the reason that `Worker::flow_failed` gives.
            proxy.do_send(change.clone());
        }
    }

    /// The reg-id of a flow that is open.
    fn reg_id_of(&self, flow: Flow) -> Option<u32> {
        let is_it = |state: &State| matches!(state, State::Open { flow: open, .. } if *open == flow);
        self.flows.iter().find(|(_, state)| is_it(state)).map(|(reg_id, _)| *reg_id)
    }

    /// Has the registration asked again at its next deadline. Armed anew after whatever may have moved that: a future of the
    /// context's own would not be polled again when a dialed connection is what did.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = self.recovery.deadline().map(|deadline| {
            ctx.run_later(deadline.saturating_duration_since(Instant::now()), |upstream, ctx| {
                upstream.timer = None;
                upstream.recovery.expire(Instant::now());
                upstream.carry_out(ctx);
            })
        });
    }
}

impl Actor for Upstream {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.recovery.start(Instant::now());
        self.carry_out(ctx);
    }
}

impl Handler<UpstreamHeard> for Upstream {
    type Result = ();

    fn handle(&mut self, UpstreamHeard { flow, heard }: UpstreamHeard, ctx: &mut Self::Context) {
        // Of a flow that is no more.
        let Some(reg_id) = self.reg_id_of(flow) else { return };
        let now = Instant::now();
        match heard {
            Heard::Response(response) => _ = self.recovery.response(now, reg_id, &response),
            Heard::Pong => self.recovery.pong(now, reg_id),
            Heard::Stun(response) => self.recovery.stun_response(now, reg_id, &response),
            Heard::Lost(reason) => {
                self.flows.remove(&reg_id);
                self.say(&UpstreamChanged::Closed(flow));
                let why = match reason {
                    FlowClosed::PeerClosed => Why::Closed,
                    other => Why::Broken(other.as_str().to_owned()),
                };
                self.recovery.lost(now, reg_id, why);
            }
        }
        self.carry_out(ctx);
    }
}

impl Handler<Unregister> for Upstream {
    type Result = ();

    fn handle(&mut self, Unregister(waits): Unregister, ctx: &mut Self::Context) {
        self.waits = Some(waits);
        self.recovery.stop(Instant::now());
        self.carry_out(ctx);
    }
}
