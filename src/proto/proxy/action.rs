//! What a proxy wants done, and what it has counted.

use std::sync::Arc;

use flowhold_cluster::binding::{Aor, Binding};
use flowhold_cluster::flow::Flow;

use super::{About, BranchId, ContextId};
use crate::proto::Hop;
use crate::proto::keepalive::Assign;
use crate::sip::{Fault, Transport, Wire};

/// What the proxy wants done.
#[expect(clippy::large_enum_variant, reason = "nearly every action is a message to send")]
#[derive(Debug)]
pub enum Action {
    /// Send a message.
    Send {
        /// The flow it goes out on, or the next hop that it goes to.
        to: Hop,
        /// What it goes over.
        transport: Transport,
        /// The message.
        wire: Wire,
        /// RFC 5626 §5.4: what the message, a 2xx to a REGISTER, changes in the keep-alive of the flow that the REGISTER came
        /// over.
        assign: Option<(Flow, Assign)>,
        /// Set where the message is a request that goes out for the first time: if it cannot be queued, tell
        /// [`Proxy::undeliverable`](super::Proxy::undeliverable). Without it nothing is to be done about a message that cannot be sent.
        branch: Option<BranchId>,
    },
    /// Ask the location service, and hand its answer to [`Proxy::found`](super::Proxy::found).
    Lookup {
        /// For which request.
        context: ContextId,
        /// Which AOR.
        aor: Aor,
    },
    /// Tell the location service that a flow of this node is dead: its bindings go, whichever their AOR. The flow itself may
    /// still be open.
    FlowDead {
        /// The flow.
        flow: Flow,
    },
    /// Tell the location service that this binding leads nowhere, if it is still as it was. Its flow may be another node's.
    BindingDead {
        /// Whose binding.
        aor: Aor,
        /// The binding.
        binding: Arc<Binding>,
    },
    /// Something to count and perhaps to log.
    Note {
        /// What happened.
        event: Event,
        /// What it is about.
        about: About,
    },
}

/// What is counted and logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// A request without a Via that can be read: dropped, because no response would find its way.
    Unanswerable,
    /// A request answered with the fault's status, or a response dropped for it.
    Malformed(Fault),
    /// 416
    UnsupportedScheme,
    /// 483
    TooManyHops,
    /// 482: the request was here before and nothing about it has changed.
    Loop,
    /// 482: the request reached this node on two ways (RFC 3261 §8.2.2.2).
    Merged,
    /// 400: a branch that is another request's (RFC 3261 §8.1.1.7).
    BranchReused,
    /// 420
    BadExtension,
    /// 403: neither the Request-URI nor the Route leads to anything of ours.
    NotOurs,
    /// 403: a Route value of ours with a flow token that is not.
    ForgedToken,
    /// 430: a flow token of an earlier run of a node, or of a node that no link leads to.
    FlowGone,
    /// 403: a way that is for UAs that registered here, over the flow that they registered over.
    NotRegistered,
    /// 405 or 501: this node itself was asked for something that it does not do.
    NotServed,
    /// 404
    NotFound,
    /// 480: the AOR has no binding that may be used.
    NoBinding,
    /// 480: the Request-URI is a sips URI, and no flow that leads there is over TLS.
    NotSecure,
    /// 503: `max_transactions` requests are in hand.
    Overload,
    /// 503: the location service did not answer.
    Unavailable,
    /// 503: no flow to the upstream that a route leads to is up.
    UpstreamDown,
    /// 481: a CANCEL that cancels nothing.
    NothingToCancel,
    /// An ACK that belongs to nothing here and leads to nothing of ours: dropped.
    StrayAck,
    /// A response whose topmost Via is not ours: dropped.
    StrayResponse,
    /// A response to a request of ours whose transaction is over: dropped (RFC 6026 §7.3).
    LateResponse,
    /// A response that came on another flow than its request went: dropped.
    ResponseOnOtherFlow,
    /// A branch ended because its flow did.
    FlowFailed,
    /// A branch ended because its flow is on a node that no link leads to, or was in an earlier run of a node.
    NoLink,
    /// A branch ended because its request could not be queued.
    Undeliverable,
    /// A branch ended because nobody answered in time.
    TimedOut,
    /// The request goes out over another flow of an instance; the flow is that one.
    Failover,
    /// 440: more instances are to be reached at a time than Max-Breadth allows (RFC 5393 §5.3.3).
    TooBroad,
    /// An INVITE ran into Timer C.
    TimerC,
    /// A final response to an INVITE was never acknowledged (Timer H).
    NoAck,
}
