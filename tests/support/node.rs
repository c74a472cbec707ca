//! A node, as the process that operators run.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use tempfile::TempDir;

use super::wait::{DEADLINE, wait_until};

/// What every node of the tests is told; a test adds what it is about.
const BASE: &str = r#"
[node]
id = "a"
domains = ["example.com"]
# More than one, so that two clients are often not on the same.
workers = 2

[listen]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]

[admin]
listen = "127.0.0.1:0"

[limits]
# What a test finds must not depend on how busy the machine is.
max_queue_delay = "5s"

[log]
filter = "info,flowhold=debug"
"#;

/// A running node. It ends when this is dropped; when the test failed, its log is printed first.
pub(crate) struct Node {
    process: Child,
    directory: TempDir,
    listeners: Vec<(String, SocketAddr)>,
    /// The first line that it prints.
    ready: mpsc::Receiver<String>,
}

impl Node {
    /// Starts a node with `extra` keys of TOML and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(extra: &str) -> Self {
        let mut node = Self::start_unready(extra);
        node.becomes_ready();
        node
    }

    /// Starts a node that something keeps from being ready.
    #[track_caller]
    pub(crate) fn start_unready(extra: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (base, own) = (directory.path().join("base.toml"), directory.path().join("test.toml"));
        fs::write(&base, BASE).unwrap();
        fs::write(&own, extra).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_flowhold"))
            .arg("node")
            .args([PathBuf::from("--config"), base, PathBuf::from("--config"), own])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let (line_out, ready) = mpsc::channel();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = stdout.read_line(&mut line);
            let _ = line_out.send(line);
            // The node must never block on a full pipe.
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        });
        Self { process, directory, listeners: Vec::new(), ready }
    }

    /// Waits until it is ready.
    #[track_caller]
    pub(crate) fn becomes_ready(&mut self) {
        let line = self.ready.recv_timeout(DEADLINE).unwrap_or_default();
        let tokens = line.trim_end().strip_prefix("flowhold ready ");
        let tokens = tokens.unwrap_or_else(|| panic!("the node printed `{line}` instead of its listeners"));
        self.listeners = tokens.split(' ').filter_map(listener).collect();
    }

    /// The address of the UDP listener.
    pub(crate) fn udp(&self) -> SocketAddr {
        self.listener("udp")
    }

    /// The address of the TCP listener.
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.listener("tcp")
    }

    /// The address of the TLS listener.
    pub(crate) fn tls(&self) -> SocketAddr {
        self.listener("tls")
    }

    /// The address of the first listener of this kind.
    #[track_caller]
    pub(crate) fn listener(&self, kind: &str) -> SocketAddr {
        let found = self.listeners(kind).next();
        found.unwrap_or_else(|| panic!("no {kind} listener in {:?}", self.listeners))
    }

    /// The addresses of all listeners of this kind.
    pub(crate) fn listeners<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = SocketAddr> + 'a {
        self.listeners.iter().filter(move |(named, _)| named == kind).map(|&(_, address)| address)
    }

    /// How often a flow was closed for this reason.
    #[track_caller]
    pub(crate) fn flows_closed(&self, reason: &str) -> u64 {
        self.metric(&format!("flows_closed_total{{reason=\"{reason}\"}}"))
    }

    /// A metric by its name without the prefix, with its label: `pings_total{transport="tcp"}`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("flowhold_{name} ")));
        value.unwrap_or_else(|| panic!("no metric {name} in\n{text}")).parse().unwrap()
    }

    /// The whole text of `GET /metrics`.
    pub(crate) fn metrics(&self) -> String {
        let (status, body) = self.get("/metrics");
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Status and body of what the admin listener has at this path.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.listener("admin")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        (status.unwrap_or_else(|| panic!("no status in {head}")), body.to_owned())
    }

    /// The resident memory of the process, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }

    /// What the node has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends the process a signal: `-TERM`, `-STOP`, `-CONT`.
    #[track_caller]
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the process has ended by itself, and returns its exit status.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the node ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            println!("---- log of the node ----\n{}---- end of the log ----", self.log());
        }
    }
}

/// `udp=127.0.0.1:40001`; `None` for a token that names something else, such as the node.
fn listener(token: &str) -> Option<(String, SocketAddr)> {
    let (kind, address) = token.split_once('=')?;
    Some((kind.to_owned(), address.parse().ok()?))
}
