//! Peers that mean harm, while a population of UAs that do not goes about its business: none of these loses a pong, an
//! answer or a call, and the node's memory returns to its level.
//!
//! - `population`: the UAs, each with a flow of its own, which ping, send each other messages and call each other all the time
//! - `attacks`: what the others do, each for a bounded time, from addresses of their own
//! - `memory`: what the node holds after each of them
//! - `overload`: more than the node can do, asked for by anybody
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod memory;
mod overload;
mod population;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use support::digest::Users;
use support::tls::Ca;
use support::{Node, wait_until_within};

use attacks::auth::{self, MALLORY};
use attacks::{Attack, Victim};
use memory::Memory;
use population::{LOST, Population, Terms, raise_descriptors};

/// How many UAs there are.
const UAS: usize = 1000;

/// Each test takes all of the machine.
static ALONE: Mutex<()> = Mutex::new(());

/// Limits for a node that is not built for speed and shares its processors with those who attack it.
const LIMITS: &str = r#"
[log]
filter = "warn"

[limits]
header_timeout = "1500ms"
first_message = "3s"
messages_per_flow = 200
datagrams_per_address = 200
stun_per_address = 500
registers_per_address = 200
max_connections_per_address = 1200
tls_handshakes = 256
tls_handshake_timeout = "2s"
# On a machine that is busy anyway, 503 is the answer to what would have to wait for too long.
max_queue_delay = "1s"

[proxy]
max_transactions = 5000

[outbound]
# Longer than a pong may take: who floods UDP has the pings of others lost with it.
flow_timer_udp = "60s"

[listen]
ws = ["127.0.0.1:0"]
tls = ["127.0.0.1:0"]
"#;

#[test]
fn no_attack_costs_a_ua_a_pong_an_answer_or_a_call_and_memory_returns_to_its_level() {
    withstands(attacks::all(), Terms { count: UAS, password: None }, "");
}

#[test]
fn nor_does_one_on_passwords() {
    let names: Vec<String> = (0..UAS).map(|number| format!("good{number}")).collect();
    let mut users: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "good")).collect();
    users.push(MALLORY);
    let users = Users::new(&users);
    let keys = users.keys("remembered = 2400\nflow_trust_udp = \"1h\"");
    withstands(auth::ATTACKS, Terms { count: UAS, password: Some("good") }, &keys);
}

/// A node with these keys withstands these attacks.
fn withstands(attacks: impl IntoIterator<Item = &'static Attack>, terms: Terms, keys: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (descriptors, ca) = (raise_descriptors(), Ca::new());
    let node = Node::start(&format!("{LIMITS}[tls]\n{}{keys}", ca.node()));
    let population = Population::register(&node, terms, &ca.client());
    let flows = population.flows();
    let mut victim = Victim { node: &node, descriptors, tls: ca.client(), flows, before: Vec::new() };
    // What only comes to be with use is no attack's.
    let calls = |more: u64| {
        let before = population.calls();
        wait_until_within(2 * LOST, "the UAs call each other", || population.calls() >= before + more);
    };
    calls(UAS as u64 / 8);
    let mut memory = Memory::of(&node);
    for attack in attacks {
        let started = Instant::now();
        endured(attack, &mut victim, &population);
        memory.returns(attack.name, || endured(attack, &mut victim, &population));
        let slowest = population.slowest_pong();
        println!("{}: {:.1?}, {memory}, a pong took {slowest:.1?} at most", attack.name, started.elapsed());
    }
    calls(UAS as u64 / 10);
    println!(
        "{} calls, {} answers, {} of them 503",
        population.calls(),
        population.answered(),
        population.turned_away()
    );
    population.end();
    let lines = node.log().lines().count();
    assert!(lines < 400, "{lines} lines of log");
}

/// It is found out, nobody else is harmed, and when it is over everything goes on.
fn endured(attack: &Attack, victim: &mut Victim<'_>, population: &Population) {
    let Attack { name, run, found_out } = attack;
    victim.before = found_out.iter().map(|metric| (*metric, victim.node.metric(metric))).collect();
    let before = population.answered();
    run(victim);
    // Whatever was under way when it ended.
    wait_until_within(LOST, &format!("after {name} the UAs are alone again"), || victim.is_left_alone());
    population.assert_unharmed(name);
    // Each of them has had something to say during this, or has now.
    wait_until_within(LOST, &format!("after {name} the UAs go on"), || {
        population.answered() > before + UAS as u64 / 2
    });
    wait_until_within(LOST, &format!("{name}: {found_out:?} rise"), || victim.overlooks().is_empty());
}

/// How long something has been going on.
fn lasts(time: Duration) -> impl Fn() -> bool {
    let until = Instant::now() + time;
    move || Instant::now() < until
}
