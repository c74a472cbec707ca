//! RFC 5626 §7: a request goes over the flow that its binding was made over, and a flow that ended has no bindings.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::support::{Client, Node, wait_until};

/// Waits until the node has seen the end of a flow, for this reason.
#[track_caller]
fn wait_until_closed(node: &Node, reason: &str) {
    wait_until(reason, || node.flows_closed(reason) > 0);
}

#[test]
fn s7_a_request_goes_over_the_connection_of_the_register() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    // Many, so that flows of every worker are among them.
    let uas: Vec<_> = (0..8).map(|_| Client::tcp(&node)).collect();
    for (index, ua) in uas.iter().enumerate() {
        ua.registers_outbound(&format!("ua{index}"), 1);
    }
    for (index, ua) in uas.iter().enumerate() {
        caller.reaches(&format!("ua{index}"), ua);
    }
    uas.iter().for_each(Client::expect_nothing);
}

#[test]
fn s7_a_request_goes_from_the_local_to_the_remote_address_of_the_register() {
    let node = Node::start("[listen]\nudp = [\"127.0.0.1:0\", \"127.0.0.1:0\", \"127.0.0.2:0\"]\n");
    let caller = Client::tcp(&node);
    for (index, listener) in node.listeners("udp").enumerate() {
        // Its socket is connected to that listener and hears no other.
        let ua = Client::udp_to(listener);
        let user = format!("ua{index}");
        ua.registers_outbound(&user, 1);
        caller.reaches(&user, &ua);
    }
}

#[test]
fn s7_the_contact_does_not_decide_where_a_request_goes() {
    let node = Node::start("");
    let (caller, stranger) = (Client::tcp(&node), Client::udp(&node));
    for ua in [Client::tcp(&node), Client::udp(&node)] {
        let contact = format!("<{}>", stranger.contact_uri("alice"));
        ua.ask(&ua.register("alice").contact(contact)).expect_status(200);
        let arrived = caller.reaches("alice", &ua);
        assert_eq!(arrived.uri(), stranger.contact_uri("alice"));
        stranger.expect_nothing();
        ua.ask(&ua.register("alice").contact("*").with("Expires", "0")).expect_status(200);
    }
}

#[test]
fn s7_one_instance_gets_a_request_over_one_flow_only() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (older, newer) = (Client::tcp(&node), Client::tcp(&node));
    older.registers_outbound("alice", 1);
    newer.registers_outbound("alice", 2);
    caller.reaches("alice", &newer);
    older.expect_nothing();
}

#[test]
fn s7_an_instance_that_has_answered_gets_the_request_over_no_other_flow() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let (older, newer) = (Client::tcp(&node), Client::tcp(&node));
    older.registers_outbound("alice", 1);
    newer.registers_outbound("alice", 2);
    for status in [404, 486, 503, 603] {
        caller.send(caller.message("alice").to_bytes());
        newer.send(newer.receive().answer(status, "No"));
        // RFC 3261 §16.7 step 6: a 503 tells of the UA's overload and not of the proxy's, so that it becomes a 500.
        caller.receive().expect_status(if status == 503 { 500 } else { status });
        older.expect_nothing();
    }
}

/// A UA's flows, the newest and so the first that is tried at first.
fn flows(node: &Node, count: u32) -> Vec<Client> {
    let mut flows: Vec<Client> = (1..=count)
        .map(|reg_id| {
            let flow = Client::tcp(node);
            flow.registers_outbound("alice", reg_id);
            flow
        })
        .collect();
    flows.reverse();
    flows
}

#[test]
fn s7_a_flow_that_fails_with_a_request_out_is_replaced_by_the_next_of_its_instance() {
    for method in ["MESSAGE", "INVITE"] {
        for failure in ["430", "408", "FIN", "RST"] {
            let node = Node::start("");
            let caller = Client::tcp(&node);
            let mut flows = flows(&node, 4);
            let last = flows.pop().unwrap();
            let request = if method == "INVITE" { caller.invite("alice") } else { caller.message("alice") };
            caller.send(request.to_bytes());
            for flow in flows {
                let arrived = flow.receive().expect_method(method);
                match failure {
                    "FIN" => drop(flow),
                    "RST" => flow.reset(),
                    status => flow.send(arrived.answer(status.parse().unwrap(), "Failed")),
                }
            }
            let arrived = last.receive().expect_method(method);
            assert_eq!(arrived.header("Call-ID"), request.field("Call-ID"));
            last.send(arrived.answer(200, "OK"));
            caller.receive_final().expect_status(200);
            assert_eq!(node.metric("failovers_total"), 3);
        }
    }
}

#[test]
fn s7_a_flow_that_stays_silent_is_replaced_and_loses_its_bindings_when_the_next_has_answered() {
    for method in ["MESSAGE", "INVITE"] {
        let node = Node::start("[proxy]\nflow_timeout = \"300ms\"\n");
        let (caller, asker) = (Client::tcp(&node), Client::tcp(&node));
        let flows = flows(&node, 4);
        let (last, silent) = flows.split_last().unwrap();
        let request = if method == "INVITE" { caller.invite("alice") } else { caller.message("alice") };
        caller.send(request.to_bytes());
        let arrived = last.receive().expect_method(method);
        assert_eq!(asker.bindings("alice").len(), 4, "nobody has answered yet");
        last.send(arrived.answer(200, "OK"));
        caller.receive_final().expect_status(200);
        for flow in silent {
            flow.receive().expect_method(method);
            flow.expect_nothing();
        }
        assert_eq!(asker.bindings("alice").len(), 1);
        asker.reaches("alice", last);
        assert_eq!(node.metric("failovers_total"), 3, "the next request goes to the live flow at once");
    }
}

