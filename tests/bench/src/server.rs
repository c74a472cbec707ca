//! A server under measurement: its own process, started on a free port, ended by its pid.

use std::{
    fs::{self, File},
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{
    Fault,
    child::Running,
    process::{self, Memory},
    ua::DOMAIN,
};

/// A server is ready within this time, or it failed.
const START: Duration = Duration::from_secs(15);

/// Transactions that a node takes at a time. The load is as fast as the node, and those of an INVITE stay for 32 s after its
/// 2xx (RFC 6026, Timers L and M): more than a node would have to hold in its life outside of a bench.
const TRANSACTIONS: u32 = 10_000_000;

/// Which server.
#[derive(Debug, Clone)]
pub enum Kind {
    /// This program's floor.
    Floor {
        /// This program.
        program: PathBuf,
        /// Threads; 0: one per core.
        workers: usize,
    },
    /// A node with the memory store.
    Node {
        /// The `flowhold` binary.
        program: PathBuf,
        /// Workers; 0: one per core.
        workers: usize,
        /// Flows that it must take from one address.
        flows: u32,
    },
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    name: String,
    running: Running,
    tcp: SocketAddr,
    directory: TempDir,
}

impl Server {
    /// Starts the server and waits for the line by which it says where it listens.
    pub async fn start(name: &str, kind: &Kind) -> Result<Self, Fault> {
        let fault = |why: String| Fault::Server { server: name.into(), why };
        let directory = TempDir::new().map_err(|error| fault(error.to_string()))?;
        let mut command = command(kind, directory.path()).map_err(|error| fault(error.to_string()))?;
        let log = File::create(log(&directory)).map_err(|error| fault(error.to_string()))?;
        let running = Running::start(command.stdin(Stdio::null()).stderr(log));
        let running =
            running.map_err(|error| fault(format!("{}: {error}", command.get_program().display())))?;
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Server { name: name.into(), running, tcp: unknown, directory };
        server.tcp = server.wait_until_ready().await?;
        Ok(server)
    }

    /// Where it listens for TCP.
    pub fn tcp(&self) -> SocketAddr {
        self.tcp
    }

    /// CPU time since its start.
    pub fn cpu(&self) -> Result<Duration, Fault> {
        process::cpu(self.running.pid()).map_err(|error| self.fault(&format!("its CPU time: {error}")))
    }

    /// Memory now.
    pub fn memory(&self) -> Result<Memory, Fault> {
        process::memory(self.running.pid()).map_err(|error| self.fault(&format!("its memory: {error}")))
    }

    /// Memory at rest: read until it and the CPU time stand still for a moment, for five seconds at most.
    pub async fn memory_at_rest(&self) -> Result<Memory, Fault> {
        let until = Instant::now() + Duration::from_secs(5);
        let (mut memory, mut cpu) = (self.memory()?, self.cpu()?);
        loop {
            sleep(Duration::from_millis(250)).await;
            let now = (self.memory()?, self.cpu()?);
            let still = now.0.rss.abs_diff(memory.rss) <= 64 * 1024
                && now.1.abs_diff(cpu) < Duration::from_millis(10);
            (memory, cpu) = now;
            if still || Instant::now() > until {
                return Ok(memory);
            }
        }
    }

    async fn wait_until_ready(&mut self) -> Result<SocketAddr, Fault> {
        let ready = async {
            while let Some(line) = self.running.lines.recv().await {
                if line.split_whitespace().any(|word| word == "ready") {
                    return Some(line);
                }
            }
            None
        };
        let Ok(Some(line)) = timeout(START, ready).await else { return Err(self.fault("no ready line")) };
        let tcp = line.split_whitespace().find_map(|word| word.strip_prefix("tcp="));
        tcp.and_then(|tcp| tcp.split(',').next()?.parse().ok())
            .ok_or_else(|| self.fault(&format!("its ready line names no TCP listener: {line}")))
    }

    /// A fault of this server, with the end of its log.
    fn fault(&self, why: &str) -> Fault {
        let log = fs::read_to_string(log(&self.directory)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(10)..].join("\n");
        Fault::Server { server: self.name.clone(), why: format!("{why}\n{end}") }
    }
}

fn log(directory: &TempDir) -> PathBuf {
    directory.path().join("stderr")
}

fn command(kind: &Kind, directory: &Path) -> std::io::Result<Command> {
    Ok(match kind {
        Kind::Floor { program, workers } => {
            let mut command = Command::new(program);
            command.args(["floor", "--listen", "127.0.0.1:0", "--workers", &workers.to_string()]);
            command
        }
        Kind::Node { program, workers, flows } => {
            let file = directory.join("bench.toml");
            write!(
                File::create(&file)?,
                "[node]\nid = \"bench\"\ndomains = [\"{DOMAIN}\"]\nworkers = {workers}\n\
                 [listen]\ntcp = [\"127.0.0.1:0\"]\nudp = [\"127.0.0.1:0\"]\n\
                 [limits]\nmax_connections_per_address = {flows}\n\
                 [proxy]\nmax_transactions = {TRANSACTIONS}\n\
                 [admin]\nlisten = \"\"\n",
            )?;
            let mut command = Command::new(program);
            command.args(["node", "--config"]).arg(file).env_remove("RUST_LOG");
            for (key, _) in std::env::vars_os() {
                if key.as_encoded_bytes().starts_with(b"FLOWHOLD__") {
                    command.env_remove(key);
                }
            }
            command
        }
    })
}
