//! The keys of flow tokens, of nonces, of To tags and of TLS tickets, from the configuration.

use flowhold_cluster::token::KeyRing;

use super::settings;
use crate::config::Config;
use crate::net::tls::SharedTickets;
use crate::proto::auth;
use crate::proto::stateless::Stateless;

/// The id of the key that is derived from the cluster's secret.
const DERIVED: u8 = 0;

/// The configured keys, or the one that the nodes of a cluster derive from their secret; none where the configuration
/// leaves the key to each run of a node.
pub fn configured(config: &Config) -> Option<KeyRing> {
    // The key ring derives each key by HKDF with a purpose of its own: what the secret is used for elsewhere tells
    // nothing about the key.
    let mut secrets = shared(config).peekable();
    secrets.peek()?;
    Some(KeyRing::new(secrets).expect("the configuration was checked: ids differ, secrets are long enough"))
}

/// What TLS tickets are made of that every node of the cluster takes.
pub fn for_tickets(config: &Config) -> SharedTickets {
    SharedTickets::new(shared(config))
}

fn shared(config: &Config) -> impl Iterator<Item = (u8, &[u8])> {
    let keys = config.tokens.keys.iter().map(|key| (key.id, key.secret.as_bytes()));
    let derived = config.cluster.secret.as_ref().filter(|_| config.tokens.keys.is_empty());
    keys.chain(derived.map(|secret| (DERIVED, secret.as_bytes())))
}

/// Who answers without keeping anything: with a key of the same secrets, or of a random one for this run.
pub fn for_answers(config: &Config) -> Stateless {
    let server = settings::SERVER.as_bytes();
    match shared(config).next() {
        Some((_, secret)) => Stateless::new(secret, server),
        None => Stateless::new(&rand::random::<[u8; 32]>(), server),
    }
}

/// The keys that nonces are made with: of the same secrets as those of tokens, or of a random one for this run.
pub fn for_auth(config: &Config) -> auth::Keys {
    let keys: Vec<&[u8]> = config.tokens.keys.iter().map(|key| key.secret.as_bytes()).collect();
    match &config.cluster.secret {
        _ if !keys.is_empty() => auth::Keys::new(keys),
        Some(secret) => auth::Keys::new([secret.as_bytes()]),
        None => auth::Keys::new([&rand::random::<[u8; 32]>()[..]]),
    }
}

/// The keys that a node goes by: the configured ones, or a random one for this run.
pub fn of_node(config: &Config) -> KeyRing {
    configured(config).unwrap_or_else(|| KeyRing::of_one_run(&rand::random()))
}
