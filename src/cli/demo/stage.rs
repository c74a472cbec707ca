//! Who takes part in the demonstration: the node, a process of its own, and the UAs, with what happens to them.

use std::env;
use std::io::{BufRead, BufReader, stdout};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::timeout;

use flowhold::proto::recovery::{self, BackOff};
use flowhold::proto::ua::{Event, Settings};
use flowhold::ua::{self, report};

use crate::cli::say;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(12);

/// The domain that the node is the registrar of.
pub(super) const DOMAIN: &str = "demo.example";

/// A running node. It ends when this is dropped.
pub(super) struct Node {
    process: Child,
    /// The line that it printed.
    pub(super) ready: String,
    /// Its TCP listeners.
    pub(super) tcp: Vec<SocketAddr>,
}

impl Node {
    /// Starts one with two TCP listeners on free ports, and a Flow-Timer that is worth watching.
    pub(super) async fn start() -> Result<Node, String> {
        let mut command = Command::new(env::current_exe().map_err(|error| error.to_string())?);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("FLOWHOLD__") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        for (key, value) in [
            ("NODE__ID", "demo"),
            ("NODE__DOMAINS", DOMAIN),
            ("NODE__WORKERS", "1"),
            ("LISTEN__UDP", "127.0.0.1:0"),
            ("LISTEN__TCP", "127.0.0.1:0,127.0.0.1:0"),
            ("ADMIN__LISTEN", "127.0.0.1:0"),
            ("OUTBOUND__FLOW_TIMER", "2s"),
            ("LOG__FILTER", "off"),
        ] {
            command.env(format!("FLOWHOLD__{key}"), value);
        }
        command.arg("node").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| format!("a node cannot be started: {error}"))?;
        let stdout = process.stdout.take();
        let mut node = Node { process, ready: String::new(), tcp: Vec::new() };
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
            line
        });
        let line = timeout(PATIENCE, line).await.ok().and_then(Result::ok).unwrap_or_default();
        line.trim_end().clone_into(&mut node.ready);
        let listeners = node.ready.split(' ').filter_map(|token| token.strip_prefix("tcp="));
        node.tcp = listeners.filter_map(|address| address.parse().ok()).collect();
        if node.tcp.len() == 2 { Ok(node) } else { Err("the node does not start".to_owned()) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A UA of the demonstration.
pub(super) struct Phone {
    name: &'static str,
    proxies: Vec<String>,
    commands: mpsc::Sender<ua::Command>,
    events: mpsc::Receiver<Event>,
}

impl Phone {
    /// Starts a UA with a flow to each of these addresses.
    pub(super) fn start(name: &'static str, addresses: &[SocketAddr]) -> Result<Phone, String> {
        let proxies: Vec<String> =
            addresses.iter().map(|address| format!("sip:{address};transport=tcp")).collect();
        let uris: Vec<&str> = proxies.iter().map(String::as_str).collect();
        let instance_id = format!("urn:uuid:{:08x}-0000-4000-8000-000000000000", rand::random::<u32>());
        let mut registrations =
            recovery::Settings::new(&aor(name), &instance_id, &uris).map_err(|fault| fault.to_string())?;
        let second = Duration::from_secs(1);
        registrations.back_off = BackOff { max: 4 * second, base_all_failed: second, base_some_up: second };
        let settings = Settings { registrations, takes_calls: true, ring: second };
        let (commands, commanded) = mpsc::channel(8);
        let (happens, events) = mpsc::channel(64);
        tokio::spawn(ua::run(settings, None, commanded, happens));
        Ok(Phone { name, proxies, commands, events })
    }

    pub(super) async fn command(&self, command: ua::Command) {
        let _ = self.commands.send(command).await;
    }

    pub(super) async fn send(&self, to: &str, text: &str) {
        self.command(ua::Command::Send { to: aor(to), text: text.to_owned() }).await;
    }

    /// Shows what happens until this has; returns what `is_it` makes of it.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        mut is_it: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, String> {
        let waited = timeout(PATIENCE, async {
            while let Some(event) = self.events.recv().await {
                self.show(&event);
                if let Some(found) = is_it(&event) {
                    return Some(found);
                }
            }
            None
        });
        waited.await.ok().flatten().ok_or_else(|| format!("{}: {what} did not happen", self.name))
    }

    /// Shows what happens until all is over.
    pub(super) async fn end(&mut self) -> Result<(), String> {
        self.command(ua::Command::Stop).await;
        let ended = timeout(PATIENCE, async {
            while let Some(event) = self.events.recv().await {
                self.show(&event);
            }
        });
        ended.await.map_err(|_| format!("{} does not end", self.name))
    }

    fn show(&self, event: &Event) {
        let line = report::in_words(SystemTime::now(), event, &self.proxies);
        say(&mut stdout(), &format!("     {line_name:<6}{line}", line_name = self.name));
    }
}

pub(super) fn aor(name: &str) -> String {
    format!("sip:{name}@{DOMAIN}")
}
