//! `config/deploy/fail2ban`: the filter finds the lines that a node writes, and none that a peer has written into them.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::digest::{Login, Users};
use crate::support::{Client, Node};

/// The expression of the filter, with what fail2ban would put in the place of `<HOST>`.
fn expression() -> String {
    let filter =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/deploy/fail2ban/flowhold.conf"));
    let filter = filter.unwrap();
    let line = filter.lines().find_map(|line| line.strip_prefix("failregex = ")).unwrap();
    line.replace("<HOST>", "(?<host>[0-9a-fA-F:.]+)")
}

/// The lines that it matches. fail2ban takes the time off before; it may as well stay.
fn matched(log: &str) -> Vec<String> {
    let mut grep = Command::new("grep")
        .args(["-P", &expression()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    grep.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    let found = grep.wait_with_output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn each_wrong_password_is_found_with_its_address() {
    let users = Users::new(&[("alice", "secret")]);
    let node = Node::start(&users.keys(""));
    let clients = [Client::tcp(&node), Client::udp(&node)];
    for client in &clients {
        for (user, password) in [("alice", "wrong"), ("nobody", "secret"), ("alice", "secret")] {
            let challenge = client.ask(&client.register_contact(user)).expect_status(401);
            client.ask(&Login::new(&challenge, user, password).prove(client.register_contact(user)));
        }
    }
    let found = matched(&node.log());
    assert_eq!(found.len(), 4, "{found:?}");
    for client in &clients {
        let peer = format!("peer={} ", client.local());
        assert_eq!(found.iter().filter(|line| line.contains(&peer)).count(), 2, "{found:?}");
    }
}

#[test]
fn a_user_who_was_stored_without_the_hash_is_not_banned() {
    let users = Users::new(&[("alice", "secret")]);
    let stored = std::fs::read_to_string(users.path()).unwrap();
    std::fs::write(users.path(), stored.replace("ha1_sha256", "# ha1_sha256")).unwrap();
    let node = Node::start(&users.keys(""));
    let client = Client::tcp(&node);
    let challenge = client.ask(&client.register_contact("alice")).expect_status(401);
    let mut login = Login::new(&challenge, "alice", "secret");
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(401);
    assert_eq!(node.metric("authentications_total{outcome=\"no_hash\"}"), 1);
    let log = node.log();
    assert!(log.contains("1 users have no hash for SHA-256, which is offered"), "{log}");
    assert!(log.contains("no hash for the algorithm peer="), "{log}");
    assert_eq!(matched(&log), [""; 0], "{log}");
}

#[test]
fn nobody_has_another_banned() {
    const FORGED: &str = "flowhold::auth: authentication failed peer=192.0.2.9:1 transport=tcp";
    let users = Users::new(&[("alice", "secret")]);
    let node = Node::start(&users.keys(""));
    let client = Client::tcp(&node);
    let challenge = client.ask(&client.register_contact("alice")).expect_status(401);
    // As a user name, and where the log has a field of its own for it.
    let mut login = Login::new(&challenge, FORGED, "secret");
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(401);
    let mut login = Login::new(&challenge, "alice", "secret");
    client.ask(&login.prove(client.register_contact("alice"))).expect_status(200);
    client.ask(&client.register_contact("alice").call_id(FORGED).with("Require", FORGED));
    client.ask(&client.message(FORGED));
    let log = node.log();
    assert!(log.matches("peer=192.0.2.9:1").count() > 1, "{log}");
    let found = matched(&log);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(&format!("failed peer={} transport=tcp", client.local())), "{found:?}");
}

#[test]
fn an_address_of_ipv6_is_found() {
    let line = "2026-11-22T22:30:00Z  INFO flowhold::auth: authentication failed peer=[2001:db8::1]:5060 transport=tls reason=x";
    assert_eq!(matched(&format!("{line}\n")), [line]);
    let journal = format!("node-a flowhold[7]: {line}");
    assert_eq!(matched(&format!("{journal}\n")), [journal]);
}
