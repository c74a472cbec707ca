//! The table: medians, ratios, limits, and what falls short.

use std::fmt::{Error, Write as _};

use serde::Serialize;

use crate::{
    process::Memory,
    rows::Table,
    run::{Round, Slice, Subject},
};

/// What a run found. Arrays of two: the floor, then what it is compared with.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Names of the servers.
    pub servers: [String; 2],
    /// Flows of each server.
    pub flows: u32,
    /// What they run over.
    pub over: String,
    /// The rows.
    pub rows: Vec<Line>,
    /// Memory per flow.
    pub memory: Vec<MemoryLine>,
    /// All that was measured.
    pub rounds: Vec<Round>,
}

/// A row: the server's CPU time per operation.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Name of the row.
    pub row: &'static str,
    /// Microseconds of CPU per operation: medians over all slices.
    pub cpu_us: [f64; 2],
    /// The second's CPU to the first's, in each pair of slices: the median.
    pub ratio: f64,
    /// The quartiles of these ratios: half of the pairs lie between.
    pub quartiles: [f64; 2],
    /// What the ratio may be at most.
    pub limit: Option<f64>,
    /// Wall time to the answer and rate.
    pub speed: [Speed; 2],
}

/// Of server and load together on this machine: for information.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Speed {
    /// Median time to the answer, in microseconds.
    pub p50_us: f64,
    /// The time in microseconds within which 99 of 100 answers came.
    pub p99_us: f64,
    /// Operations answered per second.
    pub per_second: f64,
}

/// Memory in bytes per flow.
#[derive(Debug, Serialize)]
pub struct MemoryLine {
    /// What was read.
    pub row: &'static str,
    /// Medians over the rounds.
    pub bytes: [f64; 2],
    /// What the second's may be at most.
    pub limit: Option<f64>,
}

impl Report {
    /// The report of a run.
    pub fn new(table: Table, [floor, node]: &[Subject; 2], flows: u32, rounds: Vec<Round>) -> Self {
        let rows = table.rows().into_iter().enumerate();
        let lines = rows.map(|(at, entry)| line(entry.row.name(), entry.limit, &rounds, at)).collect();
        let memory = |row, limit, read: fn(&Round) -> [[Memory; 2]; 2], kind: fn(&Memory) -> u64| {
            let of = |subject: usize| {
                median(rounds.iter().map(|round| {
                    let [before, then] = read(round).map(|memory| kind(&memory[subject]) as f64);
                    (then - before) / f64::from(flows)
                }))
            };
            MemoryLine { row, bytes: [of(0), of(1)], limit }
        };
        let limit = table.memory_limit();
        let registered = |round: &Round| [round.before, round.registered];
        let after = |round: &Round| [round.before, round.after];
        let memory = vec![
            memory("RSS, registered and idle", limit, registered, |memory| memory.rss),
            memory("RSS, idle after all rows", limit, after, |memory| memory.rss),
            memory("PSS, registered and idle", None, registered, |memory| memory.pss),
            memory("heap, registered and idle", None, registered, |memory| memory.anonymous),
        ];
        Report {
            servers: [floor.name.clone(), node.name.clone()],
            flows,
            over: table.over().to_string(),
            rows: lines,
            memory,
            rounds,
        }
    }

