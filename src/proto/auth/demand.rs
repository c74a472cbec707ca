//! What is asked of which request. Decides by the request and where it came from alone.
//!
//! | request | what is asked |
//! | --- | --- |
//! | ACK, CANCEL | nothing: neither can be sent again with credentials |
//! | from a next hop that the operator named, but a REGISTER | nothing |
//! | one that breaks a rule of SIP | nothing: whoever would serve it refuses it |
//! | OPTIONS for the node itself | nothing: it is how balancers and UAs see whether the node is there |
//! | REGISTER | to be the user of To, and From the same |
//! | within a dialog that goes through this cluster: BYE, INFO, PRACK, UPDATE | to be any user: From is what the dialog began with, and the peer knows its dialog; nothing of strangers that are let through |
//! | the same: all other methods | the same, but where From is one of our AORs to be its user: some UAs take these outside of any dialog too |
//! | From one of our AORs | to be its user |
//! | From an AOR with an upstream | to be the user of the AOR here that stands behind it |
//! | From `anonymous.invalid` (RFC 3323 §4.1.1.3) | to be any user |
//! | From another domain | it is refused, or let through: [`Strangers`] |

use std::sync::Arc;

use flowhold_cluster::token::KeyRing;
use smallvec::SmallVec;

use super::secrets::User;
use crate::proto::proxy::number_starts_with;
use crate::proto::{NextHop, Source};
use crate::sip::digest::Algorithm;
use crate::sip::{Address, Message, Method, Name, Transport, Uri};

/// The host of who does not say who it is.
const ANONYMOUS: &[u8] = b"anonymous.invalid";

/// How many realms are asked for at once. Each has a challenge for each algorithm, and what is answered over UDP may go
/// to an address that was forged.
const MOST_REALMS: usize = 4;

/// What a node goes by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The domains whose AORs are here, in lower case; at least one.
    pub domains: Vec<Box<[u8]>>,
    /// The one realm for all domains; none: each domain is its own.
    pub realm: Option<Box<[u8]>>,
    /// The algorithms that are offered, the strongest first.
    pub algorithms: Vec<Algorithm>,
    /// Whether the URI of a digest has to be the Request-URI.
    pub checks_uri: bool,
    /// What becomes of requests from other domains.
    pub strangers: Strangers,
    /// AORs with other providers.
    pub upstreams: Vec<Upstream>,
    /// Who need not prove anything; over TLS it takes [`super::Trust::certified_peer`].
    pub peers: Vec<NextHop>,
    /// What numbers begin with that are in our domains and lead elsewhere: `+` and digits.
    pub numbers: Vec<Box<[u8]>>,
    /// What flow tokens are read with.
    pub tokens: Arc<KeyRing>,
}

/// An AOR with another provider, and who has it.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The AOR there, as [`Uri::canonical_aor`] has it.
    pub aor: Box<[u8]>,
    /// The URI of the AOR here that stands behind it.
    pub to: Box<[u8]>,
}

/// What becomes of requests whose From is of another domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strangers {
    /// 403.
    Refuse,
    /// They go on, as far as requests of strangers may: to AORs here.
    Accept,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Demand {
    Nothing,
    /// The answer is 403 whoever it may be.
    Refuse,
    Proof(Wanted),
}

/// A proof that is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// 401 and not 407.
    pub(super) by_registrar: bool,
    pub(super) who: Who,
}

/// Whose proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Who {
    The(User),
    Any,
}

impl Rules {
    /// `is_peer`: it came from a next hop that the operator named.
    pub(super) fn demand(&self, request: &Message, is_peer: bool) -> Demand {
        let method = request.method();
        // RFC 3261 §22.1: an ACK is not challenged, and a CANCEL must not be.
        let is_exempt = matches!(method, Method::Ack | Method::Cancel)
            // A gateway calls AORs here and is called. It has none to register, and who shares its address has none either.
            || (method != Method::Register && is_peer)
            || request.validate().is_err();
        if is_exempt {
            return Demand::Nothing;
        }
        let from = uri_of(request, Name::From);
        let sender = from.as_ref().and_then(|from| self.user(from));
        if method == Method::Register {
            return self.demand_of_register(request, sender.as_ref());
        }
        let sender = sender.or_else(|| self.user_behind(from.as_ref()?));
        if method == Method::Options && is_for_node(request) {
            return Demand::Nothing;
        }
        let by_proxy = |who| Demand::Proof(Wanted { by_registrar: false, who });
        // Nobody's AOR, and no other domain's either.
        let is_domain_itself = sender.is_none() && from.is_some_and(|from| self.domain(from.host).is_some());
        if self.is_in_dialog(request) {
            // Whoever may call from elsewhere also has to be able to hang up.
            if sender.is_none() && !is_domain_itself && self.strangers == Strangers::Accept {
                return Demand::Nothing;
            }
            // The AOR that was called need not be the callee's: a call may have been redirected to it, or have been for a
            // number. So who only goes on with a dialog or ends it may be another of our users.
            let is_nobodys =
                || is_of_dialog(method) || from.is_some_and(|from| self.is_number_elsewhere(&from));
            if sender.is_none() || is_nobodys() {
                return by_proxy(Who::Any);
            }
        }
        match (sender, self.strangers) {
            (Some(user), _) => by_proxy(Who::The(user)),
            _ if from.is_some_and(|from| from.host.eq_ignore_ascii_case(ANONYMOUS)) => by_proxy(Who::Any),
            (None, Strangers::Accept) if !is_domain_itself => Demand::Nothing,
            (None, _) => Demand::Refuse,
        }
    }

