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

use std::time::{Duration, Instant};

use support::{Node, wait_until};

use attacks::{ATTACKS, Attack};
use population::Population;

/// How many UAs there are.
const UAS: usize = 1000;

/// How much more memory a node may have after an attack than before all of them, in KiB. What the allocator keeps is in
/// it: a few MiB for each worker. What the attacks send is ten times as much.
const ALLOWANCE: u64 = 24 << 10;

/// Limits for a node that is not built for speed and shares its processors with those who attack it.
const LIMITS: &str = r#"
[log]
filter = "warn"

[limits]
header_timeout = "2s"
first_message = "2s"
messages_per_flow = 200
datagrams_per_address = 200
stun_per_address = 500
registers_per_address = 200
max_connections_per_address = 3000

[proxy]
max_transactions = 5000
"#;

#[test]
fn no_attack_costs_a_ua_a_pong_or_an_answer_and_memory_returns_to_its_level() {
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
        let resident = node.resident();
        println!("{name}: {:.1?}, {resident} KiB, {level} KiB before", started.elapsed());
        assert!(resident < level + ALLOWANCE, "after {name} the node has {resident} KiB, and had {level}");
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
