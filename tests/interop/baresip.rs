//! baresip, a softphone that does outbound on its own: RFC 5626 from a UA's side.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::Program;
use crate::relay::{From, Relay};
use crate::support::client::{PING, PONG};
use crate::support::digest::{Login, Users};
use crate::support::stun;
use crate::support::tls::Ca;
use crate::support::{Client, Message, Node, wait_until, wait_until_within};

/// Without sound and without a screen: what a phone needs to register, ring and take messages.
const CONFIG: &str = "\
poll_method epoll
sip_listen 127.0.0.1:0
module_path /usr/lib/baresip/modules
module g711.so
module uuid.so
module account.so
module menu.so
";

struct Baresip {
    program: Program,
    _home: TempDir,
}

impl Baresip {
    /// Starts it as alice, with `proxy` as its outbound proxy, and waits until she is registered.
    #[track_caller]
    fn registered(proxy: SocketAddr, transport: &str, node: &Node) -> Self {
        Self::registered_with("none", proxy, transport, node)
    }

    /// The same with a password.
    #[track_caller]
    fn registered_with(password: &str, proxy: SocketAddr, transport: &str, node: &Node) -> Self {
        let home = tempfile::tempdir().unwrap();
        let account = format!(
            "<sip:alice@example.com>;auth_pass={password};regint=60;sipnat=outbound;\
             outbound=\"sip:{proxy};transport={transport}\"\n"
        );
        fs::write(home.path().join("config"), CONFIG).unwrap();
        fs::write(home.path().join("accounts"), account).unwrap();
        let mut command = Command::new("baresip");
        command.args(["-4", "-s", "-v", "-f"]).arg(home.path());
        let program = Program::start(&mut command, "baresip", home.path().join("output"));
        wait_until("baresip registers", || node.metric("bindings") == 1);
        Self { program, _home: home }
    }
}

/// What the node saw and said when baresip registered.
#[track_caller]
fn assert_outbound_was_applied(relay: &Relay, flow_timer: &str) {
    let register = relay.first(From::Client, "REGISTER ").unwrap();
    for part in ["+sip.instance=\"<urn:uuid:", ";reg-id=1", "Supported: gruu, outbound, path"] {
        assert!(register.contains(part), "baresip was expected to send {part}:\n{register}");
    }
    wait_until("the 200 passes", || relay.first(From::Node, "SIP/2.0 200 ").is_some());
    let response = Message::parse(relay.first(From::Node, "SIP/2.0 200 ").unwrap().as_bytes());
    assert!(response.has_tag("Require", "outbound"), "{response}");
    assert_eq!(response.header("Flow-Timer"), flow_timer, "{response}");
}

/// A MESSAGE is taken, a call rings and is cancelled.
#[track_caller]
fn assert_reached(caller: &Client) {
    caller.ask(&caller.message("alice")).expect_status(200);
    let invite = caller.invite("alice");
    caller.ask(&invite).expect_status(100);
    caller.receive().expect_status(180);
    caller.ask(&invite.cancel()).expect_status(200);
    let terminated = caller.receive().expect_status(487);
    caller.send(invite.ack(terminated.header("To")).to_bytes());
    caller.expect_nothing();
}

#[test]
fn baresip_over_tcp_registers_with_outbound_pings_and_is_reached() {
    // It pings at most every 20 s, or 16 s with what it takes off at random, whatever Flow-Timer says.
    let node = Node::start("[outbound]\nflow_timer = \"20s\"\n");
    let relay = Relay::tcp(node.tcp());
    let mut baresip = Baresip::registered(relay.address(), "tcp", &node);
    assert_outbound_was_applied(&relay, "20");
    assert_reached(&Client::tcp(&node));
    assert_reached(&Client::udp(&node));

    wait_until_within(Duration::from_secs(30), "baresip pings and gets a pong", || {
        let has = |from, octets: &[u8]| relay.passed(from).iter().any(|passed| passed == octets);
        has(From::Client, PING) && has(From::Node, PONG)
    });
    // Beyond Flow-Timer and grace: the pings alone keep the flow.
    wait_until_within(Duration::from_secs(30), "baresip pings again", || {
        relay.passed(From::Client).iter().filter(|passed| *passed == PING).count() >= 2
    });
    assert_eq!(node.flows_closed("flow_timer"), 0);
    assert_reached(&Client::tcp(&node));

    baresip.program.terminate();
    wait_until("it unregisters", || node.metric("bindings") == 0);
}

