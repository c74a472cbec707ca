//! Credentials: found, checked, and what becomes of the request.
//!
//! An unknown user is treated as one with a wrong password, to the octet and as far as possible to the microsecond: what
//! is compared with is then made from a key.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowhold_cluster::binding::Timestamp;

use super::answer::{Answer, Answering};
use super::demand::{Demand, Rules, Wanted, Who};
use super::failures::Failures;
use super::keys::{self, Keys};
use super::nonce::{Nonces, Reading};
use super::offered::{Offered, offered};
use super::replay::Replay;
use super::secrets::{Form, Secrets, User};
use super::trust::Trust;
use crate::proto::repeats::Repeats;
use crate::proto::stateless::Stateless;
use crate::proto::{Source, hex};
use crate::sip::digest::{self, Algorithm, Credentials, Ha1, Protection};
use crate::sip::{Edit, Message, Method, Name, Uri, Wire, peer_of};

/// How many parts the node's tables have, so that workers seldom meet at one lock.
const PARTS: usize = 16;

/// What all workers of a node share.
#[derive(Debug)]
pub struct Shared {
    rules: Rules,
    stateless: Stateless,
    keys: Keys,
    nonces: Nonces,
    replay: Box<[Mutex<Replay>]>,
    failures: Box<[Mutex<Failures>]>,
}

/// One worker's part.
#[derive(Debug)]
pub struct Authenticator {
    /// The flows that need not prove anything.
    pub trust: Trust,
    /// What was let through.
    pub repeats: Repeats,
}

/// What becomes of a request, or of what has to be known first.
#[derive(Debug)]
pub enum Step {
    /// It goes on.
    Pass(Outcome),
    /// It goes no further.
    Answer(Box<Answer>),
    /// The secrets of this user have to be found, for [`Authenticator::finish`].
    Ask(Box<Question>),
}

/// Credentials that are to be checked.
#[derive(Debug)]
pub struct Question {
    /// Whose secrets.
    pub user: User,
    /// None: a certificate names the user, and it only has to be there.
    credentials: Option<(Form, Credentials)>,
    wanted: Wanted,
}

/// Why a request went on, or did not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing was asked of it.
    Unasked,
    /// It came over a flow that is trusted.
    Trusted,
    /// It is one that was let through before.
    Repeated,
    /// Its credentials are right.
    Proved,
    /// It had no credentials, or none that can be used.
    Challenged,
    /// Its nonce was not made by us for its address: its password was not looked at.
    OtherNonce,
    /// Its nonce has aged; the credentials are right.
    Stale,
    /// Its nonce was used for another request; the credentials are right.
    Replayed,
    /// The password is wrong.
    WrongPassword,
    /// There is no such user.
    UnknownUser,
    /// There is no secret of the user for the algorithm, so its password may well be right.
    NoHash,
    /// It speaks for another than its user.
    NotOwn,
    /// It comes from another domain.
    Stranger,
    /// Its credentials cannot be read, or are for another Request-URI.
    Malformed,
    /// Too many failures from its address: its password was not looked at.
    Throttled,
    /// The users cannot be asked.
    Unavailable,
}

impl Outcome {
    /// Whether somebody failed to prove who they are.
    pub fn is_failure(self) -> bool {
        matches!(self, Outcome::WrongPassword | Outcome::UnknownUser)
    }
}

impl Shared {
    /// `stateless` makes the answers, `failures` gives the table of one part.
    pub fn new(
        rules: Rules,
        stateless: Stateless,
        keys: Keys,
        nonces: Nonces,
        replay: impl Fn(usize) -> Replay,
        failures: impl Fn(usize) -> Failures,
        remembered: usize,
    ) -> Self {
        let part = remembered.div_ceil(PARTS);
        Self {
            rules,
            stateless,
            keys,
            nonces,
            replay: (0..PARTS).map(|_| Mutex::new(replay(part))).collect(),
            failures: (0..PARTS).map(|_| Mutex::new(failures(part))).collect(),
        }
    }

