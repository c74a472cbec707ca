//! `listen.proxy_protocol_from`: a balancer's connections begin with a header that says whose they are, nobody else's do.

use std::net::IpAddr;
use std::time::Duration;

use crate::support::message::param;
use crate::support::{Client, Message, Node, wait_until};

/// Where the balancers of these tests are, which is not where other clients are.
const BALANCER: &str = "127.0.0.2";

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn node(extra: &str) -> Node {
    let behind = format!("[listen]\nproxy_protocol_from = [\"{BALANCER}\", \"10.0.0.0/8\"]\n");
    Node::start(&format!("[auth]\nmode = \"none\"\n{behind}{extra}"))
}

/// A connection of a balancer, which has said nothing yet.
fn from_balancer(node: &Node) -> Client {
    Client::tcp_from(node, BALANCER.parse().unwrap())
}

/// A version 1 header.
fn v1(client: &str, port: u16) -> Vec<u8> {
    let family = if client.contains(':') { "TCP6 2001:db8::1" } else { "TCP4 198.51.100.1" };
    let (family, to) = family.split_once(' ').unwrap();
    format!("PROXY {family} {client} {to} {port} 5060\r\n").into_bytes()
}

/// A version 2 header, with a TLV behind the addresses.
fn v2(client: &str, port: u16) -> Vec<u8> {
    let tlv = [0x05, 0, 4, 1, 2, 3, 4];
    let (kind, addresses) = match client.parse().unwrap() {
        IpAddr::V4(v4) => (0x11, [&v4.octets()[..], &[198, 51, 100, 1]].concat()),
        IpAddr::V6(v6) => (0x21, [&v6.octets()[..], &[0x20; 16]].concat()),
    };
    let rest = [&addresses[..], &port.to_be_bytes(), &5060_u16.to_be_bytes(), &tlv].concat();
    [SIGNATURE, &[0x21, kind], &u16::try_from(rest.len()).unwrap().to_be_bytes(), &rest].concat()
}

/// The same, for a balancer that speaks for itself.
fn local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

/// The response tells the UA this address.
#[track_caller]
fn assert_received(response: &Message, address: &str, port: u16) {
    assert_eq!(param(response.top_via(), "received"), Some(address), "{response}");
    assert_eq!(param(response.top_via(), "rport"), Some(&*port.to_string()), "{response}");
}

#[test]
fn a_header_of_either_version_makes_the_flow_the_clients() {
    let node = node("");
    let caller = Client::tcp(&node);
    for (header, address) in [
        (v1("192.0.2.7", 40_000), "192.0.2.7"),
        (v2("192.0.2.7", 40_000), "192.0.2.7"),
        (v1("2001:db8::7", 40_000), "2001:db8::7"),
        (v2("2001:db8::7", 40_000), "2001:db8::7"),
    ] {
        let ua = from_balancer(&node);
        ua.send(header);
        assert_received(&ua.registers_outbound("alice", 1), address, 40_000);
        caller.reaches("alice", &ua);
    }
    let closed = || node.log().lines().filter(|line| line.contains("flow closed")).collect::<String>();
    wait_until("the flows of the UAs are closed", || node.flows_closed("peer_closed") == 4);
    assert!(closed().contains("peer=192.0.2.7:40000") && !closed().contains(BALANCER), "{}", closed());
}

#[test]
fn a_header_may_come_in_pieces_and_together_with_what_follows() {
    let node = node("");
    for header in [v1("192.0.2.7", 40_000), v2("192.0.2.7", 40_000)] {
        for size in [1, 5, 4096] {
            let ua = from_balancer(&node);
            let sent = [&header[..], &ua.register_contact("alice").to_bytes()].concat();
            for piece in sent.chunks(size) {
                ua.send(piece);
            }
            assert_received(&ua.receive().expect_status(200), "192.0.2.7", 40_000);
            ua.ping();
        }
    }
}

#[test]
fn a_balancer_that_checks_keeps_its_own_address_and_leaves_without_a_line() {
    let node = node("[log]\nfilter = \"info\"\n");
    for header in [local(), b"PROXY UNKNOWN\r\n".to_vec(), Vec::new()] {
        let check = from_balancer(&node);
        check.send(header);
        drop(check);
    }
    for header in [local(), b"PROXY UNKNOWN\r\n".to_vec()] {
        let asking = from_balancer(&node);
        asking.send(header);
        assert_received(&asking.registers("check"), BALANCER, asking.local().port());
        asking.reset();
    }
    // Both have ended, and what ended before them too: one worker may be behind the other.
    wait_until("the flows are closed", || {
        node.flows_closed("peer_closed") + node.flows_closed("io_error") == 2
    });
    wait_until("nothing is open", || node.metric("connections{transport=\"tcp\"}") == 0);
    let log = node.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(BALANCER)).collect();
    assert_eq!(lines.len(), 2, "the two flows alone: {lines:#?}");
}

