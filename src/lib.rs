//! Flowhold: a SIP registrar and edge proxy that holds the flows of clients behind NAT (RFC 5626).
//!
//! A UA behind a NAT opens a connection (a *flow*), registers over it and keeps it alive. Flowhold remembers which
//! flow leads to which address-of-record, and delivers every request for the UA over it.
//!
//! # Which concept lives where
//!
//! | directory | what it holds | may import |
//! | --- | --- | --- |
//! | [`sip`] | SIP, STUN and WebSocket on the wire: octets in, values out | nothing of ours |
//! | [`proto`] | the protocol's rules as state machines, without I/O, clock or randomness | `sip`, value types of `flowhold-cluster` |
//! | [`net`] | sockets: listeners, TLS, admission, the bounded writer, ICMP errors, the admin endpoint | `sip`, `metrics` |
//! | [`actor`] | thin shells that receive, ask `proto`, and carry out what it returns | all of these |
//! | [`ua`] | a user agent on real sockets, for `flowhold ua`; where a URI leads by DNS | `proto`, `sip`, `net` |
//! | [`config`], [`metrics`] | the typed configuration, the counters | `sip` |
//! | `flowhold-cluster` | which flow leads to which AOR: bindings, the location service, the nodes of a cluster, flow tokens | nothing of ours |
//!
//! # How a REGISTER travels
//!
//! octets -> [`actor::connection`] (frames them, [`sip::Framer`]) -> [`actor::auth`] (has the UA prove who it is, by
//! [`proto::auth`], unless its flow is trusted) -> [`actor::registrar`] (asks [`proto::registrar`], has the location
//! service make one atomic update, answers only after that) -> 200 with `Require: outbound` and `Flow-Timer` ->
//! [`actor::connection`] (starts the deadline, [`proto::keepalive`]).
//!
//! # How a request for a UA travels
//!
//! any flow -> [`actor::proxy`] (asks [`proto::proxy`], looks the AOR up) -> [`actor::flows`] finds the newest
//! binding's flow, on whichever worker -> that flow's [`actor::connection`] or [`actor::udp_socket`]. The response
//! comes back to the proxy that sent the request, which its branch names.
//!
//! Within a dialog there is no lookup: the Record-Route that the first request took along holds the flow token of each
//! side, and [`proto::edge`] tells from it whom a request is for. As an edge proxy (`proxy.registrar`), a node sends
//! REGISTER on with a token in Path, and requests come back along that.
//!
//! Where another node of the cluster has the flow, the request goes over the link to that node, along a Route with the
//! flow's token. There [`proto::relay`] takes the Route off and hands it to the flow, without keeping anything: the
//! transaction, its timers and the choice of the next flow stay with the node that the request arrived at.
//!
//! # Another provider
//!
//! With `[[upstream]]` the node is itself a UA ([`actor::upstream`]): [`proto::recovery`] says when to open a flow to a
//! provider's edge proxy, what to send over it and when it has failed. The flow is an [`actor::connection`] of that role, and
//! the proxies know it by its id: a request that comes over it is for the AOR here that the configuration names.
//!
//! # A cluster
//!
//! A node takes a lease in Redis and renews it ([`actor::directory`], on a thread of its own), which tells it who else
//! holds one. Each worker opens a link to each other node ([`actor::links`], [`actor::node_link`]): a connection that
//! begins with a hello by which both ends prove that they are of the cluster ([`proto::hello`], or certificates,
//! [`net::tls`]), and is then an [`actor::connection`] like any other, but that it pings, and slows its peer down instead
//! of being closed when it has too much to write. [`actor::membership`] says when the node is ready.
//!
//! # Workers
//!
//! A worker is a thread (an actix arbiter) with its own listeners (`SO_REUSEPORT`), flows, registrar and proxy, so
//! that the common path crosses no thread. A flow id is (worker, slot, generation): found without a hash, and never
//! equal to a later flow on the same addresses.

pub mod actor;
pub mod config;
pub mod metrics;
pub mod net;
pub mod proto;
pub mod sip;
pub mod ua;