    fn failures(&self, peer: IpAddr) -> MutexGuard<'_, Failures> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(peer_of(peer));
        lock(&self.failures, hash)
    }

    fn take(&self, now: Timestamp, nonce: &super::Nonce, count: u32) -> bool {
        lock(&self.replay, nonce.id).take(now, nonce, count)
    }

    /// What stands for a user that there is not.
    fn nobody(&self, user: &User, algorithm: Algorithm) -> Ha1 {
        let code = keys::mac(&self.keys.nobody, &[algorithm.as_str().as_bytes(), b":", &user.key()]);
        let mut text = [0; 64];
        hex::write(&code, &mut text);
        let digits = match algorithm {
            Algorithm::Md5 => 32,
            Algorithm::Sha256 => 64,
        };
        Ha1::given(algorithm, &text[..digits]).expect("these are as many hex digits as the hash has")
    }
}

/// A part by a hash.
fn lock<T>(parts: &[Mutex<T>], hash: u64) -> MutexGuard<'_, T> {
    let index = usize::try_from(hash % PARTS as u64).unwrap_or_default();
    parts[index].lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was found of a user.
#[derive(Clone, Copy, Debug)]
pub enum Found<'s> {
    /// Its secrets; none: there is no such user.
    Known(Option<&'s Secrets>),
    /// Nobody can say; ask again after this.
    Unavailable(Duration),
}

impl Authenticator {
    /// A request has come. `random` is new and random.
    pub fn arrive(
        &mut self,
        shared: &Shared,
        (now, random): (Timestamp, u64),
        request: &Message,
        source: &Source,
    ) -> Step {
        if request.method() == Method::Ack {
            if !source.transport.is_reliable() {
                self.repeats.acked(now, request, source.flow.remote);
            }
            return Step::Pass(Outcome::Unasked);
        }
        let answering = shared.answering(request, source);
        let is_peer = self.trust.is_certified_peer(source) || shared.rules.is_peer(source);
        let wanted = match shared.rules.demand(request, is_peer) {
            Demand::Nothing => return Step::Pass(Outcome::Unasked),
            Demand::Refuse => return Step::from(answering.forbidden(Outcome::Stranger)),
            Demand::Proof(wanted) => wanted,
        };
        if self.is_repeated(now, request, source) {
            return Step::Pass(Outcome::Repeated);
        }
        let at = (now, source.ip());
        let Ok(offered) = offered(request, &wanted, (&shared.rules, &shared.nonces), at) else {
            // RFC 7616 §3.4: what lacks a part is a bad request.
            return Step::from(answering.bad_request("Malformed Credentials"));
        };
        let (credentials, realm) = match offered {
            // Whoever can forge a source address could fail in another's name: a password is looked at, and a failure
            // counted, only where our nonce has arrived.
            Some(Offered { nonce: Reading::Good(_) | Reading::Aged, credentials, realm }) => {
                (credentials, realm)
            }
            Some(_) | None if self.is_trusted(now, request, source, &wanted) => {
                return Step::Pass(Outcome::Trusted);
            }
            other => {
                if let Some(user) = self.certified(request, source, &wanted.who) {
                    return Step::Ask(Box::new(Question { user, credentials: None, wanted }));
                }
                let why = if other.is_some() { Outcome::OtherNonce } else { Outcome::Challenged };
                let nonce = shared.nonces.mint(now, random, source.ip());
                return Step::from(answering.challenge(&wanted, &nonce, why));
            }
        };
        // RFC 7616 §3.4.6: the digest is of another resource's URI.
        if shared.rules.checks_uri && !is_same_resource(&credentials.uri, request.request_uri()) {
            return Step::from(answering.bad_request("Digest of Another URI"));
        }
        if let Some(step) = self.throttle(shared, now, (request, source), &wanted) {
            return step;
        }
        let (user, form) = claimed(&credentials, &realm);
        Step::Ask(Box::new(Question { user, credentials: Some((form, credentials)), wanted }))
    }

    /// Of an address that has failed too often.
    fn throttle(
        &mut self,
        shared: &Shared,
        now: Timestamp,
        (request, source): (&Message, &Source),
        wanted: &Wanted,
    ) -> Option<Step> {
        let wait = shared.failures(source.ip()).wait(now, source.ip())?;
        if self.is_trusted(now, request, source, wanted) {
            return Some(Step::Pass(Outcome::Trusted));
        }
        Some(Step::from(shared.answering(request, source).later(wait, Outcome::Throttled)))
    }

