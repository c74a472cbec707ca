//! The owner's hop: what goes on, what is refused, and which responses come back.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use flowhold_cluster::flow;
use flowhold_cluster::token::FlowToken;
use proptest::prelude::*;

use super::*;
use crate::proto::edge::{Edge, Form, value};
use crate::proto::transaction::Timers;
use crate::sip::Transport;

fn settings() -> proxy::Settings {
    let sent_by = |port: &str| format!("192.0.2.1:{port}").into_bytes().into_boxed_slice();
    proxy::Settings {
        run: run_of("a", 1),
        tokens: Arc::new(KeyRing::of_one_run(&[7; 32])),
        registrar: None,
        routes: Vec::new(),
        further: Vec::new(),
        upstreams: Vec::new(),
        flow_timer: Duration::ZERO,
        flow_timer_udp: Duration::ZERO,
        proves_users: false,
        domains: Vec::new(),
        hosts: Vec::new(),
        sent_by: SentBy {
            udp: sent_by("5060"),
            tcp: sent_by("5060"),
            tls: sent_by("5061"),
            ws: sent_by("80"),
            wss: sent_by("443"),
        },
        cluster: Some(sent_by("5070")),
        timers: Timers::default(),
        timer_c: Duration::ZERO,
        flow_timeout: Duration::ZERO,
        max_transactions: 0,
        retry_after: Duration::from_secs(7),
        worker: 0,
        server: b"flowhold".as_slice().into(),
    }
}

fn relay() -> Relay {
    Relay::new(&settings(), 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)
}

fn run_of(node: &str, epoch: u64) -> NodeRun {
    NodeRun { node: node.into(), epoch }
}

fn source(transport: Transport, slot: u32, remote: &str) -> Source {
    let id = FlowId { worker: 3, slot, generation: 1 };
    Source::new(Flow { id, remote: remote.parse().unwrap() }, transport)
}

fn link() -> Source {
    source(Transport::Tcp, 50, "192.0.2.2:40001")
}

fn bob() -> Source {
    source(Transport::Tcp, 2, "198.51.100.2:40002")
}

fn bob_udp() -> Source {
    Source { transport: Transport::Udp, ..bob() }
}

fn flows() -> [Source; 5] {
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss]
        .map(|transport| Source { transport, ..bob() })
}

/// The Route that leads to a flow of that run.
fn route(run: &NodeRun, to: Source) -> String {
    let settings = settings();
    let token = Edge { run, tokens: &settings.tokens }.token(to);
    String::from_utf8(value(Some(&token), b"192.0.2.1:5070", Transport::Tcp, Form::RecordRoute)).unwrap()
}

const VIA: &str = "SIP/2.0/TCP 192.0.2.2:5070;branch=z9hG4bKb";

/// What node b sends, with the Route in its place.
fn request(method: &str, route: &str) -> String {
    format!(
        "{method} sip:bob@10.0.0.2:5062 SIP/2.0\r\n\
         Route: {route}\r\n\
         Via: {VIA}\r\n\
         v: SIP/2.0/UDP 10.0.0.1:5062 ;branch=z9hG4bKa;rport=40001;received=198.51.100.1\r\n\
         Max-Forwards: 69\r\n\
         f: \"Alice\" <sip:alice@example.com>;tag=alicetag\r\n\
         To: <sip:bob@example.com>\r\n\
         Call-ID:   call\r\n\
         CSeq: 1 {method}\r\n\
         X-Unknown: {{octets, as they are}}\r\n\
         Content-Length: 4\r\n\r\nbody"
    )
}

fn to(on: Source) -> String {
    request("INVITE", &route(&run_of("a", 1), on))
}

fn message(text: impl Into<Vec<u8>>) -> Message {
    Message::parse(Bytes::from(text.into())).unwrap()
}

