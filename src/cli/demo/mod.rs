//! `flowhold demo`: a node and two UAs on this machine, and what outbound is good for, step by step.
//!
//! It needs nothing and leaves nothing behind. Each step waits for what it shows, so that a demonstration that ends well
//! has proven what it says.

mod play;
mod relay;
mod stage;

use std::io::{stderr, stdout};
use std::process::ExitCode;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use super::say;

pub(crate) fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let shown = match runtime {
        Ok(runtime) => runtime.block_on(show()),
        Err(error) => Err(error.to_string()),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            say(&mut stderr(), &format!("flowhold: the demonstration failed: {reason}"));
            ExitCode::FAILURE
        }
    }
}

/// Plays it, unless somebody has seen enough. Either way the node ends with it.
async fn show() -> Result<(), String> {
    let started = Instant::now();
    let terminated = signal(SignalKind::terminate());
    let mut terminated = terminated.map_err(|error| error.to_string())?;
    tokio::select! {
        played = play::play() => played?,
        _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
        _ = terminated.recv() => return Err("interrupted".to_owned()),
    }
    say(&mut stdout(), &format!("That was all, in {:.0} seconds.", started.elapsed().as_secs_f64()));
    Ok(())
}
