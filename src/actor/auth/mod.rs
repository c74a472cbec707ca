//! Who has to prove who they are, before a request reaches registrar or proxy: asks [`proto::auth`](crate::proto::auth),
//! finds the users' secrets, says and counts what came of it.
//!
//! - `users`: where the users are
//! - `user_file`: in a file
//! - `redis_users`: in Redis, and remembered
//! - `look_up`: requests that wait for an answer of Redis

pub mod look_up;
pub mod redis_users;
pub mod user_file;
pub mod users;

use std::rc::Rc;
use std::sync::Arc;

use flowhold_cluster::flow::NodeRun;
use flowhold_cluster::redis::Redis;
use flowhold_cluster::token::KeyRing;
use tracing::{debug, info};

use self::look_up::Lookups;
use self::user_file::UserFileError;
use self::users::Users;
use super::event_log::Text;
use super::gate::LetIn;
use super::key_ring;
use super::next_hops::NextHops;
use super::worker::{Node, Worker};
use super::{settings, upstream};
use crate::config::{self, AuthMode, Config};
use crate::metrics::{Authentication, Status};
use crate::proto::Source;
use crate::proto::auth::{
    Answer, Authenticator, Failures, Found, Nonces, Outcome, Question, Replay, Rules, Shared, Step,
    Strangers, Terms, Trust,
};
use crate::proto::proxy::Matcher;
use crate::proto::stateless::{Reply, Stateless};
use crate::sip::digest::Algorithm;
use crate::sip::{Message, Method, Name};

/// What all workers of a node need in order to authenticate.
#[derive(Debug)]
pub struct Auth {
    shared: Shared,
    /// The users.
    pub users: Users,
}

impl Auth {
    /// Where the configuration asks for it.
    pub fn new(
        config: &Config,
        run: &NodeRun,
        next_hops: &NextHops,
        (tokens, stateless): (&Arc<KeyRing>, &Stateless),
        redis: Option<&Redis>,
    ) -> Result<Option<Self>, UserFileError> {
        let auth = &config.auth;
        if auth.mode != Some(AuthMode::Digest) {
            return Ok(None);
        }
        let keys = key_ring::for_auth(config);
        let nonces = Nonces::new(keys.clone(), run, auth.nonce_lifetime);
        let replay = |limit| Replay::new(limit, auth.nonce_lifetime);
        let failures = |limit| Failures::new(limit, auth.max_failures, auth.failure_window);
        let rules = rules(config, next_hops, tokens);
        let shared = Shared::new(rules, stateless.clone(), keys, nonces, replay, failures, auth.remembered);
        Ok(Some(Self { shared, users: Users::open(config, redis)? }))
    }
}

fn rules(config: &Config, next_hops: &NextHops, tokens: &Arc<KeyRing>) -> Rules {
    let auth = &config.auth;
    let octets = |text: &String| text.as_bytes().into();
    let numbers = next_hops.routes.iter().filter_map(|route| match &route.matcher {
        Matcher::Prefix(prefix) => Some(prefix.clone()),
        Matcher::Domain(_) => None,
    });
    Rules {
        domains: config.node.domains.iter().map(octets).collect(),
        realm: Some(&auth.realm).filter(|realm| !realm.is_empty()).map(octets),
        algorithms: algorithms(&auth.algorithms),
        checks_uri: auth.check_uri,
        strangers: match auth.strangers {
            config::Strangers::Refuse => Strangers::Refuse,
            config::Strangers::Accept => Strangers::Accept,
        },
        upstreams: config
            .upstream
            .iter()
            .map(|one| crate::proto::auth::Upstream { aor: upstream::proxy(one).aor, to: octets(&one.to) })
            .collect(),
        // At an edge proxy, where there is a registrar, nobody has to prove anything.
        peers: next_hops.all().collect(),
        numbers: numbers.collect(),
        tokens: Arc::clone(tokens),
    }
}

/// As the configuration names them.
pub fn algorithms(configured: &[config::Algorithm]) -> Vec<Algorithm> {
    let algorithm = |algorithm: &config::Algorithm| match algorithm {
        config::Algorithm::Sha256 => Algorithm::Sha256,
        config::Algorithm::Md5 => Algorithm::Md5,
    };
    configured.iter().map(algorithm).collect()
}

/// One worker's part, where the configuration asks for it.
pub fn authenticator(config: &Config) -> Option<Authenticator> {
    let auth = &config.auth;
    if auth.mode != Some(AuthMode::Digest) {
        return None;
    }
    // Rounded up, so that a small limit leaves every worker something.
    let limit = auth.remembered.div_ceil(usize::from(config.node.worker_count()));
    let terms = Terms { streams: auth.flow_trust, udp: auth.flow_trust_udp };
    Some(Authenticator {
        trust: Trust::new(terms, limit, (rand::random(), rand::random())),
        repeats: settings::repeats(config, auth.remembered),
    })
}

/// One worker's lookups of users.
pub fn lookups(config: &Config) -> Lookups {
    Lookups::new(config.auth.user_lookups.div_ceil(usize::from(config.node.worker_count())))
}

/// What becomes of a request.
pub(super) enum Admitted {
    /// It is to be served.
    Onward(Message),
    /// It is not, or not yet; this goes back over its flow, if anything does.
    Done(Option<Box<Reply>>),
}

