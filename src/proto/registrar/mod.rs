//! The registrar: a REGISTER in, an update of the location service out, then its outcome in and the response out.
//! RFC 3261 §10.3, RFC 3327 §5.3, RFC 5626 §6.
//!
//! ```text
//!  REGISTER --> plan --+--> Plan { update, terms }          the rules that need no store
//!                      |       |        |
//!                      |       v        |
//!                      |  Location::update                  order, limits, all or nothing
//!                      |       |        |
//!                      |       +--> Terms::answer --> 200, 403, 500 or 503, and the Flow-Timer to enforce
//!                      |
//!                      +--> Reject::answer ---------> 4xx
//! ```
//!
//! | concept | file |
//! | --- | --- |
//! | which extensions are at work, and whether outbound is applied | `extensions.rs` |
//! | a Contact value: binding key, parameters, q | `contact.rs`, `instance_id.rs` |
//! | how long a binding lasts | `expiry.rs` |
//! | the responses | `answer.rs`, `reject.rs` |
//!
//! Authentication (steps 3 and 4) is the caller's and comes before [`plan`].

mod answer;
mod contact;
mod expiry;
mod extensions;
mod instance_id;
mod reject;
#[cfg(test)]
mod tests;

use std::time::Duration;

use flowhold_cluster::binding::{Aor, Binding, Timestamp};
use flowhold_cluster::flow::NodeRun;
use flowhold_cluster::location::{Change, Changes, Update};

pub use answer::{Answer, Terms};
pub use reject::Reject;

use crate::proto::Source;
use crate::proto::edge::cluster_transport;
use crate::sip::{Address, Fault, Message, Name, Scheme, Transport, Uri};

use contact::{Contact, Contacts};
use extensions::Extensions;

/// How much of a User-Agent is kept: it is shown to people, and a UA must not fill the memory with it.
const USER_AGENT_OCTETS: usize = 64;

/// What the registrar is told by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The domains whose AORs may be registered, in lower case.
    pub domains: Vec<Box<[u8]>>,
    /// A shorter time than this is refused when it is below one hour.
    pub min_expires: Duration,
    /// A longer time than this is cut down to it.
    pub max_expires: Duration,
    /// The time for a UA that asks for none.
    pub default_expires: Duration,
    /// How many bindings an AOR may have.
    pub max_bindings: usize,
    /// Whether only registrations with outbound are accepted.
    pub require_outbound: bool,
    /// The Flow-Timer of connections; zero: none.
    pub flow_timer: Duration,
    /// The Flow-Timer of UDP flows; zero: none.
    pub flow_timer_udp: Duration,
}

/// What a REGISTER asks for, found to be in order as far as can be told without the location service.
#[derive(Debug)]
pub struct Plan {
    /// What the location service is to do.
    pub update: Update,
    /// What the UA is told when that has been done.
    pub terms: Terms,
}

/// Reads a REGISTER that has passed [`Message::validate`]. `holder` is this run of this node.
pub fn plan(
    settings: &Settings,
    request: &Message,
    source: &Source,
    holder: &NodeRun,
    now: Timestamp,
) -> Result<Plan, Reject> {
    // RFC 3261 §10.3 step 1: the Request-URI must name a domain of ours.
    let uri = Uri::parse(request.request_uri()).map_err(Reject::Malformed)?;
    if !is_ours(settings, &uri) {
        return Err(Reject::ForeignDomain);
    }
    // RFC 3261 §10.3 step 2: Require is looked at before anything else is.
    let extensions = Extensions::of(request, source.profile)?;
    let aor = aor(settings, request)?;
    let call_id = request.first(Name::CallId).ok_or(Reject::Malformed(Fault::CallId))?;
    let cseq = request.cseq().map_err(Reject::Malformed)?.number;

    let mut terms = Terms::new(&extensions);
    terms.touches_bindings = request.first(Name::Contact).is_some();
    let changes = match contact::read_all(settings, request, &extensions)? {
        Contacts::None => Changes::None,
        Contacts::Star => Changes::RemoveAll,
        Contacts::Each(contacts) => {
            check(settings, &extensions, &contacts)?;
            check_sips(request, source, &extensions, &contacts)?;
            terms.outbound = extensions.ua_knows_outbound && contacts.iter().any(Contact::is_outbound);
            // A UA that removes its binding has no more use for the flow.
            if terms.outbound && contacts.iter().any(|contact| contact.is_put() && contact.is_outbound()) {
                terms.flow_timer = flow_timer(settings, source, &extensions);
            }
            let user_agent = request.first(Name::UserAgent).unwrap_or_default();
            let common = Common {
                path: &extensions.path,
                call_id,
                cseq,
                now,
                holder,
                source,
                direct: extensions.is_first_hop,
                user_agent: &user_agent[..user_agent.len().min(USER_AGENT_OCTETS)],
            };
            Changes::Each(contacts.into_iter().map(|contact| common.change(contact)).collect())
        }
    };
    let update =
        Update { aor, call_id: call_id.into(), cseq, changes, max_bindings: settings.max_bindings, now };
    Ok(Plan { update, terms })
}

