//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let files: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .filter(|arg| arg != "node" && arg != "--config")
        .map(PathBuf::from)
        .collect();
    let loaded = match flowhold::config::load(&files, std::env::vars_os()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            tracing::error!(%faults, "configuration");
            return ExitCode::from(2);
        }
    };
    match flowhold::actor::node::run(loaded.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "start");
            ExitCode::from(2)
        }
    }
}