    /// The rows beyond their limit.
    pub fn falls_short(&self) -> Vec<&'static str> {
        let rows = self.rows.iter().filter(|line| !within(line.ratio, line.limit)).map(|line| line.row);
        let memory =
            self.memory.iter().filter(|line| !within(line.bytes[1], line.limit)).map(|line| line.row);
        rows.chain(memory).collect()
    }

    /// The report as tables for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a String takes all that is written");
        out
    }

    fn write(&self, out: &mut String) -> Result<(), Error> {
        let [floor, node] = &self.servers;
        let (flows, over, rounds) = (self.flows, &self.over, self.rounds.len());
        writeln!(
            out,
            "\nCPU of the server in microseconds per operation, {flows} flows over {over}, {rounds} rounds"
        )?;
        writeln!(out, "{:<27}{floor:>12}{node:>12}{:>8}{:>14}{:>8}", "", "ratio", "(half within)", "limit")?;
        for Line { row, cpu_us: [floor, node], ratio, quartiles: [low, high], limit, .. } in &self.rows {
            let quartiles = format!("({low:.2}-{high:.2})");
            let verdict = verdict(*ratio, *limit, 2);
            writeln!(out, "{row:<27}{floor:>12.2}{node:>12.2}{ratio:>8.2}{quartiles:>14}{verdict}")?;
        }

        writeln!(out, "\nMemory of the server in bytes per flow: (then - before the first flow) / flows")?;
        writeln!(out, "{:<27}{floor:>12}{node:>12}{:>30}", "", "limit")?;
        for MemoryLine { row, bytes: [floor, node], limit } in &self.memory {
            let verdict = verdict(*node, *limit, 0);
            writeln!(out, "{row:<27}{floor:>12.0}{node:>12.0}{:>22}{verdict}", "")?;
        }
        let before = |subject: usize| {
            median(self.rounds.iter().map(|round| round.before[subject].rss as f64 / 1024.0))
        };
        writeln!(out, "{:<27}{:>12.0}{:>12.0}", "RSS before, KiB in all", before(0), before(1))?;

        writeln!(
            out,
            "\nFor information: time to the answer and rate, of server and load together on this machine"
        )?;
        writeln!(out, "{:<27}{:<12}{:>12}{:>12}{:>12}", "", "", "p50 us", "p99 us", "per second")?;
        for line in &self.rows {
            for (name, Speed { p50_us, p99_us, per_second }) in self.servers.iter().zip(line.speed) {
                writeln!(out, "{:<27}{name:<12}{p50_us:>12.0}{p99_us:>12.0}{per_second:>12.0}", line.row)?;
            }
        }
        match self.falls_short()[..] {
            [] => writeln!(out, "\nNo answer lost, none wrong. Nothing falls short."),
            ref rows => writeln!(out, "\nNo answer lost, none wrong. FALLS SHORT: {}.", rows.join("; ")),
        }
    }
}

fn line(row: &'static str, limit: Option<f64>, rounds: &[Round], at: usize) -> Line {
    // A slice in which the time ran out before the first answer says nothing.
    let pairs = || {
        let all = rounds.iter().flat_map(|round| round.rows[at][0].iter().zip(&round.rows[at][1]));
        all.filter(|(floor, node)| floor.operations > 0 && node.operations > 0)
    };
    let ratios = || pairs().map(|(floor, node)| node.cpu_us / floor.cpu_us);
    Line {
        row,
        cpu_us: [median(pairs().map(|pair| pair.0.cpu_us)), median(pairs().map(|pair| pair.1.cpu_us))],
        ratio: median(ratios()),
        quartiles: [quantile(ratios(), 0.25), quantile(ratios(), 0.75)],
        limit,
        speed: [speed(&pairs().map(|pair| pair.0)), speed(&pairs().map(|pair| pair.1))],
    }
}

fn speed<'a>(slices: &(impl Iterator<Item = &'a Slice> + Clone)) -> Speed {
    let latencies = || slices.clone().flat_map(|slice| &slice.latencies).map(|&ns| f64::from(ns) / 1000.0);
    let seconds: f64 = slices.clone().map(|slice| slice.elapsed.as_secs_f64()).sum();
    let operations: u64 = slices.clone().map(|slice| slice.operations).sum();
    Speed {
        p50_us: quantile(latencies(), 0.5),
        p99_us: quantile(latencies(), 0.99),
        per_second: operations as f64 / seconds,
    }
}

fn within(value: f64, limit: Option<f64>) -> bool {
    limit.is_none_or(|limit| value <= limit)
}

fn verdict(value: f64, limit: Option<f64>, digits: usize) -> String {
    let Some(limit) = limit else { return String::new() };
    format!("{limit:>8.digits$}  {}", if value <= limit { "ok" } else { "FALLS SHORT" })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this part of the values lies, between two of them in proportion; NaN of none.
fn quantile(values: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let place = last as f64 * part;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        let values = || [3.0, 1.0, 2.0, 4.0].into_iter();
        let found = [0.0, 0.25, 0.5, 1.0].map(|part| quantile(values(), part));
        assert!(found.iter().zip([1.0, 1.75, 2.5, 4.0]).all(|(found, right)| (found - right).abs() < 1e-9));
        assert!(quantile([].into_iter(), 0.5).is_nan());
    }

    #[test]
    fn a_value_at_its_limit_is_ok_and_one_that_is_unknown_falls_short() {
        assert!(within(2.5, Some(2.5)) && !within(2.51, Some(2.5)) && !within(f64::NAN, Some(2.5)));
        assert_eq!(verdict(2.5, Some(2.5), 2).trim(), "2.50  ok");
    }
}
