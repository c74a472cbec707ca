//! One process of a server: started, asked for its CPU and memory, ended.

use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tokio::time::timeout;

use crate::{
    Fault,
    child::Running,
    login::{self, Login},
    over::{Certificate, Over},
    process::{self, Memory},
    server::Node,
    ua::DOMAIN,
};

/// A process is ready within this time, or it failed.
const START: Duration = Duration::from_secs(15);

/// Transactions that a node takes at a time. The load is as fast as the node, and those of an INVITE stay for 32 s after its
/// 2xx (RFC 6026, Timers L and M): more than a node would have to hold in its life outside of a bench.
const TRANSACTIONS: u32 = 10_000_000;

/// What the nodes of a cluster here have in common.
const SECRET: &str = "a secret of the bench's own clusters";

/// What a process runs.
pub(crate) enum Program<'p> {
    /// This program's floor.
    Floor { program: &'p Path, workers: usize },
    /// A node, which keeps its bindings in the Redis at this URL, if there is one.
    Node { node: &'p Node, id: &'p str, redis: Option<&'p str> },
}

/// What a process listens for.
#[derive(Clone, Copy)]
pub(crate) struct Listener<'l> {
    pub(crate) over: Over,
    pub(crate) certificate: Option<&'l Certificate>,
}

/// A running process. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    server: String,
    running: Running,
    address: SocketAddr,
    log: PathBuf,
}

impl Member {
    /// Starts it for the server of this name and waits for the line by which it says where it listens.
    pub(crate) async fn start(
        server: &str,
        program: &Program<'_>,
        listener: Listener<'_>,
        directory: &Path,
    ) -> Result<Self, Fault> {
        let fault = |why: String| Fault::Server { server: server.into(), why };
        let log = directory.join(match program {
            Program::Floor { .. } => "floor.log".into(),
            Program::Node { id, .. } => format!("{id}.log"),
        });
        let stderr = File::create(&log).map_err(|error| fault(error.to_string()))?;
        let mut command = program.command(listener, directory).map_err(|error| fault(error.to_string()))?;
        let running = Running::start(command.stdin(Stdio::null()).stderr(stderr));
        let running =
            running.map_err(|error| fault(format!("{}: {error}", command.get_program().display())))?;
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut member = Member { server: server.into(), running, address: unknown, log };
        member.address = member.wait_until_ready(listener.over).await?;
        Ok(member)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time since its start.
    pub(crate) fn cpu(&self) -> Result<Duration, Fault> {
        process::cpu(self.running.pid()).map_err(|error| self.fault(&format!("its CPU time: {error}")))
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> Result<Memory, Fault> {
        process::memory(self.running.pid()).map_err(|error| self.fault(&format!("its memory: {error}")))
    }

    async fn wait_until_ready(&mut self, over: Over) -> Result<SocketAddr, Fault> {
        let ready = async {
            while let Some(line) = self.running.lines.recv().await {
                if line.split_whitespace().any(|word| word == "ready") {
                    return Some(line);
                }
            }
            None
        };
        let Ok(Some(line)) = timeout(START, ready).await else { return Err(self.fault("no ready line")) };
        let listener = format!("{over}=");
        let address = line.split_whitespace().find_map(|word| word.strip_prefix(&listener));
        address
            .and_then(|address| address.split(',').next()?.parse().ok())
            .ok_or_else(|| self.fault(&format!("its ready line names no listener for {over}: {line}")))
    }

    /// A fault of this process, with the end of its log.
    fn fault(&self, why: &str) -> Fault {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(10)..].join("\n");
        Fault::Server { server: self.server.clone(), why: format!("{why}\n{end}") }
    }
}

impl Program<'_> {
    fn command(&self, listener: Listener<'_>, directory: &Path) -> std::io::Result<Command> {
        let Listener { over, certificate } = listener;
        Ok(match self {
            Program::Floor { program, workers } => {
                let mut command = Command::new(program);
                command.args(["floor", "--listen", "127.0.0.1:0", "--workers", &workers.to_string()]);
                command.args(["--over", &over.to_string()]);
                if let Some(Certificate { chain, key }) = certificate {
                    command.arg("--certificate").arg(chain).arg("--key").arg(key);
                }
                command
            }
            Program::Node { node, id, redis } => {
                let listen = match over {
                    Over::Tcp => "tcp = [\"127.0.0.1:0\"]".to_owned(),
                    Over::Tls | Over::Ws | Over::Wss => format!("tcp = []\n{over} = [\"127.0.0.1:0\"]"),
                };
                let path = directory.join(format!("{id}.toml"));
                let mut file = File::create(&path)?;
                write!(
                    file,
                    "[node]\nid = \"{id}\"\ndomains = [\"{DOMAIN}\"]\nworkers = {}\n\
                     [listen]\nudp = []\n{listen}\n\
                     [limits]\nmax_connections_per_address = {}\n\
                     registers_per_second = 0\nregisters_per_address = 0\nmessages_per_flow = 0\nmax_queue_delay = \"10s\"\n\
                     [proxy]\nmax_transactions = {TRANSACTIONS}\n\
                     [admin]\nlisten = \"\"\n",
                    node.workers, node.flows,
                )?;
                if let Some(Certificate { chain, key }) = certificate {
                    let (chain, key) = (chain.display(), key.display());
                    write!(file, "[tls]\ncertificate = \"{chain}\"\nprivate_key = \"{key}\"\n")?;
                }
                let trust = match node.login {
                    Login::Never => None,
                    Login::Once => Some("1h"),
                    Login::Each => Some("0s"),
                };
                if let Some(trust) = trust {
                    let users = directory.join(format!("{id}.users.toml"));
                    let only_ours = Permissions::from_mode(0o600);
                    fs::write(&users, login::users(node.flows))
                        .and_then(|()| fs::set_permissions(&users, only_ours))?;
                    let users = users.display();
                    write!(
                        file,
                        "[auth]\nmode = \"digest\"\nusers = \"{users}\"\nflow_trust = \"{trust}\"\n"
                    )?;
                }
                if let Some(url) = redis {
                    write!(
                        file,
                        "[location]\nstore = \"redis\"\nredis_url = \"{url}\"\n\
                         [cluster]\nlisten = \"127.0.0.1:0\"\nsecret = \"{SECRET}\"\n",
                    )?;
                }
                let mut command = Command::new(&node.program);
                command.args(["node", "--config"]).arg(path).env_remove("RUST_LOG");
                for (key, _) in std::env::vars_os() {
                    if key.as_encoded_bytes().starts_with(b"FLOWHOLD__") {
                        command.env_remove(key);
                    }
                }
                command
            }
        })
    }
}
