//! What becomes of links: certificates in place of the secret, congestion, and when a node with them is ready.

use std::time::Duration;

use crate::cluster::LEASE;
use crate::support::tls::Ca;
use crate::support::{Client, Node, RedisServer, wait_until};

/// A node's own keys of a cluster, and those that are asked for.
fn config(id: &str, redis: &RedisServer, cluster: &str, rest: &str) -> String {
    format!(
        "[node]\nid = \"{id}\"\n\
         [location]\nstore = \"redis\"\nredis_url = \"{}\"\n\
         [cluster]\nlisten = \"127.0.0.1:0\"\n{cluster}\n{rest}",
        redis.url()
    )
}

/// A lease that makes a test short, and the secret.
fn with_secret(secret: &str) -> String {
    format!("{}secret = \"{secret}\"\n", hasty())
}

/// Times for a test that waits for their end.
fn hasty() -> String {
    format!("lease = \"{LEASE}\"\nlink_ping = \"300ms\"\nlink_pong = \"600ms\"\n")
}

/// Times for one that does not, however busy the machine.
fn patient() -> String {
    "lease = \"60s\"\nlink_ping = \"20s\"\nlink_pong = \"40s\"\n".to_owned()
}

const SECRET: &str = "known to the nodes alone";

/// The keys of a node with a certificate of this name.
fn keys_of(ca: &Ca, name: &str, times: &str) -> String {
    ca.issue(name, &[name]);
    let at = |file: &str| ca.path(file).display().to_string();
    format!(
        "{times}certificate = \"{}\"\nprivate_key = \"{}\"\nca = \"{}\"\n",
        at(&format!("{name}.pem")),
        at(&format!("{name}.key")),
        at("ca.pem"),
    )
}

const TOKENS: &str = "[tokens]\nkeys = [\"7:0123456789abcdef\"]\n";

