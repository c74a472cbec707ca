//! `flowhold node`: runs a node until it is told to end.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use tracing::warn;
use tracing_subscriber::EnvFilter;

use flowhold::actor::node::StartError;
use flowhold::config::{Fault, Faults, Loaded, Log, LogFormat};

use super::{ConfigurationFiles, WRONG, say};

pub(crate) const EXAMPLES: &str = "\
Examples:
  What all nodes share, and what is this node's own:
      flowhold node --config common.toml --config node-a.toml
  Any free port, and a log of every message's way:
      FLOWHOLD__LISTEN__TCP=127.0.0.1:0 RUST_LOG=flowhold=debug flowhold node";

pub(crate) fn run(layers: &ConfigurationFiles) -> ExitCode {
    let started = layers.read().and_then(|loaded| start_log(&loaded.config.log).map(|()| loaded));
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
    if let Err(error) = flowhold_heap::keep_small() {
        warn!(%error, "memory that is free is not given back");
    }
    match flowhold::actor::node::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not through the log, which may be set to say nothing.
            say(&mut stderr(), &format!("flowhold: {error}"));
            match error {
                StartError::Listen { .. }
                | StartError::NextHop(_)
                | StartError::Users(_)
                | StartError::Tls { .. }
                | StartError::Redis(_)
                | StartError::RedisFile { .. } => ExitCode::from(WRONG),
                StartError::System(_) => ExitCode::FAILURE,
            }
        }
    }
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
