//! The closed loop: each lane starts its next operation when the answer to its last one came and was found right.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Fault,
    lane::Lane,
    rows::{Amount, Row},
};

/// What bounds a pass.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Bounds {
    /// Operations in all.
    pub operations: u64,
    /// No operation starts after this time.
    pub time: Duration,
    /// An answer that takes longer is lost.
    pub answer: Duration,
}

/// What a pass did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Pass {
    /// Operations that were answered; fewer than asked for when the time ran out.
    pub operations: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Nanoseconds from request to answer, one for each operation, in no order.
    pub latencies: Vec<u32>,
}

/// Drives a row's operation over all lanes until a bound is reached, then checks that no flow has bytes left over.
pub async fn drive(row: &Arc<dyn Row>, lanes: &mut Vec<Lane>, bounds: Bounds) -> Result<Pass, Fault> {
    let left = Arc::new(AtomicI64::new(i64::try_from(bounds.operations).unwrap_or(i64::MAX)));
    let started = Instant::now();
    let mut places = JoinSet::new();
    for lane in lanes.drain(..) {
        places.spawn(repeat(row.clone(), lane, left.clone(), started, bounds));
    }
    let mut pass = Pass::default();
    while let Some(place) = places.join_next().await {
        let (lane, latencies) = place.map_err(|error| Fault::Setup(format!("a lane ended: {error}")))??;
        lanes.push(lane);
        pass.latencies.extend(latencies);
    }
    pass.elapsed = started.elapsed();
    pass.operations = pass.latencies.len() as u64;
    // Whatever the server still has to say that nobody asked for, it says before the next row begins.
    sleep(Duration::from_millis(20)).await;
    lanes.iter_mut().try_for_each(Lane::check_quiet)?;
    Ok(pass)
}

async fn repeat(
    row: Arc<dyn Row>,
    mut lane: Lane,
    left: Arc<AtomicI64>,
    started: Instant,
    bounds: Bounds,
) -> Result<(Lane, Vec<u32>), Fault> {
    let mut latencies = Vec::new();
    while started.elapsed() < bounds.time {
        // A row that is done once for each flow ends on a lane when all of its UAs have one.
        let possible = row.amount() == Amount::Operations || !lane.waiting.is_empty();
        if !possible || left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            break;
        }
        let begun = Instant::now();
        match timeout(bounds.answer, row.operate(&mut lane)).await {
            Ok(done) => done?,
            Err(_) => {
                return Err(Fault::Lost {
                    what: row.name().into(),
                    flow: lane.current(),
                    after: bounds.answer,
                });
            }
        }
        latencies.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
    Ok((lane, latencies))
}
