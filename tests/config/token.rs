//! Keys of flow tokens in the configuration, and `flowhold token decode`.

use std::process::Output;

use flowhold::config::Config;
use flowhold_cluster::flow::{FlowId, NodeRun};
use flowhold_cluster::token::{FlowToken, KeyRing, Over};

use crate::command_line::{err, flowhold, out};
use crate::{Files, faults_of, load_text};

const SECRET: &str = "a secret that is long enough";
const OTHER: &str = "another secret, long enough";

fn keys(keys: &[&str]) -> String {
    format!("[tokens]\nkeys = {keys:?}\n")
}

/// The token of a flow over TCP, or over UDP to `remote`, as a node of the configuration `text` puts it into Path.
fn token(text: &str, remote: Option<&str>) -> String {
    token_over(text, remote.map_or(Over::Tcp, |remote| Over::Udp(remote.parse().unwrap())))
}

fn token_over(text: &str, over: Over) -> String {
    let config = load_text(text, &[]).unwrap().config;
    let secrets = config.tokens.keys.iter().map(|key| (key.id, key.secret.as_bytes()));
    KeyRing::new(secrets).unwrap().seal(&FlowToken {
        run: NodeRun { node: "node-a".into(), epoch: 1_760_000_000_123 },
        flow: FlowId { worker: 3, slot: 17, generation: 2 },
        over,
    })
}

fn decode(token: &str, configuration: &str) -> Output {
    let files = Files::new();
    let file = files.write("a.toml", configuration).display().to_string();
    flowhold(&["token", "decode", token, "--config", &file], &[])
}

#[track_caller]
fn assert_does_not_open(output: &Output, reason: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(err(output), format!("flowhold: {reason}\n"));
    assert_eq!(out(output), "");
}

#[test]
fn keys_are_an_id_and_a_secret_in_order() {
    let loaded = load_text(&keys(&["7:a:secret:with:colons", &format!("0:{SECRET}")]), &[]).unwrap();
    let found: Vec<_> =
        loaded.config.tokens.keys.iter().map(|key| (key.id, key.secret.as_bytes().to_vec())).collect();
    assert_eq!(found, [(7, b"a:secret:with:colons".to_vec()), (0, SECRET.into())]);
    let variables = [("FLOWHOLD__TOKENS__KEYS", "1:0123456789abcdef, 2:fedcba9876543210")];
    assert_eq!(load_text("", &variables).unwrap().config.tokens.keys.len(), 2);
    assert_eq!(Config::default().tokens.keys, []);
}

#[test]
fn a_faulty_key_is_named_by_its_place_or_its_id() {
    for wrong in
        ["", SECRET, ":a secret that is long enough", "256:a secret that is long", "-1:x", "+1:x", "a:x"]
    {
        assert_eq!(
            faults_of(&keys(&[&format!("1:{SECRET}"), wrong])),
            ["tokens.keys: value 2 is not ID:SECRET with a number from 0 to 255 for the ID"],
            "{wrong}"
        );
    }
    assert_eq!(
        faults_of(&keys(&[&format!("1:{SECRET}"), "2:sixteen octets..", "1:fifteen octets."])),
        [
            "tokens.keys: the ID 1 stands there twice",
            "tokens.keys: the secret of key 1 is shorter than 16 octets: take 32 random ones",
        ]
    );
    let many: Vec<String> = (0..17).map(|id| format!("{id}:{SECRET}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(faults_of(&keys(&many)), ["tokens.keys: 17 keys are more than the 16 there can be"]);
    assert!(load_text(&keys(&many[1..]), &[]).is_ok());
}

#[test]
fn a_secret_is_shown_nowhere() {
    let loaded = load_text(&keys(&[&format!("1:{SECRET}")]), &[]).unwrap();
    let shown = format!("{loaded:?}");
    assert!(shown.contains("TokenKey { id: 1, secret: (hidden) }") && !shown.contains(SECRET), "{shown}");
    let secret = "geheim";
    for text in [
        keys(&[secret]),
        keys(&[&format!("{secret}:{secret}")]),
        keys(&[&format!("1:{secret}")]),
        format!("[tokens]\nkeys = \"1:{secret}\"\n"),
        format!("[tokens]\nkeys = [\"1:{secret}]\n"),
        format!("[tokens]\nkey = [\"1:{secret}\"]\n"),
    ] {
        let faults = load_text(&text, &[]).unwrap_err().to_string();
        assert!(!faults.contains(secret), "{faults}");
    }
}

#[test]
fn decode_prints_what_a_token_says_a_thing_to_a_line() {
    let text = keys(&[&format!("7:{SECRET}"), &format!("8:{OTHER}")]);
    let output = decode(&token(&text, Some("198.51.100.7:40312")), &text);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(err(&output), "");
    assert_eq!(
        out(&output),
        "version: 1\nkey: 7\nnode: node-a\nepoch: 1760000000123\nstarted: 2025-10-09T08:53:20.123Z\n\
         flow: 3.17.2\ntransport: udp\nremote: 198.51.100.7:40312\n"
    );
    for (over, name) in [(Over::Tcp, "tcp"), (Over::Tls, "tls"), (Over::Ws, "ws"), (Over::Wss, "wss")] {
        let output = decode(&token_over(&text, over), &text);
        let end = format!("\ntransport: {name}\nremote: none, a connection\n");
        assert!(out(&output).ends_with(&end), "{output:?}");
    }
}

#[test]
fn decode_reads_tokens_of_a_key_that_makes_none_any_more() {
    let before = keys(&[&format!("7:{SECRET}")]);
    let after = keys(&[&format!("8:{OTHER}"), &format!("7:{SECRET}")]);
    let output = decode(&token(&before, None), &after);
    assert!(out(&output).contains("\nkey: 7\n"), "{output:?}");
}

#[test]
fn decode_says_why_a_token_does_not_open_and_exits_with_1() {
    let text = keys(&[&format!("7:{SECRET}")]);
    let good = token(&text, None);
    assert_does_not_open(
        &decode(&good, &keys(&[&format!("8:{SECRET}")])),
        "the token was made with key 7, which is not among tokens.keys",
    );
    let forged = "the token was changed, or made with another secret than key 7 of tokens.keys has";
    assert_does_not_open(&decode(&good, &keys(&[&format!("7:{OTHER}")])), forged);
    let (start, end) = good.split_at(20);
    let changed = if end.starts_with('A') { 'B' } else { 'A' };
    assert_does_not_open(&decode(&format!("{start}{changed}{}", &end[1..]), &text), forged);
    for wrong in ["alice", "", &good[1..], &format!("sip:{good}@192.0.2.1")] {
        assert_does_not_open(
            &decode(wrong, &text),
            "this is no flow token of this version: give the user part of the URI, whole and alone",
        );
    }
    assert_does_not_open(
        &decode(&good, ""),
        "neither tokens.keys nor cluster.secret are configured, so the node that made this token used a random key of \
         its own, and nobody else can read it",
    );
}

#[test]
fn decode_with_a_faulty_configuration_exits_with_2() {
    let output = decode("alice", "[node]\nidd = \"a\"\n");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(err(&output).ends_with("node.idd: unknown key, did you mean node.id?\n"), "{output:?}");
}