/// Whether a REGISTER asks for a binding: it is neither a query nor does it only remove. One that cannot be read counts as
/// asking.
pub fn asks_for_binding(request: &Message) -> bool {
    let all = expiry::of_request(request);
    let own = |value| Address::parse(value).ok().and_then(|address| address.params.get("expires"));
    request.values(Name::Contact).any(|value| {
        let expires = own(value).map(|own| expiry::seconds(own.unwrap_or_default()));
        expires.or(all) != Some(0)
    })
}

/// RFC 3261 §10.3 step 5: the canonical AOR of To, which must be one of a domain of ours.
///
/// Each of our domains is good for the AORs of all: UAs also write the registrar's own name in the Request-URI.
fn aor(settings: &Settings, request: &Message) -> Result<Aor, Reject> {
    let to = request.first(Name::To).unwrap_or_default();
    let to = Address::parse(to).map_err(Reject::Malformed)?;
    let uri = Uri::parse(to.uri).map_err(Reject::Malformed)?;
    // A domain alone is the node itself, for which nobody may register.
    if !is_ours(settings, &uri) || uri.user.is_none() {
        return Err(Reject::UnknownAor);
    }
    let canonical = uri.canonical_aor().map_err(|_| Reject::UnknownAor)?;
    Ok(Aor::from(canonical.as_slice()))
}

fn is_ours(settings: &Settings, uri: &Uri<'_>) -> bool {
    settings.domains.iter().any(|domain| domain.eq_ignore_ascii_case(uri.host))
}

/// What Contact values must be to each other.
fn check(settings: &Settings, extensions: &Extensions, contacts: &[Contact<'_>]) -> Result<(), Reject> {
    let puts = contacts.iter().filter(|contact| contact.is_put()).count();
    // RFC 5626 §6: a registration with a reg-id is of a single flow; it may remove others beside.
    if puts > 1 && contacts.iter().any(|contact| contact.is_put() && contact.is_outbound()) {
        return Err(Reject::SeveralFlows);
    }
    // RFC 5626 §6: the registrar may refuse registrations without instance-id and reg-id.
    let is_outbound = |contact: &Contact<'_>| contact.is_outbound() && extensions.ua_knows_outbound;
    if settings.require_outbound && contacts.iter().any(|contact| contact.is_put() && !is_outbound(contact)) {
        return Err(Reject::OutboundRequired);
    }
    // The store would say the same, after comparing each with each.
    if puts > settings.max_bindings { Err(Reject::TooManyBindings) } else { Ok(()) }
}

/// RFC 3261 §26.2.2: a sips URI promises TLS up to the UA, which a flow without it could not keep. Of a UA behind another
/// proxy only that proxy knows.
fn check_sips(
    request: &Message,
    source: &Source,
    extensions: &Extensions,
    contacts: &[Contact<'_>],
) -> Result<(), Reject> {
    if source.transport.is_secure() || !extensions.is_first_hop {
        return Ok(());
    }
    let is_sips = |uri: &[u8]| Uri::parse(uri).is_ok_and(|uri| uri.scheme == Scheme::Sips);
    let to = request.first(Name::To).and_then(|to| Address::parse(to).ok());
    let puts = || contacts.iter().filter(|contact| contact.is_put());
    let asks = puts().next().is_some() && to.is_some_and(|to| is_sips(to.uri));
    if asks || puts().any(|contact| is_sips(contact.uri)) { Err(Reject::NotSecure) } else { Ok(()) }
}

/// RFC 5626 §6: a Flow-Timer is for the registrar that the UA has a flow with.
fn flow_timer(settings: &Settings, source: &Source, extensions: &Extensions) -> Option<Duration> {
    let timer = match source.transport {
        Transport::Udp => settings.flow_timer_udp,
        _ => settings.flow_timer,
    };
    let is_given = source.profile.has_flow_timer && extensions.is_first_hop && timer.as_secs() > 0;
    is_given.then_some(timer)
}

/// What all bindings of a REGISTER have in common.
struct Common<'a> {
    path: &'a [u8],
    call_id: &'a [u8],
    cseq: u32,
    now: Timestamp,
    holder: &'a NodeRun,
    source: &'a Source,
    direct: bool,
    user_agent: &'a [u8],
}

impl Common<'_> {
    fn change(&self, contact: Contact<'_>) -> Change {
        let outbound = contact.is_outbound();
        if !contact.is_put() {
            return Change::Remove(contact.key);
        }
        Change::Put(Binding {
            key: contact.key,
            contact: contact.uri.into(),
            params: contact.params,
            path: self.path.into(),
            call_id: self.call_id.into(),
            cseq: self.cseq,
            q: contact.q,
            expires_at: self.now + contact.expires,
            updated_at: self.now,
            holder: self.holder.clone(),
            flow: self.source.flow,
            transport: cluster_transport(self.source.transport),
            direct: self.direct,
            outbound,
            user_agent: self.user_agent.into(),
        })
    }
}