#[test]
fn baresip_over_udp_registers_with_outbound_pings_by_stun_and_is_reached() {
    let node = Node::start("[outbound]\nflow_timer_udp = \"3s\"\n");
    let relay = Relay::udp(node.udp());
    let mut baresip = Baresip::registered(relay.address(), "udp", &node);
    assert_outbound_was_applied(&relay, "3");
    assert_reached(&Client::tcp(&node));
    assert_reached(&Client::udp(&node));

    let pings = |from, kind| {
        let passed = relay.passed(from);
        passed
            .iter()
            .filter_map(|octets| stun::Response::parse(octets))
            .filter(|one| one.kind == kind)
            .count()
    };
    wait_until_within(Duration::from_secs(30), "baresip pings and gets pongs", || {
        pings(From::Client, stun::BINDING_REQUEST) >= 3 && pings(From::Node, stun::BINDING_SUCCESS) >= 3
    });
    assert_eq!(node.metric("bindings"), 1, "kept beyond Flow-Timer and grace by its pings");
    assert_reached(&Client::tcp(&node));

    baresip.program.terminate();
    wait_until("it unregisters", || node.metric("bindings") == 0);
}

#[test]
fn a_baresip_that_dies_is_unreachable_at_once_over_tcp_and_with_the_next_request_over_udp() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let mut baresip = Baresip::registered(node.tcp(), "tcp", &node);
    assert_reached(&caller);
    baresip.program.kill();
    wait_until("its flow has ended", || node.metric("bindings") == 0);
    caller.ask(&caller.message("alice")).expect_status(480);

    let mut baresip = Baresip::registered(node.udp(), "udp", &node);
    assert_reached(&caller);
    baresip.program.kill();
    caller.ask(&caller.message("alice")).expect_status(480);
    assert_eq!(node.metric("bindings"), 0);
}

#[test]
fn baresip_proves_its_password_over_tcp_and_udp() {
    let users = Users::new(&[("alice", "secret"), ("caller", "word")]);
    for transport in ["tcp", "udp"] {
        // This version of it gives up at the challenge with SHA-256, though the next one is MD5.
        let node = Node::start(&users.keys("algorithms = [\"MD5\"]"));
        let proxy = if transport == "tcp" { node.tcp() } else { node.udp() };
        let mut baresip = Baresip::registered_with("secret", proxy, transport, &node);
        let caller = Client::tcp(&node);
        let challenge = caller.ask(&caller.message("alice")).expect_status(407);
        caller
            .ask(&Login::new(&challenge, "caller", "word").prove(caller.message("alice")))
            .expect_status(200);
        assert_eq!(node.metric("authentications_total{outcome=\"wrong_password\"}"), 0);
        baresip.program.terminate();
        wait_until("it unregisters", || node.metric("bindings") == 0);
    }
}

#[test]
fn baresip_over_tls_proves_its_password_with_outbound_pings_and_is_reached() {
    let (ca, users) = (Ca::new(), Users::new(&[("alice", "secret"), ("caller", "word")]));
    let keys = users.keys("algorithms = [\"MD5\"]");
    let node = Node::start(&format!("{}{keys}[outbound]\nflow_timer = \"20s\"\n", ca.listener("")));
    let mut baresip = Baresip::registered_with("secret", node.tls(), "tls", &node);
    assert_eq!(node.metric("connections{transport=\"tls\"}"), 1);
    assert_eq!(node.metric("connections{transport=\"tcp\"}"), 0);
    assert_eq!(node.metric("authentications_total{outcome=\"proved\"}"), 1);
    let caller = Client::tcp(&node);
    let challenge = caller.ask(&caller.message("alice")).expect_status(407);
    let mut login = Login::new(&challenge, "caller", "word");
    caller.ask(&login.prove(caller.message("alice"))).expect_status(200);

    wait_until_within(Duration::from_secs(50), "it pings, and is given pongs", || {
        node.metric("pings_total{transport=\"tls\"}") >= 2
    });
    assert_eq!(node.flows_closed("flow_timer"), 0);
    caller.ask(&login.prove(caller.message("alice"))).expect_status(200);
    baresip.program.terminate();
    wait_until("it unregisters", || node.metric("bindings") == 0);
}
