//! What the proxy keeps of a request: its server transaction, its branches with their client transactions, and the
//! messages that may have to be sent again. RFC 3261 §16.2.

use std::time::Instant;

use bytes::Bytes;
use flowhold_cluster::binding::Aor;
use flowhold_cluster::flow::Flow;
use smallvec::SmallVec;

use super::Exit;
use super::Source;
use super::by_link::ByLink;
use super::keys::{Branch as BranchText, Kind, Likeness};
use super::target::{Target, leaves_over};
use crate::proto::Hop;
use crate::proto::forking::Forking;
use crate::proto::transaction::{InviteClient, InviteServer, NonInviteClient, NonInviteServer};
use crate::sip::{Message, Method, Transport};

/// A request in the proxy's hands. Never equal to that of a later request, unless 2^32 requests lie between them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ContextId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// One of the requests that went out for a request in hand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BranchId {
    pub(super) context: ContextId,
    pub(super) index: u8,
}

/// A request in hand.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) generation: u32,
    pub(super) server: Server,
    /// Where it came from.
    pub(super) from: Source,
    /// Where its responses go.
    pub(super) reply_to: Flow,
    pub(super) likeness: Likeness,
    pub(super) method: Method,
    /// When it came.
    pub(super) since: Instant,
    /// RFC 3261 §17.2.3: the peer is of RFC 2543.
    pub(super) old_peer: bool,
    /// RFC 3261 §17.2.3: the To tag of the final response, by which the ACK of an old peer is known.
    pub(super) final_tag: Option<Box<[u8]>>,
    /// The request as it came, until nothing is made of it any more.
    pub(super) request: Option<Message>,
    /// The last response, on an unreliable transport.
    pub(super) last: Option<Bytes>,
    /// How the request leaves, once it does.
    pub(super) onward: Onward,
    /// Until when the location service's answer is waited for.
    pub(super) awaits: Option<Instant>,
    /// RFC 5626 §7: this node looked up the targets itself, so that nobody upstream knows of their flows.
    pub(super) authoritative: bool,
    /// The AOR whose bindings are the targets.
    pub(super) aor: Option<Aor>,
    /// RFC 3261 §8.2.2.2: kept for a request that this node answers itself.
    pub(super) merge: Option<u64>,
    pub(super) forking: Forking<Target, Answer>,
    pub(super) branches: SmallVec<[Branch; 1]>,
}

/// The server transaction.
#[derive(Debug)]
pub(super) enum Server {
    Invite(InviteServer),
    NonInvite(NonInviteServer),
    /// RFC 3261 §17: an ACK to a 2xx has no transaction.
    Ack,
}

/// What was decided about a request before its target is known: RFC 3261 §§16.3, 16.4.
#[derive(Clone, Debug, Default)]
pub(super) struct Onward {
    /// Max-Forwards as it goes out.
    pub(super) max_forwards: u8,
    /// How many Route values at the top are ours and come off.
    pub(super) own_routes: u8,
    /// RFC 5393 §4.2.1
    pub(super) loop_hash: u32,
    /// RFC 3261 §16.4: the Request-URI that a strict router had put behind the Route values.
    pub(super) request_uri: Option<Box<[u8]>>,
    /// Where it goes if the location service vouches for the sender.
    pub(super) vouched_to: Option<Exit>,
    /// Its AOR exists, because it stands in the configuration, whether or not a UA has ever registered it.
    pub(super) is_aor_known: bool,
    /// RFC 3261 §26.2.2: the Request-URI is a sips URI, so it goes out over TLS only.
    pub(super) secure: bool,
}

