//! Whatever nodes, flows, UAs and Redis do: when they come to rest, each live flow's newest acknowledged binding is found
//! at every node, and nothing of a flow that has ended.
//!
//! One seed makes one history, but for what runs at the same time. `FLOWHOLD_SEED` repeats it, `FLOWHOLD_LASTS` is how
//! many seconds it goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use flowhold_cluster::binding::Aor;
use flowhold_cluster::directory::Load;
use flowhold_cluster::flow::Flow;
use flowhold_cluster::location::{Change, Changes, Known, Location, Update};

use crate::{ALICE, Cluster, Node, Register, ways};

const NODES: [&str; 3] = ["a", "b", "c"];
const UAS: usize = 12;
/// Rounds between two times of rest.
const ROUNDS: usize = 6;
/// How long it goes on.
const LASTS: Duration = Duration::from_secs(10);

struct Random(u64);

impl Random {
    /// Below `end`.
    fn below(&mut self, end: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % end
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

struct Ua {
    aor: String,
    cseq: u32,
    /// The node and the flow of its newest acknowledged binding.
    bound: Option<(usize, Flow)>,
    /// What REGISTERs put since that were not acknowledged, and that may be there instead.
    given_up: Vec<(usize, Flow)>,
    /// Redis may not have that binding, so that nobody is told when it is displaced.
    is_lost: bool,
    /// Nodes that will be told that a binding left them.
    unheard: BTreeSet<usize>,
    /// Nodes that are not told, since Redis had lost the binding. What is left open (`clustered` says so): while the UA has no
    /// newer binding, they may put that one back.
    untold: BTreeSet<usize>,
    /// Flows of nodes that have not ended.
    flows: Vec<(usize, Flow)>,
    /// What happened since the last time of rest.
    log: Vec<String>,
}

impl Ua {
    /// All is at rest.
    fn compare(&mut self, cluster: &Cluster, nodes: &[Node]) {
        let way = |(node, flow): &(usize, Flow)| (NODES[*node].to_owned(), flow.id.slot);
        let find = |node: &Node| match node.lookup(&self.aor) {
            Ok(Known::Yes(bindings)) => ways(&bindings),
            // Not long after Redis was emptied it is not said that nobody knows an AOR.
            Ok(Known::No) | Err(_) => Vec::new(),
        };
        let found: Vec<_> = nodes.iter().map(find).collect();
        let context =
            format!("{}: {found:?}\n{}\n{}", self.aor, cluster.stored(&self.aor), self.log.join("\n"));
        assert!(found.iter().all(|other| *other == found[0]), "the nodes differ: {context}");
        let found = &found[0];
        assert!(
            found.iter().all(|found| self.flows.iter().any(|flow| way(flow) == *found)),
            "dead: {context}"
        );
        let given_up = self.given_up.iter().find(|flow| vec![way(flow)] == *found);
        if let Some(given_up) = given_up {
            self.bound = Some(*given_up);
        }
        let expected: Vec<_> = self.bound.iter().map(way).collect();
        if self.bound.is_some() || self.untold.is_empty() {
            assert_eq!(*found, expected, "{context}");
        }
        if self.bound.is_some() {
            self.untold.clear();
        }
        self.is_lost = false;
        self.unheard.clear();
        self.given_up.clear();
        self.log.clear();
    }

    /// A node has replaced or removed a binding of another one.
    fn displaced(&mut self, before: Option<(usize, Flow)>, by: usize) {
        if let Some((holder, _)) = before.filter(|(holder, _)| *holder != by) {
            if self.is_lost {
                self.untold.insert(holder);
            } else {
                self.unheard.insert(holder);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Register(usize, Flow),
    Unregister(usize),
    Fail(usize, Flow),
}

#[derive(Debug)]
enum Fault {
    None,
    Flush,
    RollBack,
    Expire(usize),
    Disconnect,
    Hang,
}

#[test]
fn at_rest_every_node_finds_each_live_flows_newest_binding_and_nothing_of_dead_ones() {
    let clock = || u64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
    let seed = std::env::var("FLOWHOLD_SEED").map_or_else(|_| clock(), |seed| seed.parse().unwrap());
    println!("FLOWHOLD_SEED={seed}");
    let mut history = History::new(seed | 1);
    let cluster = Cluster::start();
    let mut nodes: Vec<Node> = NODES.map(|node| cluster.node(node)).into();
    let started = Instant::now();
    let mut rests = 0;
    let lasts =
        std::env::var("FLOWHOLD_LASTS").map_or(LASTS, |lasts| Duration::from_secs(lasts.parse().unwrap()));
    while started.elapsed() < lasts {
        for _ in 0..ROUNDS {
            history.round(&cluster, &nodes);
        }
        if history.random.one_in(3) {
            history.restart(&cluster, &mut nodes);
        }
        history.rest(&cluster, &nodes);
        rests += 1;
    }
    println!("{} updates, {} of them failed, {rests} times of rest", history.updates, history.failed);
}

struct History {
    random: Random,
    uas: Vec<Ua>,
    updates: usize,
    failed: usize,
}

impl History {
    fn new(seed: u64) -> Self {
        let ua = |n| Ua {
            aor: format!("ua{n}@example.com"),
            cseq: 0,
            bound: None,
            given_up: Vec::new(),
            is_lost: false,
            unheard: BTreeSet::new(),
            untold: BTreeSet::new(),
            flows: Vec::new(),
            log: Vec::new(),
        };
        Self { random: Random(seed), uas: (0..UAS).map(ua).collect(), updates: 0, failed: 0 }
    }

    /// Each UA does one thing or none, nodes beat or not, and something may be done to Redis, all at the same time.
    fn round(&mut self, cluster: &Cluster, nodes: &[Node]) {
        let fault = match self.random.below(14) {
            0 => Fault::Flush,
            1 => Fault::RollBack,
            2 | 3 => Fault::Expire(self.random.below(nodes.len())),
            4 => Fault::Disconnect,
            5 => Fault::Hang,
            _ => Fault::None,
        };
        if let Fault::RollBack = fault {
            snapshot(cluster);
        }
        let beats: Vec<usize> = (0..nodes.len()).filter(|_| !self.random.one_in(3)).collect();
        let steps: Vec<(usize, Step)> =
            (0..self.uas.len()).filter_map(|n| Some((n, self.step(n, nodes)?))).collect();

        let tasks: Vec<_> = steps
            .iter()
            .map(|(n, step)| {
                let ua = &mut self.uas[*n];
                ua.cseq += 1;
                let (node, flow) = match step {
                    Step::Register(node, flow) | Step::Fail(node, flow) => (&nodes[*node], *flow),
                    Step::Unregister(node) => (&nodes[*node], nodes[*node].new_flow()),
                };
                let now = cluster.now();
                let update = update(&ua.aor, ua.cseq, flow, node, now, matches!(step, Step::Register(..)));
                let (clustered, run) = (node.clustered.clone(), node.run().clone());
                let fails = matches!(step, Step::Fail(..));
                cluster.runtime.spawn(async move {
                    if fails {
                        clustered.flow_failed(&run, &flow, now).await.is_ok()
                    } else {
                        clustered.update(update).await.is_ok()
                    }
                })
            })
            .collect();
        let beating: Vec<_> = beats
            .iter()
            .map(|node| {
                let (clustered, now) = (nodes[*node].clustered.clone(), cluster.now());
                cluster.runtime.spawn(async move { clustered.tend(Load::default(), now).await.is_ok() })
            })
            .collect();
        match fault {
            Fault::None => {}
            Fault::Flush => cluster.flush(),
            Fault::RollBack => roll_back(cluster),
            Fault::Expire(node) => {
                cluster.server().command(&["HDEL", "flowhold:{nodes}", NODES[node]]);
            }
            Fault::Hang => cluster.server().freeze(),
            Fault::Disconnect => {
                cluster.server().command(&["CLIENT", "KILL", "TYPE", "normal"]);
            }
        }
        for ua in &mut self.uas {
            ua.log.push(format!("beats {beats:?}, {fault:?}"));
        }
        for ((n, step), task) in steps.into_iter().zip(tasks) {
            let is_done = cluster.runtime.block_on(task).unwrap();
            self.done(n, step, is_done);
        }
        for beat in beating {
            let _ = cluster.runtime.block_on(beat).unwrap();
        }
        if let Fault::Hang = fault {
            // All have given up what was under way.
            cluster.server().thaw();
        }
        let empties = matches!(fault, Fault::Flush | Fault::RollBack);
        for ua in self.uas.iter_mut().filter(|_| empties) {
            ua.is_lost = true;
        }
    }

    fn step(&mut self, n: usize, nodes: &[Node]) -> Option<Step> {
        let ua = &self.uas[n];
        let node = self.random.below(nodes.len());
        match (self.random.below(10), ua.bound) {
            (0..3, _) => None,
            (3, Some((node, flow))) => Some(Step::Register(node, flow)),
            (4, Some(_)) => Some(Step::Unregister(node)),
            (5 | 6, _) if !ua.flows.is_empty() => {
                let (node, flow) = ua.flows[self.random.below(ua.flows.len())];
                Some(Step::Fail(node, flow))
            }
            _ => Some(Step::Register(node, nodes[node].new_flow())),
        }
    }

    /// What the UA knows of its step's outcome.
    fn done(&mut self, n: usize, step: Step, is_done: bool) {
        let ua = &mut self.uas[n];
        self.updates += usize::from(!matches!(step, Step::Fail(..)));
        self.failed += usize::from(!is_done);
        let before = ua.bound;
        ua.log.push(format!("{} {step:?}: {is_done}", ua.cseq));
        match step {
            Step::Register(node, flow) => {
                // A UA whose REGISTER failed keeps its flow for the next one, or not; both are tried.
                if !ua.flows.contains(&(node, flow)) {
                    ua.flows.push((node, flow));
                }
                if is_done {
                    ua.displaced(before, node);
                    ua.bound = Some((node, flow));
                    ua.given_up.clear();
                    ua.is_lost = false;
                } else {
                    ua.given_up.push((node, flow));
                    ua.is_lost = true;
                }
            }
            Step::Unregister(node) => {
                // If it failed nobody knows, until the next registration.
                ua.is_lost |= !is_done;
                ua.displaced(before, if is_done { node } else { usize::MAX });
                ua.bound = None;
                ua.given_up.clear();
            }
            Step::Fail(node, flow) => {
                ua.flows.retain(|other| *other != (node, flow));
                ua.given_up.retain(|other| *other != (node, flow));
                if before == Some((node, flow)) {
                    ua.bound = None;
                }
            }
        }
    }

    /// A node is killed and started again: its flows have ended.
    fn restart(&mut self, cluster: &Cluster, nodes: &mut [Node<'_>]) {
        let n = self.random.below(nodes.len());
        // A process that is killed does nothing more.
        wait_for_rest(nodes);
        let run = cluster.now().0;
        // The name is free for it: the new process has the address of the old one.
        nodes[n].clustered = cluster.process(NODES[n], run).clustered;
        nodes[n].beats();
        for ua in &mut self.uas {
            ua.flows.retain(|(node, _)| *node != n);
            ua.unheard.remove(&n);
            ua.untold.remove(&n);
            ua.given_up.retain(|(node, _)| *node != n);
            if ua.bound.is_some_and(|(node, _)| node == n) {
                ua.bound = None;
            }
        }
    }

    fn rest(&mut self, cluster: &Cluster, nodes: &[Node]) {
        wait_for_rest(nodes);
        for node in nodes {
            // Once through the mirror, which compares it with Redis.
            node.purges(64);
        }
        for ua in &mut self.uas {
            ua.compare(cluster, nodes);
        }
    }
}

/// All nodes beat until all have heard and written all there is.
fn wait_for_rest(nodes: &[Node]) {
    for _ in 0..3 {
        for node in nodes {
            crate::support::wait::wait_until("the node beats", || node.beat().is_ok());
        }
        for node in nodes {
            node.is_in_step();
        }
    }
}

fn update(
    aor: &str,
    cseq: u32,
    flow: Flow,
    node: &Node,
    now: flowhold_cluster::binding::Timestamp,
    puts: bool,
) -> Update {
    let register = Register::new(ALICE, cseq, flow);
    let mut update = register.update(node.run(), now);
    update.aor = Aor::from(aor);
    if !puts {
        update.changes = Changes::Each(vec![Change::Remove(register.key())]);
    }
    update
}

fn snapshot(cluster: &Cluster) {
    let keys = cluster.server().command(&["KEYS", "flowhold:*"]);
    for key in keys.lines() {
        cluster.server().command(&["COPY", key, &format!("snapshot:{key}"), "REPLACE"]);
    }
}

fn roll_back(cluster: &Cluster) {
    // In one step, as a restart from a snapshot is.
    const ROLL_BACK: &str = "for _, key in ipairs(redis.call('KEYS', 'flowhold:*')) do redis.call('DEL', key) end \
         for _, key in ipairs(redis.call('KEYS', 'snapshot:*')) do redis.call('RENAME', key, string.sub(key, 10)) end";
    cluster.server().command(&["EVAL", ROLL_BACK, "0"]);
    cluster.server().command(&["CLIENT", "KILL", "TYPE", "normal"]);
}
