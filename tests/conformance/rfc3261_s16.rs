//! RFC 3261 §16: what the proxy checks, what it changes in a request and in a response, and what it leaves alone.

use crate::support::message::param;
use crate::support::request::{MAGIC_COOKIE, branch};
use crate::support::{Client, Message, Node, wait_until};

/// A caller and a UA that is registered as `bob`, in every combination of transports.
fn pairs(node: &Node) -> Vec<(Client, Client)> {
    let made = [
        (Client::tcp(node), Client::tcp(node)),
        (Client::tcp(node), Client::udp(node)),
        (Client::udp(node), Client::tcp(node)),
        (Client::udp(node), Client::udp(node)),
    ];
    made.into()
}

#[test]
fn s16_a_request_and_its_response_cross_every_pair_of_transports() {
    let node = Node::start("");
    for (caller, ua) in pairs(&node) {
        ua.registers_outbound("bob", 1);
        caller.reaches("bob", &ua);
        caller.expect_nothing();
        ua.expect_nothing();
    }
}

#[test]
fn s16_3_max_forwards_of_zero_is_483() {
    let node = Node::start("");
    for (caller, ua) in pairs(&node) {
        ua.registers("bob");
        for request in [caller.message("bob"), caller.message("nobody")] {
            caller.ask(&request.set("Max-Forwards", "0")).expect_status(483);
        }
        ua.expect_nothing();
    }
}

#[test]
fn s16_3_an_unknown_uri_scheme_is_416() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    caller.ask(&caller.request("MESSAGE", "nobodyKnowsThisScheme:totallyopaquecontent")).expect_status(416);
}

#[test]
fn s16_3_a_method_and_fields_that_nobody_knows_are_forwarded() {
    let node = Node::start("");
    for (caller, ua) in pairs(&node) {
        ua.registers("bob");
        let request =
            caller.request("NEWMETHOD", "sip:bob@example.com").with("X-New", "a, \"b").with("Require", "new");
        caller.send(request.to_bytes());
        let arrived = ua.receive().expect_method("NEWMETHOD");
        assert_eq!(arrived.header("X-New"), "a, \"b");
        assert_eq!(arrived.header("Require"), "new", "it is for the UA and not for a proxy");
        ua.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
}

#[test]
fn s16_3_a_proxy_require_that_is_not_understood_is_420() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let response = caller.ask(&caller.message("bob").with("Proxy-Require", "zork, blip")).expect_status(420);
    let mut unsupported = response.values("Unsupported");
    unsupported.sort_unstable();
    assert_eq!(unsupported, ["blip", "zork"], "{response}");
    ua.expect_nothing();
}

/// What `ua` got, sent to the node again as it would come back from a proxy: with another Via and Request-URI.
fn sent_again(from: &Client, arrived: &Message, uri: &str) -> Vec<u8> {
    let text = String::from_utf8(arrived.octets().to_vec()).unwrap();
    let (_, rest) = text.split_once("\r\n").unwrap();
    format!("MESSAGE {uri} SIP/2.0\r\nVia: {};rport;branch={}\r\n{rest}", from.sent_by(), branch())
        .into_bytes()
}

#[test]
fn s16_3_a_request_that_comes_back_as_it_was_is_482() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    ua.send(sent_again(&ua, &arrived, "sip:bob@example.com"));
    ua.receive().expect_status(482);
}

#[test]
fn s16_3_a_request_that_comes_back_for_another_aor_is_no_loop() {
    let node = Node::start("");
    let (caller, ua, other) = (Client::tcp(&node), Client::tcp(&node), Client::udp(&node));
    ua.registers("bob");
    other.registers("carol");
    caller.send(caller.message("bob").to_bytes());
    let arrived = ua.receive();
    ua.send(sent_again(&ua, &arrived, "sip:carol@example.com"));
    let spiraled = other.receive().expect_method("MESSAGE");
    other.send(spiraled.answer(200, "OK"));
    ua.send(ua.receive().expect_status(200).forwarded());
    caller.receive().expect_status(200);
}

#[test]
fn s16_3_a_merged_request_is_no_error() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let request = caller.message("bob");
    // A proxy before us has forked it: the same From tag, Call-ID and CSeq, another branch.
    let other = request.clone().set("Via", format!("{};rport;branch={}", caller.sent_by(), branch()));
    let mut arrived = Vec::new();
    for request in [request, other] {
        caller.send(request.to_bytes());
        arrived.push(ua.receive().expect_method("MESSAGE"));
    }
    for request in arrived {
        ua.send(request.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
}

#[test]
fn s16_5_an_aor_that_is_not_known_is_404() {
    let node = Node::start("");
    for caller in [Client::tcp(&node), Client::udp(&node)] {
        assert_eq!(caller.message_status("nobody"), 404);
    }
}

#[test]
fn s16_5_an_aor_without_bindings_is_480() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    ua.ask(&ua.register_contact("bob").with("Expires", "0")).expect_status(200);
    assert_eq!(caller.message_status("bob"), 480);
}

