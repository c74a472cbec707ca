//! The stateful proxy: RFC 3261 §16 on top of the transactions of §17, with RFC 6026, RFC 4320 and RFC 5393.
//!
//! No socket, no clock, no location service: a message or an answer comes in with the time, [`Action`]s come out. Whoever
//! owns a [`Proxy`] asks it for its [`Proxy::deadline`] and calls [`Proxy::expire`] then.
//!
//! ```text
//!   request ──> checks (§16.3) ──> routes (§16.4) ──> Lookup ──found──> branch out (§16.6)
//!                  │ refused          │ not ours        │ 404, 480, 503     │
//!                  v                  v                 v                   v
//!               response <────────────────────────── best response (§16.7) <── response, timer, flow failed
//! ```
//!
//! | concept | file |
//! | --- | --- |
//! | checks of a request, what is refused and why | `request.rs`, `validation.rs` |
//! | whither it goes: AOR, flow token, next hop | `routes.rs` |
//! | what it takes along so that others find the way: Record-Route, Path | `record.rs` |
//! | whom a request goes to, and how widely | `instances.rs`, `breadth.rs` |
//! | a branch: the request as it leaves, where to, its CANCEL and its ACK | `forward.rs`, `target.rs`, `hop.rs` |
//! | the other nodes, and how their flows are reached | `peers.rs`, `by_link.rs` |
//! | other providers that this node registers with | `upstreams.rs` |
//! | responses, those that come and those of our own | `response.rs`, `answer.rs` |
//! | CANCEL and ACK as they come | `cancel.rs`, `ack.rs` |
//! | timers, and flows that fail | `expire.rs` |
//! | what is to be done, and what is counted | `action.rs`, `about.rs` |
//! | what is under way when the node is to end | `under_way.rs` |
//! | a request in hand and how all of it is found again | `context.rs`, `contexts.rs`, `keys.rs`, `outstanding.rs`, `deadlines.rs` |

mod about;
mod ack;
mod action;
mod answer;
mod breadth;
mod by_link;
mod cancel;
mod context;
mod contexts;
mod deadlines;
mod expire;
mod forward;
mod hop;
mod instances;
mod keys;
mod outstanding;
mod peers;
mod record;
mod request;
mod response;
mod routes;
mod settings;
mod target;
mod under_way;
mod upstreams;
mod validation;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Instant;

pub use about::About;
pub use action::{Action, Event};
pub use context::{BranchId, ContextId};
pub use peers::Peer;
pub use settings::{Matcher, Route, SentBy, Settings, number_starts_with};
pub use under_way::UnderWay;
pub use upstreams::{Exit, Upstream};

use super::Source;
use super::slack::Slack;
use context::{Client, Context, Server};
use contexts::Contexts;
use deadlines::Deadlines;
use keys::{AsItIs, Keys, Kind, Likeness};
use outstanding::Outstanding;
use peers::Peers;
use upstreams::Upstreams;

/// How many transactions are alive. All zero when the proxy is idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Requests in hand, ACKs included; this is what `max_transactions` limits.
    pub contexts: usize,
    /// INVITEs that came in.
    pub invite_server: usize,
    /// Other requests that came in.
    pub non_invite_server: usize,
    /// INVITEs that went out.
    pub invite_client: usize,
    /// Other requests that went out, CANCELs of our own included.
    pub non_invite_client: usize,
}

/// The proxy of one worker.
#[derive(Debug)]
pub struct Proxy {
    settings: Settings,
    keys: Keys,
    contexts: Contexts,
    generation: u32,
    by_likeness: HashMap<u128, u32, AsItIs>,
    /// RFC 3261 §8.2.2.2: requests that this node answers itself.
    served_here: HashMap<u64, u32, AsItIs>,
    outstanding: Outstanding,
    deadlines: Deadlines,
    peers: Peers,
    upstreams: Upstreams,
}

