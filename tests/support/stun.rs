//! STUN Binding requests and their answers: RFC 8489, as far as a keep-alive over UDP needs it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::request::unique;

pub(crate) const BINDING_REQUEST: u16 = 0x0001;
pub(crate) const BINDING_INDICATION: u16 = 0x0011;
pub(crate) const BINDING_SUCCESS: u16 = 0x0101;
pub(crate) const BINDING_ERROR: u16 = 0x0111;

pub(crate) const ERROR_CODE: u16 = 0x0009;
pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(crate) const FINGERPRINT: u16 = 0x8028;

const MAGIC_COOKIE: u32 = 0x2112_A442;
const FINGERPRINT_MASK: u32 = 0x5354_554E;

/// A message to send.
pub(crate) struct Request {
    kind: u16,
    transaction: [u8; 12],
    attributes: Vec<u8>,
}

impl Request {
    /// A Binding request without attributes, which is what RFC 5626 §8 asks of a UA.
    pub(crate) fn new() -> Self {
        Self::of_kind(BINDING_REQUEST)
    }

    pub(crate) fn of_kind(kind: u16) -> Self {
        let mut transaction = [b'-'; 12];
        let word = unique("");
        let tail = &word.as_bytes()[word.len().saturating_sub(12)..];
        transaction[..tail.len()].copy_from_slice(tail);
        Self { kind, transaction, attributes: Vec::new() }
    }

    /// One more attribute.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.attributes.extend(kind.to_be_bytes());
        self.attributes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        self.attributes.extend(value);
        self.attributes.resize(self.attributes.len().next_multiple_of(4), 0);
        self
    }

    /// The FINGERPRINT over all that is there, as the last attribute.
    pub(crate) fn fingerprint(mut self) -> Self {
        // RFC 8489 §14.7: the length in the header already counts the attribute.
        self.attributes.extend([0; 8]);
        let covered = self.to_bytes();
        self.attributes.truncate(self.attributes.len() - 8);
        let crc = crc32fast::hash(&covered[..covered.len() - 8]) ^ FINGERPRINT_MASK;
        self.attribute(FINGERPRINT, &crc.to_be_bytes())
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.kind.to_be_bytes());
        bytes.extend(u16::try_from(self.attributes.len()).unwrap().to_be_bytes());
        bytes.extend(MAGIC_COOKIE.to_be_bytes());
        bytes.extend(self.transaction);
        bytes.extend(&self.attributes);
        bytes
    }
}

/// A message that arrived.
pub(crate) struct Response {
    octets: Vec<u8>,
    pub(crate) kind: u16,
    transaction: [u8; 12],
    /// Type, offset of the attribute, value.
    attributes: Vec<(u16, usize, Vec<u8>)>,
}

impl Response {
    /// `None`: it is no STUN message.
    pub(crate) fn parse(octets: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]));
        let (kind, length) = (word(0)?, usize::from(word(2)?));
        if octets.get(4..8)? != MAGIC_COOKIE.to_be_bytes() || octets.len() != 20 + length || length % 4 != 0 {
            return None;
        }
        let (mut attributes, mut at) = (Vec::new(), 20);
        while at < octets.len() {
            let (kind, length) = (word(at)?, usize::from(word(at + 2)?));
            attributes.push((kind, at, octets.get(at + 4..at + 4 + length)?.to_vec()));
            at += 4 + length.next_multiple_of(4);
        }
        Some(Self {
            octets: octets.to_vec(),
            kind,
            transaction: octets[8..20].try_into().unwrap(),
            attributes,
        })
    }

    pub(crate) fn answers(&self, request: &Request) -> bool {
        self.transaction == request.transaction
    }

    pub(crate) fn attribute(&self, kind: u16) -> Option<&[u8]> {
        self.attributes.iter().find(|(named, ..)| *named == kind).map(|(.., value)| &**value)
    }

    /// XOR-MAPPED-ADDRESS, decoded: RFC 8489 §14.2.
    pub(crate) fn mapped_address(&self) -> Option<SocketAddr> {
        let value = self.attribute(XOR_MAPPED_ADDRESS)?;
        let mask = &self.octets[4..20];
        let port = u16::from_be_bytes([value[2] ^ mask[0], value[3] ^ mask[1]]);
        let octets: Vec<u8> = value[4..].iter().zip(mask).map(|(octet, mask)| octet ^ mask).collect();
        let address: IpAddr = match value[1] {
            1 => Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into(),
            2 => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(address, port))
    }

    /// Whether there is a FINGERPRINT, at the end, and it is right.
    pub(crate) fn has_right_fingerprint(&self) -> bool {
        let Some((FINGERPRINT, at, value)) = self.attributes.last() else { return false };
        *value == (crc32fast::hash(&self.octets[..*at]) ^ FINGERPRINT_MASK).to_be_bytes()
    }
}
