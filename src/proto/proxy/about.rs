//! What an event is about, so that a log can be followed: by Call-ID, To, instance-id, reg-id and flow.

use std::sync::Arc;

use bytes::Bytes;
use flowhold_cluster::binding::Binding;
use flowhold_cluster::flow::Flow;

use super::context::Context;
use super::target::Target;
use crate::proto::Source;
use crate::sip::{Message, Name};

/// What an event is about. Slices of the message: nothing is copied for a log that nobody may read.
#[derive(Clone, Debug)]
pub struct About {
    /// The flow of the peer that it is about; where that is a next hop, the flow that the request came over.
    pub flow: Flow,
    /// The node that has the flow, where it may be another than this one.
    pub node: Option<Arc<str>>,
    /// The Call-ID; empty where there is none.
    pub call_id: Bytes,
    /// To, which names the AOR; empty where there is none.
    pub to: Bytes,
    /// The binding that the request was sent to, where it is about that.
    pub binding: Option<Arc<Binding>>,
}

impl About {
    /// About a message that came.
    pub(super) fn message(message: &Message, from: Source) -> About {
        let field =
            |name| message.first(name).map(|value| message.bytes().slice_ref(value)).unwrap_or_default();
        About {
            flow: from.flow,
            node: None,
            call_id: field(Name::CallId),
            to: field(Name::To),
            binding: None,
        }
    }

    /// About a request in hand.
    pub(super) fn request(context: &Context) -> About {
        match &context.request {
            Some(request) => About::message(request, context.from),
            None => About {
                flow: context.from.flow,
                node: None,
                call_id: Bytes::new(),
                to: Bytes::new(),
                binding: None,
            },
        }
    }

    /// About what became of a request in hand at one of its targets.
    pub(super) fn target(context: &Context, target: &Target) -> About {
        let mut about = About::request(context);
        if let Some(at) = target.flow() {
            about.flow = at.flow;
        }
        about.node = target.holder().map(|holder| Arc::clone(&holder.node));
        if let Target::Binding(binding) = target {
            about.binding = Some(Arc::clone(binding));
        }
        about
    }
}