    /// The user of a [`Step::Ask`] was looked up, which may have taken its time. `random` is new and random. Never
    /// [`Step::Ask`].
    pub fn finish(
        &mut self,
        shared: &Shared,
        (now, random): (Timestamp, u64),
        (request, source): (&Message, &Source),
        question: &Question,
        found: Found<'_>,
    ) -> Step {
        // Others have been served meanwhile: the same request come again, and other guesses from the same address.
        if self.is_repeated(now, request, source) {
            return Step::Pass(Outcome::Repeated);
        }
        let throttled = match question.credentials {
            Some(_) => self.throttle(shared, now, (request, source), &question.wanted),
            None => None,
        };
        let step = match throttled {
            None => self.check(shared, (now, random), (request, source), question, found),
            Some(step) => step,
        };
        match step {
            Step::Pass(outcome) => {
                if !source.transport.is_reliable() {
                    self.repeats.add(now, self.repeats.mark(request, source.flow.remote));
                }
                Step::Pass(outcome)
            }
            Step::Answer(mut answer) => {
                answer.username = Some(question.user.key().into());
                Step::Answer(answer)
            }
            asked @ Step::Ask(_) => asked,
        }
    }

    fn check(
        &mut self,
        shared: &Shared,
        (now, random): (Timestamp, u64),
        (request, source): (&Message, &Source),
        Question { user, credentials, wanted }: &Question,
        found: Found<'_>,
    ) -> Step {
        let answering = shared.answering(request, source);
        let secrets = match found {
            Found::Known(secrets) => secrets,
            Found::Unavailable(_) if self.is_trusted(now, request, source, wanted) => {
                return Step::Pass(Outcome::Trusted);
            }
            Found::Unavailable(retry_after) => {
                return Step::from(answering.later(retry_after, Outcome::Unavailable));
            }
        };
        let nonce = || shared.nonces.mint(now, random, source.ip());
        let Some((form, credentials)) = credentials else {
            if secrets.is_some() {
                return Step::Pass(Outcome::Trusted);
            }
            return Step::from(answering.challenge(wanted, &nonce(), Outcome::Challenged));
        };
        let algorithm = credentials.algorithm();
        let nobody = shared.nobody(user, algorithm);
        let known = secrets.and_then(|secrets| secrets.get(*form, algorithm));
        let is_right = credentials.is_right(known.unwrap_or(&nobody), request.method_bytes());
        if known.is_none() || !is_right {
            shared.failures(source.ip()).failed(now, source.ip());
            self.trust.revoke(source, user);
            let why = match (secrets, known) {
                (None, _) => Outcome::UnknownUser,
                (Some(_), None) => Outcome::NoHash,
                (Some(_), Some(_)) => Outcome::WrongPassword,
            };
            return Step::from(answering.challenge(wanted, &nonce(), why));
        }
        if let Who::The(owner) = &wanted.who
            && owner != user
        {
            return Step::from(answering.forbidden(Outcome::NotOwn));
        }
        let count = credentials.protection.as_ref().map_or(0, Protection::count);
        let used = shared.nonces.read(&credentials.nonce, source.ip(), now).good();
        let is_fresh = used.map(|used| shared.take(now, &used, count));
        match (used, is_fresh) {
            (Some(used), Some(true)) => {
                if used.is_own && is_first_hop(request) {
                    self.trust.grant(now, source, user);
                }
                Step::Pass(Outcome::Proved)
            }
            _ if self.is_trusted(now, request, source, wanted) => Step::Pass(Outcome::Trusted),
            // RFC 7616 §3.3: stale says that the password was right.
            (Some(_), _) => Step::from(answering.challenge(wanted, &nonce(), Outcome::Replayed)),
            (None, _) => Step::from(answering.challenge(wanted, &nonce(), Outcome::Stale)),
        }
    }

    fn is_repeated(&self, now: Timestamp, request: &Message, source: &Source) -> bool {
        !source.transport.is_reliable()
            && self.repeats.has(now, self.repeats.mark(request, source.flow.remote))
    }