#[test]
fn s16_5_another_domain_is_not_served_to_strangers() {
    let node = Node::start("");
    let caller = Client::tcp(&node);
    let status = caller.ask(&caller.request("MESSAGE", "sip:bob@example.net")).status();
    assert!((400..500).contains(&status), "{status}");
}

#[test]
fn s16_5_the_aor_is_looked_up_in_its_canonical_form() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    for uri in
        ["sip:%62ob@EXAMPLE.com", "sip:bob@example.com;user=phone", "sip:bob@example.com;transport=tcp"]
    {
        caller.send(caller.request("MESSAGE", uri).to_bytes());
        let arrived = ua.receive();
        ua.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
    assert_eq!(caller.message_status("Bob"), 404, "the user part has case");
}

#[test]
fn s16_6_1_body_and_fields_are_forwarded_as_they_are_and_in_their_order() {
    let node = Node::start("");
    for (caller, ua) in pairs(&node) {
        ua.registers("bob");
        let body: Vec<u8> = (0..=255).chain([13, 10, 13, 10, 0]).collect();
        let request = caller
            .message("bob")
            .with("X-One", "1;p=\"a,b\"")
            .with("x-list", "a, b")
            .with("Date", "not at all a date")
            .with("X-List", "c")
            .with("X-Octets", "\u{e9}\u{2603}")
            .with("m", "<sip:caller@192.0.2.1>;x")
            .body(body.clone());
        caller.send(request.to_bytes());
        let arrived = ua.receive();
        assert_eq!(arrived.body(), body);
        let sent = String::from_utf8_lossy(&request.to_bytes()).into_owned();
        let got = String::from_utf8_lossy(arrived.octets()).into_owned();
        let kept = |text: &str| -> Vec<String> {
            let head = text.split("\r\n\r\n").next().unwrap();
            let ours = ["Via:", "Max-Forwards:", "Max-Breadth:"];
            let own = |line: &&str| !ours.iter().any(|name| line.starts_with(name));
            head.split("\r\n").skip(1).filter(own).map(str::to_owned).collect()
        };
        assert_eq!(kept(&got), kept(&sent));
        ua.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
}

#[test]
fn s16_6_2_the_request_uri_is_that_of_the_binding() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    let contact = "\"Bob\" <sip:bob%40home@192.0.2.4:5070;transport=tcp;ob;x-y=z>;q=0.5";
    ua.ask(&ua.register("bob").contact(contact)).expect_status(200);
    assert_eq!(caller.reaches("bob", &ua).uri(), "sip:bob%40home@192.0.2.4:5070;transport=tcp;ob;x-y=z");
}

#[test]
fn s16_6_2_what_is_not_allowed_in_a_request_uri_is_removed() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    // §19.1.1: header fields and the method parameter are for other places.
    let contact = "<sip:bob@192.0.2.4;method=INVITE;x=1?subject=hello>";
    ua.ask(&ua.register("bob").contact(contact)).expect_status(200);
    assert_eq!(caller.reaches("bob", &ua).uri(), "sip:bob@192.0.2.4;x=1");
}

#[test]
fn s16_6_3_max_forwards_is_one_less() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    for (sent, got) in [("70", "69"), ("1", "0"), ("255", "254")] {
        caller.send(caller.message("bob").set("Max-Forwards", sent).to_bytes());
        let arrived = ua.receive();
        assert_eq!(arrived.header("Max-Forwards"), got);
        ua.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
}

#[test]
fn s16_6_3_a_missing_max_forwards_is_added_as_70() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").without("Max-Forwards").to_bytes());
    assert_eq!(ua.receive().header("Max-Forwards"), "70");
}

#[test]
fn s16_6_8_a_via_of_our_own_is_on_top_with_a_branch_of_our_own() {
    let node = Node::start("");
    for (caller, ua) in pairs(&node) {
        ua.registers("bob");
        let request = caller.message("bob").with("Via", "SIP/2.0/TLS first.example.net;branch=z9hG4bKfirst");
        caller.send(request.to_bytes());
        let arrived = ua.receive();
        let [own, callers, first] = arrived.values("Via")[..] else { panic!("three Vias{arrived}") };
        let listener = if ua.transport() == "TCP" { node.tcp() } else { node.udp() };
        assert!(own.starts_with(&format!("SIP/2.0/{} {listener}", ua.transport())), "{arrived}");
        let branch = param(own, "branch").unwrap();
        assert!(branch.starts_with(MAGIC_COOKIE), "{arrived}");
        assert_ne!(Some(branch), param(request.field("Via"), "branch"));
        assert!(callers.starts_with(&caller.sent_by()), "{arrived}");
        assert_eq!(first, "SIP/2.0/TLS first.example.net;branch=z9hG4bKfirst");
        ua.send(arrived.answer(200, "OK"));
        caller.receive().expect_status(200);
    }
}

