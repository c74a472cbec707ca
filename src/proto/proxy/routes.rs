//! Whither a request goes: along its Route values and Request-URI, RFC 3261 §§16.4 and 16.5, and along flow tokens, RFC 5626
//! §5.3. Decides only; changes nothing.
//!
//! | what is left when our own Route values are off | a registrar's node | an edge proxy |
//! | --- | --- | --- |
//! | a token leads to a UA | over its flow, on whichever node that is | the same |
//! | it came over a flow to another provider | to the AOR here that is for | |
//! | a Request-URI in a domain of ours | to the AOR | to the registrar |
//! | a Route or Request-URI that leads to a configured next hop | there, in a dialog or from a UA that is registered | to the registrar |
//! | a token says that it comes from a UA in a dialog | 403 | to the registrar |
//! | anything else | 403 | 403 |

use flowhold_cluster::binding::Aor;
use flowhold_cluster::token::{FlowToken, TokenError};
use smallvec::SmallVec;

use super::context::Onward;
use super::keys::tag;
use super::target::Target;
use super::validation::{Decision, Refusal, To};
use super::{Event, Exit, Matcher, Settings, Source, Upstream};
use crate::proto::NextHop;
use crate::proto::edge::{Astray, Way};
use crate::sip::{Address, Message, Method, Name, Scheme, Transport, Uri};

/// What a request's Route values say.
struct Routed<'m> {
    /// The Request-URI that counts.
    uri: Uri<'m>,
    /// Its octets, where a strict router had moved them.
    moved: Option<&'m [u8]>,
    /// How many Route values are ours and come off.
    own: u8,
    /// The first that is not ours.
    next: Option<Uri<'m>>,
    way: Way,
}

/// What the user parts of our own Route values say; mostly there is one for each side of a dialog.
type Tokens = SmallVec<[Result<FlowToken, TokenError>; 2]>;

impl Settings {
    /// RFC 3261 §16.3 step 2: schemes that we can do something with.
    pub(super) fn understands(&self, uri: &Uri<'_>) -> bool {
        let has_numbers = || self.routes.iter().any(|route| matches!(route.matcher, Matcher::Prefix(_)));
        is_sip(uri) || (uri.scheme == Scheme::Tel && has_numbers())
    }

    /// Of a request that may go on as `onward` says so far.
    pub(super) fn route_request(
        &self,
        request: &Message,
        uri: Uri<'_>,
        (from, upstream): (Source, Option<&Upstream>),
        mut onward: Onward,
    ) -> Result<Decision, Refusal> {
        let routed = self.follow_routes(request, uri, from)?;
        onward.own_routes = routed.own;
        onward.request_uri = routed.moved.map(Box::from);
        onward.secure = routed.uri.scheme == Scheme::Sips;
        let to = match (&routed.way, upstream, self.registrar) {
            (Way::Incoming(to), ..) => To::Target(Target::Flow(*to)),
            (Way::Elsewhere(token), ..) => To::Target(Target::Elsewhere(Box::new(token.clone()))),
            // Whatever the Request-URI says, which is our Contact there or the number that was called.
            (_, Some(upstream), _) if routed.next.is_none() => {
                onward.is_aor_known = true;
                To::Aor(upstream.to.clone())
            }
            (_, Some(_), _) => return Err(not_ours()),
            (_, None, Some(registrar)) => match self.edge_target(&routed, registrar)? {
                Some(target) => To::Target(target),
                None => return Ok(Decision::Here),
            },
            (_, None, None) => match self.own_target(request, &routed)? {
                Some(to) => to,
                None => return Ok(Decision::Here),
            },
        };
        if let To::IfRegistered(_, exit) = &to {
            let theirs = self.request_uri_there(*exit, &routed.uri);
            onward.request_uri = theirs.or(onward.request_uri);
        }
        Ok(Decision::Onward(to, onward))
    }

    /// At the edge proxy of another registrar: all that may go on goes there. None: the request is for this node itself.
    fn edge_target(&self, routed: &Routed<'_>, registrar: NextHop) -> Result<Option<Target>, Refusal> {
        let uri = &routed.uri;
        let to_registrar = match &routed.next {
            // What a UA sends in a dialog may follow Route values, or lead to a UA, that only the registrar can tell.
            _ if routed.way == Way::Outgoing => Some(registrar),
            Some(next) => self.registrars().find(|registrar| registrar.is_at(next)),
            None => {
                let is_there = self.is_domain(uri.host) || (self.means_us(uri) && uri.user.is_some());
                is_there.then_some(registrar)
            }
        };
        match (to_registrar, &routed.next) {
            (Some(registrar), _) => Ok(Some(Target::NextHop(registrar))),
            (None, None) if self.means_us(uri) => Ok(None),
            (None, _) => Err(not_ours()),
        }
    }

    /// Where the bindings are here. None: the request is for this node itself.
    fn own_target(&self, request: &Message, routed: &Routed<'_>) -> Result<Option<To>, Refusal> {
        let uri = &routed.uri;
        let exit = match &routed.next {
            Some(next) => self.at_end_of_route(next).or_else(|| self.route(next)),
            None => self.route(uri).or_else(|| self.at_end_of_route(uri)),
        };
        if let Some(exit) = exit {
            // Also within what looks like a dialog: anybody gets a token of their own flow by calling an AOR here, and
            // anybody can write a To tag.
            return Ok(Some(To::IfRegistered(self.sender(request, exit)?, exit)));
        }
        if routed.next.is_some() || !self.means_us(uri) {
            return Err(not_ours());
        }
        let aor = uri.user.map(|_| uri.canonical_aor().map_err(|_| not_ours())).transpose()?;
        Ok(aor.map(|aor| To::Aor(Aor::from(&aor[..]))))
    }