/// A final response that a branch ended with.
#[derive(Debug)]
pub(super) enum Answer {
    Received(Message),
    /// The branch ended without one.
    Ours(&'static str),
}

/// A request that went out.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) client: Client,
    pub(super) target: Target,
    /// How the target is reached, where it is on a flow of another node.
    pub(super) by_link: Option<ByLink>,
    pub(super) text: BranchText,
    /// What a retransmission sends: the request, later the ACK. Kept only where the UA is reached over an unreliable
    /// transport.
    pub(super) sent: Option<Bytes>,
    /// RFC 3261 §16.6 step 11
    pub(super) timer_c: Option<Instant>,
    /// When the flow has been silent for long enough to try another one, where there is another.
    pub(super) silent_at: Option<Instant>,
    pub(super) cancel: Option<Box<Cancel>>,
}

#[derive(Debug)]
pub(super) enum Client {
    Invite(InviteClient),
    NonInvite(NonInviteClient),
}

/// A CANCEL that went out.
#[derive(Debug)]
pub(super) struct Cancel {
    pub(super) client: NonInviteClient,
    /// What a retransmission sends, on unreliable transports.
    pub(super) sent: Option<Bytes>,
}

impl Context {
    /// When the first of its timers runs out.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let server = match &self.server {
            Server::Invite(server) => server.deadline(),
            Server::NonInvite(server) => server.deadline(),
            Server::Ack => None,
        };
        let branches = self.branches.iter().filter_map(Branch::deadline).min();
        [server, self.awaits, branches].into_iter().flatten().min()
    }

    /// Nothing is left to do: all transactions are terminated and nothing is waited for.
    pub(super) fn is_over(&self) -> bool {
        let server = match &self.server {
            Server::Invite(server) => server.is_terminated(),
            Server::NonInvite(server) => server.is_terminated(),
            Server::Ack => true,
        };
        server && self.awaits.is_none() && self.branches.iter().all(Branch::is_over)
    }

    /// Nothing will be made of the request any more: no branch, no response, no CANCEL, no ACK.
    pub(super) fn needs_no_request(&self) -> bool {
        self.is_answered() && self.awaits.is_none() && !self.branches.iter().any(Branch::is_pending)
    }

    /// A final response was sent upstream, or never will be.
    pub(super) fn is_answered(&self) -> bool {
        match &self.server {
            Server::Invite(server) => server.is_answered(),
            Server::NonInvite(server) => server.is_answered(),
            Server::Ack => true,
        }
    }
}

impl Branch {
    /// What its messages leave over.
    pub(super) fn leaves_over(&self) -> (Hop, Transport) {
        leaves_over(&self.target, self.by_link.as_ref())
    }

    /// Whether nothing is lost on the way to the UA, so that nothing is sent again. Of a flow of another node that is for the
    /// flow to say, because the node repeats nothing.
    pub(super) fn is_reliable(&self) -> bool {
        self.target.transport().is_reliable()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let client = match &self.client {
            Client::Invite(client) => client.deadline(),
            Client::NonInvite(client) => client.deadline(),
        };
        let cancel = self.cancel.as_ref().and_then(|cancel| cancel.client.deadline());
        [client, self.timer_c, self.silent_at, cancel].into_iter().flatten().min()
    }

    /// Neither a final response came nor did it fail.
    pub(super) fn is_pending(&self) -> bool {
        match &self.client {
            Client::Invite(client) => client.is_pending(),
            Client::NonInvite(client) => client.is_pending(),
        }
    }

    /// The request could not be sent or its flow is gone, where its CANCEL would go too.
    pub(super) fn fail(&mut self) {
        self.cancel = None;
        match &mut self.client {
            Client::Invite(client) => client.fail(),
            Client::NonInvite(client) => client.fail(),
        }
    }

    fn is_over(&self) -> bool {
        let client = match &self.client {
            Client::Invite(client) => client.is_terminated(),
            Client::NonInvite(client) => client.is_terminated(),
        };
        client && self.cancel.as_ref().is_none_or(|cancel| cancel.client.is_terminated())
    }
}

impl Context {
    /// RFC 3261 §17.2.3: under which the request is found again.
    pub(super) fn key(&self) -> u128 {
        self.likeness.of(Kind::of(self.method))
    }
}