#[test]
fn s7_a_caller_hears_480_when_every_flow_has_failed() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let flows = flows(&node, 2);
    caller.send(caller.message("alice").to_bytes());
    for flow in &flows {
        flow.send(flow.receive().answer(430, "Flow Failed"));
    }
    caller.receive_final().expect_status(480);
}

#[test]
fn s7_a_closed_connection_invalidates_its_bindings_of_every_aor() {
    let node = Node::start("");
    let (caller, ua, other) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    for user in ["alice", "bob", "carol"] {
        ua.registers_outbound(user, 1);
        ua.registers_outbound(user, 2);
    }
    other.registers_outbound("bob", 3);
    drop(ua);
    wait_until_closed(&node, "peer_closed");
    wait_until("the bindings are invalid", || caller.bindings("carol").is_empty());
    assert_eq!(caller.message_status("alice"), 480);
    assert_eq!(caller.message_status("carol"), 480);
    assert_eq!(caller.bound_uris("bob"), [other.contact_uri("bob")]);
    caller.reaches("bob", &other);
    assert_eq!(node.metric("bindings"), 1);
}

#[test]
fn s7_a_reset_connection_invalidates_its_bindings() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("alice");
    ua.registers_outbound("bob", 1);
    ua.reset();
    wait_until("the bindings are invalid", || node.metric("bindings") == 0);
    assert_eq!(caller.message_status("alice"), 480);
    assert_eq!(caller.message_status("bob"), 480);
}

#[test]
fn s7_a_flow_that_ends_while_its_register_is_served_leaves_no_binding() {
    let node = Node::start("");
    for _ in 0..100 {
        let ua = Client::tcp(&node);
        let registers: Vec<_> = (0..5).flat_map(|_| ua.register_outbound("alice", 1).to_bytes()).collect();
        ua.send(registers);
        ua.reset();
    }
    // Every connection is known to have ended, and no REGISTER is left that could be served late.
    wait_until("all flows are closed", || node.metric("connections{transport=\"tcp\"}") == 0);
    let other = Client::tcp(&node);
    wait_until("no binding is left", || other.bindings("alice").is_empty());
    other.registers("alice");
    // A REGISTER that is served late leaves its binding for as long as it takes to see that its flow is gone.
    wait_until("there is one binding", || node.metric("bindings") == 1);
    assert_eq!(other.bindings("alice").len(), 1);
}

#[test]
fn s7_a_connection_that_the_node_closes_invalidates_its_bindings() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers_outbound("alice", 1);
    ua.send(ua.message("bob").without("Content-Length").to_bytes());
    ua.expect_closed_at_last();
    wait_until("the binding is invalid", || node.metric("bindings") == 0);
    assert_eq!(caller.message_status("alice"), 480);
}

#[test]
fn s7_a_binding_that_moved_to_another_flow_stays() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    for new in [Client::tcp(&node), Client::udp(&node)] {
        let old = Client::tcp(&node);
        old.registers_outbound("alice", 1);
        old.registers_outbound("bob", 1);
        new.registers_outbound("alice", 1);
        drop(old);
        wait_until("what did not move is invalid", || caller.bindings("bob").is_empty());
        caller.reaches("alice", &new);
    }
}

#[test]
fn s7_a_connection_from_the_same_address_is_another_flow() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    let (first, second) = (Client::tcp_from(&node, source), Client::tcp_from(&node, source));
    first.registers_outbound("alice", 1);
    second.registers_outbound("bob", 1);
    drop(first);
    wait_until("the binding is invalid", || caller.bindings("alice").is_empty());
    caller.reaches("bob", &second);
}

#[test]
fn s7_icmp_unreachable_invalidates_the_bindings_of_a_udp_flow() {
    let node = Node::start("");
    let (caller, ua, other) = (Client::tcp(&node), Client::udp(&node), Client::udp(&node));
    ua.registers_outbound("alice", 1);
    ua.registers("bob");
    other.registers_outbound("carol", 1);
    drop(ua);
    // The kernel answers the datagram with a port unreachable. §7: no other flow is there, so that this is a 480 at once.
    caller.send(caller.message("alice").to_bytes());
    let response = caller.receive_within(Duration::from_secs(4)).expect("an answer long before timer F");
    assert_eq!(response.status(), 480, "{response}");
    wait_until_closed(&node, "unreachable");
    wait_until("the bindings are invalid", || node.metric("bindings") == 1);
    assert_eq!(caller.message_status("bob"), 480);
    caller.reaches("carol", &other);
}

#[test]
fn s7_a_flow_that_failed_may_register_again() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let ua = Client::tcp(&node);
    ua.registers_outbound("alice", 1);
    drop(ua);
    wait_until("the binding is invalid", || node.metric("bindings") == 0);
    let again = Client::tcp(&node);
    assert_eq!(again.registers_outbound("alice", 1).contacts().len(), 1);
    caller.reaches("alice", &again);
}
