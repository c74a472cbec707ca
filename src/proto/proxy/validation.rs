//! May the request go on, and whither: RFC 3261 §§16.3 and 16.4. Decides only; changes nothing.

use flowhold_cluster::binding::Aor;
use memchr::memmem;

use super::context::Onward;
use super::keys::{loop_digits, loop_hash, loop_hash_of};
use super::{Event, Settings};
use crate::sip::{Address, Message, Method, Name, Scheme, Uri, Via};

/// Where a request that may go on is to go.
#[derive(Debug)]
pub(super) enum Decision {
    /// To a UA of ours.
    Find(Aor, Onward),
    /// To this node itself.
    Here,
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
    /// Of a request that `Message::validate` has passed.
    pub(super) fn decide(&self, request: &Message) -> Result<Decision, Refusal> {
        let uri = Uri::parse(request.request_uri())
            .map_err(|fault| Refusal::new(fault.status(), fault.reason(), Event::Malformed(fault)))?;
        // RFC 3261 §16.3 step 2
        if !is_sip(&uri) {
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
        let (uri, own_routes) = self.follow_routes(request, uri)?;
        if !self.is_us(uri.host, uri.port, default_port(&uri)) {
            return Err(not_ours());
        }
        let aor = match uri.user {
            None => return Ok(Decision::Here),
            Some(_) => uri.canonical_aor().map_err(|_| not_ours())?,
        };
        let secure = uri.scheme == Scheme::Sips;
        let max_forwards = hops.map_or(MAX_FORWARDS, |hops| hops - 1);
        Ok(Decision::Find(Aor::from(&aor[..]), Onward { max_forwards, own_routes, loop_hash, secure }))
    }

    /// RFC 5393 §4.2.2: a Via of ours with the hash that this request would get again is a loop; another hash is a spiral.
    fn was_here(&self, request: &Message, loop_hash: u32) -> bool {
        // Hardly any Via holds these digits, so hardly any has to be taken apart.
        let digits = loop_digits(loop_hash);
        let suspects = request.values(Name::Via).filter(|value| memmem::find(value, &digits).is_some());
        suspects.filter_map(|value| Via::parse(value).ok()).any(|via| {
            self.sent_by.contains(via.sent_by()) && via.branch().and_then(loop_hash_of) == Some(loop_hash)
        })
    }

    /// The URI that decides where the request goes, and how many of its Route values come off.
    fn follow_routes<'m>(&self, request: &'m Message, uri: Uri<'m>) -> Result<(Uri<'m>, u8), Refusal> {
        let mut routes = request.values(Name::Route).peekable();
        if routes.peek().is_none() {
            return Ok((uri, 0));
        }
        let mut routes: Vec<Uri<'m>> = routes
            .map(|route| Address::parse(route).and_then(|route| Uri::parse(route.uri)))
            .collect::<Result<_, _>>()
            .map_err(|fault| Refusal::new(400, "Malformed Route", Event::Malformed(fault)))?;
        let count = routes.len();
        let mut uri = uri;
        // RFC 3261 §16.4: a Request-URI that we put into a Route comes from a strict router, which has put the real
        // Request-URI behind all Route values.
        if uri.params.has("lr") && self.is_us(uri.host, uri.port, default_port(&uri)) {
            uri = routes.pop().expect("there is a Route");
        }
        // RFC 3261 §16.4: a first Route value that is us comes off; all in a row do, or the request would come back here.
        if !routes
            .iter()
            .all(|route| is_sip(route) && self.is_us(route.host, route.port, default_port(route)))
        {
            return Err(not_ours());
        }
        let count = u8::try_from(count).map_err(|_| Refusal::new(400, "Too Many Routes", Event::NotOurs))?;
        Ok((uri, count))
    }
}

/// Departs from RFC 3261 §16.5, which would forward to any domain: we serve nobody as an open relay.
fn not_ours() -> Refusal {
    Refusal::new(403, "Forbidden", Event::NotOurs)
}

fn is_sip(uri: &Uri<'_>) -> bool {
    matches!(uri.scheme, Scheme::Sip | Scheme::Sips)
}

/// RFC 3261 §19.1.2
fn default_port(uri: &Uri<'_>) -> u16 {
    if uri.scheme == Scheme::Sips { 5061 } else { 5060 }
}
