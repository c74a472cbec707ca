//! Calls between UAs of two pair, whose datagrams get lost, and links that are cut in the middle.

use std::time::Duration;

use super::nodes::{A, B, CONTACTS, Pair};
use super::scenario::*;
use super::uas::{RINGS, contact_of, route_set, with_route};
use crate::proto::Source;
use crate::sip::{Message, Method, Name, Transport};

const NAMES: [&str; 2] = ["bob", "alice"];

fn other(at: usize) -> usize {
    1 - at
}

/// Every pair of transports.
fn everywhere() -> impl Iterator<Item = (Source, Source)> {
    let alices = [alice_udp(), alice()];
    [bob_udp(), bob()].into_iter().flat_map(move |bob| alices.map(|alice| (bob, alice)))
}

/// A request of the UA at one node to the AOR of the other.
fn request_from(at: usize, method: &str, over: Transport) -> Message {
    let (from, to) = (NAMES[at], NAMES[other(at)]);
    let text = format!(
        "{method} sip:{to}@example.com SIP/2.0\n\
         Via: SIP/2.0/{} 10.0.0.9:5062;branch=z9hG4bK{from};rport\n\
         Max-Forwards: 70\n\
         From: <sip:{from}@example.com>;tag={from}tag\n\
         To: <sip:{to}@example.com>\n\
         Contact: <{}>\n\
         Call-ID: call-{from}\n\
         CSeq: 1 {method}\n\
         Content-Length: 0\n\n",
        over.as_via_str(),
        CONTACTS[at]
    );
    message(&text)
}

/// Asks from one node, with the other's UA to answer so, and runs to the end.
fn asked(pair: &mut Pair, at: usize, method: &str, status: u16) {
    let over = pair.nodes[at].ua.at.transport;
    pair.serve(other(at), status);
    pair.ask(at, request_from(at, method, over));
    pair.run();
}

/// What each side of a call knows of it. RFC 3261 §12.1.
struct Dialog {
    call_id: &'static str,
    sides: [Side; 2],
}

#[derive(Default)]
struct Side {
    over: &'static str,
    target: String,
    routes: Vec<String>,
    local: String,
    remote: String,
    requests: u32,
}

impl Dialog {
    /// The call that the UA at this node has set up.
    fn of(pair: &Pair, caller: usize) -> Dialog {
        let success = pair.caller(caller).success.as_ref().unwrap();
        let invite = pair.callee(other(caller)).request.as_ref().unwrap();
        let field = |name| String::from_utf8(success.first(name).unwrap().to_vec()).unwrap();
        let side = |at: usize, message: &Message, local, remote| Side {
            over: pair.nodes[at].ua.at.transport.as_via_str(),
            target: contact_of(message).unwrap(),
            routes: route_set(message, at == caller),
            local,
            remote,
            requests: 1,
        };
        let mut sides = [Side::default(), Side::default()];
        sides[caller] = side(caller, success, field(Name::From), field(Name::To));
        sides[other(caller)] = side(other(caller), invite, field(Name::To), field(Name::From));
        Dialog { call_id: ["call-bob", "call-alice"][caller], sides }
    }

    /// A request of the UA at this node.
    fn request(&mut self, at: usize, method: &str) -> Message {
        let Side { over, target, routes, local, remote, requests } = &mut self.sides[at];
        *requests += 1;
        let text = format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/{over} 10.0.0.9:5062;branch=z9hG4bK{at}in{requests};rport\r\n\
             Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\nContact: <{}>\r\n\
             Call-ID: {}\r\nCSeq: {requests} {method}\r\nContent-Length: 0\r\n\r\n",
            CONTACTS[at], self.call_id,
        );
        Message::parse(with_route(&text, routes).into_bytes().into()).unwrap()
    }

    /// Sends a request from the UA at this node, for the other to answer so, and runs to the end.
    fn exchange(&mut self, pair: &mut Pair, at: usize, method: &str, status: u16) {
        let request = self.request(at, method);
        pair.serve(other(at), status);
        pair.ask(at, request);
        pair.run();
    }
}

/// How many datagrams go to and fro when none is lost.
fn datagrams(script: impl Fn(&mut Pair)) -> usize {
    let mut pair = Pair::new(bob_udp(), alice_udp(), &[]);
    script(&mut pair);
    pair.sent
}

/// Runs the script without loss over all transports, and over UDP with any two datagrams lost.
fn however_it_goes(script: impl Fn(&mut Pair), check: impl Fn(&Pair, &str)) {
    for (bob_at, alice_at) in everywhere() {
        let mut pair = Pair::new(bob_at, alice_at, &[]);
        script(&mut pair);
        check(&pair, &format!("{:?} {:?}", bob_at.transport, alice_at.transport));
    }
    let count = datagrams(&script) + 2;
    for one in 0..count {
        for two in one..count {
            let mut pair = Pair::new(bob_udp(), alice_udp(), &[one, two]);
            script(&mut pair);
            check(&pair, &format!("without {one} and {two}"));
        }
    }
}

