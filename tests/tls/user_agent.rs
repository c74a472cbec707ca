//! `flowhold ua` over TLS.

use crate::support::tls::Ca;
use crate::support::{Client, Node, UaProcess};

#[test]
fn a_ua_registers_over_tls_takes_messages_and_checks_whom_it_dials() {
    let (ca, other) = (Ca::new(), Ca::new());
    let node = Node::start(&ca.listener(""));
    let proxy = format!("sip:localhost:{};transport=tls", node.tls().port());
    let by_address = format!("sip:{};transport=tls", node.tls());
    let trusted = ca.path("ca.pem").display().to_string();
    let mistaken = other.path("ca.pem").display().to_string();

    let mut ua = UaProcess::start("alice", std::slice::from_ref(&proxy), &["--ca", &trusted]);
    let connected = ua.flow(1, "connected");
    assert_eq!(connected["transport"], "tls", "{connected}");
    ua.flow(1, "registered");
    let caller = Client::tcp(&node);
    caller.ask(&caller.message("alice")).expect_status(200);
    ua.until("a message", |it| it["event"] == "message");
    assert_eq!(ua.stop(), Some(0));

    for (proxy, ca) in [(&proxy, &mistaken), (&by_address, &trusted)] {
        let mut ua = UaProcess::start("bob", std::slice::from_ref(proxy), &["--ca", ca]);
        let failed = ua.flow(1, "failed");
        assert!(failed["reason"].as_str().unwrap().contains("certificate"), "{failed}");
    }
    let send = ["--ca", &mistaken, "--send", "sip:alice@example.com", "hello", "--within", "1h"];
    let mut ua = UaProcess::start("bob", &[proxy, by_address.clone()], &send);
    assert_eq!(ua.ends(), Some(3), "neither proves its name");
    let mut ua = UaProcess::start("bob", &[by_address], &["--insecure"]);
    ua.flow(1, "registered");
}

#[test]
fn rfc3261_s26_2_2_a_proxy_that_is_sips_is_reached_over_tls() {
    let ca = Ca::new();
    let node = Node::start(&ca.listener(""));
    let trusted = ca.path("ca.pem").display().to_string();
    let proxy = format!("sips:localhost:{}", node.tls().port());
    let mut ua = UaProcess::start("alice", &[proxy], &["--ca", &trusted]);
    assert_eq!(ua.flow(1, "connected")["transport"], "tls");
    ua.flow(1, "registered");
    let binding = Client::tcp(&node).bindings("alice").remove(0);
    assert!(binding.starts_with("<sip:"), "whoever calls need not do it by sips: {binding}");
}
