//! `flowhold ua` as a process, and what it says happens.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::ua::DOMAIN;
use super::wait::{DEADLINE, wait_until};

/// A running UA. It ends when this is dropped; when the test failed, what it said is printed first.
pub(crate) struct UaProcess {
    process: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
    home: TempDir,
}

impl UaProcess {
    /// A UA of this user with a flow to each proxy, and waits for a failed flow that a test can wait for.
    pub(crate) fn start(user: &str, proxies: &[String], more: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("instance-id");
        Self::start_with(user, proxies, &state, more, &[], home)
    }

    /// The same with variables of the environment.
    pub(crate) fn start_with_env(
        user: &str,
        proxies: &[String],
        more: &[&str],
        env: &[(&str, &str)],
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("instance-id");
        Self::start_with(user, proxies, &state, more, env, home)
    }

    /// The same with the instance-id of another one.
    pub(crate) fn start_as(other: &Self, user: &str, proxies: &[String], more: &[&str]) -> Self {
        Self::start_with(user, proxies, &other.state(), more, &[], tempfile::tempdir().unwrap())
    }

    fn start_with(
        user: &str,
        proxies: &[String],
        state: &Path,
        more: &[&str],
        env: &[(&str, &str)],
        home: TempDir,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowhold"));
        command.args(["ua", "--json", "--aor", &format!("sip:{user}@{DOMAIN}"), "--state"]).arg(state);
        command.args(["--base-all-failed", "200ms", "--base-some-up", "400ms", "--max-wait", "2s"]);
        for proxy in proxies {
            command.args(["--proxy", proxy]);
        }
        command.env_remove("FLOWHOLD_PASSWORD").envs(env.iter().copied()).args(more);
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (sender, events) = mpsc::channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                let _ = sender.send(event);
            }
        });
        Self { process, events, seen: Vec::new(), home }
    }

    /// The file of its instance-id.
    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("instance-id")
    }

    /// Waits until this happens.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.until_within(DEADLINE, what, is_it)
    }

    #[track_caller]
    pub(crate) fn until_within(
        &mut self,
        time: Duration,
        what: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else { panic!("{what} did not happen") };
            self.seen.push(event.clone());
            if is_it(&event) {
                return event;
            }
        }
    }

    /// Waits until an event of this name happens to a flow.
    #[track_caller]
    pub(crate) fn flow(&mut self, reg_id: u64, event: &str) -> Value {
        self.until(&format!("{event} of flow {reg_id}"), |it| it["event"] == event && it["reg_id"] == reg_id)
    }

    /// Waits until this has happened to each of the flows 1 to `flows`, in any order.
    #[track_caller]
    pub(crate) fn flows(&mut self, flows: u64, event: &str) {
        let from = self.seen.len();
        let happened = |seen: &[Value]| {
            (1..=flows).all(|flow| seen.iter().any(|it| it["event"] == event && it["reg_id"] == flow))
        };
        while !happened(&self.seen[from..]) {
            self.until(&format!("{event} of {flows} flows"), |_| true);
        }
    }

    /// What it has said so far.
    pub(crate) fn seen(&mut self) -> &[Value] {
        self.seen.extend(self.events.try_iter());
        &self.seen
    }

    /// Asks it to end, and returns its exit status.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let kill = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(kill.success());
        self.ends()
    }

    /// Waits for its end, and returns its exit status.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the UA ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        // All that it said.
        while let Ok(event) = self.events.recv_timeout(DEADLINE) {
            self.seen.push(event);
        }
        status.unwrap().code()
    }
}

impl Drop for UaProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            println!("---- what the UA said ----");
            for event in self.seen() {
                println!("{event}");
            }
            println!("---- end ----");
        }
    }
}

/// Where a UA finds this listener.
pub(crate) fn proxy(transport: &str, address: std::net::SocketAddr) -> String {
    format!("sip:{address};transport={transport}")
}

/// Runs a UA until it ends: exit status, standard output, standard error.
pub(crate) fn run_ua(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowhold"));
    command.arg("ua").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let text = |pipe: &mut dyn Read| {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    };
    let (mut out, mut err) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
    let out = text(&mut out);
    let err = text(&mut err);
    (process.wait().unwrap().code(), out, err)
}
