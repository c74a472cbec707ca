//! The owner's hop: a request that another node sends over a link, for a flow of this one. It is a stateless proxy (RFC 3261
//! §16.11): the transaction is between the other node and the UA, and nothing that it depends on is kept here ([`Notes`] are for
//! a drain).
//!
//! ```text
//!   link ── request ──> checks (§16.3) ──> first Route: TOKEN ──> Route off, our Via on ──> the token's flow
//!                          │ 400, 420, 483     │ 403 forged          │ its mailbox is full: 503
//!                          │                   │ 430 another run     │ the flow is gone: 430
//!                          v                   v                     v
//!   link <──────────────── response of ours; none to an ACK
//!
//!   link <── our Via off <── topmost branch is the one of this link, this flow and the next Via <── response ── flow
//! ```
//!
//! What a response needs in order to find its way back stands in our branch: the link, and a code over the link, the UA's
//! flow, and sent-by and branch of the Via below. So a request, its retransmissions, its CANCEL and the ACK to its failure
//! have one branch, and nobody gets a response onto a link but the UA that the request went to.
//!
//! ```text
//!   branch:  z9hG4bKl  worker  slot  generation  code
//!   octets (in hex)    2       4     4           16 (keyed)
//! ```

mod notes;

#[cfg(test)]
mod tests;

use std::hash::Hasher;
use std::sync::Arc;

use flowhold_cluster::flow::{Flow, FlowId, NodeRun};
use flowhold_cluster::token::KeyRing;
use siphasher::sip128::{self, Hasher128 as _};

use super::edge::{NOT_SAID, flow_of};
use super::proxy::{self, Event, SentBy};
use super::via::via;
use super::{Source, hex};
use crate::sip::{Address, Edit, Fault, Message, Method, Name, Response, Uri, Via, Wire};

pub use notes::{Code, Notes};

/// RFC 3261 §8.1.1.7: the magic cookie, with a letter that is no hex digit, so that it is never a branch of a proxy's core.
const START: &[u8] = b"z9hG4bKl";
/// Of the link.
const PLACE: usize = 2 + 4 + 4;
const CODE: usize = 16;
const BRANCH: usize = START.len() + 2 * (PLACE + CODE);

type Branch = [u8; BRANCH];

/// RFC 3261 §16.6 step 3: what a request without Max-Forwards is given.
const MAX_FORWARDS: u8 = 70;

/// The owner's hop of one worker.
#[derive(Debug)]
pub struct Relay {
    run: NodeRun,
    tokens: Arc<KeyRing>,
    sent_by: SentBy,
    retry_after: Box<str>,
    server: Box<[u8]>,
    secret: (u64, u64),
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Relayed {
    /// It goes to the UA. If the flow is gone, that is [`Relay::gone`]; if it has no room, [`Relay::full`].
    Onward {
        /// The UA's flow. Of a connection its id is right, and no more.
        to: Source,
        /// The request.
        wire: Wire,
        /// What its responses are known by.
        code: Code,
    },
    /// It is refused.
    Refused {
        /// The response, which goes back over the link; none to an ACK.
        answer: Option<Wire>,
        /// Why.
        event: Event,
    },
    /// It is the ACK to a response of ours, and has served.
    Absorbed,
}

/// Why a request goes no further.
struct Refusal {
    status: u16,
    reason: &'static str,
    event: Event,
    field: Option<(Name, Vec<u8>)>,
}

impl Relay {
    /// Of the node that `settings` tell of. `secret` has to be unpredictable, and one for all workers of this run: a response
    /// may come to another worker than its request.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    pub fn new(settings: &proxy::Settings, secret: u128) -> Relay {
        Relay {
            run: settings.run.clone(),
            tokens: Arc::clone(&settings.tokens),
            sent_by: settings.sent_by.clone(),
            retry_after: settings.retry_after.as_secs().max(1).to_string().into(),
            server: settings.server.clone(),
            secret: ((secret >> 64) as u64, secret as u64),
        }
    }

    /// Whether a branch looks as if [`Relay::response`] knew it. Costs next to nothing.
    pub fn is_branch(branch: &[u8]) -> bool {
        branch.len() == BRANCH && branch.starts_with(START)
    }

