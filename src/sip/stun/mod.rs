//! STUN on a SIP port: Binding requests as keep-alive and for a UA's reflexive address. RFC 5626 §8, RFC 8489.
//!
//! Here is the server's side, and what both have in common; `client` has the other.

mod client;

pub use client::{BindingResponse, binding_request, parse_response};

use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

pub(super) const HEADER_LEN: usize = 20;
const MAGIC_COOKIE: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
const PORT_MASK: u16 = 0x2112;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;

/// RFC 8489 §14.7: what the CRC-32 is combined with.
const FINGERPRINT_MASK: u32 = 0x5354_554E;
/// A FINGERPRINT attribute with its header.
const FINGERPRINT_LEN: usize = 8;

/// The octets of a response.
pub type Octets = SmallVec<[u8; 96]>;

/// A Binding request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    transaction: [u8; 12],
    len: usize,
    /// Comprehension-required attributes that we do not know, in order.
    unknown: SmallVec<[u16; 4]>,
}

/// Whether a datagram on a SIP port is STUN. RFC 5626 §8: its first octet is 0 or 1, which no SIP message begins with.
pub fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(0 | 1))
}

/// The length of the STUN message that begins so; `None` while its header is not complete.
pub(super) fn announced(octets: &[u8]) -> Option<usize> {
    let header = octets.first_chunk::<HEADER_LEN>()?;
    Some(HEADER_LEN + usize::from(u16::from_be_bytes([header[2], header[3]])))
}

/// Reads a Binding request. `None` for all that gets no answer: indications, responses, other methods, a wrong cookie,
/// length or FINGERPRINT.
pub fn parse(datagram: &[u8]) -> Option<Request> {
    let (kind, transaction) = parse_header(datagram)?;
    if kind != BINDING_REQUEST {
        return None;
    }
    let mut unknown = SmallVec::new();
    for attribute in attributes(datagram) {
        let (kind, _) = attribute?;
        if kind < 0x8000 && !is_known(kind) && !unknown.contains(&kind) {
            unknown.push(kind);
        }
    }
    Some(Request { transaction, len: datagram.len(), unknown })
}

/// The type and the transaction id of a STUN message; `None` where it is none.
fn parse_header(datagram: &[u8]) -> Option<(u16, [u8; 12])> {
    let (header, rest) = datagram.split_first_chunk::<HEADER_LEN>()?;
    // RFC 8489 §5: the two most significant bits are zero, the cookie is fixed, the length is a multiple of four.
    if usize::from(u16::from_be_bytes([header[2], header[3]])) != rest.len()
        || !rest.len().is_multiple_of(4)
        || header[4..8] != MAGIC_COOKIE
    {
        return None;
    }
    let mut transaction = [0; 12];
    transaction.copy_from_slice(&header[8..]);
    Some((u16::from_be_bytes([header[0], header[1]]), transaction))
}

/// The attributes of a message whose header is right, as type and value, without its FINGERPRINT; `None` where one goes
/// beyond the end, and where the FINGERPRINT is wrong.
fn attributes(datagram: &[u8]) -> impl Iterator<Item = Option<(u16, &[u8])>> {
    let mut rest = &datagram[HEADER_LEN..];
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let covered = datagram.len() - rest.len();
        let Some((kind, value, behind)) = split_attribute(rest) else {
            rest = &[];
            return Some(None);
        };
        rest = behind;
        if kind == FINGERPRINT {
            // RFC 8489 §14.7: the last attribute, over all that is before it. With a wrong one it is not STUN.
            let is_right = behind.is_empty() && value == fingerprint(&datagram[..covered]).to_be_bytes();
            rest = &[];
            return (!is_right).then_some(None);
        }
        Some(Some((kind, value)))
    })
}

fn split_attribute(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, after) = octets.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let kind = u16::from_be_bytes([head[0], head[1]]);
    Some((kind, after.get(..len)?, after.get(len.next_multiple_of(4)..)?))
}

/// The answer to a Binding request that came from `source`: the reflexive address, or 420 where the request holds
/// comprehension-required attributes that we do not know.
pub fn binding_response(request: &Request, source: SocketAddr) -> Octets {
    if request.unknown.is_empty() { success(request, source) } else { unknown_attributes(request) }
}

