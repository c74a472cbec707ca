//! A UA is reached from every node, over the flow that another one holds: a MESSAGE, and a call with all that follows in its
//! dialog.

use crate::cluster::Cluster;
use crate::support::client::Client;
use crate::support::dialog;
use crate::support::{Node, rings, wait_until};

/// How a UA is connected.
type Connect = fn(&Node) -> Client;

/// The transports of the UA and of who calls it.
const WAYS: [(Connect, Connect); 6] = [
    (Client::tcp, Client::tcp),
    (Client::udp, Client::udp),
    (Client::tcp, Client::udp),
    (Client::udp, Client::tcp),
    (Client::ws, Client::tcp),
    (Client::udp, Client::ws),
];

#[test]
fn a_message_reaches_a_ua_of_another_node() {
    let cluster = Cluster::start(2, "");
    for (ua, caller) in WAYS {
        for (holder, other) in [(0, 1), (1, 0)] {
            let ua = ua(cluster.node(holder));
            ua.registers_outbound("alice", 1);
            let caller = caller(cluster.node(other));
            let arrived = caller.reaches("alice", &ua);
            assert_eq!(arrived.values("Route"), [""; 0], "{arrived}");
            assert_eq!(arrived.values("Via").len(), 3, "the caller, its node, the UA's node: {arrived}");
        }
    }
    let relayed: u64 = (0..2).map(|place| cluster.node(place).metric("cluster_relayed_total")).sum();
    assert_eq!(relayed, 2 * WAYS.len() as u64);
}

#[test]
fn a_ua_without_outbound_is_reached_too() {
    let cluster = Cluster::start(2, "");
    let ua = Client::tcp(cluster.node(0));
    ua.registers("alice");
    Client::tcp(cluster.node(1)).reaches("alice", &ua);
}

#[test]
fn a_call_and_its_dialog_go_through_both_nodes_in_both_directions() {
    let cluster = Cluster::start(2, "");
    for (ua, caller) in WAYS {
        let (ua, caller) = (ua(cluster.node(0)), caller(cluster.node(1)));
        ua.registers_outbound("alice", 1);
        let (mut at_caller, mut at_ua) = dialog::call(&caller, "alice", &ua);
        at_caller.asks("INFO", &mut at_ua);
        at_ua.asks("INFO", &mut at_caller);
        at_caller.asks("INVITE", &mut at_ua);
        at_ua.asks("INVITE", &mut at_caller);
        at_ua.asks("BYE", &mut at_caller);
    }
}

#[test]
fn a_call_that_is_given_up_is_cancelled_at_the_ua() {
    let cluster = Cluster::start(2, "");
    for (ua, caller) in WAYS {
        let (ua, caller) = (ua(cluster.node(0)), caller(cluster.node(1)));
        ua.registers_outbound("alice", 1);
        let (invite, arrived) = rings(&caller, "alice", &ua);
        caller.ask(&invite.cancel()).expect_status(200);
        let cancel = ua.receive().expect_method("CANCEL");
        assert_eq!(cancel.top_via(), arrived.top_via(), "it is the INVITE's own");
        ua.send(cancel.answer(200, "OK"));
        ua.send(arrived.answer(487, "Request Terminated"));
        let ended = caller.receive_final().expect_status(487);
        caller.send(invite.ack(ended.header("To")).to_bytes());
        let ack = ua.receive().expect_method("ACK");
        assert_eq!(ack.top_via(), arrived.top_via(), "it is the INVITE's own");
    }
}

#[test]
fn a_call_is_declined_across_nodes() {
    let cluster = Cluster::start(2, "");
    for (ua, caller) in WAYS {
        let (ua, caller) = (ua(cluster.node(0)), caller(cluster.node(1)));
        ua.registers_outbound("alice", 1);
        let invite = caller.invite("alice");
        caller.ask(&invite).expect_status(100);
        let arrived = ua.receive().expect_method("INVITE");
        ua.send(arrived.answer(486, "Busy Here"));
        let ended = caller.receive_final().expect_status(486);
        caller.send(invite.ack(ended.header("To")).to_bytes());
        assert_eq!(ua.receive().expect_method("ACK").top_via(), arrived.top_via());
    }
}

#[test]
fn two_uas_of_two_nodes_call_each_other() {
    let cluster = Cluster::start(3, "");
    let (alice, bob) = (Client::tcp(cluster.node(0)), Client::udp(cluster.node(1)));
    alice.registers_outbound("alice", 1);
    bob.registers_outbound("bob", 1);
    let (mut at_alice, mut at_bob) = dialog::call(&alice, "bob", &bob);
    at_bob.asks("INFO", &mut at_alice);
    at_alice.asks("BYE", &mut at_bob);
    let (mut at_bob, mut at_alice) = dialog::call(&bob, "alice", &alice);
    at_alice.asks("INFO", &mut at_bob);
    at_bob.asks("BYE", &mut at_alice);
}

#[test]
fn a_flow_that_closes_is_known_gone_at_every_node() {
    let cluster = Cluster::start(2, "");
    let ua = Client::tcp(cluster.node(0));
    ua.registers_outbound("alice", 1);
    let caller = Client::tcp(cluster.node(1));
    caller.reaches("alice", &ua);
    drop(ua);
    wait_until("the binding is gone", || caller.bindings("alice").is_empty());
    caller.ask(&caller.message("alice")).expect_status(480);
}

#[test]
fn a_node_is_ready_when_its_links_are() {
    let cluster = Cluster::start(3, "");
    // The last one that was started says so itself, without being waited for.
    for place in 0..cluster.len() {
        let node = cluster.node(place);
        assert_eq!(node.get("/healthz").0, 200);
        for side in ["dialed", "accepted"] {
            // Two others, and two workers each.
            let links = || node.metric(&format!("cluster_links{{side=\"{side}\"}}"));
            wait_until("the links are up", || links() == 4);
        }
    }
}