#[test]
fn s16_6_8_every_forwarded_request_has_another_branch() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let branch_of = |arrived: &Message| param(arrived.top_via(), "branch").unwrap().to_owned();
    let branches: std::collections::BTreeSet<_> =
        (0..20).map(|_| branch_of(&caller.reaches("bob", &ua))).collect();
    assert_eq!(branches.len(), 20);
}

#[test]
fn s16_6_9_a_request_without_content_length_gets_one_on_a_stream() {
    let node = Node::start("");
    let (caller, ua) = (Client::udp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").without("Content-Length").to_bytes());
    // The stream could not be framed without one: `receive` insists on it.
    let arrived = ua.receive();
    assert_eq!(arrived.body(), b"Hello bob");
    ua.send(arrived.answer(200, "OK"));
    caller.receive().expect_status(200);
}

#[test]
fn s16_7_3_the_topmost_via_is_removed_from_a_response_and_all_else_stays() {
    let node = Node::start("");
    for (caller, ua) in pairs(&node) {
        ua.registers("bob");
        let request = caller.message("bob").with("Via", "SIP/2.0/TLS first.example.net;branch=z9hG4bKfirst");
        caller.send(request.to_bytes());
        let arrived = ua.receive();
        let lines = "X-One: \"a, b\"\r\nServer: the UA's own\r\nX-Two: 2\r\n";
        ua.send(arrived.answer_with(299, "Almost \u{e9}", lines));
        let response = caller.receive();
        assert_eq!(response.start_line(), "SIP/2.0 299 Almost \u{e9}");
        let [callers, first] = response.values("Via")[..] else { panic!("two Vias{response}") };
        assert!(callers.starts_with(&caller.sent_by()), "{response}");
        assert_eq!(first, "SIP/2.0/TLS first.example.net;branch=z9hG4bKfirst");
        assert_eq!(response.header("To"), format!("{};tag=ua", request.field("To")));
        assert!(String::from_utf8_lossy(response.octets()).contains(lines), "{response}");
    }
}

#[test]
fn s16_7_5_a_non_2xx_final_response_is_forwarded() {
    let node = Node::start("");
    for (caller, ua) in pairs(&node) {
        ua.registers("bob");
        for (status, reason) in [(302, "Moved"), (486, "Busy Here"), (603, "Decline")] {
            caller.send(caller.message("bob").to_bytes());
            ua.send(ua.receive().answer(status, reason));
            let response = caller.receive().expect_status(status);
            assert!(response.header("To").ends_with(";tag=ua"), "{response}");
        }
    }
}

#[test]
fn s16_7_a_response_that_nobody_waits_for_is_dropped_and_counted() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    let arrived = caller.reaches("bob", &ua);
    // Its transaction has its final response; a stranger's branch never was one.
    ua.send(arrived.answer(200, "OK"));
    let text = String::from_utf8(arrived.answer(200, "OK")).unwrap();
    ua.send(text.replace(param(arrived.top_via(), "branch").unwrap(), &branch()));
    ua.expect_nothing();
    caller.reaches("bob", &ua);
    caller.expect_nothing();
    assert!(node.metric("refused_total{reason=\"stray_response\"}") >= 1);
}

#[test]
fn s16_9_a_caller_that_is_gone_disturbs_nobody() {
    let node = Node::start("");
    let (caller, other, ua) = (Client::tcp(&node), Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    let message = ua.receive();
    caller.ask(&caller.invite("bob")).expect_status(100);
    let invite = ua.receive();
    drop(caller);
    wait_until("the caller is gone", || node.flows_closed("peer_closed") == 1);
    // §16.9: that a response cannot be forwarded is no reason to cancel.
    ua.expect_nothing();
    ua.send(message.answer(200, "OK"));
    ua.send(invite.answer(486, "Busy Here"));
    ua.receive().expect_method("ACK");
    other.reaches("bob", &ua);
}

#[test]
fn s16_9_a_flow_that_ends_while_a_request_waits_ends_the_request() {
    let node = Node::start("");
    let (caller, ua) = (Client::tcp(&node), Client::tcp(&node));
    ua.registers("bob");
    caller.send(caller.message("bob").to_bytes());
    ua.receive();
    drop(ua);
    let status = caller.receive().status();
    assert!([480, 500].contains(&status), "{status}");
}
