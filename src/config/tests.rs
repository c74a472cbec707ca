#![allow(clippy::unwrap_used)]

use super::Config;

#[test]
fn the_defaults_are_a_whole_configuration() {
    let config = Config::default();
    assert_eq!(config.listen.udp, ["127.0.0.1:5060".parse().unwrap()]);
    assert!(!config.node.id.is_empty());
}
