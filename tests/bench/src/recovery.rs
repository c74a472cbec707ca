//! A node is killed, and all UAs that had their flows there are to be reachable again: how long that takes.
//!
//! The UAs do what RFC 5626 §4.5 says: a first attempt at once, and after as many failures in a row as there were, a random
//! half to the whole of min(30 min, 30 s x 2^failures), because no other flow of theirs is up. Each goes to one of the nodes
//! that are left, as it would by its outbound-proxy-set, by DNS or through a load balancer.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{Fault, flow::Flow, lane::Lane};

/// RFC 5626 §4.5: base-time-all-fail and max-time.
const BASE: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(1800);

/// An attempt that takes longer has failed.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The node is gone for a UA within this time, or the bench has failed.
const LOSS: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Recovered {
    /// For each UA, the time from the first flow's end to the 200 to its REGISTER over a new flow; the shortest first.
    pub after: Vec<Duration>,
    /// Attempts that failed.
    pub failures: u64,
}

/// Waits until `lost` flows have been closed, has their UAs register again over new flows to `servers`, and gives the
/// times.
pub async fn recover(lanes: &mut [Lane], servers: &[SocketAddr], lost: usize) -> Result<Recovered, Fault> {
    let mut uas = JoinSet::new();
    for (number, lane) in lanes.iter_mut().enumerate() {
        for (place, mut flow) in lane.flows.drain(..).enumerate() {
            let servers = servers.to_vec();
            uas.spawn(async move {
                let Ok(()) = timeout(LOSS, flow.closed()).await else {
                    return (number, place, Ok((flow, None)));
                };
                let closed = Instant::now();
                let renewed = renew(flow, &servers).await;
                (
                    number,
                    place,
                    renewed.map(|(flow, failures)| (flow, Some((closed, Instant::now(), failures)))),
                )
            });
        }
    }
    let mut recovered = Recovered::default();
    let mut times = Vec::new();
    let mut flows: Vec<Vec<(usize, Flow)>> = lanes.iter().map(|_| Vec::new()).collect();
    while let Some(done) = uas.join_next().await {
        let (lane, place, done) = done.map_err(|error| Fault::Setup(format!("a UA ended: {error}")))?;
        let (flow, time) = done?;
        flows[lane].push((place, flow));
        if let Some((closed, registered, failures)) = time {
            times.push((closed, registered));
            recovered.failures += failures;
        }
    }
    for (lane, mut flows) in lanes.iter_mut().zip(flows) {
        flows.sort_unstable_by_key(|(place, _)| *place);
        lane.flows = flows.into_iter().map(|(_, flow)| flow).collect();
    }
    if times.len() != lost {
        return Err(Fault::Setup(format!("{} flows were closed instead of {lost}", times.len())));
    }
    let first = times.iter().map(|(closed, _)| *closed).min();
    recovered.after = times.iter().map(|(_, at)| first.map_or(Duration::ZERO, |first| *at - first)).collect();
    recovered.after.sort_unstable();
    Ok(recovered)
}

/// A new flow of the same UA, and how many attempts failed before.
async fn renew(mut flow: Flow, servers: &[SocketAddr]) -> Result<(Flow, u64), Fault> {
    let mut failures = 0;
    loop {
        let number = u64::from(flow.ua.number);
        let at = usize::try_from((number + failures) % servers.len() as u64)
            .expect("fewer than there are servers");
        match timeout(ATTEMPT, flow.reopen(servers[at])).await {
            Ok(Ok(())) => return Ok((flow, failures)),
            Ok(Err(fault @ Fault::Wrong { .. })) if failures > 5 => return Err(fault),
            Ok(Err(_)) | Err(_) => failures += 1,
        }
        sleep(wait(number, failures)).await;
    }
}

/// How long the UA of this number waits after as many failures in a row.
fn wait(number: u64, failures: u64) -> Duration {
    let doubled = 2_u32.saturating_pow(u32::try_from(failures).unwrap_or(u32::MAX));
    let longest = BASE.saturating_mul(doubled).min(LONGEST);
    // Spread by a multiplicative hash of the UA's number, so that a run can be repeated.
    let part = (number + failures).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    longest / 2 + longest.mul_f64(part as f64 / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appendix_a_all_flows_unusable() {
        for (failures, seconds) in
            [(1, 30..=60), (2, 60..=120), (3, 120..=240), (4, 240..=480), (9, 900..=1800)]
        {
            for number in 0..1000 {
                let waited = wait(number, failures).as_secs();
                assert!(seconds.contains(&waited), "{waited} s after {failures} failures");
            }
        }
    }
}
