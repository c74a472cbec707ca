//! The keys of flow tokens, from the configuration.

use flowhold_cluster::token::KeyRing;

use crate::config::Config;

/// The id of the key that is derived from the cluster's secret.
const DERIVED: u8 = 0;

/// The configured keys, or the one that the nodes of a cluster derive from their secret; none where the configuration
/// leaves the key to each run of a node.
pub fn configured(config: &Config) -> Option<KeyRing> {
    let keys = config.tokens.keys.iter().map(|key| (key.id, key.secret.as_bytes()));
    // The key ring derives each key by HKDF with a purpose of its own: what the secret is used for elsewhere tells
    // nothing about the key.
    let derived = config.cluster.secret.as_ref().filter(|_| config.tokens.keys.is_empty());
    let derived = derived.map(|secret| (DERIVED, secret.as_bytes()));
    let mut secrets = keys.chain(derived).peekable();
    secrets.peek()?;
    Some(KeyRing::new(secrets).expect("the configuration was checked: ids differ, secrets are long enough"))
}

/// The keys that a node goes by: the configured ones, or a random one for this run.
pub fn of_node(config: &Config) -> KeyRing {
    configured(config).unwrap_or_else(|| KeyRing::of_one_run(&rand::random()))
}