/// One final response, or several copies of a 2xx to an INVITE.
fn assert_answered(pair: &Pair, at: usize, status: u16, what: &str) {
    let asked = pair.caller(at);
    let finals = asked.finals();
    let what = format!("{what}: {:?}", asked.heard);
    assert!(!finals.is_empty() && finals.iter().all(|heard| *heard == status), "{what}");
    let is_call = asked.request.method() == Method::Invite;
    assert!(finals.len() == 1 || (is_call && status == 200), "{what}");
    assert_eq!(pair.callee(other(at)).served, 1, "{what}");
    assert_eq!(pair.callee(other(at)).acked, is_call, "{what}");
}

#[test]
fn a_message_arrives_once_and_is_answered_once_in_both_directions() {
    for at in [A, B] {
        for status in [200, 404] {
            however_it_goes(
                |pair| asked(pair, at, "MESSAGE", status),
                |pair, what| {
                    assert_answered(pair, at, status, what);
                    let got = pair.callee(other(at)).request.as_ref().unwrap();
                    assert_eq!(got.request_uri(), CONTACTS[other(at)].as_bytes());
                    assert_eq!(got.first(Name::Route), None, "{what}");
                    assert_eq!(got.max_forwards(), Ok(Some(68)), "two hops");
                    assert_eq!(got.values(Name::Via).count(), 3, "{what}");
                },
            );
        }
    }
}

#[test]
fn a_call_is_set_up_goes_on_and_ends_whichever_side_asks() {
    for (at, ends) in [(A, B), (B, B)] {
        let script = |pair: &mut Pair| {
            asked(pair, at, "INVITE", 200);
            assert_answered(pair, at, 200, "INVITE");
            let mut dialog = Dialog::of(pair, at);
            for (by, method) in [(at, "INVITE"), (other(at), "INFO"), (ends, "BYE")] {
                dialog.exchange(pair, by, method, 200);
                assert_answered(pair, by, 200, method);
                let got = pair.callee(other(by)).request.as_ref().unwrap();
                assert_eq!((got.first(Name::Route), got.max_forwards()), (None, Ok(Some(68))));
            }
        };
        however_it_goes(script, |pair, what| {
            assert!(pair.nodes.iter().all(|node| node.scenario.events.is_empty()), "{what}");
        });
    }
}

#[test]
fn a_call_that_is_not_taken_is_acknowledged_at_each_hop() {
    for at in [A, B] {
        however_it_goes(
            |pair| asked(pair, at, "INVITE", 486),
            |pair, what| assert_answered(pair, at, 486, what),
        );
    }
}

#[test]
fn a_caller_who_gives_up_while_it_rings_hears_487() {
    for at in [A, B] {
        let script = |pair: &mut Pair| {
            let over = pair.nodes[at].ua.at.transport;
            pair.serve(other(at), 200);
            pair.ask(at, request_from(at, "INVITE", over));
            pair.nodes[at].ua.caller.as_mut().unwrap().cancels_on = Some(180);
            pair.run();
        };
        for (bob_at, alice_at) in everywhere() {
            let mut pair = Pair::new(bob_at, alice_at, &[]);
            script(&mut pair);
            assert_answered(&pair, at, 487, "without loss");
            assert!(pair.callee(other(at)).cancelled);
        }
        let count = datagrams(script) + 2;
        for (one, two) in (0..count).flat_map(|one| (one..count).map(move |two| (one, two))) {
            let mut pair = Pair::new(bob_udp(), alice_udp(), &[one, two]);
            script(&mut pair);
            // A 180 that is lost is no reason to give up, and a CANCEL that is lost for long comes too late.
            let status = if pair.callee(other(at)).cancelled { 487 } else { 200 };
            assert_answered(&pair, at, status, &format!("without {one} and {two}"));
        }
    }
}

#[test]
fn over_tcp_a_request_goes_over_the_link_once() {
    for (at, method) in [(A, "MESSAGE"), (B, "MESSAGE"), (A, "INVITE"), (B, "INVITE")] {
        let mut pair = Pair::new(bob(), alice(), &[]);
        asked(&mut pair, at, method, 200);
        // MESSAGE, 200; INVITE, 180, 200, ACK.
        assert_eq!(pair.on_links, if method == "INVITE" { 4 } else { 2 });
    }
}

