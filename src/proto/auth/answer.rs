//! The responses, which leave without anything being kept, and the ACKs to them. RFC 3261 §22, §8.2.7.

use std::fmt::Write as _;
use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use super::authenticator::Outcome;
use super::demand::{Rules, Wanted};
use super::keys::Keys;
use crate::proto::Source;
use crate::sip::digest::Challenge;
use crate::sip::{Address, Message, Name, Response, Wire};

/// A request goes no further, and this is said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The response.
    pub wire: Wire,
    /// Why.
    pub why: Outcome,
    /// Who it was said to be, where credentials were looked at.
    pub username: Option<Box<[u8]>>,
}

/// What an answer is made from.
pub(super) struct Answering<'a> {
    pub(super) rules: &'a Rules,
    pub(super) keys: &'a Keys,
    pub(super) request: &'a Message,
    pub(super) source: &'a Source,
}

impl Answering<'_> {
    /// 401 or 407.
    ///
    /// RFC 7616 §3.3: stale says that it was the nonce alone. It also says so of a nonce that is not ours, whatever the
    /// password: that gives nothing away, and a UA whose address has changed does not ask its user for another one.
    pub(super) fn challenge(&self, wanted: &Wanted, nonce: &str, why: Outcome) -> Answer {
        let (status, reason, name) = if wanted.by_registrar {
            (401, "Unauthorized", Name::WwwAuthenticate)
        } else {
            (407, "Proxy Authentication Required", Name::ProxyAuthenticate)
        };
        // RFC 8760 §2.3: a challenge for each algorithm, the one that is liked best at the top.
        let realms = self.rules.realms(self.request, &wanted.who);
        let values = realms
            .iter()
            .flat_map(|realm| self.rules.algorithms.iter().map(move |algorithm| (realm, algorithm)));
        let values = values.map(|(realm, algorithm)| {
            let challenge = Challenge {
                realm: realm.to_vec(),
                nonce: nonce.as_bytes().to_vec(),
                opaque: None,
                algorithm: Some(*algorithm),
                has_qop: true,
                is_stale: matches!(why, Outcome::OtherNonce | Outcome::Stale | Outcome::Replayed),
            };
            (name, challenge.to_value())
        });
        self.answer(status, reason, values, why)
    }

    pub(super) fn bad_request(&self, reason: &str) -> Answer {
        self.answer(400, reason, [], Outcome::Malformed)
    }

    pub(super) fn forbidden(&self, why: Outcome) -> Answer {
        self.answer(403, "Forbidden", [], why)
    }

    pub(super) fn later(&self, retry_after: Duration, why: Outcome) -> Answer {
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let retry_after = (Name::RetryAfter, seconds.max(1).to_string().into_bytes());
        self.answer(503, "Service Unavailable", [retry_after], why)
    }

    fn answer(
        &self,
        status: u16,
        reason: &str,
        fields: impl IntoIterator<Item = (Name, Vec<u8>)>,
        why: Outcome,
    ) -> Answer {
        let tag = tag(self.keys, self.request);
        let response = Response::to(self.request, status, reason)
            .to_tag(&tag)
            .source(self.source.ip(), self.source.port());
        let response =
            fields.into_iter().fold(response, |response, (name, value)| response.header(name, value));
        Answer { status, wire: response.finish(), why, username: None }
    }
}

/// The To tag of what is answered to a request.
///
/// RFC 3261 §8.2.7: a stateless server gives each copy of a request the same tag. The ACK to the answer has it too.
fn tag(keys: &Keys, request: &Message) -> String {
    let mut hash = SipHasher13::new_with_key(&keys.tag);
    let mut put = |octets: &[u8]| {
        hash.write_usize(octets.len());
        hash.write(octets);
    };
    let from = request.first(Name::From).and_then(|from| Address::parse(from).ok());
    put(request.first(Name::CallId).unwrap_or_default());
    put(from.and_then(|from| from.tag()).unwrap_or_default());
    put(request.top_via().ok().and_then(|via| via.branch()).unwrap_or_default());
    put(&request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes());
    let mut tag = String::with_capacity(16);
    write!(tag, "{:016x}", hash.finish()).expect("a String takes all that is written");
    tag
}

/// Whether an ACK is to an answer of ours.
pub(super) fn is_acked(keys: &Keys, ack: &Message) -> bool {
    let to = ack.first(Name::To).and_then(|to| Address::parse(to).ok());
    to.and_then(|to| to.tag()).is_some_and(|found| found == tag(keys, ack).as_bytes())
}
