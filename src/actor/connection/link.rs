//! What a connection is besides when another node is at its other end: a link.
//!
//! The node that dialed a link sends its requests over it and pings; the other one answers, and sends the responses. What
//! is congested is slowed down and not closed:
//!
//! ```text
//!   dialed:   queue above its mark: nothing is taken from the mailbox, which fills, and then refuses (503)
//!   accepted: that too, and nothing is read, so that the dialer's queue fills in turn
//! ```
//!
//! The dialed end always reads, so that two nodes that both have much to say never wait for each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Recipient;
use flowhold_cluster::flow::Flow;

use crate::actor::cluster::link_table::Up;
use crate::actor::message::FlowFailed;
use crate::metrics::LinkSide;
use crate::proto::keepalive::Client;
use crate::proto::keepalive::client::Due;

/// A link's part of a connection.
#[derive(Debug)]
pub struct Link {
    node: Arc<str>,
    dialed: Option<Dialed>,
    /// Until it ends.
    up: Option<Up>,
}

/// What the end that dialed has to do.
#[derive(Debug)]
struct Dialed {
    pings: Client,
    owner: Recipient<FlowFailed>,
}

impl Link {
    /// One that `node` has opened.
    pub fn accepted(node: Arc<str>, up: Up) -> Self {
        Self { node, dialed: None, up: Some(up) }
    }

    /// One to `node`, which is pinged `every` so often, with the pong due `within`. `owner` is told of its end.
    pub fn dialed(
        node: Arc<str>,
        every: Duration,
        within: Duration,
        owner: Recipient<FlowFailed>,
        up: Up,
    ) -> Self {
        let pings = Client::fixed(Instant::now(), every, within);
        Self { node, dialed: Some(Dialed { pings, owner }), up: Some(up) }
    }

    /// The node at the other end.
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    /// Which end this is.
    pub fn side(&self) -> LinkSide {
        if self.dialed.is_some() { LinkSide::Dialed } else { LinkSide::Accepted }
    }

    /// It is over. Who opened it here is told.
    pub(super) fn end(&mut self, flow: Flow) {
        self.up = None;
        if let Some(Dialed { owner, .. }) = &self.dialed {
            owner.do_send(FlowFailed(flow));
        }
    }

    /// A lone CRLF came.
    pub(super) fn pong(&mut self, now: Instant) {
        if let Some(dialed) = &mut self.dialed {
            dialed.pings.pong(now);
        }
    }

    /// When to ask [`Link::expire`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.dialed.as_ref().and_then(|dialed| dialed.pings.deadline())
    }

    /// The timer fired: is a ping due, or a pong overdue?
    pub(super) fn expire(&mut self, now: Instant) -> Due {
        // The interval of a link is fixed, so nothing is drawn.
        self.dialed.as_mut().map_or(Due::Idle, |dialed| dialed.pings.expire(now, 0))
    }
}
