//! May the request go on: RFC 3261 §16.3. Decides only; changes nothing. Whither is decided in `routes.rs`.

use flowhold_cluster::binding::Aor;
use memchr::memmem;

use super::context::Onward;
use super::keys::{loop_digits, loop_hash, loop_hash_of};
use super::target::Target;
use super::{Event, Exit, Settings, Source, Upstream};
use crate::sip::{Message, Method, Name, Uri, Via};

/// Where a request that may go on is to go.
#[derive(Debug)]
pub(super) enum Decision {
    /// To this node itself.
    Here,
    /// Elsewhere.
    Onward(To, Onward),
}

/// Where a request goes on to.
#[derive(Debug)]
pub(super) enum To {
    /// To a UA of ours.
    Aor(Aor),
    /// To where we know already.
    Target(Target),
    /// To the end of a route, if the sender's AOR is registered over the flow that the request came over.
    IfRegistered(Aor, Exit),
}

/// Why it may not.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) event: Event,
    /// A field that the response has to carry.
    pub(super) field: Option<(Name, Vec<u8>)>,
}

impl Refusal {
    pub(super) fn new(status: u16, reason: &'static str, event: Event) -> Refusal {
        Refusal { status, reason, event, field: None }
    }
}

/// RFC 3261 §16.6 step 3: what a request without Max-Forwards is given.
const MAX_FORWARDS: u8 = 70;

impl Settings {
    /// Of a request that `Message::validate` has passed, and that came over a flow to `upstream`.
    pub(super) fn decide(
        &self,
        request: &Message,
        from: Source,
        upstream: Option<&Upstream>,
    ) -> Result<Decision, Refusal> {
        let uri = Uri::parse(request.request_uri())
            .map_err(|fault| Refusal::new(fault.status(), fault.reason(), Event::Malformed(fault)))?;
        // RFC 3261 §16.3 step 2
        if !self.understands(&uri) {
            return Err(Refusal::new(416, "Unsupported URI Scheme", Event::UnsupportedScheme));
        }
        // RFC 3261 §16.3 step 3: a request that may go no further is answered here, an OPTIONS as if it were for us.
        let hops = request.max_forwards().ok().flatten();
        if hops == Some(0) {
            return match request.method() {
                Method::Options => Ok(Decision::Here),
                _ => Err(Refusal::new(483, "Too Many Hops", Event::TooManyHops)),
            };
        }
        let loop_hash = loop_hash(request);
        if self.was_here(request, loop_hash) {
            return Err(Refusal::new(482, "Loop Detected", Event::Loop));
        }
        // RFC 3261 §16.3 step 5: we know no option that a proxy would have to understand.
        if request.first(Name::ProxyRequire).is_some() {
            let unsupported: Vec<&[u8]> = request.values(Name::ProxyRequire).collect();
            let field = Some((Name::Unsupported, unsupported.join(&b", "[..])));
            return Err(Refusal { field, ..Refusal::new(420, "Bad Extension", Event::BadExtension) });
        }
        let onward = Onward {
            max_forwards: hops.map_or(MAX_FORWARDS, |hops| hops - 1),
            loop_hash,
            ..Onward::default()
        };
        self.route_request(request, uri, (from, upstream), onward)
    }

    /// RFC 5393 §4.2.2: a Via of ours with the hash that this request would get again is a loop; another hash is a spiral.
    fn was_here(&self, request: &Message, loop_hash: u32) -> bool {
        // Hardly any Via holds these digits, so hardly any has to be taken apart.
        let digits = loop_digits(loop_hash);
        let suspects = request.values(Name::Via).filter(|value| memmem::find(value, &digits).is_some());
        suspects.filter_map(|value| Via::parse(value).ok()).any(|via| {
            self.is_own_sent_by(via.sent_by()) && via.branch().and_then(loop_hash_of) == Some(loop_hash)
        })
    }
}