    fn is_trusted(&mut self, now: Timestamp, request: &Message, source: &Source, wanted: &Wanted) -> bool {
        is_first_hop(request)
            && match &wanted.who {
                Who::The(user) if wanted.by_registrar => self.trust.registers(now, source, user),
                Who::The(user) => self.trust.holds(now, source, user),
                Who::Any => self.trust.holds_any(now, source),
            }
    }

    /// Who has shown a certificate that is as good as what is wanted.
    fn certified(&self, request: &Message, source: &Source, who: &Who) -> Option<User> {
        let users = self.trust.certified_users(source);
        let found = match who {
            Who::The(user) => users.iter().find(|named| *named == user),
            Who::Any => users.first(),
        };
        found.filter(|_| is_first_hop(request)).cloned()
    }
}

impl Shared {
    fn answering<'a>(&'a self, request: &'a Message, source: &'a Source) -> Answering<'a> {
        Answering { rules: &self.rules, stateless: &self.stateless, request, source }
    }

    /// The user whose AOR a URI is, if it is one of ours.
    pub fn user_of(&self, uri: &[u8]) -> Option<User> {
        self.rules.user(&Uri::parse(uri).ok()?)
    }

    /// The request without the credentials that were meant for this node, where it has some. Whoever gets a digest can try
    /// passwords on it at leisure, or use it here if the nonce was his.
    ///
    /// RFC 3261 §22.3: what was meant for another proxy stays. Departs from it in that what was meant for a UA goes too where
    /// it is of a realm of ours: no UA asks for the passwords of this node but to have them.
    pub fn without_credentials(&self, request: &Message) -> Option<Wire> {
        let is_ours = |value: &[u8]| match Credentials::realm_of(value) {
            Ok(realm) => self.rules.is_realm(&realm),
            Err(digest::Fault::Scheme) => is_basic(value),
            Err(_) => true,
        };
        let names = [Name::ProxyAuthorization, Name::Authorization];
        let ours = |name| {
            let fields = (0..).zip(request.fields(name));
            fields.filter_map(move |(index, value)| is_ours(value).then_some((name, index)))
        };
        let mut ours = names.into_iter().flat_map(ours).peekable();
        ours.peek()?;
        let mut edit = Edit::new(request);
        for (name, index) in ours {
            edit.remove_nth(name, index);
        }
        Some(edit.finish())
    }
}

impl Rules {
    /// Whether they are an answer to a challenge of ours. Without qop there is no count, so they could be replayed; and we
    /// always offer it.
    pub(super) fn can_use(&self, credentials: &Credentials) -> bool {
        credentials.protection.is_some() && self.algorithms.contains(&credentials.algorithm())
    }
}

impl From<Answer> for Step {
    fn from(answer: Answer) -> Self {
        Step::Answer(Box::new(answer))
    }
}

/// A password as it is, for nobody knows which realm.
fn is_basic(value: &[u8]) -> bool {
    value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Basic"))
}

/// Who they say they are.
fn claimed(credentials: &Credentials, realm: &[u8]) -> (User, Form) {
    let name = &credentials.username;
    let whole = memchr::memrchr(b'@', name).filter(|&at| name[at + 1..].eq_ignore_ascii_case(realm));
    let (name, form) = whole.map_or((&name[..], Form::Name), |at| (&name[..at], Form::Whole));
    (User { name: name.into(), realm: realm.into() }, form)
}

/// Whether the URI of a digest is the Request-URI.
///
/// RFC 7616 §3.4.6: a proxy may have written it in another way; parameters that it adds or takes off lead nowhere else.
fn is_same_resource(digest: &[u8], request: &[u8]) -> bool {
    if digest == request {
        return true;
    }
    let (Ok(digest), Ok(request)) = (Uri::parse(digest), Uri::parse(request)) else { return false };
    match (digest.canonical_aor(), request.canonical_aor()) {
        (Ok(one), Ok(other)) => one == other,
        _ => digest.equivalent(&request),
    }
}

/// Whether the UA itself is at the other end of the flow.
fn is_first_hop(request: &Message) -> bool {
    request.values(Name::Via).nth(1).is_none()
}
