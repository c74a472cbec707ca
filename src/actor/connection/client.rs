//! What is different where this node is the UA: a connection to another provider, over which it has registered.

use actix::Recipient;
use flowhold_cluster::flow::Flow;

use crate::actor::message::{Heard, UpstreamHeard};
use crate::metrics::FlowClosed;
use crate::sip::{Message as SipMessage, stun};

/// A connection's part as a UA's: whoever keeps the registration hears what comes over it.
pub struct Client {
    owner: Recipient<UpstreamHeard>,
}

impl Client {
    /// Of this owner's.
    pub fn new(owner: Recipient<UpstreamHeard>) -> Self {
        Self { owner }
    }

    /// A response to a REGISTER.
    pub fn response(&self, flow: Flow, response: SipMessage) {
        self.tell(flow, Heard::Response(response));
    }

    pub(super) fn pong(&self, flow: Flow) {
        self.tell(flow, Heard::Pong);
    }

    /// What may be a STUN response.
    pub fn stun(&self, flow: Flow, octets: &[u8]) {
        if let Some(response) = stun::parse_response(octets) {
            self.tell(flow, Heard::Stun(response));
        }
    }

    /// It is over.
    pub fn end(&self, flow: Flow, reason: FlowClosed) {
        // A full mailbox must not keep a dead flow alive.
        self.owner.do_send(UpstreamHeard { flow, heard: Heard::Lost(reason) });
    }

    fn tell(&self, flow: Flow, heard: Heard) {
        // What there is no room for is as good as lost on the way: a REGISTER and a ping each have their time.
        let _ = self.owner.try_send(UpstreamHeard { flow, heard });
    }
}
