//! The UAs, their flows, the cluster, and what is done to them.

use std::time::{Duration, Instant};

use super::rng::Rng;
use crate::cluster::Cluster;
use crate::fault_proxy::Fault;
use crate::flow::Flow;
use crate::support::ua::{DOMAIN, instance};
use crate::support::{Message, Request, request};

/// Nodes, UAs, and flows that each UA keeps.
const NODES: usize = 3;
const UAS: usize = 12;
const REG_IDS: u32 = 2;

/// A REGISTER or a MESSAGE is answered within this time, or its flow is given up.
const ANSWER: Duration = Duration::from_secs(5);

/// After a fault all must be well again within this time, by itself. Far more than it takes: tests share the machine.
const SETTLED: Duration = Duration::from_secs(30);

/// A world in motion.
pub(super) struct World {
    rng: Rng,
    cluster: Cluster,
    /// All flows there ever were that are not closed yet, stale ones included: nothing may come over those.
    held: Vec<Held>,
    /// One to each node, from which UAs are called.
    callers: Vec<Option<Flow>>,
    /// Requests sent so far: each has its number, and what came late is told by it.
    sent: u64,
    done: Done,
}

/// A UA's flow.
struct Held {
    flow: Flow,
    ua: usize,
    reg_id: u32,
    node: usize,
    call_id: String,
    cseq: u32,
    standing: Standing,
}

/// What is known of a flow's binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// Acknowledged, and the newest of its UA's reg-id.
    Bound,
    /// Replaced or unregistered before the request of this number was sent.
    Stale(u64),
    /// A REGISTER that concerns it was never answered, so either may be true.
    Unsure,
}

/// What was done, for the test to see that it was something.
#[derive(Default, Debug)]
pub(super) struct Done {
    pub(super) registered: u64,
    pub(super) reached: u64,
    pub(super) unreachable: u64,
    pub(super) faults: u64,
    pub(super) longest_settling: Duration,
}

impl World {
    pub(super) fn start(rng: Rng) -> Self {
        let extra = "[outbound]\nflow_timer = \"0s\"\n[proxy]\nflow_timeout = \"500ms\"\n";
        let cluster = Cluster::start(NODES, extra);
        let callers = (0..NODES).map(|_| None).collect();
        Self { rng, cluster, held: Vec::new(), callers, sent: 0, done: Done::default() }
    }

    pub(super) fn done(self) -> Done {
        self.done
    }

    pub(super) fn step(&mut self) {
        let ua = self.rng.below(UAS);
        match self.rng.below(100) {
            0..40 => self.register(ua),
            40..50 => self.close(ua),
            50..55 => self.unregister(ua),
            55..92 => self.expect_reachable(ua, Instant::now() + SETTLED),
            _ => {
                self.fault();
                self.settle();
            }
        }
    }

    /// A new flow of the UA, over a random node. The one it replaces is left open: what comes over it is wrong from now on.
    fn register(&mut self, ua: usize) {
        let (node, reg_id) =
            (self.rng.below(NODES), 1 + u32::try_from(self.rng.below(REG_IDS as usize)).unwrap());
        let Some(flow) = Flow::connect(self.cluster.node(node).tcp()) else { return };
        let call_id = request::unique("reg");
        self.held.push(Held { flow, ua, reg_id, node, call_id, cseq: 0, standing: Standing::Unsure });
        let new = self.held.len() - 1;
        let status = self.send_register(new, "3600");
        let number = self.sent;
        let registered = status == Some(200);
        for held in self.held[..new].iter_mut().filter(|held| held.ua == ua && held.reg_id == reg_id) {
            held.standing = if registered { Standing::Stale(number) } else { Standing::Unsure };
        }
        if registered {
            self.held[new].standing = Standing::Bound;
            self.done.registered += 1;
            // From where a UA is called at once, its newest binding is known.
            self.expect_reachable(ua, Instant::now() + SETTLED);
        } else {
            self.held.remove(new);
        }
    }