#[test]
fn what_is_out_when_the_link_is_cut_ends_at_once() {
    for (bob_at, alice_at) in everywhere() {
        for method in ["MESSAGE", "INVITE"] {
            let mut pair = Pair::new(bob_at, alice_at, &[]);
            pair.serve(A, 200);
            pair.ask(B, request_from(B, method, alice_at.transport));
            pair.run_for(RINGS / 2);
            assert_eq!(pair.callee(A).served, 1);
            pair.cut();
            let cut_at = pair.now;
            pair.run_for(Duration::from_millis(100));
            assert_eq!(pair.caller(B).finals(), [480], "{method}");
            assert!(pair.now - cut_at < Duration::from_millis(200));
            pair.run();
            assert_eq!(pair.caller(B).finals(), [480], "what Bob answers finds no way back");
        }
    }
}

#[test]
fn s7_what_is_out_when_the_link_is_cut_goes_to_the_flow_here_in_the_same_instant() {
    for method in ["MESSAGE", "INVITE"] {
        let mut pair = Pair::new(bob_udp(), alice(), &[]);
        // Alice's other phone, so to say: Bob's second flow is one of Alice's node.
        let second =
            flowhold_cluster::binding::Binding { holder: run_of("b", 1), ..flow_of("ua", 2, alice(), 1) };
        let first =
            flowhold_cluster::binding::Binding { holder: run_of("a", 1), ..flow_of("ua", 1, bob_udp(), 9) };
        pair.set_bindings(vec![first, second], Vec::new());
        pair.serve(A, 200);
        pair.serve(B, 200);
        pair.ask(B, request_from(B, method, Transport::Tcp));
        pair.run_for(RINGS / 2);
        assert_eq!((pair.callee(A).served, pair.callee(B).served), (1, 0));
        pair.cut();
        pair.run_for(Duration::from_millis(20));
        assert_eq!(pair.callee(B).served, 1, "a latency later");
        pair.run();
        assert_eq!(pair.caller(B).finals(), [200]);
    }
}

#[test]
fn a_dialog_goes_on_over_a_link_that_is_up_again() {
    for (bob_at, alice_at) in everywhere() {
        for at in [A, B] {
            let mut pair = Pair::new(bob_at, alice_at, &[]);
            asked(&mut pair, at, "INVITE", 200);
            let mut dialog = Dialog::of(&pair, at);
            pair.cut();
            let request = dialog.request(at, "INFO");
            pair.serve(other(at), 200);
            pair.ask(at, request);
            pair.run();
            assert_eq!(pair.caller(at).finals(), [430]);
            pair.link();
            for by in [A, B] {
                dialog.exchange(&mut pair, by, "INFO", 200);
                assert_answered(&pair, by, 200, "INFO");
            }
        }
    }
}

#[test]
fn s5_3_1_a_dialog_with_a_ua_of_an_earlier_run_is_430() {
    for (bob_at, alice_at) in everywhere() {
        for (at, restarted) in [(A, A), (A, B), (B, A), (B, B)] {
            let mut pair = Pair::new(bob_at, alice_at, &[]);
            asked(&mut pair, at, "INVITE", 200);
            let mut dialog = Dialog::of(&pair, at);
            pair.restart(restarted);
            // To the UA whose node began another run; its own requests say whose side they are of, and go on.
            dialog.exchange(&mut pair, other(restarted), "BYE", 200);
            assert_eq!(pair.caller(other(restarted)).finals(), [430]);
            assert_eq!(pair.callee(restarted).served, 0);
            dialog.exchange(&mut pair, restarted, "BYE", 200);
            assert_answered(&pair, restarted, 200, "BYE");
            // The bindings are of the earlier run too, until the UA registers again.
            asked(&mut pair, other(restarted), "MESSAGE", 200);
            assert_eq!(pair.caller(other(restarted)).finals(), [480]);
            pair.register(&[bob_at], &[alice_at]);
            asked(&mut pair, other(restarted), "MESSAGE", 200);
            assert_answered(&pair, other(restarted), 200, "MESSAGE");
        }
    }
}

#[test]
fn s11_5_a_flow_that_only_its_own_node_knows_to_be_gone_is_430_there_and_480_to_the_caller() {
    for method in ["MESSAGE", "INVITE"] {
        let mut pair = Pair::new(bob(), alice(), &[]);
        pair.nodes[A].ua.gone = true;
        asked(&mut pair, B, method, 200);
        assert_eq!((pair.caller(B).finals(), pair.callee(A).served), (vec![480], 0));
        assert_eq!(pair.nodes[B].scenario.dead_bindings.len(), 1);
    }
    // It ends while it rings: nobody but the CANCEL finds out.
    let mut pair = Pair::new(bob(), alice(), &[]);
    pair.serve(A, 200);
    pair.ask(B, request_from(B, "INVITE", Transport::Tcp));
    pair.nodes[B].ua.caller.as_mut().unwrap().cancels_on = Some(180);
    pair.run_for(Duration::from_millis(70));
    assert_eq!(pair.callee(A).served, 1);
    pair.nodes[A].ua.gone = true;
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.caller(B).finals(), [480]);
    pair.run();
}