#[test]
fn with_certificates_links_are_tls_and_need_no_secret() {
    let (redis, ca) = (RedisServer::start(), Ca::new());
    let start = |id| Node::start(&config(id, &redis, &keys_of(&ca, id, &patient()), TOKENS));
    let (a, b) = (start("a"), start("node-b.example"));
    let ua = Client::tcp(&a);
    ua.registers_outbound("alice", 1);
    let caller = Client::udp(&b);
    let arrived = caller.reaches("alice", &ua);
    assert!(arrived.values("Via")[1].starts_with("SIP/2.0/TLS "), "{arrived}");
    // Who shows none gets nowhere.
    let stranger = Client::connect([127, 0, 0, 1].into(), a.listener("cluster"), |_| {});
    stranger.send(b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    stranger.expect_closed_at_last();
    wait_until("it is counted", || a.metric("refused_total{reason=\"link_refused\"}") == 1);
}

#[test]
fn certificates_of_another_ca_are_read_again_and_links_that_are_up_stay() {
    let (redis, ca, next) = (RedisServer::start(), Ca::new(), Ca::new());
    let start = |ca: &Ca, id| Node::start(&config(id, &redis, &keys_of(ca, id, &patient()), TOKENS));
    let (a, b) = (start(&ca, "a"), start(&ca, "b"));
    let ua = Client::tcp(&a);
    ua.registers_outbound("alice", 1);
    for node in ["a", "b"] {
        next.issue(node, &[node]);
        for end in ["pem", "key"] {
            let file = format!("{node}.{end}");
            std::fs::copy(next.path(&file), ca.path(&file)).unwrap();
        }
    }
    std::fs::copy(next.path("ca.pem"), ca.path("ca.pem")).unwrap();
    for node in [&a, &b] {
        node.signal("-HUP");
        wait_until("they are read again", || {
            node.log()
                .lines()
                .any(|line| line.contains("read again") && line.contains("connections=\"links\""))
        });
    }
    let c = start(&next, "c");
    for node in [&b, &c] {
        Client::udp(node).reaches("alice", &ua);
    }
    for node in [&a, &b, &c] {
        assert!(!node.log().contains("link closed"));
    }
}

#[test]
fn a_certificate_is_good_for_the_node_that_it_names() {
    let (redis, ca) = (RedisServer::start(), Ca::new());
    let a = Node::start(&config("a", &redis, &keys_of(&ca, "a", &hasty()), TOKENS));
    let thief = Node::start(&config("b", &redis, &keys_of(&ca, "c", &hasty()), TOKENS));
    wait_until("each refuses the other", || {
        a.log().contains("its certificate does not name the node") && a.log().contains("no link to a node")
    });
    for node in [&a, &thief] {
        for side in ["dialed", "accepted"] {
            assert_eq!(node.metric(&format!("cluster_links{{side=\"{side}\"}}")), 0);
        }
    }
}

#[test]
fn nodes_with_different_secrets_have_no_links() {
    let redis = RedisServer::start();
    let start = |id, secret| Node::start(&config(id, &redis, &with_secret(secret), ""));
    let a = start("a", SECRET);
    // It is ready all the same, when it has waited for as long as a lease.
    let b = start("b", "known to another cluster");
    assert!(b.log().contains("that this one has no link to or from"), "{}", b.log());
    for node in [&a, &b] {
        wait_until("it is counted", || node.metric("refused_total{reason=\"link_refused\"}") > 0);
        assert_eq!(node.metric("cluster_links{side=\"dialed\"}"), 0);
        let said = || node.log().lines().filter(|line| line.contains("no link to a node")).count();
        wait_until("it is said for each worker", || said() >= 2);
        wait_until("it is tried again", || node.log().contains("still out of reach"));
        assert_eq!(said(), 2, "once: {}", node.log());
    }
}

/// As long as a look takes.
const MOMENT: Duration = Duration::from_millis(1);

/// The status of a final response that has come.
fn final_status(caller: &Client) -> Option<u16> {
    caller.receive_within(MOMENT).map(|response| response.status()).filter(|status| *status >= 200)
}

#[test]
fn a_link_that_is_full_makes_requests_503_and_is_not_closed() {
    // Pings do not matter here.
    let keys = format!("{}secret = \"{SECRET}\"\n", patient());
    // The UA's own flow has room for all that comes at once in the end.
    let limits = "[limits]\nlink_mailbox = 32\nlink_write_queue = \"64KiB\"\n\
                  write_queue = \"64MiB\"\nconnection_mailbox = 4096\n";
    let redis = RedisServer::start();
    let start = |id| Node::start(&config(id, &redis, &keys, limits));
    let (a, b) = (start("a"), start("b"));
    let ua = Client::tcp(&a);
    ua.registers_outbound("alice", 1);
    let caller = Client::tcp(&b);
    // It takes nothing any more, and its kernel only so much.
    a.signal("-STOP");
    let large = || caller.message("alice").body(vec![b'x'; 60_000]);
    let mut sent = 0;
    let mut statuses = Vec::new();
    while statuses.is_empty() {
        assert!(sent < 1000, "there is always room");
        caller.send(large().to_bytes());
        sent += 1;
        statuses.extend(final_status(&caller));
    }
    a.signal("-CONT");
    // What had room arrives and is answered.
    wait_until("each has its answer", || {
        if let Some(arrived) = ua.receive_within(MOMENT) {
            ua.send(arrived.expect_method("MESSAGE").answer(200, "OK"));
        }
        statuses.extend(final_status(&caller));
        statuses.len() == sent
    });
    assert_eq!(statuses[0], 503);
    let others: Vec<u16> = statuses.iter().copied().filter(|status| ![200, 503].contains(status)).collect();
    assert_eq!(others, [0; 0]);
    assert!(statuses.iter().filter(|status| **status == 200).count() > 32, "{statuses:?}");
    caller.reaches("alice", &ua);
    for node in [&a, &b] {
        let closed = node.metrics();
        let closed = closed.lines().filter(|line| line.starts_with("flowhold_cluster_links_closed_total{"));
        for line in closed {
            assert!(line.ends_with(" 0"), "{line}");
        }
    }
}

#[test]
fn a_node_waits_for_redis_before_it_is_ready() {
    let mut redis = RedisServer::start();
    let text = config("a", &redis, &with_secret(SECRET), "");
    redis.kill();
    let mut node = Node::start_unready(&text);
    wait_until("it says what it waits for", || node.log().contains("Redis has given this node no lease yet"));
    assert!(!node.log().contains("flowhold ready"), "{}", node.log());
    redis.start_again();
    node.becomes_ready();
    assert_eq!(node.get("/healthz").0, 200);
    let ua = Client::tcp(&node);
    ua.registers_outbound("alice", 1);
    Client::udp(&node).reaches("alice", &ua);
}

#[test]
fn a_node_that_waits_for_redis_can_be_ended() {
    let mut redis = RedisServer::start();
    let text = config("a", &redis, &with_secret(SECRET), "");
    redis.kill();
    let mut node = Node::start_unready(&text);
    wait_until("it waits", || node.log().contains("leases cannot be looked at"));
    node.signal("-INT");
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn two_nodes_of_one_name_are_not_both_members() {
    let redis = RedisServer::start();
    let text = config("a", &redis, &with_secret(SECRET), "");
    let mut first = Node::start(&text);
    let mut second = Node::start_unready(&text);
    wait_until("it says so", || second.log().contains("another node has this one's node.id"));
    assert_eq!(first.metric("cluster_nodes"), 1);
    first.signal("-INT");
    first.ended();
    second.becomes_ready();
    assert_eq!(second.metric("cluster_nodes"), 1);
}

#[test]
fn a_node_that_ends_is_gone_for_others_at_once() {
    let redis = RedisServer::start();
    // So long that nobody waits for it.
    let keys = format!("{}secret = \"{SECRET}\"\n", patient());
    let start = |id| Node::start(&config(id, &redis, &keys, ""));
    let (a, mut b) = (start("a"), start("b"));
    assert_eq!(a.metric("cluster_nodes"), 2);
    b.signal("-INT");
    b.ended();
    wait_until("it is gone", || a.metric("cluster_nodes") == 1);
    let started_again = start("b");
    wait_until("it is back", || a.metric("cluster_nodes") == 2);
    drop(started_again);
}

#[test]
fn what_becomes_of_redis_is_counted_and_said_once() {
    let mut redis = RedisServer::start();
    let node = Node::start(&config("a", &redis, &with_secret(SECRET), ""));
    let ua = Client::tcp(&node);
    ua.registers_outbound("alice", 1);
    assert_eq!(node.metric("redis_unavailable_total"), 0);
    redis.kill();
    wait_until("it is noticed", || node.metric("redis_unavailable_total") == 1);
    assert_eq!(node.metric("cluster_nodes"), 1, "nobody is judged meanwhile");
    let failed = "redis_failures_total{reason=\"not_connected\"}";
    wait_until("it is counted why", || node.metric(failed) > 0);
    redis.start_again();
    wait_until("all is written again", || node.metric("cluster_restores_total") == 1);
    assert_eq!(node.metric("cluster_leases_lost_total"), 1, "it is empty");
    assert_eq!(node.metric("redis_unavailable_total"), 1);
    let log = node.log();
    for once in ["leases cannot be looked at", "leases are looked at again", "the lease was lost"] {
        assert_eq!(log.lines().filter(|line| line.contains(once)).count(), 1, "{once}: {log}");
    }
    assert_eq!(ua.bound_uris("alice"), [ua.contact_uri("alice")]);
}
