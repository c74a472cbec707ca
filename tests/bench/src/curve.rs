//! The curve of a recovery: how many UAs of a killed node are reachable again, over time.

use std::{
    fmt::{Error, Write as _},
    path::Path,
    time::Duration,
};

use serde::Serialize;

use crate::{
    Fault,
    drive::Bounds,
    driver::Driver,
    recovery::Recovered,
    rows::Table,
    server::{Kind, Node, Server},
};

/// Nodes of the cluster, the killed one included.
const NODES: usize = 3;

/// UAs connect and register, and reach each other, within this time, or the run has failed.
const LONGEST: Duration = Duration::from_secs(120);

/// What a run found.
#[derive(Debug, Serialize)]
pub struct Curve {
    /// UAs of the killed node.
    pub flows: u32,
    /// What came of them.
    pub recovered: Recovered,
}

impl Curve {
    /// Has a cluster hold all flows on one node, kills that, and sees every UA reachable again: after its REGISTER is answered,
    /// each gets a MESSAGE.
    pub async fn measure(program: &Path, node: &Node, flows: u32, window: u32) -> Result<Self, Fault> {
        let kind = Kind::Cluster { node: node.clone(), nodes: NODES };
        let mut cluster = Server::start("cluster", &kind, Table::Across.over()).await?;
        let addresses = cluster.addresses();
        let (killed, left) = addresses.split_first().expect("a cluster has nodes");
        let mut driver = Driver::start(program, Table::Across, &cluster, &[*killed], flows, window)?;
        let bounds = Bounds { operations: flows.into(), time: LONGEST, answer: Duration::from_secs(10) };
        let place = |name: &str| {
            let rows = Table::Across.rows();
            rows.iter().position(|entry| entry.row.name() == name).expect("it is a row of this table")
        };
        driver.drive(place("connect + REGISTER"), bounds).await?;
        driver.watch(left.to_vec(), flows as usize).await?;
        cluster.kill_first();
        let recovered = driver.recovered().await?;
        let reached = driver.drive(place("MESSAGE + 200"), bounds).await?;
        if reached.operations < u64::from(flows) {
            return Err(Fault::Setup(format!("only {} UAs had a MESSAGE in time", reached.operations)));
        }
        Ok(Curve { flows, recovered })
    }

    /// The curve as a table for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a String takes all that is written");
        out
    }

    fn write(&self, out: &mut String) -> Result<(), Error> {
        let Recovered { after, failures } = &self.recovered;
        writeln!(out, "\n{} UAs of a killed node, registered again at {} others", self.flows, NODES - 1)?;
        writeln!(out, "{:>10}  {:>10}", "after", "reachable")?;
        let last = after.last().copied().unwrap_or_default();
        let mut at = Duration::from_millis(100);
        while at < last {
            let reachable = after.partition_point(|time| *time <= at);
            writeln!(out, "{:>8.1} s  {reachable:>10}", at.as_secs_f64())?;
            at = at.mul_f64(1.5);
        }
        writeln!(
            out,
            "{:>8.1} s  {:>10}  (all; attempts that failed before: {failures})",
            last.as_secs_f64(),
            after.len()
        )?;
        writeln!(out, "Each of them has had a MESSAGE since.")
    }
}
