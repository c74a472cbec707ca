//! Whatever happens in whatever order: each request gets one final response, and in the end nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use flowhold_cluster::binding::Binding;
use flowhold_cluster::flow::Flow;
use proptest::prelude::*;

use super::super::{Event, Peer};
use super::scenario::*;
use crate::proto::Source;
use crate::sip::{Method, Name, Transport};

#[derive(Clone, Debug)]
enum Step {
    /// A new request comes.
    Request {
        method: &'static str,
        udp: bool,
        old_peer: bool,
    },
    /// A request comes once more.
    Repeat(prop::sample::Index),
    Cancel(prop::sample::Index),
    /// The ACK to the final response of an INVITE, if there is one.
    Ack(prop::sample::Index),
    /// Bob answers a request that he got, perhaps not for the first time.
    Answer(prop::sample::Index, u16),
    Wait(u64),
    FlowFailed(prop::sample::Index),
    /// The link to another node is cut, or is up again; or that node has begun another run.
    Cut,
    Linked,
    Restarted,
    Undeliverable(prop::sample::Index),
    /// The location service stops answering.
    Hold,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    let statuses = prop::sample::select(vec![
        100, 180, 183, 200, 200, 302, 401, 404, 407, 408, 430, 430, 480, 482, 486, 487, 503, 603,
    ]);
    prop_oneof![
        4 => (prop::sample::select(vec!["INVITE", "INVITE", "MESSAGE", "BYE", "NEW"]), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(method, udp, old_peer)| Step::Request { method, udp, old_peer }),
        2 => index().prop_map(Step::Repeat),
        1 => index().prop_map(Step::Cancel),
        2 => index().prop_map(Step::Ack),
        6 => (index(), statuses).prop_map(|(nth, status)| Step::Answer(nth, status)),
        4 => prop_oneof![0_u64..2000, 3000_u64..5000, 0_u64..40_000, 0_u64..200_000].prop_map(Step::Wait),
        1 => index().prop_map(Step::FlowFailed),
        1 => prop_oneof![2 => Just(Step::Cut), 3 => Just(Step::Linked), 1 => Just(Step::Restarted)],
        1 => index().prop_map(Step::Undeliverable),
        1 => Just(Step::Hold),
        2 => Just(Step::Release),
    ]
}

/// A request that Alice sent.
struct Asked {
    text: String,
    from: Source,
    at: Instant,
    call_id: String,
    method: Method,
}

/// One of Bob's flows: whether it is over UDP, and whether it is on another node.
type Place = (bool, bool);

struct Run {
    scenario: Scenario,
    /// All flows of all of Bob's UAs that are here.
    bobs: Vec<Source>,
    /// The other node, and how many links to it there were.
    other: Peer,
    links: u32,
    asked: Vec<Asked>,
    /// What Bob got and may answer.
    got: Vec<Sent>,
    /// Final responses that went back, by Call-ID and `CSeq`.
    finals: BTreeMap<(String, String), Vec<Sent>>,
    /// Call-IDs of requests that Bob answered 408.
    answered_408: BTreeSet<String>,
}

