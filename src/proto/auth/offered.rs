//! Which of a request's credentials are looked at: those that answer a challenge of ours, and of several the ones whose
//! nonce is the best.

use std::net::IpAddr;

use flowhold_cluster::binding::Timestamp;

use super::demand::{Rules, Wanted};
use super::nonce::{Nonces, Reading};
use crate::sip::digest::{Credentials, Fault};
use crate::sip::{Message, Name};

/// How many credentials of our realms are looked at in one request: a UA has one password here, or one for each domain.
const MOST: usize = 8;

/// Credentials of a realm of ours.
pub(super) struct Offered {
    pub(super) credentials: Credentials,
    /// The realm as we write it.
    pub(super) realm: Box<[u8]>,
    /// What is to be thought of the nonce.
    pub(super) nonce: Reading,
}

/// The credentials to look at; what is wrong with others, where that was all there is.
pub(super) fn offered(
    request: &Message,
    wanted: &Wanted,
    (rules, nonces): (&Rules, &Nonces),
    (now, peer): (Timestamp, IpAddr),
) -> Result<Option<Offered>, Fault> {
    let name = if wanted.by_registrar { Name::Authorization } else { Name::ProxyAuthorization };
    let (mut wrong, mut is_ours, mut usable) = (None, false, Vec::new());
    for value in request.fields(name) {
        match Credentials::parse(value) {
            Ok(credentials) => {
                let Some(realm) = rules.own_realm(&wanted.who, &credentials.realm) else { continue };
                is_ours = true;
                if rules.can_use(&credentials) && usable.len() < MOST {
                    let nonce = nonces.read(&credentials.nonce, peer, now);
                    usable.push(Offered { realm: realm.into(), nonce, credentials });
                }
            }
            // RFC 7616 §3.4, RFC 8760 §2.6: another scheme, algorithm or quality of protection answers no challenge of ours.
            Err(Fault::Scheme | Fault::Algorithm | Fault::Qop) => {}
            Err(fault) => wrong = Some(fault),
        }
    }
    match wrong {
        Some(fault) if !is_ours => Err(fault),
        _ => Ok(usable.into_iter().min_by_key(|offered| offered.nonce.rank())),
    }
}
