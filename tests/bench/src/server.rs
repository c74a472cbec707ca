//! A server under measurement: its own processes, started on free ports, ended by their pids. A cluster counts as one
//! server: what its nodes spend is added up, what their Redis spends is not.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    Fault,
    login::Login,
    member::{Listener, Member, Program},
    over::{Certificate, Over},
    process::Memory,
    redis::Redis,
};

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
    Node(Node),
    /// Nodes that share a Redis.
    Cluster {
        /// Each of them.
        node: Node,
        /// How many.
        nodes: usize,
    },
}

/// How a node is started.
#[derive(Debug, Clone)]
pub struct Node {
    /// The `flowhold` binary.
    pub program: PathBuf,
    /// Workers; 0: one per core.
    pub workers: usize,
    /// Flows that it must take from one address, and users that it has where they have to prove who they are.
    pub flows: u32,
    /// How often UAs have to prove that.
    pub login: Login,
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    members: Vec<Member>,
    certificate: Option<Certificate>,
    login: Login,
    _redis: Option<Redis>,
    _directory: TempDir,
}

impl Server {
    /// Starts the server and waits for the lines by which its processes say where they listen.
    pub async fn start(name: &str, kind: &Kind, over: Over) -> Result<Self, Fault> {
        let fault = |why: String| Fault::Server { server: name.into(), why };
        let directory = TempDir::new().map_err(|error| fault(error.to_string()))?;
        let certificate = over.has_tls().then(|| Certificate::make(directory.path())).transpose();
        let certificate = certificate.map_err(|error| fault(error.to_string()))?;
        let listener = Listener { over, certificate: certificate.as_ref() };
        let mut members = Vec::new();
        let mut redis = None;
        match kind {
            Kind::Floor { program, workers } => {
                let program = Program::Floor { program, workers: *workers };
                members.push(Member::start(name, &program, listener, directory.path()).await?);
            }
            Kind::Node(node) => {
                let program = Program::Node { node, id: "bench", redis: None };
                members.push(Member::start(name, &program, listener, directory.path()).await?);
            }
            Kind::Cluster { node, nodes } => {
                let redis = redis.insert(Redis::start(directory.path()).await?);
                for number in 1..=*nodes {
                    let id = format!("bench{number}");
                    let program = Program::Node { node, id: &id, redis: Some(redis.url()) };
                    members.push(Member::start(name, &program, listener, directory.path()).await?);
                }
            }
        }
        let login = match kind {
            Kind::Floor { .. } => Login::Never,
            Kind::Node(node) | Kind::Cluster { node, .. } => node.login,
        };
        Ok(Server { members, certificate, login, _redis: redis, _directory: directory })
    }

    /// The file with the certificate that it shows, if it shows one.
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_ref().map(|certificate| certificate.chain.as_path())
    }

    /// How often its UAs have to prove who they are.
    pub fn login(&self) -> Login {
        self.login
    }

    /// Where its processes listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(Member::address).collect()
    }

    /// Kills the first of its processes, without a warning.
    pub fn kill_first(&mut self) {
        drop(self.members.remove(0));
    }

    /// CPU time since its start.
    pub fn cpu(&self) -> Result<Duration, Fault> {
        self.members.iter().map(Member::cpu).sum()
    }

    /// Memory now.
    pub fn memory(&self) -> Result<Memory, Fault> {
        self.members.iter().map(Member::memory).sum()
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
}
