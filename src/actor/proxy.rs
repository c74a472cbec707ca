//! The proxy of one worker: hands requests and responses to [`proto::proxy`](crate::proto::proxy), and carries out
//! what that returns.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use actix::prelude::*;
use flowhold_cluster::binding::Aor;
use flowhold_cluster::flow::Flow;
use flowhold_cluster::location::{Known, Unavailable};
use futures_util::FutureExt;
use tokio::time::Sleep;
use tracing::info;

use super::flows::Undelivered;
use super::load::Turn;
use super::message::{
    AskUnderWay, Deliver, FlowFailed, Forward, Inbound, LinkChanged, NextHopFailed, Unforwarded,
    UpstreamChanged, WayOut,
};
use super::worker::Node;
use super::{event_count, event_log};
use crate::metrics::{Refused, Status, TransactionKind};
use crate::proto::Hop;
use crate::proto::keepalive::Assign;
use crate::proto::proxy::{About, Action, BranchId, ContextId, Counts, Event, Proxy as Core};
use crate::proto::slack::Slack;
use crate::sip::Wire;

/// The actor of one worker's proxy.
pub struct Proxy {
    core: Core,
    node: Arc<Node>,
    /// Its number.
    worker: usize,
    turn: Turn,
    /// What the core asked for and was not carried out yet.
    actions: Vec<Action>,
    /// An empty vector that `actions` changes places with, so that neither is allocated anew.
    batch: Vec<Action>,
    timer: Pin<Box<Sleep>>,
    /// Set before the first request comes.
    way_out: Option<Recipient<Forward>>,
    /// What the gauges of transactions show of this worker.
    shown: Counts,
}

/// How often the gauges of transactions follow.
const SHOW_EVERY: Duration = Duration::from_secs(1);

impl Proxy {
    /// Starts it on the arbiter of its worker.
    pub fn start_on(arbiter: &ArbiterHandle, worker: u16, core: Core, node: Arc<Node>) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(node.config.limits.proxy_mailbox);
            let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
            Self {
                core,
                node,
                worker: worker.into(),
                turn: Turn::default(),
                actions: Vec::new(),
                batch: Vec::new(),
                timer,
                way_out: None,
                shown: Counts::default(),
            }
        })
    }

    /// Carries out what the core asked for, and what it asks for in turn.
    fn carry_out(&mut self, ctx: &mut Context<Self>) {
        while !self.actions.is_empty() {
            let mut batch = std::mem::replace(&mut self.actions, std::mem::take(&mut self.batch));
            for action in batch.drain(..) {
                match action {
                    Action::Send { to, wire, assign, branch, .. } => self.send(to, wire, assign, branch),
                    Action::Lookup { context, aor } => self.look_up(context, aor, ctx),
                    Action::FlowDead { flow } => self.flow_dead(flow),
                    Action::BindingDead { aor, binding } => self.node.drop_binding(aor, binding),
                    Action::Note { event, about } => self.note(event, &about),
                }
            }
            // The end of a flow may bring thousands.
            batch.give_back();
            self.batch = batch;
        }
    }

    fn send(&mut self, to: Hop, wire: Wire, assign: Option<(Flow, Assign)>, branch: Option<BranchId>) {
        let to = match to {
            Hop::Flow(flow) => flow,
            Hop::Address(next) => return self.forward(Forward { to: next, wire, branch }),
        };
        let status = wire.status();
        let message = Deliver { flow: to, wire, assign };
        let flows = &self.node.flows;
        let handed_over = if status.is_some() { flows.answer(message) } else { flows.deliver(message) };
        match handed_over {
            Ok(()) => {
                if let Some(status) = status {
                    self.node.metrics.responses.inc(Status(status));
                }
            }
            Err(Undelivered::Gone) => {
                if branch.is_some() {
                    // A binding led here: its update crossed the flow's end.
                    self.node.drop_bindings(to, None);
                }
                self.core.flow_failed(Instant::now(), to, &mut self.actions);
            }
            Err(Undelivered::Full) => self.unforwarded(branch),
        }
    }

    fn forward(&mut self, forward: Forward) {
        let (to, branch) = (forward.to, forward.branch);
        let way_out = self.way_out.as_ref().expect("the way out is known before the first request comes");
        match way_out.try_send(forward) {
            Ok(()) => {}
            Err(SendError::Closed(_)) => self.core.next_hop_failed(Instant::now(), to, &mut self.actions),
            Err(SendError::Full(_)) => self.unforwarded(branch),
        }
    }

    fn unforwarded(&mut self, branch: Option<BranchId>) {
        self.node.metrics.refused.inc(Refused::MailboxFull);
        if let Some(branch) = branch {
            self.core.undeliverable(Instant::now(), branch, &mut self.actions);
        }
    }

    /// A UA that was silent on this flow has answered on another.
    fn flow_dead(&self, flow: Flow) {
        info!(flow = %flow.id, peer = %flow.remote, "silent while another flow of its UA brought an answer");
        self.node.drop_bindings(flow, None);
    }

    fn note(&self, event: Event, about: &About) {
        event_count::count(&self.node.metrics, event);
        event_log::proxy(event, about);
    }

    /// Has the gauges follow what the core holds.
    fn show_counts(&mut self) {
        let now = self.core.counts();
        let then = std::mem::replace(&mut self.shown, now);
        let gauges = [
            (TransactionKind::InviteServer, then.invite_server, now.invite_server),
            (TransactionKind::NonInviteServer, then.non_invite_server, now.non_invite_server),
            (TransactionKind::InviteClient, then.invite_client, now.invite_client),
            (TransactionKind::NonInviteClient, then.non_invite_client, now.non_invite_client),
        ];
        for (kind, then, now) in gauges {
            let change = i64::try_from(now).unwrap_or(i64::MAX) - i64::try_from(then).unwrap_or(i64::MAX);
            self.node.metrics.transactions.add(kind, change);
        }
    }

    fn look_up(&mut self, context: ContextId, aor: Aor, ctx: &mut Context<Self>) {
        let node = Arc::clone(&self.node);
        let mut lookup = Box::pin(async move { node.location.lookup(&aor, node.clock.now()).await });
        // A store in memory answers at once; one that is asked over the network has others served meanwhile.
        if let Some(known) = (&mut lookup).now_or_never() {
            self.core.found(Instant::now(), context, known, &mut self.actions);
            return;
        }
        ctx.spawn(LookingUp { lookup, context });
    }

    fn poll_timer(&mut self, ctx: &mut Context<Self>, cx: &mut task::Context<'_>) {
        while let Some(deadline) = self.core.deadline() {
            if self.timer.is_elapsed() || self.timer.deadline() > deadline.into() {
                self.timer.as_mut().reset(deadline.into());
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.core.expire(Instant::now(), &mut self.actions);
            self.carry_out(ctx);
        }
    }
}