#[test]
fn a_balancer_that_checks_may_take_its_time() {
    let node = node("[limits]\nheader_timeout = \"200ms\"\n");
    let check = from_balancer(&node);
    check.send(local());
    wait_until("it counts as a flow", || node.metric("connections{transport=\"tcp\"}") == 1);
    assert_received(&check.registers("check"), BALANCER, check.local().port());
}

/// A balancer's connection is closed, counted under this reason, and an operator is told once.
#[track_caller]
fn assert_refused(node: &Node, balancer: &Client, reason: &str) {
    balancer.expect_closed();
    assert_eq!(node.metric(&format!("refused_total{{reason=\"{reason}\"}}")), 1);
    let log = node.log();
    let address = balancer.local().to_string();
    let warnings = log.lines().filter(|line| line.contains(" WARN "));
    let lines: Vec<_> = warnings.filter(|line| line.contains(&address)).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains(reason), "{lines:#?}");
    assert_eq!(node.metric("connections{transport=\"tcp\"}"), 0);
}

#[test]
fn a_header_that_cannot_be_right_is_the_end() {
    let too_long = [SIGNATURE, &[0x21, 0x11, 0xFF, 0xFF]].concat();
    for header in [
        [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat(),
        b"PROXY TCP4 192.0.2.777 198.51.100.1 40000 5060\r\n".to_vec(),
        too_long,
        [SIGNATURE, &[0x31, 0x11, 0, 0]].concat(),
    ] {
        let node = node("");
        let balancer = from_balancer(&node);
        balancer.send(header);
        assert_refused(&node, &balancer, "bad_proxy_header");
    }
}

#[test]
fn without_a_header_a_balancers_connection_is_the_end() {
    let node = node("");
    let balancer = from_balancer(&node);
    balancer.send(balancer.register_contact("alice").to_bytes());
    assert_refused(&node, &balancer, "no_proxy_header");
}

#[test]
fn a_header_that_does_not_come_in_time_is_the_end() {
    for beginning in [&b""[..], b"PROXY TCP4 192.0.2.7 ", &v2("192.0.2.7", 40_000)[..20]] {
        let node = node("[limits]\nheader_timeout = \"500ms\"\n");
        let balancer = from_balancer(&node);
        balancer.send(beginning);
        assert_refused(&node, &balancer, "no_proxy_header");
    }
}

#[test]
fn octets_that_trickle_do_not_prolong_the_time_for_a_header() {
    let node = node("[limits]\nheader_timeout = \"500ms\"\n");
    let balancer = from_balancer(&node);
    for octet in v1("192.0.2.7", 40_000).chunks(1) {
        if balancer.try_send(octet).is_err() || balancer.is_closed_within(Duration::from_millis(50)) {
            break;
        }
    }
    assert_refused(&node, &balancer, "no_proxy_header");
}

#[test]
fn a_header_of_anybody_else_is_garbage() {
    let node = node("");
    for header in [v1("192.0.2.7", 40_000), v2("192.0.2.7", 40_000)] {
        let stranger = Client::tcp(&node);
        stranger.send([&header[..], &stranger.register_contact("alice").to_bytes()].concat());
        stranger.expect_closed_at_last();
    }
    assert_eq!(node.flows_closed("garbage"), 2);
    Client::tcp(&node).registers_outbound("alice", 1);
}

#[test]
fn a_balancer_that_is_slow_holds_up_nobody() {
    let node = node("[node]\nworkers = 1\n");
    let slow = from_balancer(&node);
    slow.send(&v2("192.0.2.7", 40_000)[..3]);
    let ua = from_balancer(&node);
    ua.send(v2("192.0.2.8", 40_000));
    ua.registers_outbound("alice", 1);
    Client::tcp(&node).reaches("alice", &ua);
    slow.send(&v2("192.0.2.7", 40_000)[3..]);
    assert_received(&slow.registers("bob"), "192.0.2.7", 40_000);
}

#[test]
fn limits_per_address_count_the_clients_address() {
    let node = node("[limits]\nmax_connections_per_address = 1\n");
    let of = |client: &str| {
        let connection = from_balancer(&node);
        connection.send(v2(client, 40_000));
        connection
    };
    let (first, second) = (of("192.0.2.7"), of("192.0.2.8"));
    first.ping();
    second.ping();
    of("192.0.2.7").expect_closed();
    assert_eq!(node.metric("refused_total{reason=\"max_connections_per_address\"}"), 1);
    drop(first);
    wait_until("there is room", || node.metric("connections{transport=\"tcp\"}") == 1);
    of("192.0.2.7").ping();
}

#[test]
fn a_connection_whose_header_is_awaited_counts_among_all() {
    // One worker accepts in the order in which they came.
    let node = node("[node]\nworkers = 1\n[limits]\nmax_connections = 1\n");
    let waiting = from_balancer(&node);
    waiting.send(b"PROXY ");
    Client::tcp(&node).expect_closed();
    waiting.send(b"TCP4 192.0.2.7 198.51.100.1 40000 5060\r\n");
    waiting.ping();
}
