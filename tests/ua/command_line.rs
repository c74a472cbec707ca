//! What `flowhold ua` is asked for, and the exit status that says what happened.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::ua_process::{proxy, run_ua};
use crate::support::{Client, Node, UaProcess};

/// A port where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy("tcp", listener.local_addr().unwrap())
}

fn ua(proxy: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state").display().to_string();
    let mut arguments = vec!["--aor", "sip:alice@example.com", "--proxy", proxy, "--state", &state];
    arguments.extend(more);
    run_ua(&arguments)
}

#[test]
fn a_message_that_is_delivered_is_status_0() {
    let node = Node::start("");
    let mut bob = UaProcess::start("bob", &[proxy("udp", node.udp())], &[]);
    bob.flow(1, "registered");
    let (status, out, _) = ua(&proxy("tcp", node.tcp()), &["--send", "sip:bob@example.com", "hello"]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("message to sip:bob@example.com answered over flow 1: 200 OK"), "{out}");
    let message = bob.until("a message", |it| it["event"] == "message");
    assert_eq!((&message["text"], &message["from"]), (&"hello".into(), &"sip:alice@example.com".into()));
    assert_eq!(bob.stop(), Some(0));
    assert_eq!(node.metric("bindings"), 0, "both took their bindings back");
}

#[test]
fn a_ua_that_is_told_to_end_after_it_was_registered_is_status_0() {
    let node = Node::start("");
    let (status, out, _) = ua(&proxy("tcp", node.tcp()), &["--for", "300ms"]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("flow 1: binding removed, closed"), "{out}");
}

#[test]
fn a_ua_that_is_never_registered_is_status_3() {
    let nobody = nobody();
    let (status, out, _) = ua(&nobody, &["--for", "300ms"]);
    assert_eq!(status, Some(3), "{out}");
    assert!(out.contains("flow 1: failed: cannot connect: "), "{out}");
    let (status, out, _) = ua(&nobody, &["--send", "sip:bob@example.com", "x", "--within", "300ms"]);
    assert_eq!(status, Some(3), "{out}");
}

#[test]
fn a_message_that_no_proxy_can_be_reached_for_is_status_3_at_once() {
    let begun = Instant::now();
    let more = ["--proxy", &*nobody(), "--send", "sip:bob@example.com", "x", "--within", "1h"];
    for proxy in [nobody(), nobody().replace("tcp", "udp"), nobody().replace("tcp", "tls")] {
        let (status, out, _) = ua(&proxy, &more);
        assert_eq!(status, Some(3), "{out}");
        assert!(out.contains("flow 1: failed: ") && out.contains("flow 2: failed: "), "{out}");
    }
    // RFC 3261 §10.3: an AOR of another domain is 404.
    let node = Node::start("[node]\ndomains = [\"elsewhere.example\"]");
    let (status, out, _) = ua(&proxy("tcp", node.tcp()), &more[2..]);
    assert_eq!(status, Some(3), "{out}");
    assert!(out.contains("REGISTER refused: 404"), "{out}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_message_that_is_refused_is_status_4() {
    let node = Node::start("");
    let (status, out, _) = ua(&proxy("tcp", node.tcp()), &["--send", "sip:nobody@example.com", "x"]);
    assert_eq!(status, Some(4), "{out}");
    assert!(out.contains("answered over flow 1: 404"), "{out}");
}

#[test]
fn what_is_asked_for_wrongly_is_status_2() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state").display().to_string();
    let good = ["--aor", "sip:a@b", "--proxy", "sip:127.0.0.1", "--state", &state];
    for (wrong, reason) in [
        (vec!["--aor", "sip:a@b"], "--proxy"),
        (vec!["--aor", "sip:b", "--proxy", "sip:127.0.0.1"], "no user in it"),
        (vec!["--aor", "tel:+1", "--proxy", "sip:127.0.0.1"], "not a sip: URI"),
        (vec!["--aor", "sip:a@b", "--proxy", "sip:127.0.0.1;transport=ws"], "transports are"),
        (vec!["--aor", "sip:a@b", "--proxy", "sips:127.0.0.1;transport=udp"], "sips: is over tls"),
        (vec!["--aor", "sip:a@b", "--proxy", "tel:+1"], "not a sip: or sips: URI"),
        ([&good[..], &["--send", "bob", "x"]].concat(), "--send bob"),
        ([&good[..], &["--expires", "soon"]].concat(), "--expires"),
    ] {
        let (status, _, err) = run_ua(&wrong);
        assert_eq!(status, Some(2), "{wrong:?}: {err}");
        assert!(err.contains(reason), "{wrong:?}: {err}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_status_1() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("state");
    std::fs::write(&file, "no urn").unwrap();
    let file = file.display().to_string();
    let (status, _, err) = ua("sip:127.0.0.1", &["--password-file", "/nonexistent/password"]);
    assert_eq!(status, Some(1), "{err}");
    assert!(err.contains("/nonexistent/password"), "{err}");
    let (status, _, err) = run_ua(&["--aor", "sip:a@b", "--proxy", "sip:127.0.0.1", "--state", &file]);
    assert_eq!(status, Some(1), "{err}");
    assert!(err.contains("no instance-id"), "{err}");
}

#[test]
fn rfc5626_s4_1_the_instance_id_is_the_same_after_a_restart() {
    let node = Node::start("");
    let mut first = UaProcess::start("alice", &[proxy("tcp", node.tcp())], &[]);
    first.flow(1, "registered");
    // Started again while the first one's binding is still there.
    let mut second = UaProcess::start_as(&first, "alice", &[proxy("tcp", node.tcp())], &[]);
    second.flow(1, "registered");
    let bindings = Client::tcp(&node).bindings("alice");
    assert_eq!(bindings.len(), 1, "it replaces the first one's: {bindings:?}");
    let instance_id = std::fs::read_to_string(first.state()).unwrap();
    assert!(bindings[0].contains(&format!("\"<{}>\"", instance_id.trim())), "{bindings:?}");
}
