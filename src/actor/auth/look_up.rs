//! Requests that wait for what their user's secrets are, outside all mailboxes: whatever else comes is served meanwhile, but
//! a CANCEL, which waits for its INVITE.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use flowhold_cluster::flow::Flow;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared};

use super::Admitted;
use super::redis_users::{Read, RedisUsers};
use crate::actor::gate::LetIn;
use crate::actor::message::Deliver;
use crate::actor::settings::RETRY_AFTER;
use crate::actor::worker::{Clock, Worker};
use crate::metrics::Refused;
use crate::proto::Source;
use crate::proto::auth::{Found, Question, User};
use crate::proto::stateless::Reply;
use crate::sip::{Message, Method, Name};

/// The lookups of one worker.
pub struct Lookups {
    limit: usize,
    waiting: Cell<usize>,
    under_way: UnderWay,
    /// The INVITEs that wait, each with the CANCEL that came meanwhile.
    invites: RefCell<HashMap<Invite, Option<Message>>>,
}

/// RFC 3261 §9.1: flow and topmost Via, which a CANCEL has in common with its INVITE.
type Invite = (Flow, Box<[u8]>);

/// Of each user one at a time, however many ask.
type UnderWay = Rc<RefCell<HashMap<User, Lookup>>>;

type Lookup = Shared<LocalBoxFuture<'static, Read>>;

impl Lookups {
    /// With no more than `limit` requests that wait.
    pub fn new(limit: usize) -> Self {
        Self { limit, waiting: Cell::new(0), under_way: UnderWay::default(), invites: RefCell::default() }
    }

    /// Keeps a CANCEL until its INVITE has been served. Returns whatever need not wait.
    pub(super) fn hold_back(&self, request: Message, source: Source) -> Option<Message> {
        if request.method() != Method::Cancel || self.waiting.get() == 0 {
            return Some(request);
        }
        let mut invites = self.invites.borrow_mut();
        match invite(&request, source).and_then(|invite| invites.get_mut(&invite)) {
            Some(cancel) => {
                *cancel = Some(request);
                None
            }
            None => Some(request),
        }
    }

    fn of(&self, user: &User, users: &Arc<RedisUsers>, clock: Clock) -> Lookup {
        if let Some(lookup) = self.under_way.borrow().get(user) {
            return lookup.clone();
        }
        let (asked, users, under_way) = (user.clone(), Arc::clone(users), Rc::clone(&self.under_way));
        let lookup = async move {
            let read = users.read(clock.now(), &asked).await;
            under_way.borrow_mut().remove(&asked);
            read
        };
        let lookup = lookup.boxed_local().shared();
        self.under_way.borrow_mut().insert(user.clone(), lookup.clone());
        lookup
    }
}

impl Worker {
    /// Has a request wait until its user was looked up, if that takes its time.
    pub(super) fn look_up(
        self: &Rc<Self>,
        users: &Arc<RedisUsers>,
        question: Box<Question>,
        request: Message,
        (source, let_in): (Source, LetIn),
    ) -> Admitted {
        let Lookups { limit, waiting, .. } = &self.lookups;
        if waiting.get() >= *limit {
            self.node.refuse(Refused::UserLookups, source.flow.remote);
            return self.looked_up(&question, Found::Unavailable(RETRY_AFTER), request, source);
        }
        let mut lookup = self.lookups.of(&question.user, users, self.node.clock);
        // A Redis that is known to be away answers at once.
        if let Some(read) = (&mut lookup).now_or_never() {
            return self.looked_up(&question, found(&read), request, source);
        }
        waiting.set(waiting.get() + 1);
        let invite = invite(&request, source).filter(|_| request.method() == Method::Invite);
        if let Some(invite) = &invite {
            self.lookups.invites.borrow_mut().entry(invite.clone()).or_default();
        }
        let worker = Rc::clone(self);
        actix_rt::spawn(async move {
            let read = lookup.await;
            let waiting = &worker.lookups.waiting;
            waiting.set(waiting.get() - 1);
            let cancel = invite.and_then(|invite| worker.lookups.invites.borrow_mut().remove(&invite));
            if !worker.node.flows.is_open(source.flow.id) {
                // Nobody waits for an answer, and nothing of a flow that is gone is to be trusted.
                return;
            }
            worker.go_on(&question, found(&read), request, (source, let_in));
            if let Some(cancel) = cancel.flatten() {
                worker.send_back(worker.let_through(cancel, source, let_in.without_mark()));
            }
        });
        Admitted::Done(None)
    }

    /// A request has waited.
    fn go_on(
        &self,
        question: &Question,
        found: Found<'_>,
        request: Message,
        (source, let_in): (Source, LetIn),
    ) {
        let answer = match self.looked_up(question, found, request, source) {
            Admitted::Onward(request) => self.let_through(request, source, let_in),
            Admitted::Done(answer) => answer.map(|reply| *reply),
        };
        self.send_back(answer);
    }

    fn send_back(&self, answer: Option<Reply>) {
        if let Some(reply) = answer {
            let _ = self.node.flows.answer(Deliver { flow: reply.to, wire: reply.wire, assign: None });
        }
    }
}

fn invite(request: &Message, source: Source) -> Option<Invite> {
    Some((source.flow, request.values(Name::Via).next()?.into()))
}

fn found(read: &Read) -> Found<'_> {
    match read {
        Ok(secrets) => Found::Known(secrets.as_deref()),
        Err(unavailable) => Found::Unavailable(unavailable.retry_after),
    }
}