impl Proxy {
    /// `seed` has to be unpredictable: branches and tags are made from it.
    pub fn new(settings: Settings, seed: u128) -> Proxy {
        let keys = Keys::new(seed);
        Proxy {
            settings,
            keys,
            contexts: Contexts::default(),
            generation: 0,
            by_likeness: HashMap::default(),
            served_here: HashMap::default(),
            outstanding: Outstanding::new(keys),
            deadlines: Deadlines::default(),
            peers: Peers::default(),
            upstreams: Upstreams::default(),
        }
    }

    /// Which worker's proxy put this branch into a Via, if one of this node's did: the response may come to another worker.
    pub fn worker_of_branch(branch: &[u8]) -> Option<u16> {
        keys::worker_of(branch)
    }

    /// When [`Proxy::expire`] has to be called; at once if it is in the past.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| at)
    }

    /// Live transactions by kind. Goes through all of them.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { contexts: self.contexts.len(), ..Counts::default() };
        for context in self.contexts.iter() {
            match &context.server {
                Server::Invite(server) => counts.invite_server += usize::from(!server.is_terminated()),
                Server::NonInvite(server) => counts.non_invite_server += usize::from(!server.is_terminated()),
                Server::Ack => {}
            }
            for branch in &context.branches {
                match &branch.client {
                    Client::Invite(client) => counts.invite_client += usize::from(!client.is_terminated()),
                    Client::NonInvite(client) => {
                        counts.non_invite_client += usize::from(!client.is_terminated());
                    }
                }
                let cancel = branch.cancel.as_ref().is_some_and(|cancel| !cancel.client.is_terminated());
                counts.non_invite_client += usize::from(cancel);
            }
        }
        counts
    }

    /// Nothing is left of any request.
    #[cfg(test)]
    fn is_at_rest(&self) -> bool {
        self.contexts.is_empty()
            && self.by_likeness.is_empty()
            && self.served_here.is_empty()
            && self.outstanding.is_empty()
            && self.deadline().is_none()
    }

    /// Takes a new request in hand; everything but an ACK is found again by its likeness.
    fn insert(&mut self, mut context: Context) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        context.generation = self.generation;
        let key = (!matches!(context.server, Server::Ack)).then(|| context.key());
        let slot = u32::try_from(self.contexts.insert(context)).expect("max_transactions is far below 2^32");
        if let Some(key) = key {
            self.by_likeness.insert(key, slot);
        }
        slot
    }

    /// Every event ends here: a context that is over goes without a trace, any other is asked for its next deadline.
    fn settle(&mut self, slot: u32) {
        let context = &mut self.contexts[slot as usize];
        if !context.is_over() {
            if context.needs_no_request() {
                context.request = None;
            }
            let deadline = context.deadline();
            debug_assert!(deadline.is_some(), "nothing would ever end {context:?}");
            self.deadlines.set(slot, deadline);
            return;
        }
        let context = self.contexts.remove(slot as usize);
        self.deadlines.set(slot, None);
        if !matches!(context.server, Server::Ack) {
            self.by_likeness.remove(&context.key());
        }
        if let Some(merge) = context.merge {
            self.served_here.remove(&merge);
        }
        // What a burst of requests has made all of this hold.
        self.by_likeness.give_back();
        self.served_here.give_back();
        self.outstanding.give_back();
        if self.contexts.give_back() {
            self.deadlines.give_back(self.contexts.slots());
        }
    }

    /// The slot of a context that is still alive.
    fn slot_of(&self, id: ContextId) -> Option<u32> {
        let context = self.contexts.get(id.slot as usize)?;
        (context.generation == id.generation).then_some(id.slot)
    }

    fn id_of(&self, slot: u32) -> ContextId {
        ContextId { slot, generation: self.contexts[slot as usize].generation }
    }

    /// A branch of that request.
    fn branch_id(&self, slot: u32, index: usize) -> BranchId {
        let index =
            u8::try_from(index).expect("there are no more targets than a branch index can tell apart");
        BranchId { context: self.id_of(slot), index }
    }

    /// The server transaction of that kind, if there is one.
    fn like(&self, likeness: Likeness, kind: Kind) -> Option<u32> {
        self.by_likeness.get(&likeness.of(kind)).copied()
    }
}

fn note(out: &mut Vec<Action>, event: Event, about: About) {
    out.push(Action::Note { event, about });
}
