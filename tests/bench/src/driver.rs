//! The load on one server, as a process of its own, so that both servers can hold all their flows at the same time: the
//! descriptors of one process would not do for 2 x 10,000 flows.
//!
//! It is told on stdin what to drive and tells on stdout what came of it, a line of JSON each. Only one of the two loads is
//! at work at a time; the other waits, as does its server.

use std::{
    io::{self, BufRead as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::{
    Fault,
    child::Running,
    drive::{Bounds, Pass, drive},
    lane::Lane,
    rows,
};

/// Drives a row.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// Place of the row in [`rows::all`].
    row: usize,
    bounds: Bounds,
}

/// A load process.
#[derive(Debug)]
pub struct Driver {
    running: Running,
}

impl Driver {
    /// Starts the load on `server`: UAs enough for `flows`, none of them connected yet.
    pub fn start(program: &Path, server: SocketAddr, flows: u32, window: u32) -> Result<Self, Fault> {
        let mut command = Command::new(program);
        command.args(["drive", "--server", &server.to_string()]);
        command.args(["--flows", &flows.to_string(), "--window", &window.to_string()]);
        match Running::start(command.stdin(Stdio::piped())) {
            Ok(running) => Ok(Driver { running }),
            Err(error) => Err(Fault::Setup(format!("the load: {error}"))),
        }
    }

    /// Drives a row within the bounds.
    pub async fn drive(&mut self, row: usize, bounds: Bounds) -> Result<Pass, Fault> {
        let ended = |error: String| Fault::Setup(format!("the load ended: {error}"));
        let order =
            serde_json::to_string(&Order { row, bounds }).map_err(|error| ended(error.to_string()))?;
        let stdin = self.running.stdin().expect("stdin was asked for");
        writeln!(stdin, "{order}").map_err(|error| ended(error.to_string()))?;
        let line = self.running.lines.recv().await.ok_or_else(|| ended("no line".into()))?;
        serde_json::from_str::<Result<Pass, Fault>>(&line).map_err(|error| ended(error.to_string()))?
    }
}

/// The load process: carries out the orders on stdin until it closes.
pub async fn serve(server: SocketAddr, flows: u32, window: u32) -> io::Result<()> {
    let rows = rows::all();
    let mut lanes = Lane::spread(server, flows, window);
    for line in io::stdin().lock().lines() {
        let Order { row, bounds } = serde_json::from_str(&line?)?;
        let row = rows.get(row).ok_or(io::ErrorKind::InvalidInput)?;
        let done = drive(row, &mut lanes, bounds).await;
        writeln!(io::stdout(), "{}", serde_json::to_string(&done)?)?;
    }
    Ok(())
}
