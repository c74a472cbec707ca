//! The Redis of a cluster under measurement, which itself is not measured.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, time::sleep};

use crate::{Fault, child::Running};

/// It takes connections within this time, or it failed.
const START: Duration = Duration::from_secs(10);

/// A running `redis-server` that writes nothing to disk. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    _running: Running,
    url: String,
}

impl Redis {
    /// Starts one on a free port of loopback.
    pub(crate) async fn start(directory: &Path) -> Result<Self, Fault> {
        let fault = |error: io::Error| Fault::Setup(format!("redis-server: {error}"));
        let port = free_port().map_err(fault)?;
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.arg("--dir").arg(directory).stdin(Stdio::null()).stderr(Stdio::null());
        let running = Running::start(&mut command).map_err(fault)?;
        let until = Instant::now() + START;
        while let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            if Instant::now() > until {
                return Err(fault(error));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Redis { _running: running, url: format!("redis://127.0.0.1:{port}") })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
