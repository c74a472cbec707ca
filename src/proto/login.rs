//! A user name and a password, and the challenges that they are asked for with. RFC 3261 §22, RFC 7616, RFC 8760.
//!
//! A challenge is kept with how often its nonce was used, so that later requests carry credentials from the start.

use crate::sip::digest::{self, Challenge, Ha1};
use crate::sip::{Message, Name};
use std::fmt;
use thiserror::Error;

/// How many realms are answered at a time, each the newest.
const MAX_CHALLENGES: usize = 4;

/// How often one request may be challenged anew before it is given up: a proxy's and a registrar's challenge, and the
/// nonces of both stale.
const MAX_ROUNDS: u32 = 4;

/// Who a UA says it is, and how it proves it.
#[derive(Clone, Default)]
pub struct Login {
    secret: Option<Secret>,
    answered: Vec<Answered>,
    /// Challenges to the request that is on its way.
    rounds: u32,
}

#[derive(Clone)]
struct Secret {
    username: Vec<u8>,
    password: Vec<u8>,
}

#[derive(Clone)]
struct Answered {
    /// The field of the answer.
    by: Name,
    challenge: Challenge,
    /// How many requests carried credentials for this nonce.
    count: u32,
    /// Whether the request that is on its way has been challenged by it.
    is_new: bool,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Unanswered {
    /// There is no password.
    #[error("no password was given")]
    NoPassword,
    /// The credentials were refused, and not because of their nonce.
    #[error("the user name or the password is wrong")]
    Wrong,
    /// None of the challenges can be used.
    #[error("the challenge cannot be answered: {0}")]
    Challenge(#[from] digest::Fault),
}

impl Login {
    /// With a password.
    pub fn new(username: impl Into<Vec<u8>>, password: impl Into<Vec<u8>>) -> Login {
        let secret = Secret { username: username.into(), password: password.into() };
        Login { secret: Some(secret), ..Login::default() }
    }

    /// A new request begins: what was wrong with the last one is forgotten.
    pub fn begin(&mut self) {
        self.rounds = 0;
        for answered in &mut self.answered {
            answered.is_new = false;
        }
    }

    /// A request was answered 401 or 407. `Ok`: send it again, with a new CSeq and [`Login::credentials`].
    pub fn challenged(&mut self, response: &Message) -> Result<(), Unanswered> {
        let (by, challenges) = match response.status() {
            Some(407) => (Name::ProxyAuthorization, Name::ProxyAuthenticate),
            _ => (Name::Authorization, Name::WwwAuthenticate),
        };
        let challenge = digest::choose(response.fields(challenges))?;
        if self.secret.is_none() {
            return Err(Unanswered::NoPassword);
        }
        let same = |answered: &Answered| answered.by == by && answered.challenge.realm == challenge.realm;
        let was_tried = self.answered.iter().any(|answered| same(answered) && answered.is_new);
        self.rounds += 1;
        // RFC 3261 §22.2: credentials that were just refused are not sent again, unless only their nonce was stale.
        if (was_tried && !challenge.is_stale) || self.rounds > MAX_ROUNDS {
            return Err(Unanswered::Wrong);
        }
        self.answered.retain(|answered| !same(answered));
        self.answered.truncate(MAX_CHALLENGES - 1);
        self.answered.insert(0, Answered { by, challenge, count: 0, is_new: true });
        Ok(())
    }

    /// The header fields that prove it, for a request with this method and Request-URI. `cnonce` is new and random.
    pub fn credentials(&mut self, method: &str, uri: &[u8], cnonce: &str) -> Vec<(Name, Vec<u8>)> {
        let Some(Secret { username, password }) = &self.secret else { return Vec::new() };
        let answer = |answered: &mut Answered| {
            let challenge = &answered.challenge;
            let ha1 = Ha1::of(challenge.algorithm(), username, &challenge.realm, password);
            // RFC 7616 §3.4: the count includes this request.
            answered.count += 1;
            let credentials =
                challenge.answer(username, &ha1, (method.as_bytes(), uri), answered.count, cnonce);
            (answered.by, credentials.to_value())
        };
        self.answered.iter_mut().map(answer).collect()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let username = self.secret.as_ref().map(|secret| String::from_utf8_lossy(&secret.username));
        formatter.debug_struct("Login").field("username", &username).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::digest::Credentials;
    use bytes::Bytes;

    fn response(status: u16, fields: &[&str]) -> Message {
        let mut text = format!("SIP/2.0 {status} Who\r\n");
        for field in fields {
            text.push_str(field);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        Message::parse(Bytes::from(text)).unwrap()
    }

    const MD5: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\", qop=\"auth\", algorithm=MD5";
    const SHA: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"2\", qop=\"auth\", algorithm=SHA-256";

    fn credentials(login: &mut Login) -> Vec<(Name, Credentials)> {
        let fields = login.credentials("REGISTER", b"sip:r", "c");
        fields.iter().map(|(name, value)| (*name, Credentials::parse(value).unwrap())).collect()
    }

    #[test]
    fn the_topmost_challenge_is_answered_and_its_nonce_is_counted() {
        let mut login = Login::new("alice", "secret");
        assert_eq!(credentials(&mut login), []);
        login.begin();
        login.challenged(&response(401, &[SHA, MD5])).unwrap();
        for count in 1..=3 {
            let [(Name::Authorization, credentials)] = &credentials(&mut login)[..] else { panic!("one") };
            let ha1 = Ha1::of(digest::Algorithm::Sha256, b"alice", b"r", b"secret");
            assert!(credentials.is_right(&ha1, b"REGISTER"));
            assert_eq!(credentials.protection.as_ref().unwrap().count(), count);
            login.begin();
        }
    }

    #[test]
    fn refused_credentials_are_not_sent_again() {
        let mut login = Login::new("alice", "secret");
        login.begin();
        login.challenged(&response(401, &[MD5])).unwrap();
        assert_eq!(login.challenged(&response(401, &[MD5])), Err(Unanswered::Wrong));
    }

    #[test]
    fn a_nonce_that_has_aged_is_replaced() {
        let mut login = Login::new("alice", "secret");
        login.begin();
        login.challenged(&response(401, &[MD5])).unwrap();
        credentials(&mut login);
        login.begin();
        let stale = "WWW-Authenticate: Digest realm=\"r\", nonce=\"9\", qop=\"auth\", stale=true";
        login.challenged(&response(401, &[stale])).unwrap();
        let next = credentials(&mut login);
        assert_eq!(next[0].1.nonce, b"9");
        assert_eq!(next[0].1.protection.as_ref().unwrap().count(), 1, "a new nonce is counted anew");
        login.challenged(&response(401, &[stale])).unwrap();
        login.begin();
        login.challenged(&response(401, &[MD5])).unwrap();
    }

    #[test]
    fn a_server_that_calls_every_nonce_stale_is_given_up() {
        let mut login = Login::new("alice", "secret");
        let stale = "WWW-Authenticate: Digest realm=\"r\", nonce=\"9\", qop=\"auth\", stale=true";
        let answers = std::iter::repeat_with(|| login.challenged(&response(401, &[stale])));
        assert_eq!(answers.take_while(Result::is_ok).count(), 4);
    }

    #[test]
    fn a_proxy_and_a_registrar_may_both_ask() {
        let mut login = Login::new("alice", "secret");
        login.begin();
        let proxy = "Proxy-Authenticate: Digest realm=\"p\", nonce=\"1\", qop=\"auth\"";
        login.challenged(&response(407, &[proxy])).unwrap();
        login.challenged(&response(401, &[SHA])).unwrap();
        let names: Vec<Name> = credentials(&mut login).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [Name::Authorization, Name::ProxyAuthorization]);
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        assert_eq!(Login::default().challenged(&response(401, &[MD5])), Err(Unanswered::NoPassword));
        let basic = "WWW-Authenticate: Basic realm=\"r\"";
        let wrong = Login::new("alice", "secret").challenged(&response(401, &[basic]));
        assert_eq!(wrong, Err(Unanswered::Challenge(digest::Fault::Scheme)));
        assert!(!format!("{:?}", Login::new("alice", "secret")).contains("secret"));
    }
}
