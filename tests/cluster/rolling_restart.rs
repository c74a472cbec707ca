//! Every node is restarted, one after another, while requests are on their way all the time: each request to a UA with two
//! flows is answered.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::flow::Flow;
use crate::support::ua::{DOMAIN, instance};
use crate::support::{Message, Request, request};

const NODES: usize = 3;
const UAS: usize = 20;

/// A request is answered within this time.
const ANSWER: Duration = Duration::from_secs(10);

/// Requests while all nodes are up, before and after each restart.
const BETWEEN: u64 = 200;

#[test]
fn each_request_is_answered_while_all_nodes_are_restarted() {
    let drain = "[proxy]\nflow_timeout = \"1s\"\n[outbound]\nflow_timer = \"0s\"\n";
    let mut world = World::start(Cluster::start(NODES, drain));
    world.pump_until(World::is_registered);
    for place in 0..NODES {
        let answered = world.answered;
        world.pump_until(|world| world.answered >= answered + BETWEEN);
        let mut ending = world.cluster.take_out(place);
        world.pump_until(|_| !ending.is_running());
        let starting = world.cluster.start_beside(place);
        world.pump_until(|_| starting.is_finished());
        world.cluster.put_in(place, starting.join().unwrap());
        world.pump_until(World::is_registered);
    }
    let answered = world.answered;
    world.pump_until(|world| world.answered >= answered + BETWEEN);
    println!("{} answered, {} sent again over a new connection", world.answered, world.sent_again);
    // What was sent at the very moment in which a node closed the connection: a few of all.
    assert!(world.sent_again <= 6, "{} sent again", world.sent_again);
}

struct World {
    cluster: Cluster,
    uas: Vec<[Registered; 2]>,
    callers: [Caller; NODES],
    begun: bool,
    answered: u64,
    sent_again: u64,
}

/// A UA's flow of one reg-id.
struct Registered {
    name: String,
    reg_id: usize,
    node: usize,
    flow: Option<Flow>,
    call_id: String,
    cseq: u32,
    confirmed: bool,
}

/// Sends one request after another.
struct Caller {
    flow: Option<Flow>,
    under_way: Option<UnderWay>,
    next: usize,
}

struct UnderWay {
    ua: usize,
    call_id: String,
    since: Instant,
}

impl World {
    fn start(cluster: Cluster) -> Self {
        let registered = |ua: usize, reg_id: usize| Registered {
            name: format!("ua{ua}"),
            reg_id,
            node: (ua + reg_id) % NODES,
            flow: None,
            call_id: request::unique("reg"),
            cseq: 0,
            confirmed: false,
        };
        let uas = (0..UAS).map(|ua| [registered(ua, 1), registered(ua, 2)]).collect();
        let callers = std::array::from_fn(|next| Caller { flow: None, under_way: None, next });
        Self { cluster, uas, callers, begun: false, answered: 0, sent_again: 0 }
    }

    fn is_registered(&self) -> bool {
        self.uas.iter().flatten().all(|registered| registered.confirmed)
    }

    /// Has everything go on until the condition holds.
    #[track_caller]
    fn pump_until(&mut self, mut condition: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            assert!(Instant::now() < until, "{} answered; what is waited for does not come", self.answered);
            self.pump();
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn pump(&mut self) {
        for [one, two] in &mut self.uas {
            one.pump(&self.cluster, two.node);
            two.pump(&self.cluster, one.node);
        }
        // Nobody is called before all UAs have both flows.
        self.begun |= self.is_registered();
        if !self.begun {
            return;
        }
        for caller in &mut self.callers {
            match caller.pump(&self.cluster) {
                Pumped::Answered => self.answered += 1,
                Pumped::SentAgain => self.sent_again += 1,
                Pumped::Nothing => {}
            }
        }
    }
}

impl Registered {
    /// Answers what came; opens the flow anew where the node closed it, at a node that has not the UA's other flow.
    fn pump(&mut self, cluster: &Cluster, other: usize) {
        let Some(flow) = self.flow.as_mut().filter(|flow| flow.is_open()) else {
            return self.connect(cluster, other);
        };
        for message in flow.receive() {
            if message.is_request() {
                flow.send(&message.answer(200, "OK"));
            } else if message.status() == 200 {
                self.confirmed = true;
            } else {
                // This node is about to end: the next one.
                self.flow = None;
                return;
            }
        }
    }

