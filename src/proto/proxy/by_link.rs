//! How a request reaches a flow that another node holds: over the link to that node, along a Route that names the flow.
//!
//! ```text
//!   UA A ── this node ──── link ──── the flow's node ── flow ── UA B
//!            Via: this node's sent-by for links           pops the Route, puts its own Via on top,
//!            Route: <sip:TOKEN@its listener;lr>, Path     keeps nothing (`proto::relay`)
//! ```
//!
//! The transaction is with the UA, and so are its timers: the flow's node repeats nothing, and over UDP both requests and
//! responses may be lost behind it.

use std::sync::Arc;

use super::peers::Peer;
use super::target::Target;
use super::{Proxy, Source};
use crate::proto::edge::{Form, value};

/// The way to a flow of another node.
#[derive(Debug)]
pub(super) struct ByLink {
    peer: Arc<Peer>,
    /// The flow's token.
    token: Box<str>,
}

/// No link leads to the run of a node that holds the flow: as far as can be told here, the flow is gone.
#[derive(Debug)]
pub(super) struct NoLink;

impl Proxy {
    /// The way to a target, where that is on a flow of another node. None: it is reached from here.
    pub(super) fn by_link(&self, target: &Target) -> Result<Option<ByLink>, NoLink> {
        let Some(holder) = target.holder().filter(|holder| **holder != self.settings.run) else {
            return Ok(None);
        };
        let peer = self.peers.get(holder).ok_or(NoLink)?;
        let token = target.token().ok_or(NoLink)?;
        let token = self.settings.tokens.seal(&token).into_boxed_str();
        Ok(Some(ByLink { peer: Arc::clone(peer), token }))
    }
}

impl ByLink {
    pub(super) fn link(&self) -> Source {
        self.peer.link
    }

    /// The Route value that has the other node deliver the request over the flow.
    pub(super) fn route(&self) -> Vec<u8> {
        value(Some(&self.token), &self.peer.at, self.peer.link.transport, Form::RecordRoute)
    }

    /// The token of the flow.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// The node that holds the flow.
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }
}
