//! The command line of the bench.

use std::{
    io,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use flowhold_bench::{
    Fault,
    curve::Curve,
    driver,
    floor::{self, Between},
    login::Login,
    over::{Certificate, Over},
    process::{self, Pinning},
    report::Report,
    rows::Table,
    run::{self, Plan, Subject},
    server::{Kind, Node},
};
use serde::Serialize;
use tokio::{
    runtime,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

/// What a node costs, as a ratio to a bare responder that is measured in the same run.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the bare responder until it is ended; prints a line with its address when it is ready.
    Floor {
        /// Where to listen; port 0: a free one.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Threads; 0: one per core.
        #[arg(long, default_value_t = 0)]
        workers: usize,
        /// What flows run over.
        #[arg(long, value_enum, default_value_t = Over::Tcp)]
        over: Over,
        /// The certificate that it shows, and its private key, over TLS.
        #[arg(long, requires = "key")]
        certificate: Option<PathBuf>,
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Starts floor and node in turn, loads them, and prints the table. Exit status: 0; 1 for an answer lost or wrong; 2 when it
    /// could not run; 3 with --strict when a row is beyond its limit.
    Load(Load),
    /// The same for clusters, which takes a `redis-server`: a node with Redis against one without, two nodes that forward to each
    /// other against one, and the time until all UAs of a killed node are reachable again.
    Cluster(Load),
    /// The same for digest authentication: a node that asks nobody who they are against one that asks once over each flow, and
    /// against one that asks with each request.
    Auth(Load),
    /// The load's own process, which is started for each server: takes orders on stdin.
    #[command(hide = true)]
    Drive {
        #[arg(long)]
        table: Table,
        #[arg(long)]
        server: Vec<SocketAddr>,
        #[arg(long)]
        trust: Option<PathBuf>,
        #[arg(long, value_enum)]
        login: Login,
        #[arg(long)]
        flows: u32,
        #[arg(long)]
        window: u32,
    },
}

#[derive(Args)]
struct Load {
    /// The `flowhold` binary; without it the floor is compared with itself, which shows how exact the figures are.
    #[arg(long)]
    node: Option<PathBuf>,
    /// What flows run over; a cluster has TCP.
    #[arg(long, value_enum, default_value_t = Over::Tcp)]
    over: Over,
    /// Flows to each server, each a connection with a binding (two at least).
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    flows: u32,
    /// Operations of each row in each round.
    #[arg(long, default_value_t = 50_000)]
    ops: u64,
    /// Rounds, each with new processes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Operations outstanding at any time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    /// Workers of floor and node; 0: one per core.
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// The longest that a row of a round may take with each server.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    row_time: Duration,
    /// An answer that takes longer is lost.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    answer_time: Duration,
    /// Rest before the memory after all rows is read. A proxy keeps the transactions of an INVITE for 32 s after its 2xx
    /// (RFC 6026, Timers L and M), and the node gives back to the system what is free within 10 s.
    #[arg(long, default_value = "45s", value_parser = humantime::parse_duration)]
    rest: Duration,
    /// The load on the last core, the servers on all others.
    #[arg(long)]
    pin: bool,
    /// The report as JSON on stdout; the table goes to stderr.
    #[arg(long)]
    json: bool,
    /// A row beyond its limit is an exit status of 3.
    #[arg(long)]
    strict: bool,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Floor { listen, workers, over, certificate, key } => {
            run_floor(listen, workers, over, certificate.zip(key).as_ref())
        }
        Command::Load(load) => run_load(&load),
        Command::Cluster(load) => run_cluster(&load),
        Command::Auth(load) => run_auth(&load),
        Command::Drive { table, server, trust, login, flows, window } => {
            run_driver(table, &server, trust, login, flows, window)
        }
    };
    done.unwrap_or_else(|fault| {
        // Nobody is left to tell when stderr is closed too.
        let _ = writeln!(io::stderr(), "{fault}");
        ExitCode::from(if fault.is_answer() { 1 } else { 2 })
    })
}

fn run_floor(
    listen: SocketAddr,
    workers: usize,
    over: Over,
    certificate: Option<&(PathBuf, PathBuf)>,
) -> Result<ExitCode, Fault> {
    let config = || match certificate {
        Some((chain, key)) => Certificate { chain: chain.clone(), key: key.clone() }.server().map_err(setup),
        None => Err(Fault::Setup("TLS takes --certificate and --key".into())),
    };
    let between = match over {
        Over::Tcp => Between::Nothing,
        Over::Ws => Between::WebSocket,
        Over::Tls => Between::Tls(config()?),
        Over::Wss => Between::WebSocketOverTls(config()?),
    };
    let started = process::raise_descriptor_limit().and_then(|_| floor::start(listen, workers, &between));
    let address = started.and_then(|address| {
        writeln!(io::stdout(), "floor ready {over}={address}")?;
        Ok(address)
    });
    address.map_err(|error| Fault::Setup(format!("floor on {listen}: {error}")))?;
    loop {
        std::thread::park();
    }
}

fn run_driver(
    table: Table,
    servers: &[SocketAddr],
    trust: Option<PathBuf>,
    login: Login,
    flows: u32,
    window: u32,
) -> Result<ExitCode, Fault> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .and_then(|runtime| runtime.block_on(driver::serve(table, servers, trust, login, flows, window)));
    done.map(|()| ExitCode::SUCCESS).map_err(|error| Fault::Setup(format!("load: {error}")))
}

