//! Steps 1 to 5 and what stands before them: which REGISTER is served, and for which address-of-record.

use crate::support::{Client, Node};

#[test]
fn s10_3_record_route_is_ignored_and_never_in_a_response() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for request in [client.register_contact("alice"), client.register_outbound("alice", 0)] {
        let request = request.with("Record-Route", "<sip:proxy.example.net;lr>");
        assert!(!client.ask(&request).has("Record-Route"));
    }
}

#[test]
fn s10_3_registers_are_processed_in_the_order_in_which_they_come() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let requests: Vec<_> = (0..50)
        .map(|number| {
            let expires = if number % 2 == 0 { "600" } else { "0" };
            client.register_contact("alice").with("Expires", expires)
        })
        .collect();
    client.send(requests.iter().flat_map(crate::support::Request::to_bytes).collect::<Vec<_>>());
    for (number, request) in requests.iter().enumerate() {
        let response = client.receive().expect_status(200);
        assert_eq!(response.header("CSeq"), request.field("CSeq"));
        assert_eq!(response.contacts().len(), 1 - number % 2, "{response}");
    }
}

#[test]
fn s10_3_each_register_is_processed_independently() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let refused =
        client.register("alice").contact("<sip:alice@192.0.2.1>").with("Require", "no-such-extension");
    let accepted = client.register("bob").contact("<sip:bob@192.0.2.1>");
    client.send([refused.to_bytes(), accepted.to_bytes()].concat());
    let mut statuses = [client.receive().status(), client.receive().status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 420]);
    assert_eq!(client.bindings("bob").len(), 1);
}

#[test]
fn s10_3_step_1_a_request_uri_of_another_domain_is_404() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request =
        client.register_contact("alice").uri("sip:example.net").set("To", "<sip:alice@example.net>");
    client.ask(&request).expect_status(404);
    client.ask(&client.register_contact("alice").uri("sip:sub.example.com")).expect_status(404);
}

#[test]
fn s10_3_step_1_the_domain_is_compared_without_case() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request =
        client.register_contact("alice").uri("sip:EXAMPLE.com").set("To", "<sip:alice@Example.COM>");
    client.ask(&request).expect_status(200);
    assert_eq!(client.bindings("alice").len(), 1);
}

#[test]
fn s10_3_step_2_an_unknown_require_is_420_and_unsupported_lists_it() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request =
        client.register_contact("alice").with("Require", "path, zork").with("Require", "outbound, blip");
    let response = client.ask(&request).expect_status(420);
    // §8.2.2.3: those that the server does not understand, and no other.
    let mut unsupported = response.values("Unsupported");
    unsupported.sort_unstable();
    assert_eq!(unsupported, ["blip", "zork"], "{response}");
    assert_eq!(client.bindings("alice"), [""; 0]);
}

#[test]
fn s10_3_step_5_an_aor_of_another_domain_is_404() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.ask(&client.register_contact("alice").set("To", "<sip:alice@example.net>")).expect_status(404);
    client.ask(&client.register("alice").set("To", "<sip:alice@example.net>")).expect_status(404);
}

#[test]
fn s10_3_step_5_uri_parameters_are_no_part_of_the_aor() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for to in [
        "<sip:alice@example.com;user=phone>",
        "<sip:alice@example.com;transport=tcp;x-y=z>",
        "sip:alice@example.com;tag=1",
        "\"Alice <of> all\" <sip:alice@example.com>;x=y",
    ] {
        let response = client.ask(&client.register_contact("alice").set("To", to)).expect_status(200);
        assert_eq!(response.contacts().len(), 1, "{to}");
    }
    assert_eq!(client.bindings("alice").len(), 1);
    assert_eq!(node.metric("aors"), 1);
}

#[test]
fn s10_3_step_5_escaped_octets_are_those_that_they_stand_for() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.registers("alice");
    let query = client.register("alice").set("To", "<sip:%61li%63e@example.com>");
    assert_eq!(client.ask(&query).expect_status(200).contacts().len(), 1);
    assert_eq!(node.metric("aors"), 1);
}

#[test]
fn s10_3_step_5_the_user_is_compared_with_case() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.registers("alice");
    let query = client.register("alice").set("To", "<sip:Alice@example.com>");
    assert_eq!(client.ask(&query).expect_status(200).contacts(), [""; 0]);
}

#[test]
fn s10_3_a_burst_of_registers_over_one_connection_is_answered_whole() {
    let node = Node::start("");
    let proxy = Client::tcp(&node);
    let users: Vec<_> = (0..300).map(|number| format!("ua{number}")).collect();
    let burst: Vec<u8> = users.iter().flat_map(|user| proxy.register_contact(user).to_bytes()).collect();
    proxy.send(burst);
    for _ in &users {
        proxy.receive().expect_status(200);
    }
    assert_eq!(node.metric("bindings"), 300);
}
