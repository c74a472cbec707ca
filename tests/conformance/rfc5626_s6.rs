//! RFC 5626 §6: the registrar's procedures with instance-id and reg-id.

use crate::support::message::param;
use crate::support::request::{Request, branch};
use crate::support::ua::{expires_of, instance, uri_of};
use crate::support::{Client, Message, Node};

/// `+sip.instance="<...>"` of a user's UA.
fn sip_instance(user: &str) -> String {
    format!("+sip.instance=\"<{}>\"", instance(user))
}

/// A REGISTER with outbound that came over another hop: the registrar is not the first one. Without Path.
fn from_second_hop(client: &Client, user: &str) -> Request {
    let request = client.register_outbound(user, 1);
    let ua = format!("SIP/2.0/UDP 192.0.2.7:5060;rport=5060;received=192.0.2.7;branch={}", branch());
    request.with("Via", ua)
}

#[track_caller]
fn assert_no_outbound(response: &Message) {
    assert!(!response.has_tag("Require", "outbound"), "{response}");
    assert!(!response.has("Flow-Timer"), "{response}");
}

#[test]
fn s6_outbound_that_was_applied_is_in_require() {
    let node = Node::start("");
    for client in [Client::tcp(&node), Client::udp(&node)] {
        let response = client.ask(&client.register_outbound("alice", 1)).expect_status(200);
        assert!(response.has_tag("Require", "outbound"), "{response}");
        for tag in ["path", "outbound"] {
            assert!(response.has_tag("Supported", tag), "{response}");
        }
    }
}

#[test]
fn s6_without_outbound_in_supported_it_is_not_in_require() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    assert_no_outbound(
        &client.ask(&client.register_outbound("alice", 1).set("Supported", "path")).expect_status(200),
    );
    assert_no_outbound(
        &client.ask(&client.register_outbound("alice", 1).without("Supported")).expect_status(200),
    );
}

#[test]
fn s6_without_a_reg_id_outbound_is_not_in_require() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let contact = format!("<{}>;{}", client.contact_uri("alice"), sip_instance("alice"));
    let request = client.register("alice").contact(contact).with("Supported", "path, outbound");
    assert_no_outbound(&client.ask(&request).expect_status(200));
    let query = client.register("alice").with("Supported", "path, outbound");
    assert_no_outbound(&client.ask(&query).expect_status(200));
}

#[test]
fn s6_a_reg_id_without_instance_id_is_ignored() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for (host, bindings) in [("192.0.2.1", 1), ("192.0.2.2", 2)] {
        let contact = format!("<sip:alice@{host}>;reg-id=1");
        let request = client.register("alice").contact(contact).with("Supported", "path, outbound");
        let response = client.ask(&request).expect_status(200);
        assert_no_outbound(&response);
        assert_eq!(response.contacts().len(), bindings, "compared by URI, not by reg-id{response}");
    }
}

#[test]
fn s6_an_instance_id_without_reg_id_is_valid_and_compared_by_uri() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for (host, bindings) in [("192.0.2.1", 1), ("192.0.2.2", 2), ("192.0.2.1", 2)] {
        let contact = format!("<sip:alice@{host}>;{}", sip_instance("alice"));
        let response = client.ask(&client.register("alice").contact(contact)).expect_status(200);
        assert_eq!(response.contacts().len(), bindings, "{response}");
    }
}

#[test]
fn s6_not_the_first_hop_and_no_path_is_439() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.ask(&from_second_hop(&client, "alice")).expect_status(439);
    assert_eq!(client.bindings("alice"), [""; 0]);
}

#[test]
fn s6_not_the_first_hop_and_no_ob_in_the_first_path_is_439() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for path in ["<sip:edge.example.net;lr>", "<sip:inner.example.net;lr>, <sip:edge.example.net;lr;obx>"] {
        client.ask(&from_second_hop(&client, "alice").with("Path", path)).expect_status(439);
    }
    assert_eq!(client.bindings("alice"), [""; 0]);
}

#[test]
fn s6_ob_as_a_parameter_of_the_path_and_not_of_its_uri_does_not_count() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client
        .ask(&from_second_hop(&client, "alice").with("Path", "<sip:edge.example.net;lr>;ob"))
        .expect_status(439);
}

