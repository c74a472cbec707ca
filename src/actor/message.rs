//! What the actors say to each other.

use actix::Message as ActorMessage;
use flowhold_cluster::flow::Flow;

use crate::proto::Source;
use crate::proto::keepalive::Assign;
use crate::sip::{Message, Wire};

/// A REGISTER came over a flow.
#[derive(Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Register {
    /// The request.
    pub message: Message,
    /// The flow it came over.
    pub source: Source,
}

/// Any other request, or a response, came over a flow.
#[derive(Debug, ActorMessage)]
#[rtype(result = "()")]
pub struct Inbound {
    /// The request or response.
    pub message: Message,
    /// The flow it came over.
    pub source: Source,
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

/// ICMP says that a UDP peer cannot be reached. It may be one that has no flow here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ActorMessage)]
#[rtype(result = "()")]
pub struct PeerUnreachable(
    /// What would be its flow.
    pub Flow,
);

/// A flow has failed or was closed: nothing will be delivered over it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ActorMessage)]
#[rtype(result = "()")]
pub struct FlowFailed(
    /// The flow that was.
    pub Flow,
);
