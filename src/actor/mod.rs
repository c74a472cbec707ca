//! The actors: thin shells that receive, ask [`proto`](crate::proto), and carry out what it returns.
//!
//! | actor | how many | takes |
//! | --- | --- | --- |
//! | [`connection`] | one per connection | octets of its stream, [`Deliver`](message::Deliver) |
//! | [`udp_socket`] | one per UDP listener and worker | datagrams, [`Deliver`](message::Deliver) |
//! | [`dialer`] | one per worker | [`Forward`](message::Forward), [`FlowFailed`](message::FlowFailed) |
//! | [`registrar`] | one per worker | [`Register`](message::Register), [`FlowFailed`](message::FlowFailed) |
//! | [`proxy`] | one per worker | [`Inbound`](message::Inbound), [`FlowFailed`](message::FlowFailed) |
//! | [`directory`] | one per node of a cluster | [`LookAgain`](message::LookAgain), [`Leave`](message::Leave) |
//! | [`links`] | one per worker of such a node | [`Members`](message::Members) |
//! | [`upstream`] | one per `[[upstream]]` | [`UpstreamHeard`](message::UpstreamHeard), [`Unregister`](message::Unregister) |
//! | [`node_link`] | one per other node and worker | [`MemberGone`](message::MemberGone), [`FlowFailed`](message::FlowFailed) |
//!
//! They know each other's messages and a `Recipient`, never each other's type. [`flows`] is the way to a flow from
//! any worker, [`gate`] what their peers may send, [`auth`] who they prove to be, [`load`] how much there is to do,
//! [`worker`] what the actors of one worker share, [`cluster`] what all of them know of other nodes,
//! [`membership`] and [`node`] start and end them all.

pub mod accept;
pub mod auth;
pub mod cluster;
pub mod connection;
pub mod dialer;
pub mod directory;
pub mod dispatch;
pub mod drain;
pub mod event_count;
pub mod event_log;
pub mod expiry;
pub mod flows;
pub mod gate;
pub mod key_ring;
pub mod links;
mod listeners;
pub mod load;
pub mod membership;
pub mod message;
pub mod next_hops;
pub mod node;
pub mod node_link;
pub mod notices;
pub mod proxy;
pub mod reach;
pub mod registrar;
pub mod relayed;
mod reload;
mod report;
pub mod settings;
pub mod tls;
pub mod udp_socket;
pub mod upstream;
pub mod worker;
pub mod workers;
