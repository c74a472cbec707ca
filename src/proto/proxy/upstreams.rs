//! Other providers that this node registers with as their UA: whom their requests are for, and how requests go there.
//!
//! ```text
//!   opened ──> what comes over the flow is for the upstream's local AOR ── registered ──> requests go out over it too
//!                                                                                            |
//!                                                              closed, or its flow failed ── + ──> (none)
//! ```
//!
//! A request is known by the flow that it came over, and by nothing else: what stands in it, and the address that it comes
//! from, could be anybody's.

use std::sync::Arc;

use flowhold_cluster::binding::Aor;
use flowhold_cluster::flow::Flow;
use smallvec::SmallVec;

use super::target::Target;
use super::{Proxy, Source};
use crate::proto::forking::Instance;
use crate::proto::{Hop, NextHop};
use crate::sip::{Scheme, Uri};

/// Another provider, with which this node registers an AOR.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The AOR there, as [`Uri::canonical_aor`] has it.
    pub aor: Box<[u8]>,
    /// Host, and port where it has one, of that AOR: the provider's domain.
    pub domain: Box<[u8]>,
    /// The AOR here that its requests are for.
    pub to: Aor,
}

/// Where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// To an element that the operator named.
    NextHop(NextHop),
    /// Over a flow to the upstream in this place of [`super::Settings::upstreams`].
    Upstream(usize),
}

impl From<NextHop> for Exit {
    fn from(next: NextHop) -> Exit {
        Exit::NextHop(next)
    }
}

/// A flow to an upstream that requests may go out over.
#[derive(Debug)]
pub(super) struct UpstreamFlow {
    reg_id: u32,
    pub(super) flow: Source,
    /// The Route value that leads to the provider's edge proxy at its other end.
    pub(super) route: Box<[u8]>,
}

/// The flows to upstreams.
#[derive(Debug, Default)]
pub(super) struct Upstreams(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    upstream: usize,
    flow: Source,
    /// Set once the provider has the binding.
    way: Option<Arc<UpstreamFlow>>,
}

impl Upstreams {
    /// The upstream that a flow leads to, if it is one of theirs.
    pub(super) fn of(&self, from: Source) -> Option<usize> {
        let is_it = |entry: &&Entry| {
            from.transport == entry.flow.transport
                && Hop::Flow(entry.flow.flow).is_source(entry.flow.transport, from)
        };
        self.0.iter().find(is_it).map(|entry| entry.upstream)
    }

    /// The flows to an upstream that requests may go out over, as one UA: the one of the lowest reg-id first, because the
    /// operator has named that proxy first.
    ///
    /// RFC 5626 §7: they are tried one after another.
    pub(super) fn ways(&self, upstream: usize, secure: bool) -> Option<Instance<Target>> {
        let open = self.0.iter().filter(|entry| entry.upstream == upstream);
        let mut ways: SmallVec<[&Arc<UpstreamFlow>; 2]> =
            open.filter_map(|entry| entry.way.as_ref()).collect();
        // RFC 3261 §26.2.2: a request for a sips URI goes over TLS or not at all.
        ways.retain(|way| !secure || way.flow.transport.is_secure());
        ways.sort_by_key(|way| way.reg_id);
        let targets: SmallVec<[Target; 1]> =
            ways.into_iter().map(|way| Target::Upstream(Arc::clone(way))).collect();
        (!targets.is_empty()).then_some(Instance { q: 1000, targets })
    }

    /// The flow is gone, whichever upstream it led to.
    pub(super) fn close(&mut self, flow: Flow) {
        self.0.retain(|entry| {
            let is_reliable = entry.flow.transport.is_reliable();
            if is_reliable { entry.flow.flow.id != flow.id } else { entry.flow.flow != flow }
        });
    }
}

impl Proxy {
    /// A flow to the upstream in this place of [`super::Settings::upstreams`] is open: what comes over it is for that one's
    /// AOR here. To be said before anything is sent over it, because the answer may have a request behind it.
    pub fn upstream_opened(&mut self, upstream: usize, flow: Source) {
        if upstream < self.settings.upstreams.len() {
            self.upstreams.0.push(Entry { upstream, flow, way: None });
        }
    }

    /// The provider has the binding: requests may go out over the flow, with this Route value on top.
    pub fn upstream_registered(&mut self, flow: Flow, reg_id: u32, route: &[u8]) {
        if let Some(entry) = self.upstreams.0.iter_mut().find(|entry| entry.flow.flow == flow) {
            entry.way = Some(Arc::new(UpstreamFlow { reg_id, flow: entry.flow, route: route.into() }));
        }
    }

    /// Nothing goes over the flow any more, nor is what comes over it the upstream's. What is out on it goes on until
    /// [`Proxy::flow_failed`] says that it ended.
    pub fn upstream_closed(&mut self, flow: Flow) {
        self.upstreams.close(flow);
    }
}

impl Upstream {
    /// A Request-URI as the provider takes it; `None`: as it is.
    ///
    /// RFC 3261 §16.5: of a URI in a domain of ours, and of a number, this node may say where it is to be found.
    pub(super) fn request_uri(&self, uri: &Uri<'_>, is_ours: bool) -> Option<Box<[u8]>> {
        let user = uri.user.filter(|_| is_ours || uri.scheme == Scheme::Tel)?;
        let scheme: &[u8] = if uri.scheme == Scheme::Sips { b"sips:" } else { b"sip:" };
        let mut theirs = [scheme, user, b"@", &self.domain].concat();
        if uri.scheme == Scheme::Tel {
            // RFC 3261 §19.1.6: it says what the user part is.
            theirs.extend_from_slice(b";user=phone");
        } else {
            theirs.extend_from_slice(uri.params.as_bytes());
        }
        Some(theirs.into())
    }
}