fn run_load(load: &Load) -> Result<ExitCode, Fault> {
    let program = load.prepare()?;
    let floor = Kind::Floor { program: program.clone(), workers: load.workers };
    let other = match load.node() {
        Some(node) => Subject::new("node", Kind::Node(node)),
        None => Subject::new("floor again", floor.clone()),
    };
    let subjects = [Subject::new("floor", floor), other];
    let report = interruptible(load.compare(&program, Table::of(load.over), &subjects))?;
    load.show(&report, &report.table())?;
    Ok(load.verdict(&[report]))
}

fn run_cluster(load: &Load) -> Result<ExitCode, Fault> {
    let program = load.prepare()?;
    let Some(node) = load.node() else { return Err(Fault::Setup("a cluster takes --node".into())) };
    let cluster = |nodes| Kind::Cluster { node: node.clone(), nodes };
    let store = [Subject::new("memory", Kind::Node(node.clone())), Subject::new("Redis", cluster(1))];
    let across = [Subject::new("one node", cluster(1)), Subject::new("two nodes", cluster(2))];
    let (store, across, curve) = interruptible(async {
        Ok((
            load.compare(&program, Table::Store, &store).await?,
            load.compare(&program, Table::Across, &across).await?,
            Curve::measure(&program, &node, load.flows, load.window).await?,
        ))
    })?;
    let tables = [store.table(), across.table(), curve.table()].concat();
    load.show(&(&store, &across, &curve), &tables)?;
    Ok(load.verdict(&[store, across]))
}

fn run_auth(load: &Load) -> Result<ExitCode, Fault> {
    let program = load.prepare()?;
    let Some(node) = load.node() else { return Err(Fault::Setup("authentication takes --node".into())) };
    let subject = |name, login| Subject::new(name, Kind::Node(Node { login, ..node.clone() }));
    let open = subject("not asked", Login::Never);
    let trusted = [open.clone(), subject("asked once", Login::Once)];
    let each = [open, subject("each time", Login::Each)];
    let (trusted, each) = interruptible(async {
        Ok((
            load.compare(&program, Table::Trusted, &trusted).await?,
            load.compare(&program, Table::Each, &each).await?,
        ))
    })?;
    load.show(&(&trusted, &each), &[trusted.table(), each.table()].concat())?;
    Ok(load.verdict(&[trusted, each]))
}

impl Load {
    /// Raises the limit of descriptors, and gives this program.
    fn prepare(&self) -> Result<PathBuf, Fault> {
        let descriptors = process::raise_descriptor_limit().map_err(setup)?;
        if descriptors < u64::from(self.flows) + 100 {
            return Err(Fault::Setup(format!(
                "{} flows need more descriptors than the limit of {descriptors}",
                self.flows
            )));
        }
        std::env::current_exe().map_err(setup)
    }

    fn node(&self) -> Option<Node> {
        let program = self.node.clone()?;
        Some(Node { program, workers: self.workers, flows: self.flows, login: Login::Never })
    }

    async fn compare(&self, program: &Path, table: Table, subjects: &[Subject; 2]) -> Result<Report, Fault> {
        let plan = Plan {
            table,
            program: program.to_owned(),
            flows: self.flows,
            window: self.window,
            operations: self.ops,
            rounds: self.rounds,
            row_time: self.row_time,
            answer_time: self.answer_time,
            rest: self.rest,
            pinning: self.pin.then(Pinning::part).transpose().map_err(setup)?,
        };
        let rounds = run::run(&plan, subjects).await?;
        Ok(Report::new(table, subjects, self.flows, rounds))
    }

    fn show(&self, report: &impl Serialize, table: &str) -> Result<(), Fault> {
        if self.json {
            let json =
                serde_json::to_string_pretty(report).map_err(|error| Fault::Setup(error.to_string()))?;
            write!(io::stderr(), "{table}").and_then(|()| writeln!(io::stdout(), "{json}")).map_err(setup)
        } else {
            write!(io::stdout(), "{table}").map_err(setup)
        }
    }

    fn verdict(&self, reports: &[Report]) -> ExitCode {
        let falls_short = reports.iter().any(|report| !report.falls_short().is_empty());
        if self.strict && falls_short { ExitCode::from(3) } else { ExitCode::SUCCESS }
    }
}

/// A run that is interrupted drops what it holds: its processes end with it.
fn interruptible<T>(measure: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(setup)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(setup)?;
        let interrupted = || Err(Fault::Setup("interrupted".into()));
        tokio::select! {
            measured = measure => measured,
            _ = ctrl_c() => interrupted(),
            _ = terminate.recv() => interrupted(),
        }
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn setup(error: io::Error) -> Fault {
    Fault::Setup(error.to_string())
}