    /// The AOR that a request says it comes from, where it is one of ours; or one with an upstream, which stands for the AOR
    /// that is reached by it.
    fn sender(&self, request: &Message, exit: Exit) -> Result<Aor, Refusal> {
        let from = request.first(Name::From).and_then(|from| Address::parse(from).ok());
        let uri = from.and_then(|from| Uri::parse(from.uri).ok()).ok_or_else(not_ours)?;
        let aor = uri.canonical_aor().map_err(|_| not_ours())?;
        if let Exit::Upstream(place) = exit
            && let Some(upstream) = self.upstreams.get(place).filter(|upstream| *upstream.aor == aor[..])
        {
            return Ok(upstream.to.clone());
        }
        if self.is_domain(uri.host) { Ok(Aor::from(&aor[..])) } else { Err(not_ours()) }
    }

    /// The Request-URI of a request that leaves over a flow to an upstream, where it becomes another one.
    fn request_uri_there(&self, exit: Exit, uri: &Uri<'_>) -> Option<Box<[u8]>> {
        let Exit::Upstream(place) = exit else { return None };
        self.upstreams.get(place)?.request_uri(uri, self.is_domain(uri.host))
    }

    fn follow_routes<'m>(
        &self,
        request: &'m Message,
        uri: Uri<'m>,
        from: Source,
    ) -> Result<Routed<'m>, Refusal> {
        let mut routed = Routed { uri, moved: None, own: 0, next: None, way: Way::Plain };
        let mut values = request.values(Name::Route).peekable();
        if values.peek().is_none() {
            return Ok(routed);
        }
        let mut uris: Vec<(&[u8], Uri<'m>)> = values
            .map(|route| {
                let octets = Address::parse(route)?.uri;
                Ok((octets, Uri::parse(octets)?))
            })
            .collect::<Result<_, _>>()
            .map_err(|fault: crate::sip::Fault| {
                Refusal::new(400, "Malformed Route", Event::Malformed(fault))
            })?;
        let mut tokens = Tokens::new();
        // RFC 3261 §16.4: a Request-URI that we put into a Route comes from a strict router, which has put the real
        // Request-URI behind all Route values.
        if uri.params.has("lr") && self.is_own_route(&uri, &mut tokens) {
            let (octets, last) = uris.pop().expect("there is a Route");
            (routed.uri, routed.moved) = (last, Some(octets));
        }
        // RFC 3261 §16.4: a first Route value that is us comes off; all in a row do, or the request would come back here.
        let own = uris.iter().take_while(|(_, route)| self.is_own_route(route, &mut tokens)).count();
        routed.next = uris.get(own).map(|(_, route)| *route);
        // The value that a strict router added is the last, so it comes off with the others only where all are ours.
        let moved = usize::from(routed.moved.is_some());
        if moved > 0 && routed.next.is_some() {
            return Err(not_ours());
        }
        routed.own =
            u8::try_from(own + moved).map_err(|_| Refusal::new(400, "Too Many Routes", Event::NotOurs))?;
        routed.way = self.edge().way(tokens, from).map_err(|astray| match astray {
            Astray::Forged => Refusal::new(403, "Forbidden", Event::ForgedToken),
            Astray::FlowGone => Refusal::new(430, "Flow Failed", Event::FlowGone),
        })?;
        Ok(routed)
    }

    /// Whether a Route is ours, by its host or by its token; adds the token.
    ///
    /// A token makes it ours whatever the host: the nodes of a cluster share their keys, so each follows the Record-Route of
    /// all, and a dialog outlives the node that its UA was on. Only nodes of the cluster make tokens that open, and a
    /// stranger who puts one in front of another host gains nothing that our own host would not give him.
    fn is_own_route(&self, uri: &Uri<'_>, tokens: &mut Tokens) -> bool {
        let token = || uri.user.map(|user| self.tokens.open(user));
        if self.means_us(uri) {
            tokens.extend(token());
            return true;
        }
        let token = token().filter(|token| token.is_ok() && is_sip(uri));
        let is_ours = token.is_some();
        tokens.extend(token);
        is_ours
    }

    fn means_us(&self, uri: &Uri<'_>) -> bool {
        // RFC 3261 §19.1.2: 5061 over TLS.
        let is_tls = uri.scheme == Scheme::Sips || uri.transport() == Some(Transport::Tls);
        let default_port = if is_tls { 5061 } else { 5060 };
        is_sip(uri) && self.is_us(uri.host, uri.port, default_port)
    }
}

/// Whether a request may have a dialog begin.
///
/// RFC 3261 §12.1, RFC 6665 §4: these methods do, outside of any dialog.
pub(super) fn begins_dialog(request: &Message) -> bool {
    let method = request.method();
    matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify)
        && tag(request, Name::To).is_none()
}

/// Departs from RFC 3261 §16.5, which would forward to any domain: we serve nobody as an open relay.
pub(super) fn not_ours() -> Refusal {
    Refusal::new(403, "Forbidden", Event::NotOurs)
}

fn is_sip(uri: &Uri<'_>) -> bool {
    matches!(uri.scheme, Scheme::Sip | Scheme::Sips)
}