    /// A request came over a link.
    pub fn request(&self, request: &Message, link: Source) -> Relayed {
        let Ok(from) = request.top_via() else {
            return Relayed::Refused { answer: None, event: Event::Unanswerable };
        };
        if request.method() == Method::Ack && self.is_own_tag(request, &from) {
            return Relayed::Absorbed;
        }
        let (to, max_forwards) = match self.check(request, &from) {
            Ok(way) => way,
            Err(refusal) => return self.refuse(request, link, &refusal),
        };
        let branch = self.branch(link.flow.id, to, &from);
        let mut edit = Edit::new(request);
        // RFC 3261 §18.2.1
        edit.note_source(link.ip(), link.port());
        // RFC 3261 §16.6 step 8
        edit.push_via(&via(to.transport, self.sent_by.of(to.transport), &branch));
        // RFC 3261 §16.6 step 3
        edit.max_forwards(max_forwards);
        // RFC 3261 §16.4: the Route that is this node comes off.
        edit.pop_route();
        if to.transport.is_reliable() {
            edit.ensure_content_length();
        }
        let code = Code::in_branch(&branch).expect("a branch of ours has a code");
        Relayed::Onward { to, wire: edit.finish(), code }
    }

    /// The flow that a request was to go to is gone.
    pub fn gone(&self, request: &Message, link: Source) -> Relayed {
        self.refuse(request, link, &Refusal::flow_gone())
    }

    /// The flow that a request was to go to has no room for it.
    pub fn full(&self, request: &Message, link: Source) -> Relayed {
        let field = Some((Name::RetryAfter, self.retry_after.as_bytes().to_vec()));
        // RFC 3261 §16.9: a transport that does not take the request is a 503.
        let refusal = Refusal { field, ..Refusal::new(503, "Service Unavailable", Event::Undeliverable) };
        self.refuse(request, link, &refusal)
    }

    /// A response came over a UA's flow: the link that it goes back over, and its octets for there. None: no request of this
    /// node's hop went out on that flow that it could be the answer to.
    pub fn response(&self, response: &Message, from: Source) -> Option<(Flow, Wire)> {
        let mut vias = response.values(Name::Via);
        let ours = Via::parse(vias.next()?).ok()?.branch()?;
        let link = link_of(ours)?;
        let next = Via::parse(vias.next()?).ok()?;
        // A UA finds a branch out by sending responses, each of which names it in full: a comparison's time tells nothing more.
        if self.branch(link, from, &next) != ours {
            return None;
        }
        // RFC 3261 §18.3: of a datagram whose body is shorter than it says, the rest would be taken from the response behind
        // it on the link.
        response.validate().ok()?;
        // RFC 3261 §16.11, §16.7 step 3: the topmost Via is ours and comes off.
        let mut edit = Edit::new(response);
        edit.pop_via().ensure_content_length();
        Some((Flow { id: link, remote: NOT_SAID }, edit.finish()))
    }

    /// Where the request goes, and with how many hops left.
    fn check(&self, request: &Message, from: &Via<'_>) -> Result<(Source, u8), Refusal> {
        // RFC 3261 §16.11: a stateless proxy validates as any other does (§16.3).
        request.validate().map_err(Refusal::malformed)?;
        // RFC 3261 §16.11: our branch is made from the one below, which every node gives.
        from.unique_branch().ok_or_else(|| Refusal::malformed(Fault::Via))?;
        // RFC 3261 §16.3 step 3
        let max_forwards = match request.max_forwards().ok().flatten() {
            Some(0) => return Err(Refusal::new(483, "Too Many Hops", Event::TooManyHops)),
            Some(hops) => hops - 1,
            None => MAX_FORWARDS,
        };
        // RFC 3261 §16.3 step 5: the other node may know more options than this one.
        if request.first(Name::ProxyRequire).is_some() {
            let unsupported: Vec<&[u8]> = request.values(Name::ProxyRequire).collect();
            let field = Some((Name::Unsupported, unsupported.join(&b", "[..])));
            return Err(Refusal { field, ..Refusal::new(420, "Bad Extension", Event::BadExtension) });
        }
        let user = request
            .values(Name::Route)
            .next()
            .and_then(|route| Uri::parse(Address::parse(route).ok()?.uri).ok()?.user)
            .ok_or_else(|| Refusal::new(403, "Forbidden", Event::NotOurs))?;
        // RFC 5626 §5.3.1: a token that was tampered with is answered 403.
        let token = self.tokens.open(user).map_err(|_| Refusal::new(403, "Forbidden", Event::ForgedToken))?;
        // RFC 5626 §5.3.1: a flow that no longer exists is answered 430, and none of another run exists here.
        if token.run != self.run {
            return Err(Refusal::flow_gone());
        }
        Ok((flow_of(&token), max_forwards))
    }

