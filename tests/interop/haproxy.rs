//! HAProxy between UAs and nodes, with the configuration that operators are given: it says whose connection it is.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{Program, free_port};
use crate::support::message::param;
use crate::support::{Client, Node, wait_until};

const CONFIG: &str = include_str!("../../config/deploy/haproxy.cfg");

/// Where UAs come from; HAProxy connects to the nodes from 127.0.0.1.
const UA: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));

/// What the nodes of these tests are told.
const BEHIND: &str = "[auth]\nmode = \"none\"\n[listen]\nproxy_protocol_from = [\"127.0.0.1\"]\n";

struct Haproxy {
    _program: Program,
    address: SocketAddr,
    _home: TempDir,
}

impl Haproxy {
    /// Starts it in front of a node, with further changes to what operators are given, and waits until it listens.
    #[track_caller]
    fn start(node: &Node, changes: &[(&str, &str)]) -> Self {
        let address = free_port();
        let home = tempfile::tempdir().unwrap();
        let mut config = CONFIG.to_owned();
        let mut change = |given: &str, here: &str| {
            assert!(config.contains(given), "{given}");
            config = config.replace(given, here);
        };
        for (given, here) in changes {
            change(given, here);
        }
        // No more descriptors than anybody has.
        change("maxconn 100000", "maxconn 100");
        change("bind :5060", &format!("bind {address}"));
        change("server a 192.0.2.11:5060", &format!("server a {}", node.tcp()));
        change("    server b 192.0.2.12:5060\n    server c 192.0.2.13:5060\n", "");
        let config = config.replace("port 8060", &format!("port {}", node.listener("admin").port()));
        let file = home.path().join("haproxy.cfg");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let program = Program::start(&mut command, "haproxy", home.path().join("output"));
        wait_until("HAProxy listens", || TcpStream::connect(address).is_ok());
        Self { _program: program, address, _home: home }
    }

    /// A UA's connection through it.
    fn ua(&self) -> Client {
        Client::connect(UA, self.address, |_| {})
    }
}

#[test]
fn a_ua_behind_haproxy_registers_and_is_reached_by_its_own_address() {
    for header in ["send-proxy-v2\n", "send-proxy\n"] {
        let node = Node::start(BEHIND);
        let haproxy = Haproxy::start(&node, &[("send-proxy-v2\n", header)]);
        let ua = haproxy.ua();
        let response = ua.registers_outbound("alice", 1);
        assert_eq!(param(response.top_via(), "received"), Some("127.0.0.5"), "{header}{response}");
        let port = ua.local().port().to_string();
        assert_eq!(param(response.top_via(), "rport"), Some(&*port), "{header}{response}");
        ua.ping();
        Client::udp(&node).reaches("alice", &ua);
        haproxy.ua().reaches("alice", &ua);
        let line = format!("peer={} reason=\"peer_closed\"", ua.local());
        drop(ua);
        wait_until("its flow ends", || node.log().contains(&line));
    }
}

#[test]
fn health_checks_of_haproxy_leave_no_line_in_the_log_of_operators() {
    let checks = |node: &Node| node.log().matches("health check").count();
    for header in ["send-proxy-v2", "send-proxy"] {
        let node = Node::start(&format!("{BEHIND}[log]\nfilter = \"info,flowhold::actor::accept=debug\"\n"));
        // A connection to the port for SIP that says that it is a check, instead of /healthz.
        let _haproxy = Haproxy::start(
            &node,
            &[
                ("    option httpchk GET /healthz\n    http-check expect status 200\n", ""),
                (
                    "check port 8060 inter 1s fall 2 rise 2 send-proxy-v2",
                    &format!("check inter 100ms {header}"),
                ),
            ],
        );
        wait_until("HAProxy has checked a few times", || checks(&node) >= 3);
        let log = node.log();
        let (_, since) = log.split_once("flowhold ready").unwrap();
        let lines: Vec<_> = since.lines().skip(1).filter(|line| !line.contains("DEBUG")).collect();
        assert!(lines.len() <= 1, "more than the connection by which HAProxy was waited for: {lines:#?}");
    }
}

#[test]
fn a_node_that_drains_gets_no_new_connections_and_keeps_those_that_it_has() {
    let mut node = Node::start(&format!("{BEHIND}[node]\ndrain = \"1h\"\n"));
    let haproxy = Haproxy::start(&node, &[("inter 1s", "inter 100ms")]);
    let uas: Vec<Client> = (0..8).map(|_| haproxy.ua()).collect();
    uas.iter().for_each(Client::ping);
    node.signal("-TERM");
    wait_until("HAProxy has found out", || haproxy.ua().is_closed_within(Duration::from_millis(50)));
    wait_until("one UA is told to go", || node.flows_closed("drain") > 0);
    let kept = uas.iter().filter(|ua| !ua.is_closed_within(Duration::from_millis(1)));
    kept.for_each(Client::ping);
    assert!(node.is_running());
}

#[test]
fn a_connection_that_a_node_refuses_goes_to_the_next_one() {
    let node = Node::start(BEHIND);
    let with_dead = "    server dead 127.0.0.1:1\n    server a 192.0.2.11:5060";
    let slow_checks = ("inter 1s", "inter 1h");
    let haproxy = Haproxy::start(&node, &[("    server a 192.0.2.11:5060", with_dead), slow_checks]);
    let uas: Vec<Client> = (0..6).map(|_| haproxy.ua()).collect();
    uas.iter().for_each(Client::ping);
}
