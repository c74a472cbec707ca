//! The keys of flow tokens, from the configuration.

use flowhold_cluster::token::KeyRing;

use crate::config::Tokens;

/// The configured keys; none where the configuration leaves the key to each run of a node.
pub fn configured(tokens: &Tokens) -> Option<KeyRing> {
    if tokens.keys.is_empty() {
        return None;
    }
    let secrets = tokens.keys.iter().map(|key| (key.id, key.secret.as_bytes()));
    Some(KeyRing::new(secrets).expect("the configuration was checked: ids differ, secrets are long enough"))
}

/// The keys that a node goes by: the configured ones, or a random one for this run.
pub fn of_node(tokens: &Tokens) -> KeyRing {
    configured(tokens).unwrap_or_else(|| KeyRing::of_one_run(&rand::random()))
}