#[track_caller]
fn onward(relayed: Relayed) -> (Source, Message) {
    match relayed {
        Relayed::Onward { to, wire, .. } => {
            let message = Message::parse(wire.to_bytes()).unwrap();
            assert_eq!(message.validate(), Ok(()));
            (to, message)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(relayed: Relayed) -> (Option<Message>, Event) {
    match relayed {
        Relayed::Refused { answer, event } => {
            (answer.map(|wire| Message::parse(wire.to_bytes()).unwrap()), event)
        }
        other => panic!("{other:?}"),
    }
}

fn branch(message: &Message) -> Vec<u8> {
    message.top_via().unwrap().branch().unwrap().to_vec()
}

fn answer(request: &Message, status: u16) -> Message {
    let response =
        Response::to(request, status, "Whatever").to_tag("bobtag").header("X-Unknown", "{ octets }");
    Message::parse(response.finish().to_bytes()).unwrap()
}

fn text(message: &Message) -> String {
    String::from_utf8(message.bytes().to_vec()).unwrap()
}

#[test]
fn s16_11_a_request_goes_to_the_flow_of_its_token_with_a_via_more_a_hop_and_a_route_less() {
    for on in flows() {
        let came = to(on);
        let (flow, sent) = onward(relay().request(&message(came.clone()), link()));
        assert_eq!((flow.flow.id, flow.transport), (on.flow.id, on.transport));
        let via = sent.top_via().unwrap();
        let sent_by = settings().sent_by.of(on.transport).to_vec();
        assert_eq!((via.transport(), via.sent_by()), (Some(on.transport), &sent_by[..]));
        let is_udp = on.transport == Transport::Udp;
        assert_eq!(via.rport(), is_udp.then_some(None), "RFC 3581 §3");
        if is_udp {
            assert_eq!(flow.flow.remote, on.flow.remote);
        }
        let route = format!("Route: {}\r\n", route(&run_of("a", 1), on));
        let top = format!("Via: {}\r\n", str::from_utf8(sent.values(Name::Via).next().unwrap()).unwrap());
        let expected = came
            .replace(&route, "")
            .replace(&format!("Via: {VIA}"), &format!("{top}Via: {VIA}"))
            .replace("Max-Forwards: 69", "Max-Forwards: 68");
        assert_eq!(text(&sent), expected, "everything else to the octet");
    }
}

#[test]
fn s16_4_route_values_behind_the_token_stay() {
    let both = format!("{}, <sip:edge.example.com;lr>", route(&run_of("a", 1), bob()));
    let (_, sent) = onward(relay().request(&message(request("INVITE", &both)), link()));
    assert_eq!(sent.values(Name::Route).collect::<Vec<_>>(), [b"<sip:edge.example.com;lr>"]);
}

#[test]
fn s18_2_1_the_address_that_the_link_comes_from_is_noted_where_it_is_not_sent_by() {
    let from = |remote: &str| source(Transport::Tcp, 50, remote);
    for (remote, received) in [("192.0.2.2:40001", None), ("198.51.100.9:1", Some("198.51.100.9"))] {
        let (_, sent) = onward(relay().request(&message(to(bob())), from(remote)));
        let below = Via::parse(sent.values(Name::Via).nth(1).unwrap()).unwrap();
        assert_eq!(below.received(), received.map(|ip| ip.parse().unwrap()));
        let (back, response) = relay().response(&answer(&sent, 200), bob()).unwrap();
        assert_eq!(back.id, from(remote).flow.id);
        let response = Message::parse(response.to_bytes()).unwrap();
        assert_eq!(response.top_via().unwrap().branch(), Some(b"z9hG4bKb".as_slice()));
    }
}

#[test]
fn s16_11_a_retransmission_the_cancel_and_the_ack_have_the_branch_of_their_request_and_nothing_else_has() {
    let relay = relay();
    let sent = |text: String, link| branch(&onward(relay.request(&message(text), link)).1);
    for on in [bob(), bob_udp()] {
        let first = sent(to(on), link());
        assert!(Relay::is_branch(&first));
        assert!(first.starts_with(b"z9hG4bK"), "RFC 3261 §8.1.1.7");
        assert_eq!(sent(to(on), link()), first);
        for method in ["CANCEL", "ACK"] {
            assert_eq!(sent(to(on).replace("INVITE", method), link()), first);
        }
        let other_peer =
            Source { flow: Flow { remote: "198.51.100.2:40003".parse().unwrap(), ..on.flow }, ..on };
        let others = [
            sent(to(on).replace("z9hG4bKb", "z9hG4bKc"), link()),
            sent(to(on).replace("192.0.2.2:5070", "192.0.2.3:5070"), link()),
            sent(to(on), source(Transport::Tcp, 51, "192.0.2.2:40001")),
            sent(to(source(on.transport, 3, "198.51.100.2:40002")), link()),
        ];
        assert!(others.iter().all(|other| *other != first));
        assert_eq!(sent(to(other_peer), link()) == first, on.transport.is_reliable());
    }
}

#[test]
fn s16_7_a_response_goes_back_over_its_link_with_a_via_less_and_nothing_else_changed() {
    for on in flows() {
        for status in [100, 180, 200, 404, 603] {
            let (_, sent) = onward(relay().request(&message(to(on)), link()));
            let came = text(&answer(&sent, status));
            // The UA's relay may be that of another worker.
            let (back, wire) = relay().response(&message(came.clone()), on).unwrap();
            assert_eq!(back.id, link().flow.id);
            let top = format!("Via: {}\r\n", str::from_utf8(sent.values(Name::Via).next().unwrap()).unwrap());
            assert_eq!(wire.to_bytes(), came.replacen(&top, "", 1).into_bytes());
        }
    }
}

#[test]
fn s20_14_a_response_says_how_long_it_is_on_a_link() {
    let (_, sent) = onward(relay().request(&message(to(bob_udp())), link()));
    let whole = text(&answer(&sent, 200));
    let without = format!("{}four", whole.replace("Content-Length: 0\r\n", ""));
    let (_, wire) = relay().response(&message(without), bob_udp()).unwrap();
    assert!(str::from_utf8(&wire.to_bytes()).unwrap().contains("Content-Length: 4\r\n"));
    for wrong in
        ["Content-Length: 9\r\n", "Content-Length: 0\r\nContent-Length: 4\r\n", "Content-Length: x\r\n"]
    {
        let truncated = format!("{}four", whole.replace("Content-Length: 0\r\n", wrong));
        assert!(
            relay().response(&message(truncated), bob_udp()).is_none(),
            "it would take of the next: {wrong}"
        );
    }
}

#[test]
fn what_may_not_go_on_is_answered_over_the_link_and_an_ack_never() {
    let good = to(bob());
    let own = route(&run_of("a", 1), bob());
    let with_route = |route: &str| good.replace(&own, route);
    let other_keys = KeyRing::of_one_run(&[8; 32]);
    let forged = FlowToken::of(run_of("a", 1), &bob().flow, flow::Transport::Tcp);
    let forged = format!("<sip:{}@192.0.2.1:5070;lr>", other_keys.seal(&forged));
    let mut changed = own.clone().into_bytes();
    changed[20] ^= 1;
    for (text, status, event) in [
        (with_route(&forged), 403, Event::ForgedToken),
        (with_route(str::from_utf8(&changed).unwrap()), 403, Event::ForgedToken),
        (with_route("<sip:alice@192.0.2.1:5070;lr>"), 403, Event::ForgedToken),
        (with_route("<sip:192.0.2.1:5070;lr>"), 403, Event::NotOurs),
        (with_route("nothing"), 403, Event::NotOurs),
        (good.replace("Route:", "X-Route:"), 403, Event::NotOurs),
        (with_route(&route(&run_of("a", 2), bob())), 430, Event::FlowGone),
        (with_route(&route(&run_of("b", 1), bob())), 430, Event::FlowGone),
        (good.replace("Max-Forwards: 69", "Max-Forwards: 0"), 483, Event::TooManyHops),
        (good.replace("X-Unknown", "Proxy-Require"), 420, Event::BadExtension),
        (good.replace("branch=z9hG4bKb", "branch=old"), 400, Event::Malformed(Fault::Via)),
        (good.replace("Call-ID:   call", "X: y"), 400, Event::Malformed(Fault::CallId)),
    ] {
        let (answer, seen) = refused(relay().request(&message(text.clone()), link()));
        let answer = answer.unwrap();
        assert_eq!((answer.status(), seen), (Some(status), event), "{text}");
        assert!(
            answer.top_via().unwrap().sent_by() == b"192.0.2.2:5070" && answer.values(Name::Via).count() == 2
        );
        assert_eq!(answer.first(Name::Server), Some(b"flowhold".as_slice()));
        assert_eq!(answer.first(Name::Unsupported).is_some(), status == 420);
        let ack = text.replace("INVITE", "ACK");
        let (answer, seen) = refused(relay().request(&message(ack), link()));
        assert_eq!((answer.is_none(), seen), (true, event), "{text}");
    }
    let no_via = good.replace("Via:", "X-Via:").replace("v:", "X-v:");
    let (answer, event) = refused(relay().request(&message(no_via), link()));
    assert_eq!((answer.is_none(), event), (true, Event::Unanswerable));
}

#[test]
fn s16_6_step_3_a_request_without_max_forwards_is_given_one() {
    let text = to(bob()).replace("Max-Forwards: 69\r\n", "");
    let (_, sent) = onward(relay().request(&message(text), link()));
    assert_eq!(sent.max_forwards(), Ok(Some(70)));
}

#[test]
fn a_flow_that_is_gone_is_430_and_one_that_takes_no_more_503() {
    let invite = message(to(bob()));
    let relay = relay();
    let (gone, event) = refused(relay.gone(&invite, link()));
    assert_eq!((gone.unwrap().status(), event), (Some(430), Event::FlowGone));
    let (full, event) = refused(relay.full(&invite, link()));
    let full = full.unwrap();
    assert_eq!((full.status(), event), (Some(503), Event::Undeliverable));
    assert_eq!(full.first(Name::RetryAfter), Some(b"7".as_slice()));
    let ack = message(to(bob()).replace("INVITE", "ACK"));
    assert!(refused(relay.gone(&ack, link())).0.is_none());
    assert!(refused(relay.full(&ack, link())).0.is_none());
}

#[test]
fn s17_1_1_3_the_ack_to_a_response_of_ours_goes_no_further() {
    let relay = relay();
    let (answer, _) = refused(relay.full(&message(to(bob())), link()));
    let tagged = str::from_utf8(answer.unwrap().first(Name::To).unwrap()).unwrap().to_owned();
    let ack = |to_value: &str| {
        let text = to(bob()).replace("INVITE", "ACK");
        message(text.replace("To: <sip:bob@example.com>", &format!("To: {to_value}")))
    };
    assert!(matches!(relay.request(&ack(&tagged), link()), Relayed::Absorbed));
    // The UA's own failure is acknowledged there.
    onward(relay.request(&ack("<sip:bob@example.com>;tag=bobtag"), link()));
}

#[test]
fn a_branch_of_the_hop_is_none_of_a_proxys_core_and_the_other_way_round() {
    let (_, sent) = onward(relay().request(&message(to(bob())), link()));
    assert_eq!(proxy::Proxy::worker_of_branch(&branch(&sent)), None);
    for other in ["", "z9hG4bK", "z9hG4bKl", &format!("z9hG4bK{}", "0".repeat(46))] {
        assert!(!Relay::is_branch(other.as_bytes()), "{other}");
    }
}

fn sources() -> impl Strategy<Value = Source> {
    let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
    (prop::sample::select(transports), any::<(u16, u32, u32)>(), any::<([u8; 4], u16)>()).prop_map(
        |(transport, (worker, slot, generation), remote)| {
            let id = FlowId { worker, slot, generation };
            Source::new(Flow { id, remote: remote.into() }, transport)
        },
    )
}

/// Other flows that differ in one thing.
fn neighbours(of: Source) -> Vec<Source> {
    let FlowId { worker, slot, generation } = of.flow.id;
    let mut ids = vec![
        FlowId { worker: worker ^ 1, slot, generation },
        FlowId { worker, slot: slot ^ 1, generation },
        FlowId { worker, slot, generation: generation ^ 1 },
    ];
    let mut others: Vec<Source> =
        ids.drain(..).map(|id| Source { flow: Flow { id, ..of.flow }, ..of }).collect();
    if !of.transport.is_reliable() {
        let mut remote = of.flow.remote;
        remote.set_port(remote.port() ^ 1);
        others.push(Source { flow: Flow { remote, ..of.flow }, ..of });
    }
    others
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_response_is_relayed_only_with_the_branch_and_over_the_flow_of_its_request(
        link in sources(), on in sources(), secret in any::<u128>(), to_octet in any::<u8>(),
    ) {
        let relay = Relay::new(&settings(), secret);
        let (flow, sent) = onward(relay.request(&message(to(on)), link));
        let response = text(&answer(&sent, 200));
        let relayed = |text: &str, from: Source| relay.response(&message(text), from).map(|(back, _)| back.id);
        prop_assert_eq!(relayed(&response, flow), Some(link.flow.id));
        prop_assert_eq!(relayed(&response, on), Some(link.flow.id));
        for other in neighbours(on) {
            prop_assert_eq!(relayed(&response, other), None);
        }
        let ours = String::from_utf8(branch(&sent)).unwrap();
        for at in 0..ours.len() {
            for octet in [b'0', b'f', b'F', b'!', ours.as_bytes()[at].to_ascii_uppercase(), to_octet & 0x7f] {
                if octet == ours.as_bytes()[at] || !octet.is_ascii_graphic() {
                    continue;
                }
                let mut changed = ours.clone().into_bytes();
                changed[at] = octet;
                let changed = response.replace(&ours, str::from_utf8(&changed).unwrap());
                prop_assert_eq!(relayed(&changed, on), None, "octet {}", at);
            }
        }
        for (theirs, others) in [
            ("branch=z9hG4bKb", "branch=z9hG4bKc"),
            ("branch=z9hG4bKb", "x=y"),
            ("TCP 192.0.2.2:5070", "TCP 192.0.2.2:5071"),
        ] {
            prop_assert_eq!(relayed(&response.replace(theirs, others), on), None, "{}", others);
        }
        let other_node = Relay::new(&settings(), secret ^ 1);
        prop_assert!(other_node.response(&message(response), on).is_none());
    }
}
