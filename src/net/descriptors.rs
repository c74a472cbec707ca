//! Descriptors: each connection is one, and the soft limit that a shell or systemd gives is far below the hard one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors that a node has open besides its connections: listeners, event queues, logs.
const RESERVED: u64 = 64;

/// Raises the soft limit to the hard one, and says so when even that leaves less than `connections`.
pub fn raise_limit(connections: usize) {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard));
    match raised {
        Ok(limit) if limit < connections as u64 + RESERVED => warn!(
            limit,
            "limits.max_connections is {connections}, and the system allows this process fewer descriptors; \
             raise LimitNOFILE= in the unit or `ulimit -n`"
        ),
        Ok(_) => {}
        Err(error) => warn!(%error, "the limit on descriptors cannot be raised"),
    }
}
