//! A node, a link or Redis fails: who is still reached, how soon, and what comes back by itself.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::fault_proxy::Fault;
use crate::support::{Client, Message, wait_until, wait_until_within};

/// After Redis is back, everything else is within this time.
const BACK: Duration = Duration::from_secs(5);

/// Links that a node has opened, one to each other node from each of its two workers.
const DIALED: &str = "cluster_links{side=\"dialed\"}";

/// A UA with a flow to each of these nodes, of which the last is the newest and so is tried first.
fn alice(cluster: &Cluster, nodes: &[usize]) -> Vec<Client> {
    let flows = (1..).zip(nodes).map(|(reg_id, node)| {
        let flow = Client::tcp(cluster.node(*node));
        flow.registers_flow("alice", "alice's phone", reg_id);
        flow
    });
    flows.collect()
}

/// Sends alice a MESSAGE from a new client at this node; it must arrive over this flow at the first try, and be answered.
#[track_caller]
fn reaches(cluster: &Cluster, from: usize, flow: &Client) -> Message {
    Client::tcp(cluster.node(from)).reaches("alice", flow)
}

/// How a MESSAGE to alice from this node ends that nobody takes in.
fn status(cluster: &Cluster, from: usize) -> u16 {
    Client::tcp(cluster.node(from)).message_status("alice")
}

/// Whether a MESSAGE from this node reaches alice over this flow.
fn is_reached(cluster: &Cluster, from: usize, flow: &Client) -> bool {
    let caller = Client::tcp(cluster.node(from));
    let message = caller.message("alice");
    caller.send(message.to_bytes());
    loop {
        if let Some(arrived) = flow.receive_within(Duration::from_millis(20)) {
            // One that an earlier try had sent may come late.
            flow.send(arrived.answer(200, "OK"));
        }
        if let Some(answer) = caller.receive_within(Duration::from_millis(20)) {
            return answer.status() == 200;
        }
    }
}

#[test]
fn after_a_node_is_killed_the_next_request_takes_the_other_flow_in_under_a_second() {
    let mut cluster = Cluster::start(3, "");
    let flows = alice(&cluster, &[1, 0]);
    reaches(&cluster, 2, &flows[1]);
    let caller = Client::tcp(cluster.node(2));
    cluster.kill(0);
    let killed = Instant::now();
    caller.reaches("alice", &flows[0]);
    assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
    // What is left of the dead node's bindings is cleaned up.
    cluster.expect_whole();
    wait_until("the dead binding is gone", || {
        reaches(&cluster, 2, &flows[0]);
        Client::tcp(cluster.node(1)).bindings("alice").len() == 1
    });
}

#[test]
fn a_node_that_was_killed_and_starts_again_takes_its_place_at_once() {
    let mut cluster = Cluster::start(3, "");
    let old = alice(&cluster, &[0]);
    cluster.kill(0);
    cluster.restart(0);
    cluster.expect_whole();
    // Its flows ended with its run.
    assert_eq!(status(&cluster, 1), 480);
    drop(old);
    let new = alice(&cluster, &[0]);
    for from in 0..3 {
        reaches(&cluster, from, &new[0]);
    }
}

#[test]
fn a_frozen_node_is_passed_over_and_is_back_when_it_runs_again() {
    let mut cluster = Cluster::start(3, "[proxy]\nflow_timeout = \"500ms\"\n");
    let flows = alice(&cluster, &[1, 0]);
    cluster.freeze(0);
    // At first nobody can know: the request goes out over the second flow when the first is silent.
    let caller = Client::tcp(cluster.node(2));
    let started = Instant::now();
    caller.reaches("alice", &flows[0]);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    // Its lease runs out, and from then on it is not tried.
    cluster.expect_whole();
    let started = Instant::now();
    caller.reaches("alice", &flows[0]);
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());

    // It finds that it lost its lease, takes a new epoch, and its flows, which never ended, are known again.
    cluster.thaw(0);
    cluster.expect_whole();
    let [second, first] = <[Client; 2]>::try_from(flows).ok().unwrap();
    drop(second);
    for from in 0..3 {
        wait_until_within(BACK, "alice is reached over the first flow", || {
            is_reached(&cluster, from, &first)
        });
    }
}

#[test]
fn the_flows_of_a_node_that_lost_its_lease_are_reached_again_without_a_word_from_their_uas() {
    let mut cluster = Cluster::start(2, "");
    let flows = alice(&cluster, &[0]);
    cluster.freeze(0);
    cluster.expect_whole();
    assert_eq!(status(&cluster, 1), 480);
    cluster.thaw(0);
    cluster.expect_whole();
    wait_until_within(BACK, "alice is reached again", || is_reached(&cluster, 1, &flows[0]));
    assert!(cluster.node(0).metric("cluster_leases_lost_total") >= 1);
}

#[test]
fn a_node_that_was_frozen_harms_no_binding_that_moved_meanwhile() {
    let mut cluster = Cluster::start(3, "");
    let _old = alice(&cluster, &[0]);
    cluster.freeze(0);
    cluster.expect_whole();
    // The same instance and reg-id over another node.
    let new = alice(&cluster, &[1]);
    cluster.thaw(0);
    cluster.expect_whole();
    for from in [0, 1, 2, 0, 1, 2] {
        reaches(&cluster, from, &new[0]);
    }
}

