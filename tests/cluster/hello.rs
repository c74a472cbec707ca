//! What comes to a node's cluster listener: only what proves that it is a node becomes a link. Everything else is closed,
//! counted, and logged once with its address.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::cluster::LEASE;
use crate::support::client::PING;
use crate::support::message::param;
use crate::support::request::{Request, branch, unique};
use crate::support::{Client, Message, Node, RedisServer, wait_until};

const SECRET: &str = "known to the nodes alone";
const REALM: &str = "flowhold cluster";

/// A node that waits for others, and what it is told by whom.
struct Scene {
    node: Node,
    _redis: RedisServer,
}

impl Scene {
    /// It waits for longer than any test takes, however busy the machine.
    fn new() -> Self {
        Self::patient("")
    }

    /// The same with further keys of TOML.
    fn patient(extra: &str) -> Self {
        Self::start("lease = \"60s\"\nlink_ping = \"20s\"\nlink_pong = \"40s\"\n", extra)
    }

    /// It soon gives up what says nothing.
    fn hasty() -> Self {
        Self::start(&format!("lease = \"{LEASE}\"\nlink_ping = \"300ms\"\nlink_pong = \"600ms\"\n"), "")
    }

    fn start(times: &str, extra: &str) -> Self {
        let redis = RedisServer::start();
        let node = Node::start(&format!(
            "[location]\nstore = \"redis\"\nredis_url = \"{}\"\n\
             [cluster]\nlisten = \"127.0.0.1:0\"\nsecret = \"{SECRET}\"\n{times}{extra}",
            redis.url()
        ));
        Self { node, _redis: redis }
    }

    /// A connection to the cluster listener.
    fn connect(&self) -> Client {
        Client::connect(Ipv4Addr::LOCALHOST.into(), self.node.listener("cluster"), |_| {})
    }

    /// The hello of a node of that name, which is none.
    fn hello(&self, from: &Client, node: &str) -> Request {
        Request::bare("OPTIONS", &self.uri())
            .with("Via", format!("{};branch={}", from.sent_by(), branch()))
            .with("From", format!("<sip:{node}@{}>;tag={}", from.local(), unique("f")))
            .with("To", format!("<{}>", self.uri()))
            .with("Call-ID", unique("hello"))
            .with("CSeq", "1 OPTIONS")
            .with("Max-Forwards", "0")
            .with("Flowhold-Node", format!("{node};run=1;version=1;links=1"))
    }

    fn uri(&self) -> String {
        format!("sip:{};transport=tcp", self.node.listener("cluster"))
    }

    /// The same hello with what answers that challenge.
    fn proof(&self, hello: Request, node: &str, secret: &str, challenged: &Message) -> Request {
        let nonce = quoted(challenged.header("WWW-Authenticate"), "nonce");
        let (ha1, ha2) = (hash(&[node, REALM, secret]), hash(&["OPTIONS", &self.uri()]));
        let response = hash(&[&ha1, &nonce, "00000001", "c0ffee", "auth", &ha2]);
        hello.set("Via", format!("SIP/2.0/TCP here;branch={}", branch())).cseq(2).with(
            "Authorization",
            format!(
                "Digest username=\"{node}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{}\", \
                 response=\"{response}\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c0ffee\"",
                self.uri()
            ),
        )
    }

    /// A link as a node opens it.
    fn link(&self, node: &str) -> Client {
        let stranger = self.connect();
        let hello = self.hello(&stranger, node);
        let challenged = stranger.ask(&hello).expect_status(401);
        let accepted = stranger.ask(&self.proof(hello, node, SECRET, &challenged)).expect_status(200);
        assert!(accepted.header("Flowhold-Node").starts_with("a;run="), "{accepted}");
        // Its hello is over for the node a moment after it was answered.
        wait_until("the link counts", || self.node.metric("cluster_links{side=\"accepted\"}") >= 1);
        stranger
    }

