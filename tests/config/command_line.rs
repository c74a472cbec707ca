//! The binary itself: what it prints, where, and its exit status.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use crate::Files;

/// Runs the binary with none of the variables that it reads, but these.
pub(crate) fn flowhold(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowhold"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLOWHOLD__") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn check_sums_a_good_configuration_up() {
    let output = flowhold(&["check"], &[("FLOWHOLD__NODE__ID", "a")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(out(&output), "good: node a for localhost, on udp 127.0.0.1:5060, tcp 127.0.0.1:5060\n");
    assert_eq!(err(&output), "");
}

#[test]
fn check_prints_every_fault_with_file_and_key_and_exits_with_2() {
    let files = Files::new();
    let first = files.write("a.toml", "[node]\nidd = \"a\"\n").display().to_string();
    let second = files.write("b.toml", "[listen]\nudp = []\ntcp = []\n").display().to_string();
    let output =
        flowhold(&["check", "--config", &first, "--config", &second], &[("FLOWHOLD__NODE__WORKERS", "x")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(
        out(&output),
        format!(
            "{first}: node.idd: unknown key, did you mean node.id?\n\
             environment: FLOWHOLD__NODE__WORKERS: a text where a whole number is wanted, such as 0\n\
             {second}: listen.udp: no listener at all: nobody could reach this node\n"
        )
    );
}

#[test]
fn check_prints_warnings_and_exits_with_0() {
    let files = Files::new();
    let file = files.write("a.toml", "[limits]\nmax_message = \"8KiB\"\n").display().to_string();
    let output = flowhold(&["check", "-c", &file], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(out(&output).starts_with(&format!("{file}: limits.max_message: warning: ")), "{output:?}");
}

#[test]
fn a_fault_stops_the_start_with_2_and_without_a_panic() {
    let files = Files::new();
    let file =
        files.write("a.toml", "[registrar]\nmax_bindings = 0\n[nodes]\nid = \"a\"\n").display().to_string();
    for arguments in [&["--config", &file][..], &["node", "--config", &file][..]] {
        let output = flowhold(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(
            err(&output),
            format!(
                "{file}: nodes.id: unknown key, did you mean node.id?\n\
                 {file}: registrar.max_bindings: 0: no UA could register\n"
            )
        );
        assert_eq!(out(&output), "");
    }
}

#[test]
fn a_log_filter_of_the_environment_that_does_not_parse_stops_the_start() {
    let output = flowhold(&["node"], &[("RUST_LOG", "flowhold=loud")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        err(&output).starts_with("environment: RUST_LOG: `flowhold=loud` is no log filter: "),
        "{output:?}"
    );
}

#[test]
fn a_listener_that_cannot_be_had_stops_the_start_with_2_and_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [("FLOWHOLD__LISTEN__UDP", ""), ("FLOWHOLD__LISTEN__TCP", address.as_str())];
    let output = flowhold(&["node"], &variables);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(err(&output).contains(&address), "{output:?}");
    assert!(!err(&output).contains("panicked"), "{output:?}");
}

#[test]
fn help_stands_on_each_command_with_examples() {
    for arguments in
        [&["--help"][..], &["node", "--help"], &["check", "--help"], &["token", "decode", "--help"]]
    {
        let output = flowhold(arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let help = out(&output);
        assert!(help.contains("Examples:") && help.contains("--config <FILE>"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn version_is_the_packages() {
    let output = flowhold(&["--version"], &[]);
    assert_eq!(out(&output), concat!("flowhold ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn an_unknown_argument_is_2() {
    assert_eq!(flowhold(&["--confg", "a.toml"], &[]).status.code(), Some(2));
}

/// A node that is ended with its test, whatever becomes of that.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_node_says_when_it_is_ready_logs_as_it_is_told_and_ends_with_0() {
    let mut node = Command::new(env!("CARGO_BIN_EXE_flowhold"))
        .env("FLOWHOLD__LISTEN__UDP", "")
        .env("FLOWHOLD__LISTEN__TCP", "127.0.0.1:0")
        .env("FLOWHOLD__LOG__FORMAT", "json")
        .env("FLOWHOLD__LIMITS__MAX_MESSAGE", "8KiB")
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Running)
        .unwrap();
    let mut ready = String::new();
    BufReader::new(node.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.contains("127.0.0.1:") && !ready.contains("127.0.0.1:0"), "the port that it got: {ready}");

    let ended = Command::new("kill").args(["-TERM", &node.0.id().to_string()]).status().unwrap();
    assert!(ended.success());
    assert_eq!(node.0.wait().unwrap().code(), Some(0));

    let mut log = String::new();
    node.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let warning = log.lines().next().unwrap();
    assert!(warning.starts_with("{\"timestamp\":") && warning.contains("\"level\":\"WARN\""), "{log}");
    assert!(warning.contains("\"key\":\"FLOWHOLD__LIMITS__MAX_MESSAGE\""), "{log}");
}