impl Actor for Proxy {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Timers);
        ctx.run_interval(SHOW_EVERY, |proxy, _| proxy.show_counts());
    }
}

impl Handler<Inbound> for Proxy {
    type Result = ();

    fn handle(&mut self, Inbound { message, source, ticket }: Inbound, ctx: &mut Self::Context) {
        self.node.loads[self.worker].handle(ticket);
        self.turn.take(ctx);
        let now = Instant::now();
        if message.is_request() {
            self.core.request(now, message, source, &mut self.actions);
        } else {
            self.core.response(now, message, source, &mut self.actions);
        }
        self.carry_out(ctx);
    }
}

impl Handler<FlowFailed> for Proxy {
    type Result = ();

    fn handle(&mut self, FlowFailed(flow): FlowFailed, ctx: &mut Self::Context) {
        self.core.flow_failed(Instant::now(), flow, &mut self.actions);
        self.carry_out(ctx);
    }
}

impl Handler<AskUnderWay> for Proxy {
    type Result = MessageResult<AskUnderWay>;

    fn handle(&mut self, AskUnderWay(flows): AskUnderWay, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.core.under_way(Instant::now(), &flows))
    }
}

impl Handler<LinkChanged> for Proxy {
    type Result = ();

    fn handle(&mut self, change: LinkChanged, ctx: &mut Self::Context) {
        match change {
            LinkChanged::Up(peer) => self.core.link_up(*peer),
            LinkChanged::Down { node, link } => {
                self.core.link_down(&node, link.id);
                self.core.flow_failed(Instant::now(), link, &mut self.actions);
                self.carry_out(ctx);
            }
        }
    }
}

impl Handler<UpstreamChanged> for Proxy {
    type Result = ();

    fn handle(&mut self, change: UpstreamChanged, _: &mut Self::Context) {
        match change {
            UpstreamChanged::Opened { upstream, flow } => self.core.upstream_opened(upstream, flow),
            UpstreamChanged::Registered { flow, reg_id, route } => {
                self.core.upstream_registered(flow, reg_id, &route);
            }
            UpstreamChanged::Closed(flow) => self.core.upstream_closed(flow),
        }
    }
}

impl Handler<WayOut> for Proxy {
    type Result = ();

    fn handle(&mut self, WayOut(way_out): WayOut, _: &mut Self::Context) {
        self.way_out = Some(way_out);
    }
}

impl Handler<NextHopFailed> for Proxy {
    type Result = ();

    fn handle(&mut self, NextHopFailed(next): NextHopFailed, ctx: &mut Self::Context) {
        self.core.next_hop_failed(Instant::now(), next, &mut self.actions);
        self.carry_out(ctx);
    }
}

impl Handler<Unforwarded> for Proxy {
    type Result = ();

    fn handle(&mut self, Unforwarded(branch): Unforwarded, ctx: &mut Self::Context) {
        self.core.undeliverable(Instant::now(), branch, &mut self.actions);
        self.carry_out(ctx);
    }
}

/// A lookup that takes its time.
struct LookingUp<L> {
    lookup: Pin<Box<L>>,
    context: ContextId,
}

impl<L> ActorFuture<Proxy> for LookingUp<L>
where
    L: Future<Output = Result<Known, Unavailable>>,
{
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        proxy: &mut Proxy,
        ctx: &mut Context<Proxy>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        let known = task::ready!(self.lookup.as_mut().poll(cx));
        proxy.core.found(Instant::now(), self.context, known, &mut proxy.actions);
        proxy.carry_out(ctx);
        // In this turn the context has polled `Timers` before, and nothing would have it do so again.
        proxy.poll_timer(ctx, cx);
        Poll::Ready(())
    }
}

/// The core's deadlines, as the context's one lasting future: it is polled after the mailbox, so whatever a message
/// changed about the next deadline is seen.
struct Timers;

impl ActorFuture<Proxy> for Timers {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        proxy: &mut Proxy,
        ctx: &mut Context<Proxy>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        proxy.poll_timer(ctx, cx);
        Poll::Pending
    }
}