impl Run {
    /// Bob's UAs: of each the q, and the places of its flows.
    fn new(uas: &[(u16, Vec<Place>)]) -> Run {
        let (mut bobs, mut bindings) = (Vec::new(), Vec::new());
        for (nth, (q, flows)) in uas.iter().enumerate() {
            for (udp, elsewhere) in flows {
                let slot = u32::try_from(bindings.len()).unwrap();
                let remote = format!("198.51.100.2:{}", 41000 + slot);
                let (transport, slot) = if *udp { (Transport::Udp, 0) } else { (Transport::Tcp, 10 + slot) };
                let on = source(transport, slot, &remote);
                let binding = flow_of(&format!("ua{nth}"), slot, on, u64::from(slot));
                let path = b"<sip:edge.example.com;lr>".as_slice().into();
                let holder = run_of(if *elsewhere { "b" } else { "a" }, 1);
                bindings.push(Binding { q: *q, path, holder, ..binding });
                if !elsewhere {
                    bobs.push(on);
                }
            }
        }
        let mut scenario = Scenario::with(settings_of("a"), &bindings);
        let other = peer("b", 1, 50);
        scenario.proxy.link_up(other.clone());
        Run {
            scenario,
            bobs,
            other,
            links: 1,
            asked: Vec::new(),
            got: Vec::new(),
            finals: BTreeMap::new(),
            answered_408: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        let sent = match *step {
            Step::Request { method, udp, old_peer } => {
                let cookie = if old_peer { "" } else { "z9hG4bK" };
                let branch = format!("{cookie}{}", self.asked.len());
                let text = request(method, if udp { "UDP" } else { "TCP" }, &branch);
                let from = if udp { alice_udp() } else { alice() };
                let asked = Asked {
                    from,
                    at: self.scenario.now,
                    call_id: format!("call-{branch}"),
                    method: Method::of(method.as_bytes()),
                    text,
                };
                let sent = self.scenario.request(&asked.text, from);
                self.asked.push(asked);
                sent
            }
            Step::Repeat(nth) => self.repeat(nth),
            Step::Cancel(nth) => self.cancel(nth),
            Step::Ack(nth) => self.ack(nth),
            Step::Answer(nth, status) if !self.got.is_empty() => {
                let got = nth.get(&self.got);
                if status == 408 {
                    self.answered_408.insert(got.first(Name::CallId).to_owned());
                }
                // A link that was cut brings nothing more.
                match self.flow(got.to) {
                    Some(on) => self.scenario.message(got.answer(status), on),
                    None => Vec::new(),
                }
            }
            Step::Wait(ms) => self.scenario.wait(Duration::from_millis(ms)),
            Step::FlowFailed(nth) if !self.bobs.is_empty() => {
                self.scenario.flow_failed(nth.get(&self.bobs).flow)
            }
            Step::Cut => self.scenario.cut(&self.other),
            Step::Linked => self.link(self.other.run.epoch),
            Step::Restarted => self.link(self.other.run.epoch + 1),
            Step::Undeliverable(nth) if !self.got.is_empty() => {
                let branch = nth.get(&self.got).branch;
                branch.map(|branch| self.scenario.undeliverable(branch)).unwrap_or_default()
            }
            Step::Hold => {
                self.scenario.hold = true;
                Vec::new()
            }
            Step::Release => self.scenario.release(),
            Step::Answer(..) | Step::FlowFailed(_) | Step::Undeliverable(_) => Vec::new(),
        };
        self.record(sent);
    }

    /// A new link in place of the one there is, which ends.
    fn link(&mut self, epoch: u64) -> Vec<Sent> {
        self.links += 1;
        let before = std::mem::replace(&mut self.other, peer("b", epoch, 50 + self.links));
        self.scenario.proxy.link_up(self.other.clone());
        self.scenario.cut(&before)
    }

    /// The flow of Bob's, or the link, that is open under that name.
    fn flow(&self, flow: Flow) -> Option<Source> {
        self.bobs.iter().copied().chain([self.other.link]).find(|open| open.flow == flow)
    }

    /// As a UA may: while it waits for an answer, or for as long as a datagram of its may be under way.
    fn repeat(&mut self, nth: prop::sample::Index) -> Vec<Sent> {
        if self.asked.is_empty() {
            return Vec::new();
        }
        let asked = nth.get(&self.asked);
        let answered =
            self.finals.keys().any(|(call_id, cseq)| *call_id == asked.call_id && !cseq.ends_with("CANCEL"));
        let udp = !asked.from.transport.is_reliable();
        let young = self.scenario.now < asked.at + Duration::from_secs(30);
        if !udp || !young || (answered && asked.method == Method::Invite) {
            return Vec::new();
        }
        self.scenario.request(&asked.text.clone(), asked.from)
    }

    fn cancel(&mut self, nth: prop::sample::Index) -> Vec<Sent> {
        let invites: Vec<&Asked> = self.asked.iter().filter(|asked| asked.method == Method::Invite).collect();
        if invites.is_empty() {
            return Vec::new();
        }
        let asked = nth.get(&invites);
        if self.finals.keys().any(|(call_id, cseq)| *call_id == asked.call_id && cseq.ends_with("CANCEL")) {
            return Vec::new();
        }
        self.scenario.request(&asked.text.replace("INVITE", "CANCEL"), asked.from)
    }

    fn ack(&mut self, nth: prop::sample::Index) -> Vec<Sent> {
        if self.asked.is_empty() {
            return Vec::new();
        }
        let asked = nth.get(&self.asked);
        let cseq = "1 INVITE".to_owned();
        let Some(last) = self.finals.get(&(asked.call_id.clone(), cseq)).and_then(|finals| finals.last())
        else {
            return Vec::new();
        };
        let ack = ack_to(&asked.text, last);
        let ack = if last.status() < 300 { ack.replace("branch=", "branch=z9hG4bKack") } else { ack };
        self.scenario.request(&ack, asked.from)
    }

    fn record(&mut self, sent: Vec<Sent>) {
        for sent in sent {
            if sent.message.is_request() {
                let is_bobs = self.bobs.iter().any(|bob| bob.flow == sent.to);
                assert_eq!(sent.values(Name::Route).len(), if is_bobs { 1 } else { 2 });
                if sent.branch.is_some() {
                    assert!(is_bobs || sent.to == self.other.link.flow, "a request over a link that was cut");
                    let call_id = sent.first(Name::CallId);
                    // Over a link it is the Route that names the flow.
                    let tried = self.got.iter().any(|got| {
                        got.to == sent.to
                            && got.first(Name::CallId) == call_id
                            && got.first(Name::Route) == sent.first(Name::Route)
                    });
                    assert!(!tried, "a request on the same flow again");
                    self.got.push(sent);
                }
            } else if sent.status() >= 200 {
                assert_ne!(sent.status(), 430, "RFC 5626 §11.5");
                let key = (sent.first(Name::CallId).to_owned(), sent.first(Name::CSeq).to_owned());
                self.finals.entry(key).or_default().push(sent);
            }
        }
    }

    fn check(mut self) {
        self.scenario.hold = false;
        let sent = self.scenario.wait(Duration::from_secs(400));
        self.record(sent);
        self.scenario.assert_comes_to_rest();
        let mut unanswered = 0;
        for asked in &self.asked {
            let method = asked.text.split(' ').next().unwrap();
            let Some(finals) = self.finals.get(&(asked.call_id.clone(), format!("1 {method}"))) else {
                // RFC 4320 §4.2: silence is right where a 408 would have been the answer.
                assert_ne!(asked.method, Method::Invite, "no final response to {}", asked.text);
                unanswered += usize::from(!self.answered_408.contains(&asked.call_id));
                continue;
            };
            if finals[0].status() < 300 && asked.method == Method::Invite {
                assert!(finals.iter().all(|sent| sent.status() < 300), "a failure after a 2xx");
            } else {
                assert!(
                    finals.iter().all(|sent| sent.text() == finals[0].text()),
                    "two different final responses"
                );
            }
        }
        let timed_out = |event: &&Event| matches!(event, Event::TimedOut | Event::Unavailable);
        assert!(
            unanswered <= self.scenario.events.iter().filter(timed_out).count(),
            "a request was forgotten"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_request_gets_one_final_response_and_nothing_is_left(
        uas in prop::collection::vec((prop::sample::select(vec![500, 1000]), prop::collection::vec(any::<Place>(), 1..4)), 1..4),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut run = Run::new(&uas);
        for step in steps {
            run.step(&step);
        }
        run.check();
    }
}
