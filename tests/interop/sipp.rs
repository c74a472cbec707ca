//! SIPp, a traffic generator that checks each message against a scenario. Its exit status says whether all calls went as
//! their scenario says.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{Program, free_port};
use crate::support::digest::{Login, Users};
use crate::support::{Client, Node, Request, wait_until, wait_until_within};

/// A run of SIPp. `mode` is as it calls them: t1 for one TCP connection, tn for one per call, u1 for one UDP socket.
struct Sipp {
    program: Program,
    home: TempDir,
}

impl Sipp {
    fn start(node: &Node, mode: &str, scenario: &str, options: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = if mode.starts_with('t') { node.tcp() } else { node.udp() };
        let mut command = Command::new("sipp");
        command
            .arg(listener.to_string())
            .args(["-sf", &path_of(scenario), "-t", mode, "-i", "127.0.0.1"])
            // It would look for a port itself, and not see that another SIPp is just taking the same.
            .args(["-p", &free_port().port().to_string()])
            .args([
                "-nostdin",
                "-trace_err",
                "-error_file",
                "errors",
                "-timeout",
                "150s",
                "-timeout_error",
                "-max_socket",
                "1000",
            ])
            .args(options)
            .current_dir(home.path());
        let program = Program::start(&mut command, "sip-tester", home.path().join("output"));
        Self { program, home }
    }

    /// It ends, and all its calls went as they should.
    #[track_caller]
    fn assert_success(self) {
        self.assert_success_within(Duration::from_secs(40));
    }

    #[track_caller]
    fn assert_success_within(mut self, time: Duration) {
        let status = self.program.wait_within(time);
        let errors = std::fs::read_to_string(self.home.path().join("errors")).unwrap_or_default();
        assert!(status.success(), "{status}: {errors}");
    }
}

/// A scenario of this folder.
fn path_of(scenario: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/sipp");
    folder.join(scenario).to_str().unwrap().to_owned()
}

/// Each call registers a UA with outbound, refreshes and removes its binding.
fn registers(mode: &str) {
    let node = Node::start("");
    Sipp::start(&node, mode, "register.xml", &["-m", "200", "-r", "400"]).assert_success();
    assert_eq!(node.metric("aors"), 200);
    wait_until("all bindings are gone", || node.metric("bindings") == 0);
}

#[test]
fn sipp_registers_over_one_tcp_connection() {
    registers("t1");
}

#[test]
fn sipp_registers_over_a_tcp_connection_per_ua() {
    registers("tn");
}

#[test]
fn sipp_registers_over_udp() {
    registers("u1");
}

/// A UA that is registered until it is told that it may end. Its own call is its registration, which lasts until a MESSAGE
/// with its Call-ID comes; those that come meanwhile are calls by another scenario.
struct Ua {
    sipp: Sipp,
    name: &'static str,
}

impl Ua {
    #[track_caller]
    fn registered(node: &Node, mode: &str, name: &'static str, answer: &str) -> Self {
        Self::registered_by(node, "ua.xml", mode, name, answer)
    }

    #[track_caller]
    fn registered_by(node: &Node, scenario: &str, mode: &str, name: &'static str, answer: &str) -> Self {
        let bindings = node.metric("bindings");
        let answer = path_of(answer);
        let options = ["-oocsf", &answer, "-m", "1", "-s", name, "-cid_str", "registration"];
        let sipp = Sipp::start(node, mode, scenario, &options);
        wait_until("the UA is registered", || node.metric("bindings") > bindings);
        Self { sipp, name }
    }

    #[track_caller]
    fn ends(self, node: &Node) {
        let client = Client::tcp(node);
        client.ask(&self.end(&client)).expect_status(200);
        self.sipp.assert_success();
    }

    /// The same, told by a user.
    #[track_caller]
    fn ends_by(self, node: &Node, user: &str, password: &str) {
        let client = Client::tcp(node);
        let challenge = client.ask(&self.end(&client)).expect_status(407);
        let request = Login::new(&challenge, user, password).prove(self.end(&client));
        client.ask(&request).expect_status(200);
        self.sipp.assert_success();
    }

    /// What its own call waits for.
    fn end(&self, client: &Client) -> Request {
        client.message(self.name).call_id("registration")
    }
}

