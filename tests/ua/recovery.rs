//! Two flows to two nodes: when either node is killed the other flow stays in use, and the failed one is formed anew. RFC
//! 5626 §4.5.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use serde_json::Value;

use crate::support::ua_process::proxy;
use crate::support::{Client, Node, UaProcess, wait_until};

/// Pings that a test can wait for.
const FLOW_TIMER: &str = "[outbound]\nflow_timer = \"1s\"\nflow_timer_udp = \"1s\"\n";

/// The waits that the UA was told: base-some-up and max-wait.
const BASE: f64 = 0.4;
const MAX: f64 = 2.0;

/// An address that is free over UDP and TCP, for a node that is started there twice.
fn free_address() -> SocketAddr {
    let free = std::iter::repeat_with(|| {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        UdpSocket::bind(address).map(|_| address)
    });
    free.flatten().next().unwrap()
}

fn node_at(address: SocketAddr) -> Node {
    Node::start(&format!("{FLOW_TIMER}[listen]\nudp = [\"{address}\"]\ntcp = [\"{address}\"]\n"))
}

/// Whether flow `reg_id` of alice's UA is what the node has.
#[track_caller]
fn assert_bound(node: &Node, reg_id: u64, instance_id: &str) {
    let bindings = Client::tcp(node).bindings("alice");
    let is_it = |binding: &String| {
        binding.contains(instance_id) && binding.split(';').any(|param| param == format!("reg-id={reg_id}"))
    };
    assert!(bindings.len() == 1 && is_it(&bindings[0]), "{bindings:?}");
}

/// A message through this node arrives over that flow.
#[track_caller]
fn assert_reached(ua: &mut UaProcess, node: &Node, reg_id: u64) {
    let caller = Client::tcp(node);
    caller.ask(&caller.message("alice")).expect_status(200);
    let message = ua.until("a message", |it| it["event"] == "message");
    assert_eq!(message["reg_id"], reg_id);
}

fn time(event: &Value) -> f64 {
    let text = event["time"].as_str().unwrap();
    let at = humantime::parse_rfc3339(text).unwrap();
    at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The waits after each failure of a flow are those of §4.5, and are kept.
#[track_caller]
fn assert_waits(ua: &mut UaProcess, reg_id: u64) -> usize {
    let of_flow: Vec<&Value> = ua.seen().iter().filter(|it| it["reg_id"] == reg_id).collect();
    let mut failures = 0;
    for (at, failed) in of_flow.iter().enumerate().filter(|(_, it)| it["event"] == "failed") {
        let (count, wait) = (failed["failures"].as_i64().unwrap(), failed["retry_in"].as_f64().unwrap());
        let longest =
            if count == 0 { 0.0 } else { MAX.min(BASE * f64::powi(2.0, count.try_into().unwrap())) };
        assert!((longest / 2.0..=longest).contains(&wait), "{failed}");
        let next = of_flow.get(at + 1).expect("it is formed anew");
        assert_eq!(next["event"], "connecting");
        // The times that are printed are cut to milliseconds.
        assert!(time(next) - time(failed) > wait - 0.002, "{failed} {next}");
        failures += 1;
    }
    failures
}

fn either_node_may_be_killed(transport: &str) {
    let addresses = [free_address(), free_address()];
    let mut nodes = addresses.map(node_at);
    let mut ua = UaProcess::start("alice", &addresses.map(|address| proxy(transport, address)), &[]);
    ua.flows(2, "registered");
    ua.flows(2, "pong");
    let instance_id = std::fs::read_to_string(ua.state()).unwrap().trim().to_owned();
    for (killed, left) in [(0, 1), (1, 0)] {
        let [killed_id, left_id] = [killed, left].map(|place| u64::try_from(place).unwrap() + 1);
        nodes[killed].kill();
        let failed = ua.flow(killed_id, "failed");
        assert_eq!(failed["failures"], 0, "it was a success, and is formed anew at once");
        assert_reached(&mut ua, &nodes[left], left_id);
        // It is tried in vain, with waits that grow.
        ua.until("a second failure", |it| it["reg_id"] == killed_id && it["failures"] == 2);
        ua.flow(left_id, "pong");
        nodes[killed] = node_at(addresses[killed]);
        ua.flow(killed_id, "registered");
        assert_bound(&nodes[killed], killed_id, &instance_id);
        assert_bound(&nodes[left], left_id, &instance_id);
        assert_reached(&mut ua, &nodes[killed], killed_id);
        // So that it is a success before the other one fails.
        ua.flow(killed_id, "pong");
        assert!(assert_waits(&mut ua, killed_id) >= 3);
    }
    let left_failed = ua.seen().iter().filter(|it| it["event"] == "failed").count();
    assert_eq!(left_failed, assert_waits(&mut ua, 1) + assert_waits(&mut ua, 2));
    assert_eq!(ua.stop(), Some(0));
    wait_until("the bindings are removed", || nodes.iter().all(|node| node.metric("bindings") == 0));
}

#[test]
fn either_of_two_nodes_may_be_killed_over_tcp() {
    either_node_may_be_killed("tcp");
}

#[test]
fn either_of_two_nodes_may_be_killed_over_udp() {
    either_node_may_be_killed("udp");
}
