//! The registrar of one worker: asks [`proto::registrar`](crate::proto::registrar) what a REGISTER means, has the
//! location service do it in one atomic step, and answers only after that.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use flowhold_cluster::location::{Bindings, UpdateError};
use futures_util::FutureExt;

use super::flows::Undelivered;
use super::load::Turn;
use super::message::{Deliver, FlowFailed, PeerUnreachable, Register};
use super::settings::{self, RETRY_AFTER};
use super::worker::{Node, to_tag};
use crate::metrics::{FlowClosed, Refused, Status};
use crate::proto::Source;
use crate::proto::keepalive::Assign;
use crate::proto::registrar::{Answer, Plan, Reject, Terms, plan};
use crate::proto::served::{Arrival, Key, Served};
use crate::sip::{Message as SipMessage, Wire};

/// The actor of one worker's registrar.
pub struct Registrar {
    node: Arc<Node>,
    /// Its number.
    worker: usize,
    turn: Turn,
    served: Served,
}

/// A REGISTER that is being served.
struct Serving {
    request: SipMessage,
    source: Source,
    /// Its transaction, where the transport may bring it again.
    key: Option<Key>,
}

impl Registrar {
    /// Starts it on the arbiter of its worker.
    pub fn start_on(arbiter: &ArbiterHandle, worker: u16, node: Arc<Node>) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |ctx| {
            let proxy = &node.config.proxy;
            ctx.set_mailbox_capacity(node.config.limits.registrar_mailbox);
            // RFC 3261 §17.2.2: timer J is 64 T1.
            let served = Served::new(settings::transaction(&node.config), proxy.max_transactions);
            Self { node, worker: worker.into(), turn: Turn::default(), served }
        })
    }

    /// Carries a REGISTER as far as the location service, and answers it when that has answered.
    fn serve(&mut self, serving: Serving, ctx: &mut Context<Self>) {
        let Node { registrar, run, clock, .. } = &*self.node;
        let planned = match serving.request.validate() {
            Ok(()) => plan(registrar, &serving.request, &serving.source, run, clock.now()),
            Err(fault) => Err(Reject::Malformed(fault)),
        };
        let Plan { update, terms } = match planned {
            Ok(plan) => plan,
            Err(reject) => {
                if reject == Reject::NotSecure {
                    self.node.metrics.refused.inc(Refused::NotSecure);
                }
                let answer = reject.answer(&serving.request, &serving.source, &to_tag());
                return self.answer(serving, answer);
            }
        };
        let node = Arc::clone(&self.node);
        let mut update = Box::pin(async move { node.location.update(update).await });
        // A store in memory answers at once; one that is asked over the network has others served meanwhile.
        if let Some(outcome) = (&mut update).now_or_never() {
            return self.updated(serving, &terms, outcome);
        }
        let updated = update.into_actor(self);
        ctx.spawn(updated.map(move |outcome, registrar, _| registrar.updated(serving, &terms, outcome)));
    }

    fn updated(&mut self, serving: Serving, terms: &Terms, outcome: Result<Bindings, UpdateError>) {
        if let Err(error) = &outcome {
            self.node.metrics.refused.inc(Refused::from(error));
        }
        let Serving { request, source, .. } = &serving;
        let answer = terms.answer(request, source, outcome, &to_tag(), self.node.clock.now());
        self.answer(serving, answer);
    }

    fn answer(&mut self, serving: Serving, answer: Answer) {
        let Serving { request, source, key } = serving;
        self.node.metrics.responses.inc(Status(answer.status));
        self.node.registered(&request, &source, answer.status);
        if let Some(key) = key {
            self.served.answered(Instant::now(), key, answer.wire.to_bytes());
        }
        self.send(&request, source, answer.wire, answer.keepalive);
    }

    fn send(&self, request: &SipMessage, source: Source, wire: Wire, assign: Option<Assign>) {
        let flow = request.top_via().map_or(source.flow, |via| source.reply_to(&via));
        let assign = assign.map(|assign| (source.flow, assign));
        // The flow may have failed while the location service was asked, and what failed with it did not include
        // this update.
        if let Err(Undelivered::Gone) = self.node.flows.answer(Deliver { flow, wire, assign }) {
            self.node.drop_bindings(source.flow, None);
        }
    }
}

impl Actor for Registrar {
    type Context = Context<Self>;
}

impl Handler<Register> for Registrar {
    type Result = ();

    fn handle(&mut self, register: Register, ctx: &mut Self::Context) {
        let Register { message: request, source, ticket } = register;
        self.node.loads[self.worker].handle(ticket);
        self.turn.take(ctx);
        if source.transport.is_reliable() {
            return self.serve(Serving { request, source, key: None }, ctx);
        }
        match self.served.arrive(Instant::now(), &request, source.flow.remote) {
            Arrival::New(key) => self.serve(Serving { request, source, key }, ctx),
            Arrival::Again(response) => self.send(&request, source, Wire::from(response), None),
            Arrival::Pending => {}
            Arrival::Full => {
                self.node.metrics.refused.inc(Refused::MaxTransactions);
                let refusal = Reject::Unavailable { retry_after: RETRY_AFTER };
                let answer = refusal.answer(&request, &source, &to_tag());
                self.answer(Serving { request, source, key: None }, answer);
            }
        }
    }
}

impl Handler<PeerUnreachable> for Registrar {
    type Result = ();

    fn handle(&mut self, PeerUnreachable(flow): PeerUnreachable, _: &mut Self::Context) {
        self.node.drop_bindings(flow, Some(FlowClosed::Unreachable));
    }
}

impl Handler<FlowFailed> for Registrar {
    type Result = ();

    fn handle(&mut self, FlowFailed(flow): FlowFailed, _: &mut Self::Context) {
        self.node.drop_bindings(flow, None);
    }
}

impl From<&UpdateError> for Refused {
    fn from(error: &UpdateError) -> Self {
        match error {
            UpdateError::OutOfOrder => Self::OutOfOrder,
            UpdateError::TooManyBindings => Self::MaxBindings,
            UpdateError::TooManyAors => Self::MaxAors,
            UpdateError::Unavailable { .. } => Self::LocationUnavailable,
        }
    }
}
