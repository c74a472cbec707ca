//! `config/default.toml` is both the lowest layer and what an operator reads: it must be whole and say everything.

use std::collections::BTreeSet;
use std::time::Duration;

use flowhold::config::{Config, DEFAULTS, load};

/// `section.key` of every key, as a TOML parser that is not the program's sees them.
fn keys() -> BTreeSet<String> {
    let table: toml::Table = DEFAULTS.parse().unwrap();
    let in_section = |(section, keys): (&String, &toml::Value)| -> Vec<String> {
        match keys.as_table() {
            Some(keys) => keys.keys().map(|key| format!("{section}.{key}")).collect(),
            // A key of no section: the list of tables.
            None => vec![format!(".{section}")],
        }
    };
    table.iter().flat_map(in_section).collect()
}

#[test]
fn without_a_configuration_a_node_listens_on_loopback_for_localhost() {
    let loaded = load(&[], []).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.listen.udp, ["127.0.0.1:5060".parse().unwrap()]);
    assert_eq!(config.listen.tcp, ["127.0.0.1:5060".parse().unwrap()]);
    assert_eq!(config.node.domains, ["localhost"]);
    assert_eq!(config.outbound.flow_timer, Some(Duration::from_secs(120)));
    assert_eq!(config.limits.max_message, 64 * 1024);
    assert!(!config.node.id.is_empty(), "the host name stands in");
    assert!(config.node.worker_count() >= 1);
    assert_eq!(config, Config::default());
}

#[test]
fn a_key_of_the_model_that_the_file_lacks_does_not_load() {
    for key in keys() {
        let mut table: toml::Table = DEFAULTS.parse().unwrap();
        let (section, name) = key.split_once('.').unwrap();
        match table.get_mut(section) {
            Some(section) => section.as_table_mut().unwrap().remove(name),
            None => table.remove(name),
        };
        let outcome = toml::from_str::<Config>(&table.to_string());
        assert!(outcome.is_err(), "without {key} the model still loads, so it is no field of the model");
    }
}

#[test]
fn a_key_of_the_file_that_the_model_lacks_does_not_load() {
    toml::from_str::<Config>(DEFAULTS).unwrap();
    let table: toml::Table = DEFAULTS.parse().unwrap();
    for section in table.keys().filter(|key| table[*key].is_table()) {
        let mut table = table.clone();
        table[section].as_table_mut().unwrap().insert("surplus".to_owned(), toml::Value::Boolean(true));
        let error = toml::from_str::<Config>(&table.to_string()).unwrap_err().to_string();
        assert!(error.contains("unknown field `surplus`"), "{section}: {error}");
    }
}

#[test]
fn every_key_says_what_it_is_and_when_to_change_it() {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    let mut documented = BTreeSet::new();
    let mut section = "";
    for (index, line) in lines.iter().enumerate() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let above = lines[..index].iter().rev().take_while(|line| line.starts_with("# "));
            let words: usize = above.map(|line| line.split_whitespace().count() - 1).sum();
            assert!(words >= 8, "{section}.{key} has {words} words above it");
            documented.insert(format!("{section}.{key}"));
        }
    }
    assert_eq!(documented, keys());
}

#[test]
fn the_file_fits_a_terminal() {
    for line in DEFAULTS.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
}
