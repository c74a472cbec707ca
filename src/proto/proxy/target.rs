//! Where a branch goes, and what the request becomes on the way there.

use std::borrow::Cow;
use std::sync::Arc;

use flowhold_cluster::binding::Binding;
use flowhold_cluster::flow::NodeRun;
use flowhold_cluster::token::FlowToken;

use super::by_link::ByLink;
use super::upstreams::UpstreamFlow;
use crate::proto::edge::{flow_of, transport_of};
use crate::proto::{Hop, NextHop, Source};
use crate::sip::{Transport, Uri};

/// Where a branch goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A binding: its Contact is the Request-URI, its Path the Route.
    Binding(Arc<Binding>),
    /// RFC 5626 §5.3.1: the flow of a token. Request-URI and Route are those that came.
    Flow(Source),
    /// The same, where another node has the flow.
    Elsewhere(Box<FlowToken>),
    /// RFC 3261 §16.6 step 7: an element that the operator named. Request-URI and Route are those that came.
    NextHop(NextHop),
    /// A flow to another provider, whose edge proxy is the Route. The Request-URI is the provider's.
    Upstream(Arc<UpstreamFlow>),
}

/// What the messages of a branch leave over: the flow or the next hop that is the target, or the link to the node that has
/// the target's flow. Our Via names its transport.
pub(super) fn leaves_over(target: &Target, by_link: Option<&ByLink>) -> (Hop, Transport) {
    match (by_link, target) {
        (Some(by_link), _) => (Hop::Flow(by_link.link().flow), by_link.link().transport),
        (None, Target::NextHop(next)) => (Hop::Address(*next), next.transport),
        (None, Target::Binding(binding)) => (Hop::Flow(binding.flow), target.transport()),
        (None, Target::Flow(to)) => (Hop::Flow(to.flow), to.transport),
        (None, Target::Upstream(to)) => (Hop::Flow(to.flow.flow), to.flow.transport),
        (None, Target::Elsewhere(token)) => (Hop::Flow(flow_of(token).flow), target.transport()),
    }
}

impl Target {
    /// What the UA, or the next hop, is reached over, whichever node has the flow. The timers of the transaction, the
    /// transport in Record-Route and what a sips URI allows go by it.
    pub(super) fn transport(&self) -> Transport {
        match self {
            Target::Binding(binding) => transport_of(binding.transport),
            Target::Flow(to) => to.transport,
            Target::Elsewhere(token) => transport_of(token.over.transport()),
            Target::NextHop(next) => next.transport,
            Target::Upstream(to) => to.flow.transport,
        }
    }

    /// Whether a UA is there, and no element that the operator named.
    pub(super) fn is_ua(&self) -> bool {
        match self {
            Target::Binding(_) | Target::Flow(_) | Target::Elsewhere(_) => true,
            Target::NextHop(_) | Target::Upstream(_) => false,
        }
    }

    /// The flow to the UA, if it is reached over one, whichever node has it.
    pub(super) fn flow(&self) -> Option<Source> {
        match self {
            Target::Binding(binding) => Some(Source::new(binding.flow, self.transport())),
            Target::Flow(to) => Some(*to),
            Target::Elsewhere(token) => Some(flow_of(token)),
            Target::Upstream(to) => Some(to.flow),
            Target::NextHop(_) => None,
        }
    }

    /// The run of the node that has the flow, where that may be another than ours.
    pub(super) fn holder(&self) -> Option<&NodeRun> {
        match self {
            Target::Binding(binding) => Some(&binding.holder),
            Target::Elsewhere(token) => Some(&token.run),
            Target::Flow(_) | Target::NextHop(_) | Target::Upstream(_) => None,
        }
    }

    /// The token of the flow, where that may be another node's.
    pub(super) fn token(&self) -> Option<Cow<'_, FlowToken>> {
        match self {
            Target::Binding(binding) => {
                let token = FlowToken::of(binding.holder.clone(), &binding.flow, binding.transport);
                Some(Cow::Owned(token))
            }
            Target::Elsewhere(token) => Some(Cow::Borrowed(token)),
            Target::Flow(_) | Target::NextHop(_) | Target::Upstream(_) => None,
        }
    }

    /// RFC 3261 §16.6 step 2: the Request-URI, where it becomes another one.
    pub(super) fn request_uri(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Target::Binding(binding) => Some(request_uri(&binding.contact)),
            Target::Flow(_) | Target::Elsewhere(_) | Target::NextHop(_) | Target::Upstream(_) => None,
        }
    }

    /// RFC 3327 §5.3: the Route values that it puts above all others; empty: none.
    pub(super) fn path(&self) -> &[u8] {
        match self {
            Target::Binding(binding) => &binding.path,
            Target::Upstream(to) => &to.route,
            Target::Flow(_) | Target::Elsewhere(_) | Target::NextHop(_) => &[],
        }
    }
}

/// A Contact URI as a Request-URI.
///
/// RFC 3261 §16.6 step 2: what a Request-URI may not have is removed; by §19.1.1 that is headers and a `method` parameter.
fn request_uri(contact: &[u8]) -> Cow<'_, [u8]> {
    let Ok(uri) = Uri::parse(contact) else { return Cow::Borrowed(contact) };
    let headers = uri.headers.map_or(0, |headers| headers.len() + 1);
    let whole = &contact[..contact.len() - headers];
    if !uri.params.has("method") {
        return Cow::Borrowed(whole);
    }
    let params = uri.params.as_bytes();
    let mut kept = whole[..whole.len() - params.len()].to_vec();
    for (name, value) in uri.params.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"method")) {
        kept.push(b';');
        kept.extend_from_slice(name);
        if let Some(value) = value {
            kept.push(b'=');
            kept.extend_from_slice(value);
        }
    }
    Cow::Owned(kept)
}
