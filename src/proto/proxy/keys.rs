//! What the proxy recognises again: requests by the transaction they belong to, responses by the branch we gave, ACKs by the
//! To tag we gave, loops by a hash. All but the loop hash are keyed with the seed, so that nobody can make one up.
//!
//! ```text
//!   branch of ours:  z9hG4bK  worker  slot  generation  index  code        loop hash
//!   octets (in hex)           2       4     4           1      8 (keyed)   4
//! ```

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use siphasher::sip128::Hasher128 as _;
use siphasher::{sip::SipHasher13, sip128};

use super::context::{BranchId, ContextId};
use crate::proto::hex;
use crate::sip::{Address, MAGIC_COOKIE, Message, Method, Name, Via};

const COOKIE: usize = MAGIC_COOKIE.len();
/// Worker, slot, generation and index.
const PLACE: usize = 2 + 4 + 4 + 1;
const CODE: usize = 8;
const LOOP: usize = 4;
const OCTETS: usize = PLACE + CODE + LOOP;
const BRANCH: usize = COOKIE + 2 * OCTETS;

/// A branch parameter of ours.
pub(super) type Branch = [u8; BRANCH];
/// A To tag of ours.
pub(super) type Tag = [u8; 16];

/// The seed, ready for use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys(u64, u64);

/// A server transaction as RFC 3261 §17.2.3 tells them apart, but for the method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likeness(u128);

/// What of the method takes part in the matching.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// RFC 3261 §17.2.3 item 3: an ACK matches the INVITE.
    InviteOrAck = 0,
    Cancel = 1,
    Other = 2,
}

impl Kind {
    pub(super) fn of(method: Method) -> Kind {
        match method {
            Method::Invite | Method::Ack => Kind::InviteOrAck,
            Method::Cancel => Kind::Cancel,
            _ => Kind::Other,
        }
    }
}

impl Likeness {
    /// The key of the transaction of that kind.
    pub(super) fn of(self, kind: Kind) -> u128 {
        self.0 ^ kind as u128
    }
}

impl Keys {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    pub(super) fn new(seed: u128) -> Keys {
        Keys((seed >> 64) as u64, seed as u64)
    }

    /// What a request has in common with those of its transaction.
    ///
    /// RFC 3261 §17.2.3: branch and sent-by. Departs from it in that Call-ID and `CSeq` number count too: they are the same in
    /// a retransmission, an ACK and a CANCEL, and UAs behind NATs share sent-by values and, when they boot alike, branches.
    /// So does the address that it came from: whoever is called knows all the rest, and nobody has to prove who they are for
    /// a CANCEL.
    pub(super) fn likeness(&self, request: &Message, via: &Via<'_>, from: IpAddr) -> Likeness {
        let mut hash = sip128::SipHasher13::new_with_keys(self.0, self.1);
        match from {
            IpAddr::V4(v4) => put(&mut hash, &v4.octets()),
            IpAddr::V6(v6) => put(&mut hash, &v6.octets()),
        }
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        hash.write_u32(number);
        put(&mut hash, request.first(Name::CallId).unwrap_or_default());
        if let Some(branch) = via.unique_branch() {
            hash.write_u8(1);
            put(&mut hash, &branch[COOKIE..]);
            put(&mut hash, via.sent_by());
        } else {
            // RFC 3261 §17.2.3: a peer of RFC 2543 is known by Request-URI, From tag, Call-ID, CSeq and topmost Via.
            hash.write_u8(0);
            put(&mut hash, request.request_uri());
            put(&mut hash, tag(request, Name::From).unwrap_or_default());
            put(&mut hash, request.values(Name::Via).next().unwrap_or_default());
        }
        // The low bits are the kind's.
        Likeness(hash.finish128().as_u128() & !0b11)
    }

    /// The branch parameter for a request that goes out.
    pub(super) fn branch(&self, worker: u16, id: BranchId, loop_hash: u32) -> Branch {
        let mut octets = [0; OCTETS];
        octets[..2].copy_from_slice(&worker.to_be_bytes());
        octets[2..6].copy_from_slice(&id.context.slot.to_be_bytes());
        octets[6..10].copy_from_slice(&id.context.generation.to_be_bytes());
        octets[10] = id.index;
        octets[PLACE + CODE..].copy_from_slice(&loop_hash.to_be_bytes());
        let code = self.code(&octets);
        octets[PLACE..PLACE + CODE].copy_from_slice(&code);
        let mut branch = [0; BRANCH];
        branch[..COOKIE].copy_from_slice(MAGIC_COOKIE.as_bytes());
        hex::write(&octets, &mut branch[COOKIE..]);
        branch
    }

