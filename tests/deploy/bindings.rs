//! `flowhold bindings`, and what it asks a node for.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::ua::instance;
use crate::support::{Client, Node};

fn bindings(node: &Node, arguments: &[&str]) -> Output {
    let admin = node.listener("admin").to_string();
    Command::new(env!("CARGO_BIN_EXE_flowhold"))
        .args(["bindings", "--admin", &admin])
        .args(arguments)
        .output()
        .unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

#[test]
fn each_binding_is_shown_with_its_flow() {
    let node = Node::start("");
    let (tcp, udp) = (Client::tcp(&node), Client::udp(&node));
    tcp.registers_outbound("alice", 1);
    udp.ask(&udp.register_contact("alice").with("User-Agent", "phone\u{7} 1.0"));

    let shown = bindings(&node, &["sip:alice@EXAMPLE.com"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let shown = text(&shown.stdout);
    let blocks: Vec<&str> = shown.split("\n\n").collect();
    let [newest, first] = blocks[..] else { panic!("two bindings: {shown}") };
    for line in [
        format!("contact: {}", tcp.contact_uri("alice")),
        format!("instance-id: {}", instance("alice")),
        "reg-id: 1".to_owned(),
        "node: a".to_owned(),
        "transport: tcp".to_owned(),
        format!("peer: {}", tcp.local()),
        "outbound: yes".to_owned(),
    ] {
        assert!(first.lines().any(|found| found == line), "{line}\n{shown}");
    }
    assert!(newest.contains(&format!("transport: udp\npeer: {}\n", udp.local())), "{shown}");
    assert!(!newest.contains("instance-id") && newest.contains("user-agent: phone? 1.0\n"), "{shown}");

    let json = bindings(&node, &["--json", "alice@example.com"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["aor"], "sip:alice@example.com");
    assert_eq!(json["bindings"][1]["reg_id"], 1);
    let expires = json["bindings"][1]["expires_in"].as_u64().unwrap();
    assert!((1..=3600).contains(&expires), "{json}");
    assert!(node.get("/bindings/%61lice@example.com").1.contains("\"reg_id\":1"));
}

#[test]
fn none_and_nobody_to_ask_are_failures_that_say_so() {
    let mut node = Node::start("");
    let empty = bindings(&node, &["bob@example.com"]);
    assert_eq!(empty.status.code(), Some(1));
    assert_eq!(text(&empty.stderr), "flowhold: bob@example.com has no binding\n");
    let wrong = bindings(&node, &["bob"]);
    assert_eq!(text(&wrong.stderr), "flowhold: an address-of-record is NAME@DOMAIN\n");
    let admin = node.listener("admin").to_string();
    node.kill();
    let nobody = bindings(&node, &["bob@example.com"]);
    assert_eq!(nobody.status.code(), Some(1));
    let said = text(&nobody.stderr);
    assert!(
        said.starts_with(&format!("flowhold: no node can be asked at {admin} (admin.listen): ")),
        "{said}"
    );
}
