//! The responses. RFC 3261 §22.

use std::time::Duration;

use super::authenticator::Outcome;
use super::demand::{Rules, Wanted};
use crate::proto::Source;
use crate::proto::stateless::{Reply, Stateless};
use crate::sip::digest::Challenge;
use crate::sip::{Message, Name};

/// A request goes no further, and this is said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The response.
    pub reply: Reply,
    /// Why.
    pub why: Outcome,
    /// Who it was said to be, where credentials were looked at.
    pub username: Option<Box<[u8]>>,
}

/// What an answer is made from.
pub(super) struct Answering<'a> {
    pub(super) rules: &'a Rules,
    pub(super) stateless: &'a Stateless,
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
        let reply = self.stateless.answer(self.request, self.source, (status, reason), fields);
        Answer { reply, why, username: None }
    }
}
