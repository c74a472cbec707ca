//! What the actors say to each other.

use std::collections::HashSet;
use std::sync::Arc;

use actix::{Message as ActorMessage, Recipient};
use flowhold_cluster::directory::View;
use flowhold_cluster::flow::{Flow, FlowId};
use tokio::sync::oneshot;

use super::load::Ticket;
use crate::metrics::FlowClosed;
use crate::proto::keepalive::Assign;
use crate::proto::proxy::{BranchId, Peer, UnderWay};
use crate::proto::{NextHop, Source};
use crate::sip::stun::BindingResponse;
use crate::sip::{Message, Wire};

/// A REGISTER came over a flow.
#[derive(Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Register {
    /// The request.
    pub message: Message,
    /// The flow it came over.
    pub source: Source,
    /// Since when it waits.
    pub ticket: Ticket,
}

/// Any other request, or a response, came over a flow.
#[derive(Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Inbound {
    /// The request or response.
    pub message: Message,
    /// The flow it came over.
    pub source: Source,
    /// Since when it waits.
    pub ticket: Ticket,
}

/// A message is to leave over a flow.
#[derive(Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Deliver {
    /// The flow.
    pub flow: Flow,
    /// The octets.
    pub wire: Wire,
    /// What the message changes in the keep-alive of the flow that its request came over. Over UDP that need not be the
    /// flow that the message leaves over, which is to the port that the topmost Via names.
    pub assign: Option<(Flow, Assign)>,
}

/// A message is to leave for a next hop that is not a flow of a UA.
#[derive(Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Forward {
    /// The next hop.
    pub to: NextHop,
    /// The octets.
    pub wire: Wire,
    /// Whose failure it is if there is no room for it.
    pub branch: Option<BranchId>,
}

/// The way to next hops, for whoever forwards to them.
#[derive(Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct WayOut(
    /// Who forwards.
    pub Recipient<Forward>,
);

/// A next hop cannot be reached, or its connection has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ActorMessage)]
#[rtype(result = "()")]
pub struct NextHopFailed(
    /// The next hop.
    pub NextHop,
);

/// There was no room for a message to a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ActorMessage)]
#[rtype(result = "()")]
pub struct Unforwarded(
    /// The branch that it was.
    pub BranchId,
);

/// ICMP says that a UDP peer cannot be reached. It may be one that has no flow here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ActorMessage)]
#[rtype(result = "()")]
pub struct PeerUnreachable(
    /// What would be its flow.
    pub Flow,
);

/// A connection is to be closed, when what waits to be written has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ActorMessage)]
#[rtype(result = "()")]
pub struct Close(
    /// Why.
    pub FlowClosed,
);

/// What is under way, and on which of these flows?
#[derive(Clone, Debug, ActorMessage)]
#[rtype(result = "UnderWay")]
pub struct AskUnderWay(
    /// The flows.
    pub Arc<HashSet<FlowId>>,
);

/// A flow has failed or was closed: nothing will be delivered over it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ActorMessage)]
#[rtype(result = "()")]
pub struct FlowFailed(
    /// The flow that was.
    pub Flow,
);

/// Who is a member of the cluster now.
#[derive(Clone, Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Members(
    /// This node included.
    pub Arc<View>,
);

/// A node is a member no more, or is another run now: its link is of no use.
#[derive(Clone, Copy, Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct MemberGone;

/// A link to another node has come or gone.
#[derive(Clone, Debug, ActorMessage)]
#[rtype(result = "()")]
pub enum LinkChanged {
    /// It leads there from now on.
    Up(Box<Peer>),
    /// It does no more, and what was under way on it has failed.
    Down {
        /// The node.
        node: Arc<str>,
        /// The link.
        link: Flow,
    },
}

/// A flow to another provider has changed.
#[derive(Clone, Debug, ActorMessage)]
#[rtype(result = "()")]
pub enum UpstreamChanged {
    /// It is open: what comes over it is for that upstream's AOR here.
    Opened {
        /// The upstream's place in the configuration.
        upstream: usize,
        /// The flow.
        flow: Source,
    },
    /// The provider has the binding: requests may go out over it.
    Registered {
        /// The flow.
        flow: Flow,
        /// Its reg-id.
        reg_id: u32,
        /// The Route value that leads to the provider's edge proxy.
        route: Arc<[u8]>,
    },
    /// It is closed.
    Closed(Flow),
}

/// Something came over a flow to another provider that is not for the proxy.
#[derive(Clone, Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct UpstreamHeard {
    /// The flow.
    pub flow: Flow,
    /// What.
    pub heard: Heard,
}

/// What came over a flow to another provider, for whoever keeps the registration.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A response to a REGISTER.
    Response(Message),
    /// A CRLF between messages.
    Pong,
    /// A STUN response.
    Stun(BindingResponse),
    /// Its end.
    Lost(FlowClosed),
}

/// The bindings with another provider are to be removed, and their flows closed. Who waits is told when that is done.
#[derive(Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Unregister(
    /// Who waits.
    pub oneshot::Sender<()>,
);

/// Something has changed that others should know, or that they may have told: the directory is not to wait for its beat.
#[derive(Clone, Copy, Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct LookAgain;

/// This node gives its lease up: for all others it and its flows are gone. Answered when that is done.
#[derive(Clone, Copy, Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Leave;
