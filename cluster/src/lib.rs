//! Who holds which flow: bindings, the location service and flow tokens.
//!
//! | file | concept |
//! | --- | --- |
//! | `flow` | a flow, and the run of a node that holds it |
//! | `binding` | a binding, its AOR, and what makes two bindings the same |
//! | `location` | the location service as a trait: what every store does |
//! | `memory` | the store in this process's memory: one node, nothing to install |
//! | `redis` | Redis: the connections to it, the scripts that run in it, and the users that are stored there |
//! | `directory` | which nodes are members of the cluster, by leases |
//! | `clustered` | the location service of a cluster: Redis for all nodes, and a mirror at each |
//! | `token` | flow tokens: a flow as the user part of a SIP URI, sealed with keys that rotate |
//!
//! The bottom layer: it knows nothing of the node that uses it and never parses SIP. Contact and Path are opaque here.

pub mod binding;
pub mod clustered;
pub mod directory;
pub mod flow;
pub mod location;
pub mod memory;
pub mod redis;
pub mod token;
