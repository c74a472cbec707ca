//! A member of the cluster: what a node says of itself in its lease, as a line that a person can read.
//!
//! ```text
//! epoch=1760000000000 run=1760000000000 at=10.0.0.1:5070 udp=10.0.0.1:5060 tcp=10.0.0.1:5060 flows=9 state=up beat=...
//! ```
//!
//! Fields that are not known are passed over, so that nodes of several versions can be in one cluster.

use std::fmt;
use std::sync::Arc;

use crate::flow::{NodeRun, Transport};

/// A node that holds a lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The process that runs as this node, as flow tokens name it.
    pub run: NodeRun,
    /// The epoch of its lease: bindings that it wrote under an older one are dead.
    pub epoch: u64,
    /// `host:port` at which other nodes reach it.
    pub at: Arc<str>,
    /// `host:port` at which UAs reach it, for each transport that it serves.
    pub sip: Arc<[(Transport, Box<str>)]>,
    /// How many flows it holds.
    pub flows: u64,
    /// Whether it takes new flows.
    pub state: State,
}

/// Whether a node takes new flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// It does.
    #[default]
    Up,
    /// It closes those that it has, and takes no new ones.
    Draining,
}

/// What a node says of itself with each beat.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// How many flows it holds.
    pub flows: u64,
    /// Whether it takes new ones.
    pub state: State,
}

impl Member {
    /// From its line; none: it is not one that this version can read.
    pub(super) fn parse(node: &str, line: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = line.split(' ').filter_map(|field| field.split_once('='));
            fields.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let sip = TRANSPORTS.iter().filter_map(|(name, transport)| Some((*transport, field(name)?.into())));
        Some(Self {
            run: NodeRun { node: node.into(), epoch: field("run")?.parse().ok()? },
            epoch: field("epoch")?.parse().ok()?,
            at: field("at").filter(|at| !at.is_empty())?.into(),
            sip: sip.collect(),
            flows: field("flows").and_then(|flows| flows.parse().ok()).unwrap_or(0),
            state: if field("state") == Some(State::Draining.as_str()) { State::Draining } else { State::Up },
        })
    }

    /// Where UAs reach it over a transport.
    pub fn sip_at(&self, transport: Transport) -> Option<&str> {
        self.sip.iter().find(|(of, _)| *of == transport).map(|(_, at)| &**at)
    }
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Draining => "draining",
        }
    }
}

/// The fields of a line that its node decides on. Epochs and times are added where the lease is written.
pub(super) struct Fields<'a> {
    pub(super) sip: &'a [(Transport, Box<str>)],
    pub(super) load: Load,
}

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, transport) in TRANSPORTS {
            if let Some((_, at)) = self.sip.iter().find(|(of, _)| of == transport) {
                write!(f, "{name}={at} ")?;
            }
        }
        write!(f, "flows={} state={}", self.load.flows, self.load.state.as_str())
    }
}

const TRANSPORTS: &[(&str, Transport)] = &[
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("ws", Transport::Ws),
    ("wss", Transport::Wss),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_its_node_said() {
        let sip: Arc<[_]> = Arc::new([
            (Transport::Udp, "10.0.0.1:5060".into()),
            (Transport::Wss, "edge.example.com:443".into()),
        ]);
        for state in [State::Up, State::Draining] {
            let fields = Fields { sip: &sip, load: Load { flows: 17, state } };
            let line = format!("epoch=7 run=5 at=[::1]:5070 {fields} beat=1 until=2 seq=3");
            let member = Member::parse("a", &line).unwrap();
            let expected = Member {
                run: NodeRun { node: "a".into(), epoch: 5 },
                epoch: 7,
                at: "[::1]:5070".into(),
                sip: Arc::clone(&sip),
                flows: 17,
                state,
            };
            assert_eq!(member, expected);
            assert_eq!(member.sip_at(Transport::Wss), Some("edge.example.com:443"));
            assert_eq!(member.sip_at(Transport::Tcp), None);
        }
    }

    #[test]
    fn a_line_of_another_version_is_read_by_what_is_known_of_it() {
        let member = Member::parse("a", "new=1 at=h:1 epoch=7 more run=5").unwrap();
        assert_eq!((member.epoch, member.run.epoch, member.flows, member.state), (7, 5, 0, State::Up));
        for not_a_member in
            ["", "over=5 epoch=7", "epoch=7 run=5", "epoch=7 run=5 at=", "epoch=x run=5 at=h:1"]
        {
            assert_eq!(Member::parse("a", not_a_member), None, "{not_a_member}");
        }
    }
}
