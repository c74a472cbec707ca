//! `[auth]`: nobody is let in from outside without a word.

use crate::command_line::{flowhold, out};
use crate::{Files, faults_of, load_text, warnings_of};

const OUTSIDE: &str = "[listen]\ntcp = [\"192.0.2.1:5060\"]\n";

fn digest(text: &str) -> String {
    format!("[auth]\nmode = \"digest\"\n{text}")
}

#[test]
fn a_node_that_listens_beyond_loopback_says_who_is_let_in() {
    for listen in ["udp = [\"192.0.2.1:5060\"]", "tcp = [\"0.0.0.0:5060\"]", "udp = [\"[::]:5060\"]"] {
        let faults = faults_of(&format!("[listen]\n{listen}\n"));
        assert_eq!(faults.len(), 1, "{faults:?}");
        let key = format!("listen.{}: ", &listen[..3]);
        assert!(faults[0].starts_with(&key) && faults[0].contains("auth.mode is not set"), "{faults:?}");
        assert!(faults[0].contains("mode = \"none\"") && faults[0].contains("flowhold passwd"), "{faults:?}");
    }
    assert!(load_text(&format!("{OUTSIDE}[auth]\nmode = \"none\"\n"), &[]).is_ok());
    assert!(load_text(&format!("{OUTSIDE}{}", digest("")), &[]).is_ok());
    assert!(load_text("[listen]\ntcp = [\"127.0.0.2:5060\"]\nudp = [\"[::1]:5060\"]\n", &[]).is_ok());
}

#[test]
fn who_is_sent_on_by_a_balancer_is_beyond_loopback() {
    let behind = "[listen]\nproxy_protocol_from = [\"127.0.0.1\"]\n";
    let faults = faults_of(behind);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("listen.proxy_protocol_from: who comes through a balancer"), "{faults:?}");
    assert!(load_text(&format!("{behind}[auth]\nmode = \"none\"\n"), &[]).is_ok());
    assert!(load_text(&format!("{behind}tcp = []\n"), &[]).is_ok(), "there is no such header over UDP");
}

#[test]
fn a_websocket_on_loopback_may_be_behind_a_proxy_and_warns() {
    let listens = "[listen]\nws = [\"127.0.0.1:8080\"]\n";
    let warnings = warnings_of(listens);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("listen.ws: behind a proxy on this machine 127.0.0.1:8080"),
        "{warnings:?}"
    );
    for mode in ["none", "digest"] {
        assert_eq!(warnings_of(&format!("{listens}[auth]\nmode = \"{mode}\"\n")), [""; 0]);
    }
}

#[test]
fn such_a_node_does_not_start() {
    let files = Files::new();
    let file = files.write("a.toml", OUTSIDE).display().to_string();
    for command in ["node", "check"] {
        let output = flowhold(&[command, "--config", &file], &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    let listening = "[listen]\nudp = [\"127.0.0.1:0\"]\ntcp = []\n[admin]\nlisten = \"\"\n";
    let file = files
        .write("b.toml", &format!("{listening}{}users = \"none.toml\"\n", digest("")))
        .display()
        .to_string();
    for command in ["node", "check"] {
        let output = flowhold(&[command, "--config", &file], &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = format!("{}{}", out(&output), crate::command_line::err(&output));
        assert!(said.contains("none.toml: ") && said.contains("flowhold passwd"), "{said}");
    }
}

#[test]
fn an_edge_proxy_leaves_it_to_its_registrar() {
    let faults = faults_of(&digest("[proxy]\nregistrar = \"sip:192.0.2.7\"\n"));
    assert_eq!(
        faults,
        ["auth.mode: an edge proxy leaves it to its registrar to authenticate: write mode = \"none\" here"]
    );
}

#[test]
fn values_of_auth_are_what_they_can_be() {
    for (text, fault) in [
        ("mode = \"basic\"", "auth.mode: `basic` is not among"),
        ("realm = \"a\\\"b\"", "auth.realm: `a\"b` is not a realm"),
        ("algorithms = [\"SHA-1\"]", "auth.algorithms: `SHA-1` is not among"),
        ("algorithms = [\"MD5\", \"md5\"]", "auth.algorithms: md5 stands there twice"),
        ("store = \"memory\"", "auth.store: `memory` is not among"),
        ("strangers = \"welcome\"", "auth.strangers: `welcome` is not among"),
    ] {
        let faults = faults_of(&format!("[auth]\n{text}\n"));
        assert!(faults[0].starts_with(fault), "{faults:?}");
    }
    for (text, fault) in [
        ("algorithms = []", "auth.algorithms: is empty"),
        ("nonce_lifetime = \"500ms\"", "auth.nonce_lifetime: below 1s"),
        ("failure_window = \"0s\"", "auth.failure_window: 0s"),
        ("remembered = 0", "auth.remembered: 0"),
        ("user_lookups = 0", "auth.user_lookups: 0"),
        ("store = \"redis\"\nusers_stale = \"1s\"", "auth.users_stale: below users_cache"),
        ("store = \"redis\"\n[location]\nredis_url = \"\"", "location.redis_url: is not \"redis://"),
        ("store = \"redis\"\n[location]\nprefix = \"a b\"", "location.prefix: `a b` is not a name"),
    ] {
        let faults = faults_of(&digest(text));
        assert!(faults[0].starts_with(fault), "{faults:?}");
    }
    assert!(
        warnings_of(&digest("algorithms = [\"MD5\", \"SHA-256\"]\n"))[0]
            .starts_with("auth.algorithms: MD5 stands")
    );
    assert!(warnings_of(&digest("flow_trust_udp = \"1h\"\n"))[0].starts_with("auth.flow_trust_udp: "));
}

#[test]
fn users_in_redis_need_no_file_and_no_cluster() {
    let files = Files::new();
    let good =
        files.write("a.toml", &digest("store = \"redis\"\nusers = \"none.toml\"\n")).display().to_string();
    let output = flowhold(&["check", "--config", &good], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let missing = "[location]\nredis_url = \"rediss://127.0.0.1\"\nredis_ca = \"none.pem\"\n";
    let bad = files.write("b.toml", &digest(&format!("store = \"redis\"\n{missing}"))).display().to_string();
    let output = flowhold(&["check", "--config", &bad], &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(out(&output).starts_with("location: none.pem: "), "{output:?}");
}
