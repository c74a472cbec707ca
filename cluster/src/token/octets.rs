//! What a token says as octets, before it is encrypted. Numbers are in network order and of fixed width, so that the
//! length of a token does not tell how many flows there were.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use smallvec::SmallVec;

use super::{FlowToken, Over};
use crate::flow::{FlowId, NodeRun};

/// The longest node's id, in octets.
pub const MAX_NODE: usize = 63;

/// Octets of the shortest body and of the longest: no address and an id of one octet, an IPv6 address with a scope and
/// an id of [`MAX_NODE`].
pub(super) const BODY: std::ops::RangeInclusive<usize> = FIXED + 1..=FIXED + 22 + MAX_NODE;

/// Epoch, flow id and what the flow runs over.
const FIXED: usize = 8 + 10 + 1;

/// What a flow runs over: a stream, whose connection says all else, or UDP to an address of a kind.
const TCP: u8 = 0;
const TLS: u8 = 1;
const WS: u8 = 2;
const WSS: u8 = 3;
const V4: u8 = 4;
const V6: u8 = 6;
/// A link-local address is an address on one of the node's interfaces only.
const V6_WITH_SCOPE: u8 = 7;

/// Enough for a whole token, so that making one takes memory for its text alone.
pub(super) type Octets = SmallVec<[u8; 128]>;

/// Appends what `token` says. An IPv6 flow label is left out: it is a hint to routers and no part of an address.
pub(super) fn write(token: &FlowToken, to: &mut Octets) {
    let node = token.run.node.as_bytes();
    assert!((1..=MAX_NODE).contains(&node.len()), "a node's id has 1 to {MAX_NODE} octets");
    to.extend_from_slice(&token.run.epoch.to_be_bytes());
    to.extend_from_slice(&token.flow.worker.to_be_bytes());
    to.extend_from_slice(&token.flow.slot.to_be_bytes());
    to.extend_from_slice(&token.flow.generation.to_be_bytes());
    match token.over {
        Over::Tcp => to.push(TCP),
        Over::Tls => to.push(TLS),
        Over::Ws => to.push(WS),
        Over::Wss => to.push(WSS),
        Over::Udp(SocketAddr::V4(remote)) => {
            to.push(V4);
            to.extend_from_slice(&remote.ip().octets());
            to.extend_from_slice(&remote.port().to_be_bytes());
        }
        Over::Udp(SocketAddr::V6(remote)) => {
            to.push(if remote.scope_id() == 0 { V6 } else { V6_WITH_SCOPE });
            to.extend_from_slice(&remote.ip().octets());
            to.extend_from_slice(&remote.port().to_be_bytes());
            if remote.scope_id() != 0 {
                to.extend_from_slice(&remote.scope_id().to_be_bytes());
            }
        }
    }
    to.extend_from_slice(node);
}

/// What [`write`] wrote, or none.
pub(super) fn read(mut from: &[u8]) -> Option<FlowToken> {
    let from = &mut from;
    let epoch = u64::from_be_bytes(take(from)?);
    let flow = FlowId {
        worker: u16::from_be_bytes(take(from)?),
        slot: u32::from_be_bytes(take(from)?),
        generation: u32::from_be_bytes(take(from)?),
    };
    let [kind] = take(from)?;
    let over = match kind {
        TCP => Over::Tcp,
        TLS => Over::Tls,
        WS => Over::Ws,
        WSS => Over::Wss,
        V4 => {
            let ip = IpAddr::V4(Ipv4Addr::from(take::<4>(from)?));
            Over::Udp(SocketAddr::new(ip, u16::from_be_bytes(take(from)?)))
        }
        V6 | V6_WITH_SCOPE => {
            let ip = Ipv6Addr::from(take::<16>(from)?);
            let port = u16::from_be_bytes(take(from)?);
            let scope = if kind == V6 { 0 } else { u32::from_be_bytes(take(from)?) };
            Over::Udp(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope)))
        }
        _ => return None,
    };
    let node = std::str::from_utf8(from).ok().filter(|node| (1..=MAX_NODE).contains(&node.len()))?;
    Some(FlowToken { run: NodeRun { node: node.into(), epoch }, flow, over })
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*taken)
}