    fn demand_of_register(&self, request: &Message, sender: Option<&User>) -> Demand {
        // The registrar answers 404 to what is no AOR of ours.
        let Some(user) = uri_of(request, Name::To).and_then(|to| self.user(&to)) else {
            return Demand::Nothing;
        };
        // Departs from RFC 3261 §10.2, which lets third parties register: nothing says here who may for whom.
        if sender != Some(&user) {
            return Demand::Refuse;
        }
        Demand::Proof(Wanted { by_registrar: true, who: Who::The(user) })
    }

    /// Whose AOR it is, if it is one of ours.
    pub(super) fn user(&self, uri: &Uri<'_>) -> Option<User> {
        let domain = self.domain(uri.host)?;
        uri.user?;
        let aor = uri.canonical_aor().ok()?;
        let at = memchr::memrchr(b'@', &aor)?;
        Some(User { name: aor[..at].into(), realm: self.realm.as_deref().unwrap_or(domain).into() })
    }

    /// The one of our domains that a host names. A dot at its end says no more than that the name is whole.
    fn domain(&self, host: &[u8]) -> Option<&[u8]> {
        let host = host.strip_suffix(b".").unwrap_or(host);
        self.domains.iter().find(|domain| domain.eq_ignore_ascii_case(host)).map(|domain| &**domain)
    }

    /// Whether it came from a next hop that the operator named, as far as its address tells, which is not enough where it
    /// can show a certificate.
    pub(super) fn is_peer(&self, source: &Source) -> bool {
        self.peers.iter().any(|peer| peer.transport != Transport::Tls && peer.is_source(*source))
    }

    /// Whether an AOR of our domains is a number that routes lead elsewhere with.
    fn is_number_elsewhere(&self, uri: &Uri<'_>) -> bool {
        self.domain(uri.host).is_some()
            && uri.user.is_some_and(|user| self.numbers.iter().any(|prefix| number_starts_with(user, prefix)))
    }

    /// Who has this AOR with another provider.
    fn user_behind(&self, uri: &Uri<'_>) -> Option<User> {
        self.user(&Uri::parse(&self.upstream(uri)?.to).ok()?)
    }

    fn upstream(&self, uri: &Uri<'_>) -> Option<&Upstream> {
        if self.upstreams.is_empty() {
            return None;
        }
        let aor = uri.canonical_aor().ok()?;
        self.upstreams.iter().find(|upstream| *upstream.aor == aor[..])
    }

    /// The realms to ask for, those that the request lets hope for first: a UA may answer the topmost alone. Where any
    /// user will do, it may be one of any realm, which nobody can tell before.
    pub(super) fn realms<'a>(&'a self, request: &Message, who: &'a Who) -> SmallVec<[&'a [u8]; 1]> {
        if let Who::The(user) = who {
            return SmallVec::from([&*user.realm]);
        }
        if let Some(realm) = &self.realm {
            return SmallVec::from([&**realm]);
        }
        let (from, to) = (uri_of(request, Name::From), uri_of(request, Name::To));
        let from = from.and_then(|from| {
            let behind = || self.domain(Uri::parse(&self.upstream(&from)?.to).ok()?.host);
            self.domain(from.host).or_else(behind)
        });
        let target = Uri::parse(request.request_uri()).ok().and_then(|uri| self.domain(uri.host));
        let named = [from, target, to.and_then(|to| self.domain(to.host))];
        let mut realms = SmallVec::new();
        for realm in named.into_iter().flatten().chain(self.domains.iter().map(|domain| &**domain)) {
            if realms.len() < MOST_REALMS && !realms.contains(&realm) {
                realms.push(realm);
            }
        }
        realms
    }

    /// A realm as we write it, if it is one in which this proof can be.
    pub(super) fn own_realm<'a>(&'a self, who: &'a Who, realm: &[u8]) -> Option<&'a [u8]> {
        match who {
            Who::The(user) => Some(&*user.realm).filter(|ours| ours.eq_ignore_ascii_case(realm)),
            Who::Any => self.realm_of(realm),
        }
    }

    /// Whether a realm is one that we ask for.
    pub(super) fn is_realm(&self, realm: &[u8]) -> bool {
        self.realm_of(realm).is_some()
    }

    fn realm_of(&self, realm: &[u8]) -> Option<&[u8]> {
        let ours = self.realm.as_ref().map_or(&self.domains[..], std::slice::from_ref);
        ours.iter().find(|ours| ours.eq_ignore_ascii_case(realm)).map(|ours| &**ours)
    }

    /// Whether the request says that it is of a dialog, and comes along a flow token of this cluster, which was given to who
    /// had part in it.
    fn is_in_dialog(&self, request: &Message) -> bool {
        let to = request.first(Name::To).and_then(|to| Address::parse(to).ok());
        let has_token = |route: &[u8]| {
            let uri = Address::parse(route).and_then(|route| Uri::parse(route.uri));
            uri.is_ok_and(|uri| uri.user.is_some_and(|user| self.tokens.open(user).is_ok()))
        };
        to.is_some_and(|to| to.tag().is_some()) && request.values(Name::Route).any(has_token)
    }
}

fn uri_of(request: &Message, name: Name) -> Option<Uri<'_>> {
    let address = Address::parse(request.first(name)?).ok()?;
    Uri::parse(address.uri).ok()
}

/// Whether a UA takes requests of this method within a dialog only, whose Call-ID and tags the sender has to know.
fn is_of_dialog(method: Method) -> bool {
    matches!(method, Method::Bye | Method::Info | Method::Prack | Method::Update)
}

/// Whether it asks what the node can do, and nobody behind it.
fn is_for_node(request: &Message) -> bool {
    let has_user = || Uri::parse(request.request_uri()).is_ok_and(|uri| uri.user.is_some());
    request.first(Name::Route).is_none() && !has_user()
}
