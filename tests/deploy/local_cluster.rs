//! `config/deploy/local-cluster`, run as a person runs it.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::{Client, wait_until};

/// The running script. When it is dropped without having been told to end, it is told so, for it has to end what it started.
struct LocalCluster {
    script: Child,
    sip: Vec<u16>,
    admin: Vec<u16>,
    /// What it printed up to the point where it waits.
    said: String,
}

/// How long three nodes and a Redis may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

impl LocalCluster {
    #[track_caller]
    fn start() -> Self {
        let ports = free_ports(10);
        let joined = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
        let mut script =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy/local-cluster"))
                .env("FLOWHOLD", env!("CARGO_BIN_EXE_flowhold"))
                .env("SIP_PORTS", joined(&ports[..3]))
                .env("CLUSTER_PORTS", joined(&ports[3..6]))
                .env("ADMIN_PORTS", joined(&ports[6..9]))
                .env("REDIS_PORT", ports[9].to_string())
                .env_remove("RUST_LOG")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let stdout = BufReader::new(script.stdout.take().unwrap());
        let (line_out, line_in) = mpsc::channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| line_out.send(line))
        });
        let mut cluster =
            Self { script, sip: ports[..3].to_vec(), admin: ports[6..9].to_vec(), said: String::new() };
        let started = Instant::now();
        while !cluster.said.contains("Ctrl-C ends all of it") {
            let line = line_in.recv_timeout(PATIENCE.saturating_sub(started.elapsed()));
            cluster.said += &line.unwrap_or_else(|error| panic!("{error} after\n{}", cluster.said));
            cluster.said.push('\n');
        }
        cluster
    }

    /// The processes that it says it has started.
    fn pids(&self) -> Vec<u32> {
        let pid = |line: &str| line.split_once(" pid ")?.1.split_whitespace().next()?.parse().ok();
        self.said.lines().filter_map(pid).collect()
    }

    fn interrupt(&self) {
        let kill = Command::new("kill").args(["-INT", &self.script.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        if self.script.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.interrupt();
            let _ = self.script.wait();
        }
    }
}

/// Ports of this host that are free over UDP and TCP.
fn free_ports(count: usize) -> Vec<u16> {
    let both = || {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        UdpSocket::bind(tcp.local_addr().unwrap()).map(|udp| (tcp, udp))
    };
    // All at a time, so that none is given twice.
    let held: Vec<_> = std::iter::repeat_with(both).flatten().take(count).collect();
    held.iter().map(|(tcp, _)| tcp.local_addr().unwrap().port()).collect()
}

#[test]
fn one_command_starts_a_cluster_and_takes_all_of_it_away_again() {
    let mut cluster = LocalCluster::start();
    let pids = cluster.pids();
    assert_eq!(pids.len(), 4, "three nodes and a Redis: {}", cluster.said);
    for port in &cluster.admin {
        let mut admin = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], *port))).unwrap();
        std::io::Write::write_all(&mut admin, b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        admin.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }
    let at = |node: usize| {
        let node = SocketAddr::from(([127, 0, 0, 1], cluster.sip[node]));
        Client::connect(node.ip(), node, |_| {})
    };
    let (older, newer, caller) = (at(0), at(1), at(2));
    older.registers_outbound("alice", 1);
    newer.registers_outbound("alice", 2);
    caller.reaches("alice", &newer);
    // What it says to try: node b.
    let killed = Command::new("kill").args(["-9", &pids[2].to_string()]).status().unwrap();
    assert!(killed.success());
    caller.reaches("alice", &older);
    let directory = cluster.said.split_once(" log ").unwrap().1.split_once("/a.log").unwrap().0.to_owned();
    assert!(Path::new(&directory).exists());

    cluster.interrupt();
    wait_until("it ends", || cluster.script.try_wait().unwrap().is_some());
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} still runs");
    }
    assert!(!Path::new(&directory).exists());
}