fn success(request: &Request, source: SocketAddr) -> Octets {
    let mut out = header(BINDING_SUCCESS, &request.transaction);
    let (family, address): (u8, SmallVec<[u8; 16]>) = match source.ip().to_canonical() {
        IpAddr::V4(ip) => (1, SmallVec::from_slice(&ip.octets())),
        IpAddr::V6(ip) => (2, SmallVec::from_slice(&ip.octets())),
    };
    let mut value: SmallVec<[u8; 20]> = SmallVec::from_slice(&[0, family]);
    value.extend((source.port() ^ PORT_MASK).to_be_bytes());
    value.extend(address.iter().zip(mask(&request.transaction)).map(|(octet, mask)| octet ^ mask));
    put(&mut out, XOR_MAPPED_ADDRESS, &value);
    finish(out, request)
}

/// RFC 8489 §14.2: an address is combined with cookie and transaction, a port with the half of the cookie.
fn mask(transaction: &[u8; 12]) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(transaction);
    mask
}

/// RFC 8489 §6.3.1: 420 with the attributes that were not understood.
fn unknown_attributes(request: &Request) -> Octets {
    let mut out = header(BINDING_ERROR, &request.transaction);
    put(&mut out, ERROR_CODE, &[0, 0, 4, 20]);
    // At most twice the octets of the request, so that a forged source gains nothing.
    let room = (2 * request.len).saturating_sub(out.len() + 4 + FINGERPRINT_LEN) / 4 * 2;
    let list: SmallVec<[u8; 16]> =
        request.unknown.iter().take(room.max(1)).flat_map(|kind| kind.to_be_bytes()).collect();
    put(&mut out, UNKNOWN_ATTRIBUTES, &list);
    finish(out, request)
}

fn header(kind: u16, transaction: &[u8; 12]) -> Octets {
    let mut out = Octets::new();
    out.extend(kind.to_be_bytes());
    out.extend([0, 0]);
    out.extend(MAGIC_COOKIE);
    out.extend_from_slice(transaction);
    out
}

fn put(out: &mut Octets, kind: u16, value: &[u8]) {
    out.extend(kind.to_be_bytes());
    out.extend(u16::try_from(value.len()).expect("our attributes are short").to_be_bytes());
    out.extend_from_slice(value);
    let padding = value.len().next_multiple_of(4) - value.len();
    out.extend(std::iter::repeat_n(0, padding));
}

/// Fills in the length and adds a FINGERPRINT.
fn finish(mut out: Octets, request: &Request) -> Octets {
    // RFC 5626 §8: a response needs no attribute but the address. One that would pass twice the octets of the request
    // (the address is IPv6, the request bare) goes without, so that a forged source gains as little as can be.
    let has_fingerprint = out.len() + FINGERPRINT_LEN <= 2 * request.len;
    let len = out.len() - HEADER_LEN + if has_fingerprint { FINGERPRINT_LEN } else { 0 };
    out[2..4].copy_from_slice(&u16::try_from(len).expect("our responses are short").to_be_bytes());
    if has_fingerprint {
        // RFC 8489 §14.7: the length that is summed counts the FINGERPRINT.
        let sum = fingerprint(&out);
        put(&mut out, FINGERPRINT, &sum.to_be_bytes());
    }
    out
}

fn fingerprint(covered: &[u8]) -> u32 {
    crc32fast::hash(covered) ^ FINGERPRINT_MASK
}

/// Comprehension-required attributes of RFC 8489 that a server without credentials may find in a Binding request and
/// leave aside: they are part of the specification that we implement.
const fn is_known(kind: u16) -> bool {
    // MAPPED-ADDRESS, USERNAME, MESSAGE-INTEGRITY, REALM, NONCE, MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH,
    // XOR-MAPPED-ADDRESS, ERROR-CODE, UNKNOWN-ATTRIBUTES
    matches!(kind, 0x0001 | 0x0006 | 0x0008 | 0x0009 | 0x000A | 0x0014 | 0x0015 | 0x001C..=0x001E | 0x0020)
}