    /// So many connections were refused, and each is logged once with its address.
    #[track_caller]
    fn assert_refused(&self, strangers: &[&Client]) {
        let count = strangers.len() as u64;
        wait_until("the refusals are counted", || {
            self.node.metric("refused_total{reason=\"link_refused\"}") >= count
        });
        assert_eq!(self.node.metric("refused_total{reason=\"link_refused\"}"), count);
        let log = self.node.log();
        for stranger in strangers {
            let peer = stranger.local().to_string();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(&peer)).collect();
            assert_eq!(lines.len(), 1, "{lines:#?}");
            assert!(lines[0].contains("link refused"), "{lines:#?}");
        }
        assert_eq!(self.node.metric("cluster_links{side=\"accepted\"}"), 0);
        // A UA's listener is none the worse.
        Client::tcp(&self.node).ping();
    }
}

/// The hash of these with colons between them.
fn hash(parts: &[&str]) -> String {
    let mut text = String::new();
    for octet in Sha256::digest(parts.join(":")) {
        write!(text, "{octet:02x}").unwrap();
    }
    text
}

/// A value that stands in quotes.
fn quoted(challenge: &str, name: &str) -> String {
    let from = challenge.split(&format!("{name}=\"")).nth(1).unwrap_or_else(|| panic!("{challenge}"));
    from.split('"').next().unwrap().to_owned()
}

#[test]
fn who_knows_the_secret_has_a_link() {
    let scene = Scene::new();
    let link = scene.link("z");
    wait_until("the link counts", || scene.node.metric("cluster_links{side=\"accepted\"}") == 1);
    link.ping();
    // It is no way for requests that are not for a flow here.
    link.ask(&link.message("alice")).expect_status(403);
    link.ping();
    assert_eq!(scene.node.metric("refused_total{reason=\"link_refused\"}"), 0);
    drop(link);
    wait_until("the link is gone", || scene.node.metric("cluster_links{side=\"accepted\"}") == 0);
}

#[test]
fn the_200_proves_that_the_node_knows_the_secret_too() {
    let scene = Scene::new();
    let stranger = scene.connect();
    let hello = scene.hello(&stranger, "z");
    let challenged = stranger.ask(&hello).expect_status(401);
    let challenge = challenged.header("WWW-Authenticate");
    assert_eq!(quoted(challenge, "realm"), REALM);
    assert!(challenge.contains("algorithm=SHA-256"), "{challenge}");
    assert_eq!(quoted(challenge, "qop"), "auth");
    assert!(!challenged.has("Flowhold-Node"), "who it is, it does not tell strangers: {challenged}");
    let accepted = stranger.ask(&scene.proof(hello, "z", SECRET, &challenged)).expect_status(200);
    let (ha1, ha2) = (hash(&["z", REALM, SECRET]), hash(&["", &scene.uri()]));
    let expected = hash(&[&ha1, &quoted(challenge, "nonce"), "00000001", "c0ffee", "auth", &ha2]);
    assert_eq!(quoted(accepted.header("Authentication-Info"), "rspauth"), expected, "{accepted}");
    assert!(param(accepted.header("Flowhold-Node"), "run").is_some(), "{accepted}");
}

#[test]
fn a_wrong_secret_is_403_and_the_end() {
    let scene = Scene::new();
    let stranger = scene.connect();
    let hello = scene.hello(&stranger, "z");
    let challenged = stranger.ask(&hello).expect_status(401);
    stranger.ask(&scene.proof(hello, "z", "known to nobody at all", &challenged)).expect_status(403);
    stranger.expect_closed();
    scene.assert_refused(&[&stranger]);
}

#[test]
fn what_was_overheard_is_403_on_another_connection() {
    let scene = Scene::new();
    let node = scene.connect();
    let hello = scene.hello(&node, "z");
    let challenged = node.ask(&hello).expect_status(401);
    let proof = scene.proof(hello.clone(), "z", SECRET, &challenged);
    let stranger = scene.connect();
    stranger.ask(&hello).expect_status(401);
    stranger.ask(&proof).expect_status(403);
    stranger.expect_closed();
    // As the first request it is asked for again, and then it is a nonce that was used.
    let again = scene.connect();
    again.ask(&proof).expect_status(401);
    again.ask(&proof).expect_status(403);
    again.expect_closed();
    scene.assert_refused(&[&stranger, &again]);
    node.ask(&proof).expect_status(200);
}