#[test]
fn s6_ob_of_the_first_path_uri_counts_and_not_of_another() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    // RFC 3327 §5.2: each proxy puts its URI on top, so that the first hop's is the last value.
    let last = from_second_hop(&client, "alice")
        .with("Path", "<sip:inner.example.net;lr>")
        .with("Path", "<sip:t@edge.example.net;lr;ob>");
    let response = client.ask(&last).expect_status(200);
    assert!(response.has_tag("Require", "outbound"), "{response}");
}

#[test]
fn s6_not_the_first_hop_with_ob_applies_outbound_and_no_flow_timer_of_our_own() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request = from_second_hop(&client, "alice").with("Path", "<sip:token@edge.example.net;lr;ob>");
    let response = client.ask(&request).expect_status(200);
    assert!(response.has_tag("Require", "outbound"), "{response}");
    // The flow is not the UA's: a Flow-Timer would make the node close its connection to the edge proxy.
    assert!(!response.has("Flow-Timer"), "{response}");
}

#[test]
fn s6_not_the_first_hop_without_ob_and_without_outbound_ignores_the_reg_id() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for (host, bindings) in [("192.0.2.1", 1), ("192.0.2.2", 2)] {
        let contact = format!("<sip:alice@{host}>;{};reg-id=1", sip_instance("alice"));
        let request = from_second_hop(&client, "alice").set("Contact", contact).set("Supported", "path");
        let response = client.ask(&request).expect_status(200);
        assert_no_outbound(&response);
        assert_eq!(response.contacts().len(), bindings, "{response}");
    }
}

#[test]
fn s6_two_live_contacts_with_a_reg_id_are_400() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let other = "<sip:alice@192.0.2.9>";
    client.ask(&client.register_outbound("alice", 1).contact(other)).expect_status(400);
    let both = client.register_outbound("alice", 1);
    let second = both.field("Contact").replace("reg-id=1", "reg-id=2");
    client.ask(&both.contact(second)).expect_status(400);
    assert_eq!(client.bindings("alice"), [""; 0], "refused as a whole");
}

#[test]
fn s6_a_reg_id_and_contacts_that_are_removed_are_accepted() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.ask(&client.register("alice").contact("<sip:alice@192.0.2.9>")).expect_status(200);
    let request = client.register_outbound("alice", 1).contact("<sip:alice@192.0.2.9>;expires=0");
    let response = client.ask(&request).expect_status(200);
    assert_eq!(response.contacts().len(), 1, "{response}");
    assert_eq!(uri_of(response.contacts()[0]), client.contact_uri("alice"));
}

#[test]
fn s6_a_reg_id_that_is_no_number_from_1_to_2_31_less_1_is_400() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    for reg_id in ["0", "2147483648", "4294967297", "99999999999999999999", "-1", "x", "1x", ""] {
        let contact = format!("<{}>;{};reg-id={reg_id}", client.contact_uri("alice"), sip_instance("alice"));
        let request = client.register("alice").contact(contact).with("Supported", "path, outbound");
        assert_eq!(client.ask(&request).status(), 400, "reg-id={reg_id}");
    }
    assert_eq!(client.bindings("alice"), [""; 0]);
    client.registers_outbound("alice", 2_147_483_647);
}

#[test]
fn s6_bindings_with_and_without_reg_id_stand_side_by_side() {
    let node = Node::start("");
    let (outbound, plain) = (Client::tcp(&node), Client::tcp(&node));
    outbound.registers_outbound("alice", 1);
    plain.registers("alice");
    let mut expected = [outbound.contact_uri("alice"), plain.contact_uri("alice")];
    expected.sort();
    assert_eq!(plain.bound_uris("alice"), expected);
    outbound.ask(&outbound.register_outbound("alice", 1).with("Expires", "0")).expect_status(200);
    assert_eq!(plain.bound_uris("alice"), [plain.contact_uri("alice")]);
}

#[test]
fn s6_the_same_instance_and_reg_id_replace_whatever_contact_call_id_and_cseq() {
    let node = Node::start("");
    let (first, second) = (Client::tcp(&node), Client::tcp(&node));
    first.ask(&first.register_outbound("alice", 1).cseq(50)).expect_status(200);
    let response = second.ask(&second.register_outbound("alice", 1).cseq(1)).expect_status(200);
    assert_eq!(response.contacts().len(), 1, "{response}");
    assert_eq!(uri_of(response.contacts()[0]), second.contact_uri("alice"));
}