/// A UA registers and others send it MESSAGEs and call it.
fn reached(caller_mode: &str, ua_mode: &str) {
    let node = Node::start("");
    let ua = Ua::registered(&node, ua_mode, "ua", "answer.xml");
    Sipp::start(&node, caller_mode, "caller.xml", &["-m", "50", "-r", "100", "-s", "ua"]).assert_success();
    ua.ends(&node);
}

#[test]
fn sipp_reaches_sipp_from_tcp_to_udp() {
    reached("t1", "u1");
}

#[test]
fn sipp_reaches_sipp_from_udp_to_tcp() {
    reached("u1", "t1");
}

#[test]
fn sipp_reaches_sipp_from_tcp_to_tcp() {
    reached("tn", "t1");
}

/// Calls that are answered, put on hold and ended: those to alice by the caller, those to bob by himself.
fn calls(node: &Node, modes: [(&str, &str); 2], calls: u32, rate: u32) {
    let (calls, rate) = (calls.to_string(), rate.to_string());
    let sides = [
        ("alice", "answer_caller_hangs_up.xml", "caller_hangs_up.xml"),
        ("bob", "answer_callee_hangs_up.xml", "callee_hangs_up.xml"),
    ];
    let uas = [0, 1].map(|side| Ua::registered(node, modes[side].1, sides[side].0, sides[side].1));
    let callers = [0, 1].map(|side| {
        let options = ["-m", &calls, "-r", &rate, "-s", sides[side].0];
        Sipp::start(node, modes[side].0, sides[side].2, &options)
    });
    for caller in callers {
        caller.assert_success_within(Duration::from_secs(100));
    }
    for ua in uas {
        ua.ends(node);
    }
    assert_nothing_is_left(node);
}

#[track_caller]
fn assert_nothing_is_left(node: &Node) {
    // Over UDP the last ones wait for repeats for 32 s.
    let kinds = ["invite_server", "invite_client", "non_invite_server", "non_invite_client"];
    let left = || kinds.map(|kind| node.metric(&format!("transactions{{kind=\"{kind}\"}}")));
    wait_until_within(Duration::from_secs(45), "no transaction is left", || left() == [0; 4]);
}

/// SIPp does not ping over UDP.
const PATIENT: &str = "[outbound]\nflow_timer_udp = \"300s\"\n";

#[test]
fn sipp_calls_sipp_for_a_minute_between_tcp_and_udp() {
    calls(&Node::start(PATIENT), [("u1", "t1"), ("t1", "u1")], 600, 10);
}

#[test]
fn sipp_calls_sipp_within_one_transport() {
    for modes in [[("t1", "t1"), ("u1", "u1")], [("u1", "u1"), ("tn", "t1")]] {
        calls(&Node::start(&format!("{PATIENT}[proxy]\nt1 = \"100ms\"\n")), modes, 60, 20);
    }
}

/// UAs that have to prove each request: they register, and call one another.
fn with_passwords(mode: &str) {
    let users = Users::new(&[("ua", "secret"), ("caller", "word")]);
    // It knows MD5 alone, gives up when it meets another first, and makes the digest of the node's address.
    let keys = users.keys("flow_trust = \"0s\"\nalgorithms = [\"MD5\"]\ncheck_uri = false");
    let node = Node::start(&format!("{PATIENT}[registrar]\nmax_bindings = 100\n{keys}"));
    Sipp::start(&node, mode, "register_with_password.xml", &["-m", "100", "-r", "100"]).assert_success();
    wait_until("all bindings are gone", || node.metric("bindings") == 0);

    let ua = Ua::registered_by(&node, "ua_with_password.xml", mode, "ua", "answer_caller_with_password.xml");
    Sipp::start(&node, mode, "caller_with_password.xml", &["-m", "200", "-r", "40", "-s", "ua"])
        .assert_success();
    // Each of them asked for, and each given: a REGISTER and its removal, an INVITE and its BYE, and the UA's own.
    let counted = |outcome: &str| node.metric(&format!("authentications_total{{outcome=\"{outcome}\"}}"));
    assert_eq!([counted("challenged"), counted("proved"), counted("wrong_password")], [601, 601, 0]);
    ua.ends_by(&node, "caller", "word");
    assert_nothing_is_left(&node);
}

#[test]
fn sipp_proves_its_passwords_over_tcp() {
    with_passwords("t1");
}

#[test]
fn sipp_proves_its_passwords_over_udp() {
    with_passwords("u1");
}