    fn unregister(&mut self, ua: usize) {
        let Some(at) = self.held.iter().position(|held| held.ua == ua && held.standing == Standing::Bound)
        else {
            return;
        };
        let status = self.send_register(at, "0");
        self.held[at].standing =
            if status == Some(200) { Standing::Stale(self.sent) } else { Standing::Unsure };
    }

    fn close(&mut self, ua: usize) {
        let open: Vec<usize> = (0..self.held.len()).filter(|at| self.held[*at].ua == ua).collect();
        if open.is_empty() {
            return;
        }
        let at = self.rng.pick(&open);
        let held = self.held.remove(at);
        if self.rng.below(2) == 0 {
            held.flow.reset();
        }
    }

    /// The status of the answer, if one comes.
    fn send_register(&mut self, at: usize, expires: &str) -> Option<u16> {
        let held = &mut self.held[at];
        held.cseq += 1;
        let (ua, local) = (name(held.ua), held.flow.local());
        let contact = format!(
            "<sip:{ua}@{local};transport=tcp>;+sip.instance=\"<{}>\";reg-id={}",
            instance(&ua),
            held.reg_id
        );
        let register = Request::bare("REGISTER", &format!("sip:{DOMAIN}"))
            .with("Via", format!("SIP/2.0/TCP {local};rport;branch={}", request::branch()))
            .with("From", format!("<sip:{ua}@{DOMAIN}>;tag=1"))
            .with("To", format!("<sip:{ua}@{DOMAIN}>"))
            .with("Call-ID", &held.call_id)
            .with("CSeq", format!("{} REGISTER", held.cseq))
            .with("Max-Forwards", "70")
            .with("Contact", contact)
            .with("Supported", "path, outbound")
            .with("Expires", expires);
        held.flow.send(&register.to_bytes());
        let (call_id, cseq) = (held.call_id.clone(), format!("{} REGISTER", held.cseq));
        let until = Instant::now() + ANSWER;
        while Instant::now() < until && self.held[at].flow.is_open() {
            for message in self.held[at].flow.receive() {
                if message.is_request() {
                    self.take(at, &message);
                } else if message.header("Call-ID") == call_id && message.header("CSeq") == cseq {
                    return Some(message.status());
                }
            }
            pause();
        }
        None
    }

    /// A request has come over a UA's flow.
    fn take(&mut self, at: usize, message: &Message) {
        let held = &mut self.held[at];
        let number: u64 = message.header("Subject").parse().unwrap();
        if let Standing::Stale(since) = held.standing {
            assert!(
                number <= since,
                "request {number} came over a flow that is stale since {since}: {message}"
            );
        }
        assert!(message.header("To").contains(&name(held.ua)), "{message}");
        held.flow.send(&message.answer(200, "OK"));
    }

    /// Reads what has come over all flows, and forgets those that were closed.
    fn look_around(&mut self) {
        for at in 0..self.held.len() {
            for message in self.held[at].flow.receive() {
                if message.is_request() {
                    self.take(at, &message);
                }
            }
        }
        self.held.retain(|held| held.flow.is_open());
    }

    /// Calls the UA from each node until it answers; where it has no binding that must be there, one call may end as it likes.
    fn expect_reachable(&mut self, ua: usize, until: Instant) {
        for from in 0..NODES {
            loop {
                self.look_around();
                let outcome = self.call(ua, from);
                // A flow may have been found to be closed only now.
                let must = self.held.iter().any(|held| held.ua == ua && held.standing == Standing::Bound);
                match outcome {
                    Some(200) => {
                        self.done.reached += 1;
                        break;
                    }
                    _ if !must => {
                        self.done.unreachable += 1;
                        break;
                    }
                    outcome => assert!(
                        Instant::now() < until,
                        "{} is not reached from node {from}: {outcome:?}; its flows: {:?}",
                        name(ua),
                        self.flows_of(ua),
                    ),
                }
            }
        }
    }