#[test]
fn s6_another_reg_id_or_another_instance_is_another_binding() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.registers_outbound("alice", 1);
    assert_eq!(client.registers_outbound("alice", 2).contacts().len(), 2);
    let other = client.register_outbound("alice", 1);
    let contact = other.field("Contact").replace(&instance("alice"), &instance("another"));
    assert_eq!(client.ask(&other.set("Contact", contact)).expect_status(200).contacts().len(), 3);
}

#[test]
fn s6_a_re_registration_over_another_flow_moves_the_binding_there() {
    let node = Node::start("");
    for (old, new) in [
        (Client::tcp(&node), Client::tcp(&node)),
        (Client::tcp(&node), Client::udp(&node)),
        (Client::udp(&node), Client::udp(&node)),
        (Client::udp(&node), Client::tcp(&node)),
    ] {
        let caller = Client::tcp(&node);
        old.registers_outbound("alice", 1);
        caller.reaches("alice", &old);
        // The Contact stays as it was: what moves the binding is the flow.
        let contact = old.register_outbound("alice", 1).field("Contact").to_owned();
        new.ask(&new.register_outbound("alice", 1).set("Contact", contact)).expect_status(200);
        caller.reaches("alice", &new);
        old.expect_nothing();
    }
}

#[test]
fn s6_a_re_registration_renews_the_binding() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.ask(&client.register_outbound("alice", 1).with("Expires", "60")).expect_status(200);
    let response =
        client.ask(&client.register_outbound("alice", 1).with("Expires", "3000")).expect_status(200);
    let expires = expires_of(response.contacts()[0]);
    assert!((2990..=3000).contains(&expires), "{response}");
}

#[test]
fn s6_all_contact_parameters_are_stored_and_given_back() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let params =
        ";methods=\"INVITE, MESSAGE\";+sip.ice;description=\"<a;b>,\\\"c\\\"\";q=0.7;audio;x-odd=%41";
    let request = client.register_outbound("alice", 7);
    let contact = format!("\"Alice, at home\" {}{params};expires=600", request.field("Contact"));
    let response = client.ask(&request.set("Contact", contact)).expect_status(200);
    let [given] = response.contacts()[..] else { panic!("one binding was made{response}") };
    for kept in [&*params.replace(";q=0.7", ""), ";reg-id=7", &sip_instance("alice"), ";q=0.7"] {
        let without_q = given.replace(";q=0.7", "");
        assert!(given.contains(kept) || without_q.contains(kept), "{kept} is not in {given}");
    }
    assert_eq!(uri_of(given), client.contact_uri("alice"));
    assert_eq!(given.matches("expires=").count(), 1, "{given}");
    let others = client.bindings("alice");
    assert!(others[0].contains(";+sip.ice;"), "a query gives the same: {others:?}");
}

#[test]
fn s6_path_values_are_stored_with_the_binding_and_given_back() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    let request = from_second_hop(&client, "alice")
        .with("Path", "<sip:p2.example.net;lr>, <sip:t@p1.example.net;lr;ob>");
    let response = client.ask(&request).expect_status(200);
    assert_eq!(response.values("Path"), ["<sip:p2.example.net;lr>", "<sip:t@p1.example.net;lr;ob>"]);
}

#[test]
fn s6_expires_zero_removes_by_instance_and_reg_id() {
    let node = Node::start("");
    let (client, other) = (Client::tcp(&node), Client::tcp(&node));
    client.registers_outbound("alice", 1);
    client.registers_outbound("alice", 2);
    let response = other.ask(&other.register_outbound("alice", 1).with("Expires", "0")).expect_status(200);
    let [left] = response.contacts()[..] else { panic!("one of two was removed{response}") };
    assert_eq!(param(left, "reg-id"), Some("2"));
}

#[test]
fn s6_require_outbound_refuses_who_does_not_do_it() {
    let node = Node::start("[registrar]\nrequire_outbound = true\n");
    let client = Client::tcp(&node);
    let response = client.ask(&client.register_contact("alice")).expect_status(421);
    assert!(response.has_tag("Require", "outbound"), "{response}");
    client.registers_outbound("alice", 1);
}

#[test]
fn s6_a_require_of_path_and_outbound_is_understood() {
    let node = Node::start("");
    let client = Client::tcp(&node);
    client.ask(&client.register_outbound("alice", 1).with("Require", "path, outbound")).expect_status(200);
}
