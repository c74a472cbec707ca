//! The command line: `flowhold` or `flowhold node` runs a node, `flowhold check` looks at its configuration.
//!
//! Exit status: 0 when all went well, 1 when the node could not do what it should, 2 when what it was asked for is wrong
//! (the command line, the configuration, a listener that it names).

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing::warn;
use tracing_subscriber::EnvFilter;

use flowhold::actor::node::StartError;
use flowhold::config::{self, Config, Fault, Faults, Loaded, Log, LogFormat};

/// Runs a SIP registrar and edge proxy that holds the flows of clients behind NAT.
///
/// A client opens a connection to Flowhold, registers over it and keeps it alive with pings (SIP outbound, RFC 5626);
/// Flowhold delivers every request for that client over that connection.
///
/// Without a subcommand it runs a node. Without a configuration the node listens on 127.0.0.1:5060, UDP and TCP, and
/// takes registrations for any address-of-record of the domain `localhost`.
#[derive(Parser)]
#[command(name = "flowhold", version, args_conflicts_with_subcommands = true, max_term_width = 100, after_long_help = EXAMPLES)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    layers: ConfigurationFiles,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a node until SIGTERM or SIGINT.
    ///
    /// When it is ready, it prints one line that names its listeners, each with the port that it got. The log goes to
    /// standard error: how much of it says `log.filter` in the configuration, or RUST_LOG, which wins.
    ///
    /// A fault in the configuration stops the start with exit status 2, and every fault is named.
    #[command(after_long_help = NODE_EXAMPLES)]
    Node(ConfigurationFiles),
    /// Reads a configuration and reports every fault in it, without starting anything.
    ///
    /// Each fault is a line `FILE: KEY: REASON` on standard output, and the exit status is then 2. What is allowed and
    /// probably not meant is a line `FILE: KEY: warning: REASON`. A configuration that a node can start with ends in a
    /// line that sums it up, and exit status 0.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(ConfigurationFiles),
}

#[derive(Args)]
struct ConfigurationFiles {
    /// A configuration file (TOML). Give it several times to lay files over one another: the later one wins
    ///
    /// The files are laid over the built-in defaults, and the environment over the files: FLOWHOLD__SECTION__KEY sets a
    /// key, with commas between the values of a list. Every key, its unit, its default and when to change it stand in
    /// config/default.toml of the source.
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  Try it out on this machine, with the defaults:
      flowhold
  Run it for a domain, with TCP on all addresses:
      FLOWHOLD__NODE__DOMAINS=example.com FLOWHOLD__LISTEN__TCP=0.0.0.0:5060 flowhold
  Find out what is wrong with a configuration:
      flowhold check --config /etc/flowhold.toml";

const NODE_EXAMPLES: &str = "\
Examples:
  What all nodes share, and what is this node's own:
      flowhold node --config common.toml --config node-a.toml
  Any free port, and a log of every message's way:
      FLOWHOLD__LISTEN__TCP=127.0.0.1:0 RUST_LOG=flowhold=debug flowhold node";

const CHECK_EXAMPLES: &str = "\
Examples:
  Before a restart:
      flowhold check --config /etc/flowhold.toml && systemctl restart flowhold
  The defaults with one key changed by the environment:
      FLOWHOLD__OUTBOUND__FLOW_TIMER=60s flowhold check";

/// What was asked for is wrong.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    match line.command.unwrap_or(Command::Node(line.layers)) {
        Command::Node(layers) => node(&layers),
        Command::Check(layers) => check(&layers),
    }
}

fn node(layers: &ConfigurationFiles) -> ExitCode {
    let started = read(layers).and_then(|loaded| start_log(&loaded.config.log).map(|()| loaded));
    let Loaded { config, warnings } = match started {
        Ok(loaded) => loaded,
        Err(faults) => {
            say(&mut stderr(), &faults.to_string());
            return ExitCode::from(WRONG);
        }
    };
    for Fault { file, key, reason } in warnings {
        warn!(%file, %key, "{reason}");
    }
    match flowhold::actor::node::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not through the log, which may be set to say nothing.
            say(&mut stderr(), &format!("flowhold: {error}"));
            match error {
                StartError::Listen { .. } => ExitCode::from(WRONG),
                StartError::System(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn check(layers: &ConfigurationFiles) -> ExitCode {
    match read(layers) {
        Ok(Loaded { config, warnings }) => {
            for Fault { file, key, reason } in warnings {
                say(&mut stdout(), &format!("{file}: {key}: warning: {reason}"));
            }
            say(&mut stdout(), &summary(&config));
            ExitCode::SUCCESS
        }
        Err(faults) => {
            say(&mut stdout(), &faults.to_string());
            ExitCode::from(WRONG)
        }
    }
}

fn read(layers: &ConfigurationFiles) -> Result<Loaded, Faults> {
    config::load(&layers.config, std::env::vars_os())
}

/// The log, from here on, on standard error: in colours where a person looks at it.
fn start_log(log: &Log) -> Result<(), Faults> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter).map_err(|error| {
            let reason = format!("`{filter}` is no log filter: {error}");
            Faults(vec![Fault { file: "environment".to_owned(), key: "RUST_LOG".to_owned(), reason }])
        })?,
        _ => EnvFilter::new(&log.filter),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match log.format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

/// What a node would do, in a line.
fn summary(config: &Config) -> String {
    let udp = config.listen.udp.iter().map(|address| format!("udp {address}"));
    let tcp = config.listen.tcp.iter().map(|address| format!("tcp {address}"));
    let listeners: Vec<String> = udp.chain(tcp).collect();
    format!(
        "good: node {} for {}, on {}",
        config.node.id,
        config.node.domains.join(", "),
        listeners.join(", ")
    )
}

/// A line to a stream that may be closed: then nobody wants to know.
fn say(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}
