//! SIGTERM: UAs are sent elsewhere a few at a time, what is under way ends, and the node ends with status 0.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Client, DEADLINE, Dialog, Node, rings, stun, wait_until};

fn node(drain: &str, extra: &str) -> Node {
    Node::start(&format!("[node]\ndrain = \"{drain}\"\n{extra}"))
}

/// Tells the node to go, and waits until it has heard that.
#[track_caller]
fn drains(node: &Node) -> Instant {
    let told = Instant::now();
    node.signal("-TERM");
    wait_until("it drains", || node.get("/healthz") == (503, "draining\n".to_owned()));
    told
}

/// UAs that have nothing to do, each over its own connection.
fn idle(node: &Node, count: u32) -> Vec<Client> {
    let registered = |number| {
        let ua = Client::tcp(node);
        ua.registers_outbound(&format!("idle{number}"), 1);
        ua
    };
    (0..count).map(registered).collect()
}

/// Waits until the node has closed all of them; says which when.
fn closed(uas: &[Client], since: Instant) -> Vec<(usize, Duration)> {
    let mut closed: Vec<(usize, Duration)> = Vec::new();
    wait_until("all are closed", || {
        for (number, ua) in uas.iter().enumerate() {
            let is_known = closed.iter().any(|(known, _)| *known == number);
            if !is_known && ua.is_closed_within(Duration::from_millis(1)) {
                closed.push((number, since.elapsed()));
            }
        }
        closed.len() == uas.len()
    });
    closed
}

#[test]
fn connections_are_closed_one_by_one_over_the_whole_time_and_in_no_order() {
    let mut node = node("3s", "");
    let uas = idle(&node, 24);
    let told = drains(&node);
    let closed = closed(&uas, told);
    let half = closed.iter().filter(|(_, after)| *after < Duration::from_millis(1500)).count();
    assert!((6..=18).contains(&half), "half of them in half of the time: {closed:?}");
    let last = closed.last().unwrap().1;
    assert!(last > Duration::from_secs(2) && last < Duration::from_secs(6), "{closed:?}");
    assert!(!closed.is_sorted_by_key(|(number, _)| *number), "{closed:?}");
    assert_eq!(node.ended(), Some(0));
    let log = node.log();
    assert_eq!(log.matches("reason=\"drain\"").count(), 24, "{log}");
    for line in ["draining connections=24", "drained connections=24 requests_cut=0"] {
        assert_eq!(log.matches(line).count(), 1, "{line}\n{log}");
    }
}

