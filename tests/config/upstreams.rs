//! `[[upstream]]`: a list of tables, which files have and the environment has not.

use std::time::Duration;

use flowhold::config::{DEFAULTS, Profile, RouteTo};

use crate::{Files, environment, faults_of, load_text, warnings_of};

const GOOD: &str = "[[upstream]]\naor = \"sip:+4930123456@provider.example\"\nto = \"sip:pbx@localhost\"\n\
    proxies = [\"sip:a.provider.example;transport=tcp\", \"sip:b.provider.example;transport=tcp\"]\n";

/// A good one with this in place of, or besides, its lines.
fn with(line: &str) -> String {
    let key = line.split(' ').next().unwrap();
    let kept = GOOD.lines().filter(|kept| kept.split(' ').next() != Some(key));
    kept.chain([line]).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_shows_every_key_and_its_default() {
    let example: Vec<&str> = DEFAULTS
        .lines()
        .skip_while(|line| *line != "#   [[upstream]]")
        .take_while(|line| line.starts_with("#   "))
        .map(|line| line.trim_start_matches("#   "))
        .collect();
    let shown = load_text(&example.join("\n"), &[]).unwrap().config.upstream;
    assert_eq!(shown, load_text(GOOD, &[]).unwrap().config.upstream, "what is left out is as shown");
    let table: toml::Table = example.join("\n").parse().unwrap();
    let keys = table["upstream"][0].as_table().unwrap();
    let error = faults_of(&with("surplus = 1")).remove(0);
    for known in error.split('`').skip(3).step_by(2) {
        assert!(keys.contains_key(known), "{known} is a key that the example does not show");
    }
}

#[test]
fn what_is_left_out_stands_to_reason() {
    let upstream = load_text(GOOD, &[]).unwrap().config.upstream.remove(0);
    assert_eq!(upstream.name, "+4930123456@provider.example");
    assert_eq!(upstream.username, "+4930123456");
    assert_eq!((upstream.password, upstream.profile), (None, Profile::Rfc5626));
    assert_eq!(upstream.retry_max, Duration::from_secs(1800));
}

#[test]
fn the_password_may_stand_in_a_file_of_its_own() {
    let files = Files::new();
    let path = files.write("password", "open sesame\n");
    let line = format!("password_file = \"{}\"", path.display());
    let upstream = load_text(&with(&line), &[]).unwrap().config.upstream.remove(0);
    assert_eq!(upstream.password.as_ref().unwrap().as_str(), "open sesame");
    assert!(!format!("{upstream:?}").contains("sesame"));
    let both = faults_of(&with(&format!("{line}\npassword = \"x\"")));
    assert!(both[0].contains("one of the two is enough"), "{both:?}");
    let missing = faults_of(&with("password_file = \"/nonexistent/password\""));
    assert!(
        missing[0].starts_with("upstream: +4930123456@provider.example: /nonexistent/password"),
        "{missing:?}"
    );
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_number_and_key() {
    for (text, reason) in [
        (with("surplus = 1"), "upstream: table 1: unknown field `surplus`"),
        (format!("{GOOD}{}", with("expires = \"soon\"")), "upstream: table 2: "),
        (with("to = \"pbx\""), "`pbx` is not an address-of-record"),
        (with("aor = \"tel:+49\""), "`tel:+49` is not an address-of-record"),
        (with("proxies = [\"provider.example\"]"), "`provider.example` is not a proxy"),
        (with("proxies = []"), "no proxies"),
        (with("proxies = [\"sip:a.example;transport=ws\"]"), "the transports are tls, tcp and udp"),
        (with("proxies = [\"sips:a.example;transport=udp\"]"), "sips is over TLS"),
        (with("proxies = [\"tel:+49\"]"), "`tel:+49` is not a proxy"),
        (
            format!("[listen]\ntcp = []\n{}", with("proxies = [\"sips:a.example\"]")),
            "needs a TLS or TCP listener",
        ),
        (format!("[listen]\nudp = []\n{}", with("proxies = [\"sip:a.example\"]")), "needs a UDP listener"),
        (with("to = \"sip:pbx@example.org\""), "in no domain of `node.domains`"),
        (with("expires = \"1s\""), "expires is below 10s"),
        (with("retry_some_up = \"0s\""), "a wait of 0s"),
        (format!("{GOOD}{GOOD}"), "stands there twice"),
        (format!("{GOOD}{}", with("name = \"other\"")), "its address-of-record is another one's"),
        (format!("[listen]\ntcp = []\n{GOOD}"), "needs a TCP listener"),
        (format!("[proxy]\nregistrar = \"sip:192.0.2.7\"\n{GOOD}"), "register at the registrar"),
        ("[upstream]\naor = \"sip:a@b\"\n".to_owned(), "with two brackets"),
        ("upstream = [\"sip:a@b\"]\n".to_owned(), "is a list of tables"),
    ] {
        let faults = faults_of(&text);
        assert!(faults.iter().any(|fault| fault.contains(reason)), "{reason}: {faults:?}\n{text}");
    }
}

#[test]
fn flows_may_be_over_tls() {
    let proxies = "proxies = [\"sip:a.example;transport=tls\", \"sips:b.example\"]";
    let upstream = load_text(&with(proxies), &[]).unwrap().config.upstream.remove(0);
    assert_eq!(upstream.proxies, ["sip:a.example;transport=tls", "sips:b.example"]);
}

#[test]
fn no_variable_stands_for_it() {
    let faults = flowhold::config::load(&[], environment(&[("FLOWHOLD__UPSTREAM", "sip:a@b")])).unwrap_err();
    assert!(faults.to_string().contains("FLOWHOLD__UPSTREAM: is a list of tables"), "{faults}");
}

#[test]
fn a_route_may_lead_to_an_upstream_that_is_there() {
    let route = "[proxy]\nroutes = [\"+ = upstream:trunk\", \"example.net = sip:192.0.2.7\"]\n";
    let named = format!("{route}{}", with("name = \"trunk\""));
    let config = load_text(&named, &[]).unwrap().config;
    assert_eq!(config.proxy.routes[0].to, RouteTo::Upstream("trunk".to_owned()));
    let faults = faults_of(&format!("{route}{GOOD}"));
    assert!(faults[0].contains("a route leads to `upstream:trunk`"), "{faults:?}");
}

#[test]
fn one_proxy_is_probably_not_meant() {
    let warnings = warnings_of(&with("proxies = [\"sip:a.provider.example;transport=tcp\"]"));
    assert!(warnings[0].contains("one proxy is one flow"), "{warnings:?}");
}