#[test]
fn what_is_no_hello_is_closed() {
    let scene = Scene::new();
    let garbage = scene.connect();
    garbage.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    garbage.expect_closed();
    let ping = scene.connect();
    ping.send(PING);
    ping.expect_closed();
    let ua = scene.connect();
    ua.ask(&ua.register_contact("alice")).expect_status(403);
    ua.expect_closed();
    let unnamed = scene.connect();
    unnamed.ask(&scene.hello(&unnamed, "z").without("Flowhold-Node")).expect_status(403);
    unnamed.expect_closed();
    let mirror = scene.connect();
    mirror.ask(&scene.hello(&mirror, "a")).expect_status(403);
    mirror.expect_closed();
    let elsewhere = scene.connect();
    elsewhere.ask(&scene.hello(&elsewhere, "z").uri("sip:127.0.0.1:1;transport=tcp")).expect_status(403);
    elsewhere.expect_closed();
    let response = scene.connect();
    response.send(b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    response.expect_closed();
    scene.assert_refused(&[&garbage, &ping, &ua, &unnamed, &mirror, &elsewhere, &response]);
}

#[test]
fn a_hello_that_does_not_end_is_closed_in_time() {
    let scene = Scene::hasty();
    let silent = scene.connect();
    let endless = scene.connect();
    endless.send(b"OPTIONS sip:a SIP/2.0\r\n");
    let undecided = scene.connect();
    undecided.ask(&scene.hello(&undecided, "z")).expect_status(401);
    for stranger in [&silent, &endless, &undecided] {
        stranger.expect_closed();
    }
    scene.assert_refused(&[&silent, &endless, &undecided]);
}

#[test]
fn who_looks_whether_the_port_is_open_is_no_stranger() {
    let scene = Scene::new();
    drop(scene.connect());
    // That was heard of by the time a later connection has its link.
    scene.link("z");
    assert_eq!(scene.node.metric("refused_total{reason=\"link_refused\"}"), 0);
}

#[test]
fn what_follows_a_hello_before_it_is_answered_is_no_part_of_it() {
    let scene = Scene::new();
    let stranger = scene.connect();
    let hello = scene.hello(&stranger, "z");
    let challenged = stranger.ask(&hello).expect_status(401);
    let proof = scene.proof(hello, "z", SECRET, &challenged).to_bytes();
    stranger.send([&proof[..], &stranger.message("alice").to_bytes()].concat());
    stranger.expect_closed();
    scene.assert_refused(&[&stranger]);
}

#[test]
fn connections_without_a_hello_are_limited_and_take_no_links_away() {
    let scene = Scene::patient("[limits]\nlink_handshakes = 2\nmax_connections = 1\n");
    let link = scene.link("z");
    let (first, second) = (scene.connect(), scene.connect());
    for stranger in [&first, &second] {
        stranger.ask(&scene.hello(stranger, "y")).expect_status(401);
    }
    let third = scene.connect();
    third.expect_closed();
    link.ping();
    drop((first, second));
    // A link is not counted among the connections of UAs either, of which there may be one.
    Client::tcp(&scene.node).ping();
    let shortly = Duration::from_millis(50);
    wait_until("there is room", || !scene.connect().is_closed_within(shortly));
}

#[test]
fn a_link_that_is_not_pinged_is_closed() {
    let scene = Scene::hasty();
    let link = scene.link("z");
    link.expect_closed();
    assert_eq!(scene.node.metric("cluster_links_closed_total{reason=\"flow_timer\"}"), 1);
    assert_eq!(scene.node.flows_closed("flow_timer"), 0, "it was no UA's");
}