#[test]
fn a_link_that_is_cut_is_passed_over_at_once_and_used_again_when_it_is_healed() {
    let cluster = Cluster::start(3, "");
    let flows = alice(&cluster, &[1, 0]);
    reaches(&cluster, 2, &flows[1]);
    cluster.cut(0, Fault::Refused);
    wait_until("the cut is noticed", || cluster.node(2).metric(DIALED) < 4);
    let started = Instant::now();
    reaches(&cluster, 2, &flows[0]);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    // Who is at the node itself needs no link.
    reaches(&cluster, 0, &flows[1]);
    cluster.heal(0);
    wait_until("the link is there again", || cluster.node(2).metric(DIALED) == 4);
    reaches(&cluster, 2, &flows[1]);
}

#[test]
fn a_link_that_passes_nothing_is_closed_for_want_of_a_pong() {
    let cluster = Cluster::start(2, "");
    let flows = alice(&cluster, &[0]);
    cluster.cut(0, Fault::Silent);
    wait_until("no pong comes", || cluster.node(1).metric(DIALED) == 0);
    assert_eq!(status(&cluster, 1), 480);
    cluster.heal(0);
    wait_until("the links are there again", || cluster.node(1).metric(DIALED) == 2);
    reaches(&cluster, 1, &flows[0]);
}

#[test]
fn without_redis_flows_stay_and_their_node_still_delivers_to_them() {
    let mut cluster = Cluster::start(2, "");
    let flows = alice(&cluster, &[0]);
    let newcomer = Client::tcp(cluster.node(0));
    cluster.redis.kill();
    flows[0].ping();
    reaches(&cluster, 0, &flows[0]);
    let refused = newcomer.ask(&newcomer.register_outbound("bob", 1)).expect_status(503);
    assert!(refused.has("Retry-After"), "{refused}");
    // What this node cannot know, it does not say: 503, not 404.
    assert_eq!(newcomer.message_status("carol"), 503);

    // Redis comes back with nothing in it.
    cluster.redis.start_again();
    wait_until_within(BACK, "alice is reached from the other node", || is_reached(&cluster, 1, &flows[0]));
    flows[0].ping();
}

#[test]
fn a_register_that_is_accepted_without_redis_is_known_to_all_when_it_is_back() {
    let mut cluster = Cluster::start(2, "when_down = \"accept\"\n");
    cluster.redis.kill();
    let flows = alice(&cluster, &[0]);
    reaches(&cluster, 0, &flows[0]);
    cluster.redis.start_again();
    wait_until_within(BACK, "alice is reached from the other node", || is_reached(&cluster, 1, &flows[0]));
}

#[test]
fn a_redis_that_was_emptied_is_filled_again() {
    let cluster = Cluster::start(3, "");
    let flows = alice(&cluster, &[0, 1]);
    cluster.redis.command(&["FLUSHALL"]);
    wait_until_within(BACK, "alice is reached again", || is_reached(&cluster, 2, &flows[1]));
    wait_until_within(BACK, "both her bindings are back", || {
        Client::tcp(cluster.node(2)).bindings("alice").len() == 2
    });
}

#[test]
fn a_redis_that_hangs_holds_nothing_up() {
    let cluster = Cluster::start(2, "");
    let flows = alice(&cluster, &[0]);
    cluster.redis.freeze();
    let started = Instant::now();
    reaches(&cluster, 0, &flows[0]);
    let newcomer = Client::tcp(cluster.node(1));
    newcomer.ask(&newcomer.register_outbound("bob", 1)).expect_status(503);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    // The breaker is open: nobody waits for the deadline any more.
    let started = Instant::now();
    for _ in 0..10 {
        newcomer.ask(&newcomer.register_outbound("bob", 1)).expect_status(503);
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    flows[0].ping();
    cluster.redis.thaw();
    wait_until_within(BACK, "alice is reached from the other node", || is_reached(&cluster, 1, &flows[0]));
}

#[test]
fn a_flow_that_ends_while_redis_is_away_is_forgotten_when_it_is_back() {
    let cluster = Cluster::start(2, "");
    let flows = alice(&cluster, &[0]);
    cluster.redis.freeze();
    drop(flows);
    wait_until("its node has noticed", || cluster.node(0).flows_closed("peer_closed") == 1);
    cluster.redis.thaw();
    wait_until_within(BACK, "alice has no binding", || {
        Client::tcp(cluster.node(1)).bindings("alice").is_empty()
    });
    assert_eq!(status(&cluster, 1), 480);
}

#[test]
fn a_ua_that_moved_stays_moved_when_the_node_that_it_left_closes_its_old_flow() {
    let cluster = Cluster::start(3, "");
    let old = alice(&cluster, &[0]);
    let new = alice(&cluster, &[1]);
    old.into_iter().for_each(Client::reset);
    wait_until("its old node has noticed", || cluster.node(0).flows_closed("io_error") == 1);
    for from in 0..3 {
        reaches(&cluster, from, &new[0]);
    }
}

#[test]
fn of_registrations_that_race_at_all_nodes_one_is_there_for_all() {
    let cluster = Cluster::start(3, "");
    for _ in 0..20 {
        let flows: Vec<Client> = (0..3).map(|node| Client::tcp(cluster.node(node))).collect();
        for flow in &flows {
            flow.send(flow.register_outbound("alice", 1).to_bytes());
        }
        for flow in &flows {
            flow.receive().expect_status(200);
        }
        let seen: Vec<Vec<String>> =
            (0..3).map(|node| Client::tcp(cluster.node(node)).bound_uris("alice")).collect();
        assert_eq!(seen[0].len(), 1, "{seen:?}");
        assert!(seen.iter().all(|bound| *bound == seen[0]), "{seen:?}");
        let bound = flows.iter().find(|flow| seen[0][0].contains(&flow.local().to_string())).unwrap();
        for from in 0..3 {
            reaches(&cluster, from, bound);
        }
    }
}