impl Worker {
    /// Has a request prove who it is from, where that is asked for.
    pub(super) fn authenticate(self: &Rc<Self>, request: Message, source: Source, let_in: LetIn) -> Admitted {
        let (Some(auth), Some(authenticator)) = (&self.node.auth, &self.authenticator) else {
            return Admitted::Onward(request);
        };
        let Some(request) = self.lookups.hold_back(request, source) else { return Admitted::Done(None) };
        let at = (self.node.clock.now(), rand::random());
        let mut authenticator = authenticator.borrow_mut();
        follow(auth, &mut authenticator.trust);
        let step = authenticator.arrive(&auth.shared, at, &request, &source);
        drop(authenticator);
        let Step::Ask(question) = step else { return self.take_step(auth, step, request, source) };
        match (auth.users.known(at.0, &question.user), &auth.users) {
            (Some(secrets), _) => {
                self.looked_up(&question, Found::Known(secrets.as_deref()), request, source)
            }
            (None, Users::Redis(users)) => self.look_up(users, question, request, (source, let_in)),
            (None, Users::File(_)) => self.looked_up(&question, Found::Known(None), request, source),
        }
    }

    /// The user of a request was looked up.
    fn looked_up(&self, question: &Question, found: Found<'_>, request: Message, source: Source) -> Admitted {
        let (Some(auth), Some(authenticator)) = (&self.node.auth, &self.authenticator) else {
            return Admitted::Onward(request);
        };
        let at = (self.node.clock.now(), rand::random());
        let mut authenticator = authenticator.borrow_mut();
        follow(auth, &mut authenticator.trust);
        let step = authenticator.finish(&auth.shared, at, (&request, &source), question, found);
        drop(authenticator);
        self.take_step(auth, step, request, source)
    }

    fn take_step(&self, auth: &Auth, step: Step, request: Message, source: Source) -> Admitted {
        match step {
            Step::Pass(outcome) => {
                count(&self.node, outcome);
                // RFC 3261 §22.1: also of an ACK, which is asked nothing and has those of its INVITE.
                let is_forwarded = request.method() != Method::Register;
                let bare = Some(&request).filter(|_| is_forwarded).and_then(|request| {
                    Message::parse(auth.shared.without_credentials(request)?.to_bytes()).ok()
                });
                Admitted::Onward(bare.unwrap_or(request))
            }
            Step::Answer(answer) => {
                count(&self.node, answer.why);
                log(&answer, &request, &source);
                self.node.metrics.responses.inc(Status(answer.reply.status));
                Admitted::Done(Some(Box::new(answer.reply)))
            }
            Step::Ask(_) => Admitted::Done(None),
        }
    }

    /// The peer of this flow has shown a certificate that was verified, and that names these users, each as `user@domain`:
    /// who of them has an AOR here, and is a user, need not prove it by a password.
    pub fn certified(&self, source: &Source, users: &[Box<str>]) {
        let (Some(auth), Some(authenticator)) = (&self.node.auth, &self.authenticator) else { return };
        let users = users.iter().filter_map(|user| auth.shared.user_of(format!("sip:{user}").as_bytes()));
        authenticator.borrow_mut().trust.certified(source, users.collect());
    }
}

impl Worker {
    /// The peer of this flow has shown a certificate that was verified, and that has the name of a next hop.
    pub fn certified_peer(&self, source: &Source) {
        if let Some(authenticator) = &self.authenticator {
            authenticator.borrow_mut().trust.certified_peer(source);
        }
    }
}

/// Ends the trust in users who have changed.
fn follow(auth: &Auth, trust: &mut Trust) {
    let version = auth.users.version();
    if version != trust.version() {
        trust.follow(version, auth.users.changed_since(trust.version()).as_deref());
    }
}

/// One line for each failure, in a form that stays: config/deploy/fail2ban reads it.
fn log(answer: &Answer, request: &Message, source: &Source) {
    let (peer, transport) = (source.flow.remote, source.transport.as_uri_str());
    let user = Text(answer.username.as_deref().unwrap_or_default());
    let method = Text(request.method_bytes());
    let reason = label(answer.why).map_or("", Authentication::as_str);
    match answer.why {
        why if why.is_failure() => {
            info!(target: "flowhold::auth", %peer, %transport, %reason, %method, %user, "authentication failed");
        }
        Outcome::NoHash => {
            info!(target: "flowhold::auth", %peer, %transport, %reason, %method, %user, "no hash for the algorithm");
        }
        Outcome::NotOwn => {
            let field = |name| Text(request.first(name).unwrap_or_default());
            let (from, to) = (field(Name::From), field(Name::To));
            info!(target: "flowhold::auth", %peer, %transport, %method, %user, %from, %to, "another's address refused");
        }
        // There may be as many of these as somebody likes to send.
        _ => debug!(target: "flowhold::auth", %peer, %transport, %reason, %method, "not authenticated"),
    }
}

fn count(node: &Node, outcome: Outcome) {
    if let Some(label) = label(outcome) {
        node.metrics.authentications.inc(label);
    }
}

/// What it is counted as; none: it is not, because nothing was asked.
fn label(outcome: Outcome) -> Option<Authentication> {
    Some(match outcome {
        Outcome::Unasked => return None,
        Outcome::Proved => Authentication::Proved,
        Outcome::Trusted => Authentication::Trusted,
        Outcome::Repeated => Authentication::Repeated,
        Outcome::Challenged | Outcome::OtherNonce => Authentication::Challenged,
        Outcome::Stale => Authentication::Stale,
        Outcome::Replayed => Authentication::Replayed,
        Outcome::WrongPassword => Authentication::WrongPassword,
        Outcome::UnknownUser => Authentication::UnknownUser,
        Outcome::NoHash => Authentication::NoHash,
        Outcome::NotOwn => Authentication::NotOwn,
        Outcome::Stranger => Authentication::Stranger,
        Outcome::Malformed => Authentication::Malformed,
        Outcome::Throttled => Authentication::Throttled,
        Outcome::Unavailable => Authentication::Unavailable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_nothing_is_not_counted() {
        assert_eq!(label(Outcome::Unasked), None);
        assert_eq!(label(Outcome::Trusted), Some(Authentication::Trusted));
    }
}
