//! Where a branch goes, and what the request becomes on the way there.

use std::borrow::Cow;
use std::sync::Arc;

use flowhold_cluster::binding::Binding;

use crate::proto::edge::transport_of;
use crate::proto::{Hop, NextHop, Source};
use crate::sip::{Transport, Uri};

/// Where a branch goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A binding: its Contact is the Request-URI, its Path the Route.
    Binding(Arc<Binding>),
    /// RFC 5626 §5.3.1: the flow of a token. Request-URI and Route are those that came.
    Flow(Source),
    /// RFC 3261 §16.6 step 7: an element that the operator named. Request-URI and Route are those that came.
    NextHop(NextHop),
}

impl Target {
    pub(super) fn hop(&self) -> Hop {
        match self {
            Target::Binding(binding) => Hop::Flow(binding.flow),
            Target::Flow(to) => Hop::Flow(to.flow),
            Target::NextHop(next) => Hop::Address(*next),
        }
    }

    pub(super) fn transport(&self) -> Transport {
        match self {
            Target::Binding(binding) => transport_of(binding.transport),
            Target::Flow(to) => to.transport,
            Target::NextHop(next) => next.transport,
        }
    }

    /// The flow that it is reached over, if it is reached over one.
    pub(super) fn flow(&self) -> Option<Source> {
        match self.hop() {
            Hop::Flow(flow) => Some(Source { flow, transport: self.transport() }),
            Hop::Address(_) => None,
        }
    }

    /// RFC 3261 §16.6 step 2: the Request-URI, where it becomes another one.
    pub(super) fn request_uri(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Target::Binding(binding) => Some(request_uri(&binding.contact)),
            Target::Flow(_) | Target::NextHop(_) => None,
        }
    }

    /// RFC 3327 §5.3: the Route values that it puts above all others; empty: none.
    pub(super) fn path(&self) -> &[u8] {
        match self {
            Target::Binding(binding) => &binding.path,
            Target::Flow(_) | Target::NextHop(_) => &[],
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
