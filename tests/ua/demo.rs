//! `flowhold demo` does what it says, in the time that it says.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn the_demonstration_ends_well_within_20_seconds() {
    let started = Instant::now();
    let output =
        Command::new(env!("CARGO_BIN_EXE_flowhold")).arg("demo").stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}\n{out}", started.elapsed());
    assert_eq!(err, "");
    for shown in [
        "flowhold ready node=demo",
        "registered for 3600 s, with outbound, Flow-Timer 2 s",
        "ping",
        "pong after",
        "Hello Bob!",
        "failed: connection closed",
        "Are you still there?",
        "binding removed, closed",
    ] {
        assert!(out.contains(shown), "{shown} is not shown in\n{out}");
    }
    // Both messages, and they came over different flows.
    let flows: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split_once("message from sip:alice@demo.example over flow ")?.1.get(..1))
        .collect();
    assert!(matches!(flows[..], [one, other] if one != other), "{out}");
}