    fn connect(&mut self, cluster: &Cluster, other: usize) {
        let first = if self.cseq == 0 { self.node } else { self.node + 1 };
        let places = (first..first + NODES).map(|place| place % NODES);
        let Some(node) = places.into_iter().find(|place| cluster.runs(*place) && *place != other) else {
            return;
        };
        self.confirmed = false;
        self.node = node;
        self.flow = Flow::connect(cluster.node(node).tcp());
        let Some(flow) = &mut self.flow else { return };
        self.cseq += 1;
        let (name, local) = (&self.name, flow.local());
        let register = Request::bare("REGISTER", &format!("sip:{DOMAIN}"))
            .with("Via", format!("SIP/2.0/TCP {local};rport;branch={}", request::branch()))
            .with("From", format!("<sip:{name}@{DOMAIN}>;tag=1"))
            .with("To", format!("<sip:{name}@{DOMAIN}>"))
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{} REGISTER", self.cseq))
            .with("Max-Forwards", "70")
            .with(
                "Contact",
                format!(
                    "<sip:{name}@{local};transport=tcp>;+sip.instance=\"<{}>\";reg-id={}",
                    instance(name),
                    self.reg_id
                ),
            )
            .with("Supported", "path, outbound");
        flow.send(&register.to_bytes());
    }
}

enum Pumped {
    Answered,
    SentAgain,
    Nothing,
}

impl Caller {
    fn pump(&mut self, cluster: &Cluster) -> Pumped {
        let mut pumped = Pumped::Nothing;
        if !self.flow.as_ref().is_some_and(Flow::is_open) {
            self.next += 1;
            let place = self.next % NODES;
            if !cluster.runs(place) {
                return pumped;
            }
            self.flow = Flow::connect(cluster.node(place).tcp());
            // RFC 3261 §18.4: a request whose connection fails is over, and goes out again as another one.
            if let Some(lost) = self.under_way.take() {
                self.send(lost.ua);
                pumped = Pumped::SentAgain;
            }
        }
        let Some(flow) = &mut self.flow else { return pumped };
        let answers = flow.receive();
        match &self.under_way {
            None => {
                self.next += NODES;
                self.send(self.next % UAS);
            }
            Some(UnderWay { ua, call_id, since }) => {
                let is_answer =
                    |answer: &&Message| answer.header("Call-ID") == call_id && answer.status() >= 200;
                if let Some(answer) = answers.iter().find(is_answer) {
                    assert_eq!(answer.status(), 200, "for ua{ua}: {answer}");
                    self.under_way = None;
                    return Pumped::Answered;
                }
                assert!(since.elapsed() < ANSWER, "a request to ua{ua} is not answered");
            }
        }
        pumped
    }

    fn send(&mut self, ua: usize) {
        let Some(flow) = &mut self.flow else { return };
        let call_id = request::unique("call");
        let message = Request::bare("MESSAGE", &format!("sip:ua{ua}@{DOMAIN}"))
            .with("Via", format!("SIP/2.0/TCP {};rport;branch={}", flow.local(), request::branch()))
            .with("From", format!("<sip:caller@{DOMAIN}>;tag=1"))
            .with("To", format!("<sip:ua{ua}@{DOMAIN}>"))
            .with("Call-ID", &call_id)
            .with("CSeq", "1 MESSAGE")
            .with("Max-Forwards", "70");
        flow.send(&message.to_bytes());
        self.under_way = Some(UnderWay { ua, call_id, since: Instant::now() });
    }
}
