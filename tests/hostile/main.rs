//! Peers that mean harm, while a population of UAs that do not goes about its business: none of these loses a pong or an
//! answer, and the node's memory returns to its level.
//!
//! - `population`: the UAs, each with a flow of its own, which ping and send each other messages all the time
//! - `attacks`: what the others do, each for a bounded time, from an address of their own
//! - `overload`: more than the node can do, asked for by anybody
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod overload;
mod population;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use support::{Node, wait_until, wait_until_within};

use attacks::{ATTACKS, Attack};
use population::Population;

/// How many UAs there are.
const UAS: usize = 1000;

/// How much more memory a node may have after an attack than before all of them, in KiB: what `proxy.max_transactions` below
/// take at their peak, which the allocator keeps in part. What the attacks send is ten times as much.
const ALLOWANCE: u64 = 48 << 10;

/// Each test takes all of the machine.
static ALONE: Mutex<()> = Mutex::new(());

/// How long requests that were under way may keep theirs: 64 T1, and some time to give it back.
const AFTERWARDS: Duration = Duration::from_secs(40);

/// Limits for a node that is not built for speed and shares its processors with those who attack it.
const LIMITS: &str = r#"
[log]
filter = "warn"

[limits]
header_timeout = "1500ms"
first_message = "5s"
messages_per_flow = 200
datagrams_per_address = 200
stun_per_address = 500
registers_per_address = 200
max_connections_per_address = 1200

[proxy]
max_transactions = 5000
"#;

#[test]
fn no_attack_costs_a_ua_a_pong_or_an_answer_and_memory_returns_to_its_level() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let descriptors = population::raise_descriptors();
    let node = Node::start(LIMITS);
    let population = Population::register(&node, UAS);
    let level = node.resident();
    for Attack { name, run, closed, refused } in ATTACKS {
        let closed = closed.iter().map(|reason| format!("flows_closed_total{{reason=\"{reason}\"}}"));
        let refused = refused.iter().map(|reason| format!("refused_total{{reason=\"{reason}\"}}"));
        let counts: Vec<_> = closed.chain(refused).map(|metric| (node.metric(&metric), metric)).collect();
        let before = population.answered();
        let started = Instant::now();
        run(&node, descriptors);
        // Whatever was under way when it ended.
        wait_until(&format!("after {name} the UAs are alone again"), || {
            node.metric("connections{transport=\"tcp\"}") == UAS as u64
        });
        population.assert_unharmed(name);
        // Each of them has had something to say during this, or has now.
        wait_until(&format!("after {name} the UAs go on"), || {
            population.answered() > before + UAS as u64 / 2
        });
        for (count, metric) in counts {
            wait_until(&format!("{name}: {metric} rises"), || node.metric(&metric) > count);
        }
        wait_until_within(AFTERWARDS, &format!("after {name} memory returns to {level} KiB"), || {
            node.resident() < level + ALLOWANCE
        });
        let resident = node.resident();
        println!("{name}: {:.1?}, {resident} KiB, {level} KiB before", started.elapsed());
    }
    population.end();
    let lines = node.log().lines().count();
    assert!(lines < 200, "{lines} lines of log");
}

/// How long something has been going on.
fn lasts(time: Duration) -> impl Fn() -> bool {
    let until = Instant::now() + time;
    move || Instant::now() < until
}