    /// The branch that a response names, if it is one that this seed made.
    pub(super) fn read_branch(&self, branch: &[u8]) -> Option<BranchId> {
        let octets = octets_of(branch)?;
        let code: [u8; CODE] = octets[PLACE..PLACE + CODE].try_into().ok()?;
        // A branch is found out by sending responses, each of which names it in full: a comparison's time tells nothing more.
        (self.code(&octets) == code).then(|| BranchId {
            context: ContextId {
                slot: u32::from_be_bytes([octets[2], octets[3], octets[4], octets[5]]),
                generation: u32::from_be_bytes([octets[6], octets[7], octets[8], octets[9]]),
            },
            index: octets[10],
        })
    }

    /// The To tag of our own responses to this request and to a CANCEL of it.
    ///
    /// RFC 3261 §8.2.7: the same each time, so that an answer can be repeated, and its ACK recognised, without any state.
    pub(super) fn tag_of(&self, likeness: Likeness) -> Tag {
        let mut hash = SipHasher13::new_with_keys(self.1, self.0);
        hash.write_u128(likeness.0);
        let mut tag = [0; 16];
        hex::write(&hash.finish().to_be_bytes(), &mut tag);
        tag
    }

    /// RFC 3261 §8.2.2.2: what two copies of a request have in common that reached us on two ways.
    pub(super) fn merge(&self, request: &Message) -> u64 {
        let mut hash = SipHasher13::new_with_keys(self.1, self.0);
        put(&mut hash, tag(request, Name::From).unwrap_or_default());
        put(&mut hash, request.first(Name::CallId).unwrap_or_default());
        put(&mut hash, request.first(Name::CSeq).unwrap_or_default());
        hash.finish()
    }

    fn code(&self, octets: &[u8; OCTETS]) -> [u8; CODE] {
        let mut hash = SipHasher13::new_with_keys(self.0, self.1);
        hash.write(&octets[..PLACE]);
        hash.write(&octets[PLACE + CODE..]);
        hash.finish().to_be_bytes()
    }
}

/// Which worker's proxy made this branch, if one of ours did.
pub(super) fn worker_of(branch: &[u8]) -> Option<u16> {
    octets_of(branch).map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
}

/// The loop hash in a branch of ours.
pub(super) fn loop_hash_of(branch: &[u8]) -> Option<u32> {
    let octets = octets_of(branch)?;
    octets[PLACE + CODE..].try_into().ok().map(u32::from_be_bytes)
}

/// How a loop hash is written at the end of a branch of ours.
pub(super) fn loop_digits(loop_hash: u32) -> [u8; 2 * LOOP] {
    let mut digits = [0; 2 * LOOP];
    hex::write(&loop_hash.to_be_bytes(), &mut digits);
    digits
}

/// RFC 5393 §4.2.1: a hash over all that decides where a request goes, and over Call-ID and `CSeq` number so that a collision
/// does not repeat itself; never over the method. The same in every worker, because a loop may come back to another one.
pub(super) fn loop_hash(request: &Message) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    let mut add = |octets: &[u8]| {
        hash.update(octets);
        hash.update(b"\n");
    };
    add(request.request_uri());
    request.fields(Name::Route).for_each(&mut add);
    add(request.first(Name::CallId).unwrap_or_default());
    add(&request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes());
    hash.finalize()
}

/// The tag of From or To.
pub(super) fn tag(message: &Message, name: Name) -> Option<&[u8]> {
    Address::parse(message.first(name)?).ok()?.tag()
}

/// Writes a field so that no two different lists of fields read alike.
fn put(hash: &mut impl Hasher, field: &[u8]) {
    hash.write_usize(field.len());
    hash.write(field);
}

fn octets_of(branch: &[u8]) -> Option<[u8; OCTETS]> {
    let (cookie, digits) = branch.split_at_checked(COOKIE)?;
    if cookie.eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()) { hex::read(digits) } else { None }
}

/// For maps by a key that is a keyed hash already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl BuildHasher for AsItIs {
    type Hasher = AsItIs;

    fn build_hasher(&self) -> AsItIs {
        AsItIs(0)
    }
}

impl Hasher for AsItIs {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    fn write_u128(&mut self, key: u128) {
        self.0 = (key >> 64) as u64 ^ key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// For maps by flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeded(pub(super) Keys);

impl BuildHasher for Seeded {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0.0, self.0.1)
    }
}
