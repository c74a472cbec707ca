//! The load on one server, as a process of its own, so that both servers can hold all their flows at the same time: the
//! descriptors of one process would not do for 2 x 10,000 flows.
//!
//! It is told on stdin what to drive and tells on stdout what came of it, a line of JSON each. Only one of the two loads is
//! at work at a time; the other waits, as does its server.

use std::{
    fmt::Display,
    io::{self, BufRead as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::ValueEnum as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Fault,
    child::Running,
    drive::{Bounds, Pass, drive},
    lane::Lane,
    login::Login,
    recovery::{Recovered, recover},
    rows::Table,
    server::Server,
    stream::Dial,
};

/// What the load is told.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Drives the row that has this place in its table.
    Drive { row: usize, bounds: Bounds },
    /// Says that it watches; then every flow that is closed is opened again at one of these servers, and its UA registers.
    Recover { servers: Vec<SocketAddr>, flows: usize },
}

/// A load process.
#[derive(Debug)]
pub struct Driver {
    running: Running,
}

impl Driver {
    /// Starts the load of a table on the server's processes at `addresses`: UAs enough for `flows`, none of them connected
    /// yet.
    pub fn start(
        program: &Path,
        table: Table,
        server: &Server,
        addresses: &[SocketAddr],
        flows: u32,
        window: u32,
    ) -> Result<Self, Fault> {
        let mut command = Command::new(program);
        let table = table.to_possible_value().expect("no table is hidden");
        command.args(["drive", "--table", table.get_name()]);
        for address in addresses {
            command.args(["--server", &address.to_string()]);
        }
        if let Some(trust) = server.certificate() {
            command.arg("--trust").arg(trust);
        }
        let login = server.login().to_possible_value().expect("none is hidden");
        command.args(["--login", login.get_name()]);
        command.args(["--flows", &flows.to_string(), "--window", &window.to_string()]);
        match Running::start(command.stdin(Stdio::piped())) {
            Ok(running) => Ok(Driver { running }),
            Err(error) => Err(Fault::Setup(format!("the load: {error}"))),
        }
    }

    /// Drives a row within the bounds.
    pub async fn drive(&mut self, row: usize, bounds: Bounds) -> Result<Pass, Fault> {
        self.order(&Order::Drive { row, bounds })?;
        self.answer().await
    }

    /// Has the load watch its flows, as many of which will be closed, to open them again at `servers`: see
    /// [`recover`](crate::recovery::recover).
    pub async fn watch(&mut self, servers: Vec<SocketAddr>, flows: usize) -> Result<(), Fault> {
        self.order(&Order::Recover { servers, flows })?;
        self.answer().await
    }

    /// What came of those that [`Driver::watch`] was told of.
    pub async fn recovered(&mut self) -> Result<Recovered, Fault> {
        self.answer().await
    }

    fn order(&mut self, order: &Order) -> Result<(), Fault> {
        let order = serde_json::to_string(order).map_err(ended)?;
        let stdin = self.running.stdin().expect("stdin was asked for");
        writeln!(stdin, "{order}").map_err(ended)
    }

    async fn answer<T: DeserializeOwned>(&mut self) -> Result<T, Fault> {
        let line = self.running.lines.recv().await.ok_or_else(|| ended("no line"))?;
        serde_json::from_str::<Result<T, Fault>>(&line).map_err(ended)?
    }
}

fn ended(error: impl Display) -> Fault {
    Fault::Setup(format!("the load ended: {error}"))
}

/// The load process: carries out the orders on stdin until it closes.
pub async fn serve(
    table: Table,
    servers: &[SocketAddr],
    trust: Option<PathBuf>,
    login: Login,
    flows: u32,
    window: u32,
) -> io::Result<()> {
    let rows = table.rows();
    let dial = Dial::new(table.over(), trust.as_deref())?;
    let mut lanes = Lane::spread(servers, &dial, login, flows, window);
    for line in io::stdin().lock().lines() {
        let done = match serde_json::from_str(&line?)? {
            Order::Drive { row, bounds } => {
                let entry = rows.get(row).ok_or(io::ErrorKind::InvalidInput)?;
                serde_json::to_string(&drive(&entry.row, &mut lanes, bounds).await)?
            }
            Order::Recover { servers, flows } => {
                writeln!(io::stdout(), "{}", serde_json::to_string(&Ok::<(), Fault>(()))?)?;
                serde_json::to_string(&recover(&mut lanes, &servers, flows).await)?
            }
        };
        writeln!(io::stdout(), "{done}")?;
    }
    Ok(())
}
