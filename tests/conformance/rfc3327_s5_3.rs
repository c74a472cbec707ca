//! RFC 3327 §5.3: Path at the registrar.

use crate::support::{Client, Node};

#[test]
fn s5_3_path_comes_back_in_its_order_whether_repeated_or_a_list() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request = client
        .register("alice")
        .contact("<sip:alice@192.0.2.4>")
        .with("Supported", "path")
        .with("Path", "<sip:p3.example.net;lr>,<sip:p2.example.net;lr>")
        .with("Path", "<sip:p1.example.net;lr>");
    let response = client.ask(&request).expect_status(200);
    let expected = ["<sip:p3.example.net;lr>", "<sip:p2.example.net;lr>", "<sip:p1.example.net;lr>"];
    assert_eq!(response.values("Path"), expected, "{response}");
}

#[test]
fn s5_3_without_path_in_the_request_there_is_none_in_the_response() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let response = client.registers_outbound("alice", 1);
    assert!(!response.has("Path"), "{response}");
}

#[test]
fn s5_3_a_path_that_the_ua_does_not_support_is_420() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request = client.register_contact("alice").with("Path", "<sip:p1.example.net;lr>");
    let response = client.ask(&request).expect_status(420);
    assert!(response.has_tag("Unsupported", "path"), "{response}");
    assert_eq!(client.bindings("alice"), [""; 0]);
}