    fn refuse(&self, request: &Message, link: Source, refusal: &Refusal) -> Relayed {
        let Refusal { status, reason, event, field } = refusal;
        let via = request.top_via().ok().filter(|_| request.method() != Method::Ack);
        let answer = via.map(|via| {
            let tag = self.tag_of(&via);
            let mut answer = Response::to(request, *status, reason)
                .source(link.ip(), link.port())
                .to_tag(str::from_utf8(&tag).expect("a tag is hex digits"));
            if !self.server.is_empty() {
                answer = answer.header(Name::Server, &self.server);
            }
            if let Some((name, value)) = field {
                answer = answer.header(*name, value);
            }
            answer.finish()
        });
        Relayed::Refused { answer, event: *event }
    }

    /// RFC 3261 §16.11: made from what a retransmission, a CANCEL and an ACK have in common with their request.
    fn branch(&self, link: FlowId, to: Source, next: &Via<'_>) -> Branch {
        let mut place = [0; PLACE];
        place[..2].copy_from_slice(&link.worker.to_be_bytes());
        place[2..6].copy_from_slice(&link.slot.to_be_bytes());
        place[6..].copy_from_slice(&link.generation.to_be_bytes());
        let mut hash = sip128::SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hash.write(&place);
        hash.write_u16(to.flow.id.worker);
        hash.write_u32(to.flow.id.slot);
        hash.write_u32(to.flow.id.generation);
        // Over UDP the peer is part of the flow.
        if !to.transport.is_reliable() {
            std::hash::Hash::hash(&to.flow.remote, &mut hash);
        }
        put(&mut hash, next.sent_by());
        put(&mut hash, next.branch().unwrap_or_default());
        let mut branch = [0; BRANCH];
        branch[..START.len()].copy_from_slice(START);
        let (first, second) = branch[START.len()..].split_at_mut(2 * PLACE);
        hex::write(&place, first);
        hex::write(&hash.finish128().as_bytes(), second);
        branch
    }

    /// The To tag of our own responses. RFC 3261 §8.2.7: the same each time, so that the ACK is known by it.
    fn tag_of(&self, via: &Via<'_>) -> [u8; 16] {
        let mut hash = siphasher::sip::SipHasher13::new_with_keys(self.secret.1, self.secret.0);
        put(&mut hash, via.sent_by());
        put(&mut hash, via.branch().unwrap_or_default());
        let mut tag = [0; 16];
        hex::write(&hash.finish().to_be_bytes(), &mut tag);
        tag
    }

    fn is_own_tag(&self, ack: &Message, via: &Via<'_>) -> bool {
        let to = ack.first(Name::To).and_then(|to| Address::parse(to).ok());
        to.and_then(|to| to.tag()) == Some(&self.tag_of(via)[..])
    }
}

impl Refusal {
    fn new(status: u16, reason: &'static str, event: Event) -> Refusal {
        Refusal { status, reason, event, field: None }
    }

    fn malformed(fault: Fault) -> Refusal {
        Refusal::new(fault.status(), fault.reason(), Event::Malformed(fault))
    }

    fn flow_gone() -> Refusal {
        Refusal::new(430, "Flow Failed", Event::FlowGone)
    }
}

/// The link that a branch of ours names.
fn link_of(branch: &[u8]) -> Option<FlowId> {
    let place: [u8; PLACE] = hex::read(branch.strip_prefix(START)?.get(..2 * PLACE)?)?;
    Some(FlowId {
        worker: u16::from_be_bytes([place[0], place[1]]),
        slot: u32::from_be_bytes([place[2], place[3], place[4], place[5]]),
        generation: u32::from_be_bytes([place[6], place[7], place[8], place[9]]),
    })
}

/// Writes a field so that no two different lists of fields read alike.
fn put(hash: &mut impl Hasher, field: &[u8]) {
    hash.write_usize(field.len());
    hash.write(field);
}
