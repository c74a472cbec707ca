//! Random UAs, random faults, and what must hold all the same.
//!
//! UAs with two reg-ids each register over three nodes, move, unregister and lose their flows, while nodes are killed, frozen
//! and cut off, and Redis is killed, emptied and frozen. After each step that is no fault, and after each fault when it is over:
//!
//! - every UA with a live flow whose REGISTER was acknowledged is reached from every node, without having done anything
//!   about the fault: no acknowledged binding is lost;
//! - no request that was sent after a flow was replaced, unregistered or closed is delivered over it.
//!
//! Redis is emptied or frozen only when each node has heard which of its bindings were replaced through another, a fifth of the
//! lease later at most: see `flowhold_cluster::clustered` for what would be left open. Before that, and without Redis, a node goes
//! by what it knows itself, and that may be a flow that was replaced a moment ago.
//!
//! The seed is printed. `FLOWHOLD_SEED=7 FLOWHOLD_STEPS=100` runs the same again, or more or less of it.

mod rng;
mod world;

use std::time::{SystemTime, UNIX_EPOCH};

use rng::Rng;
use world::World;

/// Steps of a run.
const STEPS: u64 = 1000;

#[test]
fn random_faults_lose_no_acknowledged_binding_and_reach_no_stale_flow() {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = number("FLOWHOLD_SEED").unwrap_or(time);
    let steps = number("FLOWHOLD_STEPS").unwrap_or(STEPS);
    println!("FLOWHOLD_SEED={seed} FLOWHOLD_STEPS={steps}");
    let mut world = World::start(Rng::new(seed));
    for _ in 0..steps {
        world.step();
    }
    world.settle();
    let done = world.done();
    println!("{done:?}");
    // A run in which next to nothing happened proves nothing.
    assert!(done.registered > steps / 10 && done.reached > steps / 10, "{done:?}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}
