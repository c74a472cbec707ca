//! A node of a cluster is told to go: what other nodes have under way on its flows ends first, and all know at once when it
//! is gone.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::support::client::Client;
use crate::support::{Dialog, dialog, rings, wait_until};

#[test]
fn a_call_from_another_node_that_rings_is_put_through() {
    let mut cluster = Cluster::start(2, "[proxy]\nt1 = \"100ms\"\n");
    let (ua, caller) = (Client::tcp(cluster.node(0)), Client::tcp(cluster.node(1)));
    ua.registers_outbound("alice", 1);
    let (invite, arrived) = rings(&caller, "alice", &ua);

    cluster.node(0).signal("-TERM");
    // It is the only connection there is, so its turn is at once.
    ua.expect_silence(Duration::from_millis(700));
    ua.send(arrived.answer_in_dialog(200, "OK", &ua.contact_uri("alice")));
    let answered = caller.receive().expect_status(200);
    caller.send(Dialog::of_caller(&caller, &invite, &answered).ack().to_bytes());
    ua.receive().expect_method("ACK");
    ua.expect_closed();
    assert_eq!(cluster.ended(0), Some(0));
}

#[test]
fn a_flow_that_has_brought_its_answer_is_not_waited_for() {
    let mut cluster = Cluster::start(2, "");
    let (ua, caller) = (Client::tcp(cluster.node(0)), Client::tcp(cluster.node(1)));
    ua.registers_outbound("alice", 1);
    caller.reaches("alice", &ua);
    let told = Instant::now();
    assert_eq!(cluster.terminate(0), Some(0));
    assert!(told.elapsed() < Duration::from_millis(1500), "not for all of its 2s: {:?}", told.elapsed());
    ua.expect_closed();
}

#[test]
fn a_node_that_has_drained_is_gone_for_all_at_once() {
    let mut cluster = Cluster::start(3, "");
    // Over UDP, so that nothing but the lease says that the flow is dead.
    let (ua, caller) = (Client::udp(cluster.node(0)), Client::udp(cluster.node(1)));
    ua.registers_outbound("alice", 1);
    caller.reaches("alice", &ua);
    assert_eq!(cluster.terminate(0), Some(0));
    // Far below the time after which a lease runs out.
    let ended = Instant::now();
    wait_until("the others know", || cluster.node(1).metric("cluster_nodes") == 2);
    assert!(ended.elapsed() < Duration::from_millis(500), "{:?}", ended.elapsed());
    caller.ask(&caller.message("alice")).expect_status(480);
    cluster.expect_whole();
}

#[test]
fn the_directory_says_of_a_node_that_it_drains() {
    let cluster = Cluster::start(2, "");
    let ua = Client::udp(cluster.node(0));
    ua.registers_outbound("alice", 1);
    let state = || {
        let lease = cluster.redis.command(&["HGET", "flowhold:{nodes}", "a"]);
        lease.split(' ').find_map(|field| field.strip_prefix("state=")).unwrap_or(&lease).to_owned()
    };
    assert_eq!(state(), "up");
    cluster.node(0).signal("-TERM");
    wait_until("it says so", || state() == "draining");
}

#[test]
fn what_is_sent_in_a_dialog_over_a_flow_that_went_with_its_node_is_430() {
    let mut cluster = Cluster::start(2, "");
    let (ua, caller) = (Client::tcp(cluster.node(0)), Client::tcp(cluster.node(1)));
    ua.registers_outbound("alice", 1);
    let (at_caller, _at_ua) = dialog::call(&caller, "alice", &ua);
    assert_eq!(cluster.terminate(0), Some(0));
    caller.ask(&at_caller.request("INFO")).expect_status(430);
}
