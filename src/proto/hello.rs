//! How two nodes tell each other who they are, when one has opened a connection to the other's `cluster.listen`.
//!
//! It is SIP, so that a capture shows it: OPTIONS with mutual digest authentication (RFC 7616), both sides proving that
//! they know the cluster's secret. Over TLS both have shown a certificate, and the first OPTIONS is enough.
//!
//! ```text
//!    dialer                                                                    acceptor
//!      | OPTIONS sip:AT, Flowhold-Node: a;run=17..;version=1;links=2              |  Fresh
//!      | -----------------------------------------------------------------------> |
//!      |                               401, WWW-Authenticate with a new nonce     |  Challenged
//!      | <----------------------------------------------------------------------- |
//!      | OPTIONS, Authorization: the secret's digest, username "a"                |
//!      | -----------------------------------------------------------------------> |  Over
//!      |     200, Flowhold-Node: b;run=17.., Authentication-Info                  |
//!      | <----------------------------------------------------------------------- |
//!      |                               the link is up                             |
//! ```
//!
//! A nonce is of one connection and good for one try. The digest is of the address that was dialed, which the acceptor
//! must have as its own: what one node was told is of no use before another. Whatever else comes is refused, and the
//! connection is closed.

mod acceptor;
mod dialer;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use flowhold_cluster::flow::NodeRun;

use crate::sip::digest::{Algorithm, Ha1};
use crate::sip::{Address, Message, Name, Params, Transport};

pub use acceptor::{Acceptor, Arrival};
pub use dialer::{Dialer, Progress};

/// What this node speaks on links. A node that speaks a later version goes by the earlier of the two.
pub const VERSION: u32 = 1;

/// The realm of the digests.
const REALM: &[u8] = b"flowhold cluster";

/// The header field that says who a node is.
const NODE: &str = "Flowhold-Node";

/// Octets of randomness in a nonce, and in what names a request.
pub type Random = [u8; 16];

/// This node, as it presents itself.
#[derive(Clone)]
pub struct Me {
    /// This run of it.
    pub run: NodeRun,
    /// `host:port` that others reach its cluster listener at.
    pub at: Box<str>,
    /// TCP or TLS.
    pub transport: Transport,
    /// How many links it opens to each other node: one for each of its workers.
    pub links: usize,
    /// What all nodes of the cluster know; none where certificates prove more.
    pub secret: Option<Box<[u8]>>,
}

/// The node at the other end, as it has presented itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its run.
    pub run: NodeRun,
    /// What it speaks on links, at least 1.
    pub version: u32,
    /// How many links it opens to each other node.
    pub links: usize,
}

/// Why there is no link.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is no hello, or not the next step of one.
    #[error("it does not begin as a link does")]
    NotAHello,
    /// It was meant for another node's address.
    #[error("it was meant for another node")]
    NotForUs,
    /// It says that it is this very node.
    #[error("it has this node's own id")]
    OwnId,
    /// Its digest is not of this cluster's secret.
    #[error("it does not know the secret")]
    WrongSecret,
    /// Its digest is of another connection's nonce, or the nonce was used.
    #[error("its digest is not for this connection")]
    WrongNonce,
    /// Its certificate is another node's.
    #[error("its certificate does not name the node that it says it is")]
    WrongCertificate,
    /// It answered the hello with this status.
    #[error("it answered {0}")]
    Status(u16),
    /// Another node answers, or another run of it.
    #[error("it is node {} of run {}", .0.node, .0.epoch)]
    AnotherRun(NodeRun),
}

/// Without the secret.
impl fmt::Debug for Me {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Me({} at {})", self.presents(), self.at)
    }
}

impl Me {
    /// `Flowhold-Node` of this node.
    fn presents(&self) -> String {
        format!("{};run={};version={VERSION};links={}", self.run.node, self.run.epoch, self.links)
    }

    /// What the node of that id proves that it knows the secret with.
    fn ha1_of(&self, node: &str) -> Option<Ha1> {
        let secret = self.secret.as_deref()?;
        Some(Ha1::of(Algorithm::Sha256, node.as_bytes(), REALM, secret))
    }
}

impl Peer {
    /// As the message presents its sender.
    fn of(message: &Message) -> Option<Self> {
        let mut found = message.headers().filter(|(name, _)| name.eq_ignore_ascii_case(NODE.as_bytes()));
        let (_, value) = found.next().filter(|_| found.next().is_none())?;
        let end = value.iter().position(|&octet| octet == b';').unwrap_or(value.len());
        let (node, params) = value.split_at(end);
        let params = Params::parse(params).ok()?;
        let is_inside = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
        if node.is_empty() || node.len() > 63 || !node.iter().all(is_inside) {
            return None;
        }
        let number = |name| std::str::from_utf8(params.value(name)?).ok();
        Some(Self {
            run: NodeRun {
                node: std::str::from_utf8(node).ok()?.into(),
                epoch: number("run")?.parse().ok()?,
            },
            version: number("version")?.parse().ok().filter(|&version| version > 0)?,
            links: number("links")?.parse().ok()?,
        })
    }
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        write!(text, "{octet:02x}").expect("a String takes all that is written");
    }
    text
}

/// Whether a response's From is one that this tag was put in.
fn has_from_tag(response: &Message, tag: &str) -> bool {
    let from = response.first(Name::From).and_then(|from| Address::parse(from).ok());
    from.is_some_and(|from| from.params.value("tag") == Some(tag.as_bytes()))
}