#[test]
fn a_node_with_nothing_to_do_ends_at_once() {
    let mut node = node("1h", "");
    drop(idle(&node, 1));
    wait_until("the UA is gone", || node.metric("connections{transport=\"tcp\"}") == 0);
    node.signal("-TERM");
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn a_call_that_rings_is_put_through_and_its_flows_are_closed_after_that() {
    let mut node = node("5s", "[proxy]\nt1 = \"100ms\"\n");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers_outbound("bob", 1);
    let (invite, arrived) = rings(&caller, "bob", &ua);

    drains(&node);
    // The turn of one is at once, of the other after half of the time.
    caller.expect_silence(Duration::from_millis(2700));
    ua.send(arrived.answer_in_dialog(200, "OK", &ua.contact_uri("bob")));
    let answered = caller.receive().expect_status(200);
    caller.send(Dialog::of_caller(&caller, &invite, &answered).ack().to_bytes());
    ua.receive().expect_method("ACK");
    caller.expect_closed();
    ua.expect_closed();
    assert_eq!(node.ended(), Some(0));
    assert!(node.log().contains("drained connections=2 requests_cut=0"), "{}", node.log());
}

#[test]
fn a_call_that_still_rings_when_the_drain_is_over_ends_with_it() {
    let mut node = node("1s", "");
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers_outbound("bob", 1);
    caller.ask(&caller.invite("bob")).expect_status(100);
    let arrived = ua.receive().expect_method("INVITE");
    ua.send(arrived.answer(180, "Ringing"));
    caller.receive().expect_status(180);
    let told = drains(&node);
    assert!(caller.receive_final().status() >= 400);
    assert!(told.elapsed() >= Duration::from_secs(1), "after {:?}", told.elapsed());
    ua.expect_closed();
    assert_eq!(node.ended(), Some(0));
    assert!(node.log().contains("requests_cut=1"), "{}", node.log());
}

#[test]
fn requests_are_served_until_the_end() {
    let node = node("30s", "");
    // The last of many is closed late.
    let uas = idle(&node, 50);
    drains(&node);
    let caller = Client::udp(&node);
    let (number, open) = uas
        .iter()
        .enumerate()
        .find(|(_, ua)| !ua.is_closed_within(Duration::from_millis(1)))
        .expect("they are not closed all at once");
    caller.reaches(&format!("idle{number}"), open);
    assert_eq!(node.metric("draining"), 1);
}

#[test]
fn a_register_that_asks_for_a_binding_is_503_and_any_other_is_served() {
    let node = node("30s", "");
    let uas = idle(&node, 50);
    // A UA over UDP, whose flow nothing closes, and one that comes when it is too late.
    let old = Client::udp(&node);
    old.registers_outbound("old", 1);
    drains(&node);
    let new = Client::tcp(&node);
    for (client, request) in [
        (&old, old.register_outbound("old", 1)),
        (&old, old.register_contact("other")),
        (&new, new.register_outbound("new", 1)),
        (&new, new.register_contact("new").with("Expires", "60")),
    ] {
        let response = client.ask(&request).expect_status(503);
        let after: u32 = response.header("Retry-After").parse().unwrap();
        assert!((1..=30).contains(&after), "{response}");
        assert!(response.header("To").contains(";tag="), "{response}");
    }
    assert_eq!(node.metric("refused_total{reason=\"draining\"}"), 4);
    assert_eq!(old.bindings("old").len(), 1, "a query");
    old.ask(&old.register_outbound("old", 1).with("Expires", "0")).expect_status(200);
    assert_eq!(old.bindings("old").len(), 0);
    drop(uas);
}

#[test]
fn an_edge_proxy_that_drains_refuses_registers_itself() {
    let node = node("30s", "[proxy]\nregistrar = \"sip:127.0.0.1:9\"\n");
    let ua = Client::udp(&node);
    let _open: Vec<Client> = (0..50).map(|_| Client::tcp(&node)).collect();
    wait_until("they are accepted", || node.metric("connections{transport=\"tcp\"}") == 50);
    drains(&node);
    let response = ua.ask(&ua.register_outbound("alice", 1)).expect_status(503);
    assert!(response.start_line().contains("Draining") && response.has("Retry-After"), "{response}");
}

#[test]
fn a_ua_over_udp_is_reached_to_the_end_and_gets_no_more_pongs() {
    let mut node = node("2s", "");
    let (ua, caller) = (Client::udp(&node), Client::udp(&node));
    ua.registers_outbound("alice", 1);
    ua.expect_nothing();
    let told = drains(&node);
    ua.send(stun::Request::new().to_bytes());
    caller.reaches("alice", &ua);
    assert_eq!(node.ended(), Some(0));
    assert!(told.elapsed() >= Duration::from_secs(2), "not before it was time: {:?}", told.elapsed());
}

#[test]
fn a_second_signal_ends_the_node_at_once() {
    for second in ["-TERM", "-INT"] {
        let mut node = node("1h", "");
        let uas = idle(&node, 10);
        drains(&node);
        node.signal(second);
        assert_eq!(node.ended(), Some(0), "{second}");
        closed(&uas, Instant::now());
        assert!(node.log().contains("ending before all is drained"), "{}", node.log());
    }
}

#[test]
fn sigint_and_a_drain_of_0s_end_the_node_at_once() {
    for (drain, signal) in [("1h", "-INT"), ("0s", "-TERM")] {
        let mut node = node(drain, "");
        let uas = idle(&node, 10);
        node.signal(signal);
        assert_eq!(node.ended(), Some(0), "{signal}");
        closed(&uas, Instant::now());
        assert!(!node.log().contains("draining"), "{}", node.log());
    }
}

#[test]
fn the_service_manager_is_told_when_the_node_is_ready_and_when_it_stops() {
    let home = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(home.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let told = || {
        let mut datagram = [0; 64];
        let length = manager.recv(&mut datagram).unwrap();
        String::from_utf8_lossy(&datagram[..length]).into_owned()
    };
    let mut node = Command::new(env!("CARGO_BIN_EXE_flowhold"))
        .env("NOTIFY_SOCKET", home.path().join("notify"))
        .env("FLOWHOLD__LISTEN__UDP", "")
        .env("FLOWHOLD__LISTEN__TCP", "127.0.0.1:0")
        .env("FLOWHOLD__ADMIN__LISTEN", "")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = told();
    let ended = Command::new("kill").args(["-TERM", &node.id().to_string()]).status().unwrap();
    assert_eq!((ready.as_str(), told().as_str(), ended.success()), ("READY=1", "STOPPING=1", true));
    assert_eq!(node.wait().unwrap().code(), Some(0));
}
