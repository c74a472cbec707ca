//! A run: rounds in which both servers are started, hold all their flows, and are loaded with each row in turn.
//!
//! A row is cut in slices, and a slice of the one server is followed by one of the other, a fraction of a second later, so
//! that what else happens on the machine hits both. Which of them goes first changes from slice to slice. The servers of
//! a round are new processes: their memory before the first flow is that of a server which never had one.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use serde::Serialize;
use tokio::time::sleep;

use crate::{
    Fault,
    drive::Bounds,
    driver::Driver,
    process::{Memory, Pinning},
    rows::{Amount, Table},
    server::{Kind, Server},
};

/// Slices of a row in a round.
const SLICES: u64 = 20;

/// How much is done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is done.
    pub table: Table,
    /// This program, which is also the load.
    pub program: PathBuf,
    /// Flows to each server, each a connection with a binding.
    pub flows: u32,
    /// Operations outstanding at any time.
    pub window: u32,
    /// Operations of each row in each round.
    pub operations: u64,
    /// Rounds, each with new processes.
    pub rounds: u32,
    /// A row of a round takes no longer, with each server.
    pub row_time: Duration,
    /// An answer that takes longer is lost.
    pub answer_time: Duration,
    /// The servers rest this long before their memory after all rows is read.
    pub rest: Duration,
    /// Servers and load on cores of their own.
    pub pinning: Option<Pinning>,
}

/// A server by its name in the table.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name in the table.
    pub name: String,
    /// Which it is.
    pub kind: Kind,
}

impl Subject {
    /// A server and its name.
    pub fn new(name: &str, kind: Kind) -> Self {
        Subject { name: name.into(), kind }
    }
}

/// What one round found of both servers.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// For each row the slices of both servers.
    pub rows: Vec<[Vec<Slice>; 2]>,
    /// Memory before the first flow.
    pub before: [Memory; 2],
    /// Memory with all flows registered and idle.
    pub registered: [Memory; 2],
    /// Memory with all flows idle after all rows, and after [`Plan::rest`].
    pub after: [Memory; 2],
}

/// What a slice of a row found of one server.
#[derive(Debug, Clone, Serialize)]
pub struct Slice {
    /// CPU time of the server in microseconds per operation.
    pub cpu_us: f64,
    /// Operations answered.
    pub operations: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// Nanoseconds to each answer, in no order.
    #[serde(skip)]
    pub latencies: Vec<u32>,
}

/// A server and the load on it.
struct Pair {
    server: Server,
    driver: Driver,
}

/// Measures both subjects; gives the rounds.
pub async fn run(plan: &Plan, subjects: &[Subject; 2]) -> Result<Vec<Round>, Fault> {
    let mut rounds = Vec::new();
    for number in 1..=plan.rounds {
        // Progress: a closed stderr is no reason to stop.
        let _ = writeln!(io::stderr(), "round {number} of {}", plan.rounds);
        rounds.push(round(plan, subjects).await?);
    }
    Ok(rounds)
}

async fn round(plan: &Plan, [first, second]: &[Subject; 2]) -> Result<Round, Fault> {
    let mut pairs = [pair(plan, first).await?, pair(plan, second).await?];
    let before = memory(&pairs).await?;
    let mut registered = before;
    let mut slices = Vec::new();
    for (at, entry) in plan.table.rows().iter().enumerate() {
        let amount = entry.row.amount();
        slices.push(in_slices(plan, at, amount, &mut pairs).await?);
        if amount == Amount::EachFlow {
            registered = memory(&pairs).await?;
        }
    }
    sleep(plan.rest).await;
    let after = memory(&pairs).await?;
    Ok(Round { rows: slices, before, registered, after })
}

async fn pair(plan: &Plan, subject: &Subject) -> Result<Pair, Fault> {
    let setup = |error: io::Error| Fault::Setup(format!("pinning: {error}"));
    if let Some(pinning) = &plan.pinning {
        pinning.servers().map_err(setup)?;
    }
    let server = Server::start(&subject.name, &subject.kind, plan.table.over()).await?;
    if let Some(pinning) = &plan.pinning {
        pinning.load().map_err(setup)?;
    }
    let driver =
        Driver::start(&plan.program, plan.table, &server, &server.addresses(), plan.flows, plan.window)?;
    Ok(Pair { server, driver })
}

async fn memory([first, second]: &[Pair; 2]) -> Result<[Memory; 2], Fault> {
    Ok([first.server.memory_at_rest().await?, second.server.memory_at_rest().await?])
}

/// A row of a round: its slices for both servers.
async fn in_slices(
    plan: &Plan,
    row: usize,
    amount: Amount,
    pairs: &mut [Pair; 2],
) -> Result<[Vec<Slice>; 2], Fault> {
    let total = match amount {
        Amount::EachFlow => u64::from(plan.flows),
        Amount::Operations => plan.operations,
    };
    let bounds =
        |operations| Bounds { operations, time: plan.row_time / SLICES as u32, answer: plan.answer_time };
    if amount == Amount::Operations {
        for pair in &mut *pairs {
            pair.driver.drive(row, bounds(total / SLICES)).await?;
        }
    }
    let mut slices = [const { Vec::new() }; 2];
    for slice in 0..SLICES {
        let operations = total * (slice + 1) / SLICES - total * slice / SLICES;
        let order = if slice % 2 == 0 { [0, 1] } else { [1, 0] };
        for subject in order {
            let pair = &mut pairs[subject];
            let before = pair.server.cpu()?;
            let pass = pair.driver.drive(row, bounds(operations)).await?;
            let cpu = pair.server.cpu()?.saturating_sub(before);
            if pass.operations < operations && amount == Amount::EachFlow {
                return Err(Fault::Setup(format!("not all UAs had registered within {:?}", plan.row_time)));
            }
            slices[subject].push(Slice {
                cpu_us: cpu.as_secs_f64() * 1e6 / pass.operations as f64,
                operations: pass.operations,
                elapsed: pass.elapsed,
                latencies: pass.latencies,
            });
        }
    }
    Ok(slices)
}
