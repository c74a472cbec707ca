//! SIPp, a traffic generator that checks each message against a scenario. Its exit status says whether all calls went as
//! their scenario says.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::program::Program;
use crate::support::{Client, Node, wait_until};

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
            .args([
                "-nostdin",
                "-trace_err",
                "-error_file",
                "errors",
                "-timeout",
                "30s",
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
    fn assert_success(mut self) {
        let status = self.program.wait();
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

/// A UA registers and others send it MESSAGEs and call it.
fn calls(caller_mode: &str, ua_mode: &str) {
    let node = Node::start("");
    // The UA's own call is its registration, which lasts until a MESSAGE with its Call-ID comes; those that come meanwhile
    // are calls by another scenario.
    let answer = path_of("answer.xml");
    let ua =
        Sipp::start(&node, ua_mode, "ua.xml", &["-oocsf", &answer, "-m", "1", "-cid_str", "registration"]);
    wait_until("the UA is registered", || node.metric("bindings") == 1);
    Sipp::start(&node, caller_mode, "caller.xml", &["-m", "50", "-r", "100"]).assert_success();
    let client = Client::tcp(&node);
    client.ask(&client.message("ua").call_id("registration")).expect_status(200);
    ua.assert_success();
}

#[test]
fn sipp_calls_sipp_from_tcp_to_udp() {
    calls("t1", "u1");
}

#[test]
fn sipp_calls_sipp_from_udp_to_tcp() {
    calls("u1", "t1");
}

#[test]
fn sipp_calls_sipp_from_tcp_to_tcp() {
    calls("tn", "t1");
}