    /// The status that one MESSAGE from a caller at this node ends with, if it is answered.
    fn call(&mut self, ua: usize, from: usize) -> Option<u16> {
        self.sent += 1;
        if !self.callers[from].as_ref().is_some_and(Flow::is_open) {
            self.callers[from] = Flow::connect(self.cluster.node(from).tcp());
        }
        let caller = self.callers[from].as_mut()?;
        let (ua, call_id) = (name(ua), request::unique("call"));
        let message = Request::bare("MESSAGE", &format!("sip:{ua}@{DOMAIN}"))
            .with("Via", format!("SIP/2.0/TCP {};rport;branch={}", caller.local(), request::branch()))
            .with("From", format!("<sip:caller@{DOMAIN}>;tag=1"))
            .with("To", format!("<sip:{ua}@{DOMAIN}>"))
            .with("Call-ID", &call_id)
            .with("CSeq", "1 MESSAGE")
            .with("Max-Forwards", "70")
            .with("Subject", self.sent.to_string());
        caller.send(&message.to_bytes());
        let until = Instant::now() + ANSWER;
        while Instant::now() < until {
            self.look_around();
            let Some(caller) = self.callers[from].as_mut().filter(|caller| caller.is_open()) else { break };
            let answers = caller.receive().into_iter().filter(|answer| answer.header("Call-ID") == call_id);
            if let Some(status) = answers.map(|answer| answer.status()).find(|status| *status >= 200) {
                return Some(status);
            }
            pause();
        }
        // What comes late must not be taken for the answer to another.
        self.callers[from] = None;
        None
    }

    fn flows_of(&self, ua: usize) -> Vec<(usize, u32, Standing)> {
        let of_ua = self.held.iter().filter(|held| held.ua == ua);
        of_ua.map(|held| (held.node, held.reg_id, held.standing)).collect()
    }

    /// Everything is well again, by itself.
    pub(super) fn settle(&mut self) {
        let started = Instant::now();
        self.cluster.expect_whole();
        for ua in 0..UAS {
            self.expect_reachable(ua, started + SETTLED);
        }
        self.done.longest_settling = self.done.longest_settling.max(started.elapsed());
    }

    /// Something breaks, and is repaired.
    fn fault(&mut self) {
        self.done.faults += 1;
        let node = self.rng.below(NODES);
        let while_broken = self.rng.below(3);
        match self.rng.below(8) {
            0 | 1 => {
                self.cluster.kill(node);
                self.cluster.restart(node);
            }
            2 => {
                self.cluster.freeze(node);
                // Until the others have noticed, or not.
                if while_broken > 0 {
                    self.cluster.expect_whole();
                }
                self.cluster.thaw(node);
            }
            3 | 4 => {
                let fault = if while_broken == 0 { Fault::Silent } else { Fault::Refused };
                self.cluster.cut(node, fault);
                self.call_about(while_broken);
                self.cluster.heal(node);
            }
            5 => {
                self.cluster.expect_moves_to_be_heard();
                self.cluster.redis.command(&["FLUSHALL"]);
            }
            6 => {
                self.cluster.expect_moves_to_be_heard();
                self.cluster.redis.kill();
                self.call_about(while_broken);
                self.cluster.redis.start_again();
            }
            _ => {
                self.cluster.expect_moves_to_be_heard();
                self.cluster.redis.freeze();
                self.call_about(while_broken);
                self.cluster.redis.thaw();
            }
        }
    }

    /// Calls whose outcome nobody can tell, but that must not go astray.
    fn call_about(&mut self, calls: usize) {
        for _ in 0..calls {
            let (ua, from) = (self.rng.below(UAS), self.rng.below(NODES));
            self.look_around();
            self.call(ua, from);
        }
    }
}

fn name(ua: usize) -> String {
    format!("ua{ua}")
}

fn pause() {
    std::thread::sleep(Duration::from_micros(500));
}
