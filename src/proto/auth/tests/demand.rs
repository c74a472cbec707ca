use super::*;
use crate::proto::NextHop;
use flowhold_cluster::token::FlowToken;

fn nothing_is_asked(draft: &Draft) {
    assert_eq!(Node::new("a").outcome(&draft.make(), &tcp(1)), Outcome::Unasked);
}

#[test]
fn rfc3261_s22_1_an_ack_and_a_cancel_are_not_challenged() {
    nothing_is_asked(&Draft { method: "ACK", ..Draft::message(ALICE) });
    nothing_is_asked(&Draft { method: "CANCEL", ..Draft::message(ALICE) });
}

#[test]
fn who_asks_whether_the_node_is_there_needs_no_password() {
    nothing_is_asked(&Draft {
        method: "OPTIONS",
        uri: "sip:192.0.2.9",
        ..Draft::message("sip:lb@lb.invalid")
    });
    let of_ua = Draft { method: "OPTIONS", ..Draft::message(ALICE) };
    assert_eq!(Node::new("a").outcome(&of_ua.make(), &tcp(1)), Outcome::Challenged, "it is for bob");
}

#[test]
fn what_breaks_a_rule_is_left_to_who_would_serve_it() {
    nothing_is_asked(&Draft::message(ALICE).line("Max-Forwards: 700"));
    nothing_is_asked(&Draft::register("sip:alice@elsewhere.example"));
}

#[test]
fn next_hops_that_the_operator_named_are_not_asked() {
    let peer = NextHop { transport: Transport::Udp, address: "192.0.2.50:5060".parse().unwrap() };
    let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, |rules| rules.peers = vec![peer]);
    let from_peer = source(Transport::Udp, 1, "192.0.2.50:5060");
    assert_eq!(node.outcome(&Draft::message("sip:+49@gateway.example").make(), &from_peer), Outcome::Unasked);
    let other = source(Transport::Udp, 1, "192.0.2.50:5061");
    assert_eq!(node.outcome(&Draft::message("sip:+49@gateway.example").make(), &other), Outcome::Stranger);
}

#[test]
fn a_next_hop_over_tls_is_who_has_shown_its_certificate() {
    let peer = NextHop { transport: Transport::Tls, address: "192.0.2.1:5061".parse().unwrap() };
    let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, |rules| rules.peers = vec![peer]);
    let request = Draft::message("sip:+49@gateway.example").make();
    let flow = source(Transport::Tls, 1, "192.0.2.1:40000");
    assert_eq!(node.outcome(&request, &flow), Outcome::Stranger, "its address says nothing");
    node.authenticator.trust.certified_peer(&flow);
    assert_eq!(node.outcome(&request, &flow), Outcome::Unasked);
    assert_eq!(node.outcome(&request, &source(Transport::Tls, 2, "192.0.2.1:40001")), Outcome::Stranger);
    node.authenticator.trust.end(&flow.flow);
    assert_eq!(node.outcome(&request, &flow), Outcome::Stranger);
}

#[test]
fn a_next_hop_registers_nobody_without_a_password() {
    let peer = NextHop { transport: Transport::Tcp, address: "192.0.2.1:5060".parse().unwrap() };
    let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, |rules| rules.peers = vec![peer]);
    assert_eq!(node.outcome(&Draft::message(ALICE).make(), &tcp(1)), Outcome::Unasked);
    assert_eq!(node.outcome(&Draft::register(ALICE).make(), &tcp(1)), Outcome::Challenged);
}

#[test]
fn rfc3261_s22_2_and_s22_3_a_registrar_asks_by_401_and_a_proxy_by_407() {
    let mut node = Node::new("a");
    let registered = node.answer(&Draft::register(ALICE).make(), &tcp(1));
    assert_eq!(registered.reply.status, 401);
    assert!(response(&registered).first(crate::sip::Name::WwwAuthenticate).is_some());
    let forwarded = node.answer(&Draft::message(ALICE).make(), &tcp(1));
    assert_eq!(forwarded.reply.status, 407);
    assert!(response(&forwarded).first(crate::sip::Name::ProxyAuthenticate).is_some());
}

#[test]
fn an_aor_is_registered_by_its_own_user() {
    let mut node = Node::new("a");
    let (mine, his) = (Draft::register(ALICE), Draft::register(BOB));
    let mut login = challenged(&mut node, &mine, &tcp(1), "alice", "alice");
    assert_eq!(node.outcome(&mine.with(&mut login), &tcp(1)), Outcome::Proved);
    let answer = node.answer(&his.with(&mut login), &tcp(1));
    assert_eq!((answer.reply.status, answer.why), (403, Outcome::NotOwn));
    let third_party = Draft { from: ALICE, ..Draft::register(BOB) };
    let answer = node.answer(&third_party.with(&mut login), &tcp(1));
    assert_eq!((answer.reply.status, answer.why), (403, Outcome::Stranger));
}

#[test]
fn from_is_the_users_own() {
    let mut node = Node::new("a");
    let flow = tcp(1);
    let mut login = challenged(&mut node, &Draft::message(ALICE), &flow, "alice", "alice");
    assert_eq!(node.outcome(&Draft::message(ALICE).with(&mut login), &flow), Outcome::Proved);
    assert_eq!(node.outcome(&Draft::message(BOB).with(&mut login), &flow), Outcome::NotOwn);
    assert_eq!(node.outcome(&Draft::message("sip:al%69ce@EXAMPLE.com").make(), &flow), Outcome::Trusted);
    assert_eq!(node.outcome(&Draft::message("sips:alice@example.com").make(), &flow), Outcome::Trusted);
}

#[test]
fn rfc3323_who_does_not_say_who_it_is_proves_that_it_is_somebody() {
    let mut node = Node::new("a");
    let anonymous = Draft::message("sip:anonymous@anonymous.invalid");
    let mut login = challenged(&mut node, &anonymous, &tcp(1), "alice", "alice");
    assert_eq!(node.outcome(&anonymous.with(&mut login), &tcp(1)), Outcome::Proved);
    assert_eq!(node.outcome(&anonymous.make(), &tcp(1)), Outcome::Trusted);
}

#[test]
fn who_may_be_any_user_may_be_one_of_any_domain() {
    let mut node = Node::new("a");
    let anonymous = Draft { uri: "sip:bob@example.com", ..Draft::message("sip:anonymous@anonymous.invalid") };
    let answer = response(&node.answer(&anonymous.make(), &tcp(1)));
    let realms = |answer: &Message| {
        let values = answer.fields(crate::sip::Name::ProxyAuthenticate);
        let realm = |value| crate::sip::digest::Challenge::parse(value).unwrap().realm;
        let mut realms: Vec<Vec<u8>> = values.map(realm).collect();
        realms.dedup();
        realms
    };
    assert_eq!(realms(&answer), [b"example.com", b"example.org"]);
    let elsewhere =
        Draft { uri: "sip:carol@example.org", ..Draft::message("sip:anonymous@anonymous.invalid") };
    assert_eq!(
        realms(&response(&node.answer(&elsewhere.make(), &tcp(1))))[0],
        b"example.org",
        "hers is likely"
    );

    // A UA that knows a password for the second realm alone.
    let mut login = Login::new("carol", "carol");
    let text = String::from_utf8(answer.bytes().to_vec())
        .unwrap()
        .replace("realm=\"example.com\"", "realm=\"\", qop=\"x\"");
    login.challenged(&Message::parse(Bytes::from(text)).unwrap()).unwrap();
    assert_eq!(node.outcome(&anonymous.with(&mut login), &tcp(1)), Outcome::Proved);
}

#[test]
fn realms_to_choose_from_have_a_limit_and_all_are_taken() {
    let domain = |index: u8| format!("d{index}.example").into_bytes().into();
    let many =
        |rules: &mut Rules| rules.domains = (0..20).map(domain).chain([b"example.org"[..].into()]).collect();
    let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, many);
    let anonymous =
        Draft { uri: "sip:x@elsewhere.example", ..Draft::message("sip:anonymous@anonymous.invalid") };
    let answer = node.answer(&anonymous.make(), &tcp(1));
    assert_eq!(response(&answer).fields(crate::sip::Name::ProxyAuthenticate).count(), 4 * 2);
    let at_home = Draft { to: "sip:bob@example.org", ..Draft::message("sip:anonymous@anonymous.invalid") };
    let mut login = challenged(&mut node, &at_home, &tcp(1), "carol", "carol");
    assert_eq!(node.outcome(&at_home.with(&mut login), &tcp(1)), Outcome::Proved);
}

#[test]
fn strangers_are_refused_or_let_through_and_may_not_be_one_of_us() {
    let stranger = Draft::message("sip:carol@elsewhere.example").make();
    assert_eq!(Node::new("a").answer(&stranger, &tcp(1)).reply.status, 403);
    let mut open =
        Node::with("a", Terms { streams: HOUR, udp: HOUR }, |rules| rules.strangers = Strangers::Accept);
    assert_eq!(open.outcome(&stranger, &tcp(1)), Outcome::Unasked);
    assert_eq!(open.outcome(&Draft::message(ALICE).make(), &tcp(1)), Outcome::Challenged);
}

#[test]
fn within_a_dialog_from_is_what_it_began_with() {
    let mut node = Node::new("a");
    let flow = tcp(1);
    let token = FlowToken::of(node.run.clone(), &flow.flow, flowhold_cluster::flow::Transport::Tcp);
    let route = format!("Route: <sip:{}@192.0.2.9:5060;transport=tcp;lr>", node.tokens.seal(&token));
    // The callee's BYE is from whatever the caller had dialled.
    let bye = || {
        Draft { method: "BYE", to_tag: true, ..Draft::message("sip:sales@elsewhere.example") }.line(&route)
    };
    assert_eq!(node.outcome(&bye().make(), &flow), Outcome::Challenged, "nobody has proved anything");
    let mut login = challenged(&mut node, &Draft::register(BOB), &flow, "bob", "bob");
    node.outcome(&Draft::register(BOB).with(&mut login), &flow);
    assert_eq!(node.outcome(&bye().make(), &flow), Outcome::Trusted);
    let without = Draft { method: "BYE", to_tag: true, ..Draft::message("sip:sales@elsewhere.example") };
    assert_eq!(node.outcome(&without.make(), &flow), Outcome::Stranger, "without a token it is no dialog");
    let begins = Draft { to_tag: false, ..bye() };
    assert_eq!(node.outcome(&begins.make(), &flow), Outcome::Stranger, "nor without a tag");
}

/// A request of a dialog whose Route has a token of the flow that it comes over.
fn in_dialog(node: &Node, method: &'static str, from: &'static str, flow: &Source) -> Draft {
    let token = FlowToken::of(node.run.clone(), &flow.flow, flowhold_cluster::flow::Transport::Tcp);
    let route = format!("Route: <sip:{}@192.0.2.9:5060;transport=tcp;lr>", node.tokens.seal(&token));
    Draft { method, to_tag: true, ..Draft::message(from) }.line(route)
}

#[test]
fn within_a_dialog_what_a_ua_takes_outside_of_one_too_is_from_ones_own_aor() {
    let mut node = Node::new("a");
    let flow = tcp(1);
    let mut login = challenged(&mut node, &Draft::message(BOB), &flow, "bob", "bob");
    node.outcome(&Draft::message(BOB).with(&mut login), &flow);
    // Anybody has a token of their own flow, and can write a To tag.
    for method in ["INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PUBLISH", "REFER", "SUBSCRIBE", "X"] {
        let from = |aor| in_dialog(&node, method, aor, &flow);
        let (own, others) = (from(BOB).make(), from(ALICE));
        let elsewhere = from("sip:sales@elsewhere.example").make();
        assert_eq!(node.outcome(&own, &flow), Outcome::Trusted, "{method}");
        assert_eq!(node.outcome(&elsewhere, &flow), Outcome::Trusted, "{method}");
        assert_eq!(node.outcome(&others.make(), &flow), Outcome::Challenged, "{method}");
        assert_eq!(node.outcome(&others.with(&mut login), &flow), Outcome::NotOwn, "{method}");
    }
    // A call to alice may have been redirected to bob, and be ended by him.
    for method in ["BYE", "INFO", "PRACK", "UPDATE"] {
        let others = in_dialog(&node, method, ALICE, &flow).make();
        assert_eq!(node.outcome(&others, &flow), Outcome::Trusted, "{method}");
    }
}

#[test]
fn within_a_dialog_a_number_that_leads_elsewhere_is_nobodys_aor() {
    let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, |rules| {
        rules.numbers = vec![b"+49".as_slice().into()];
    });
    let flow = tcp(1);
    let mut login = challenged(&mut node, &Draft::register(BOB), &flow, "bob", "bob");
    node.outcome(&Draft::register(BOB).with(&mut login), &flow);
    // A gateway called bob by it, and it stands in To.
    let reinvite = |from| in_dialog(&node, "INVITE", from, &flow).make();
    let (number, other) = (reinvite("sip:+4930-123@example.com"), reinvite("sip:+1555@example.com"));
    assert_eq!(node.outcome(&number, &flow), Outcome::Trusted);
    assert_eq!(node.outcome(&other, &flow), Outcome::Challenged);
    let begins = Draft::message("sip:+4930-123@example.com").make();
    assert_eq!(node.outcome(&begins, &flow), Outcome::Challenged, "nobody calls from it");
}

#[test]
fn a_stranger_is_of_no_domain_of_ours_however_it_is_written() {
    let mut open =
        Node::with("a", Terms { streams: HOUR, udp: HOUR }, |rules| rules.strangers = Strangers::Accept);
    for from in
        ["sip:alice@example.com.", "sip:alice@EXAMPLE.COM.:5060", "sips:alice:x@example.com;user=phone"]
    {
        assert_eq!(open.outcome(&Draft::message(from).make(), &tcp(1)), Outcome::Challenged, "{from}");
    }
    for from in ["sip:example.com", "sip:example.com."] {
        assert_eq!(open.outcome(&Draft::message(from).make(), &tcp(1)), Outcome::Stranger, "{from}");
    }
}

#[test]
fn a_stranger_who_may_call_may_also_hang_up() {
    let mut open =
        Node::with("a", Terms { streams: HOUR, udp: HOUR }, |rules| rules.strangers = Strangers::Accept);
    let token = FlowToken::of(open.run.clone(), &tcp(1).flow, flowhold_cluster::flow::Transport::Tcp);
    let route = format!("Route: <sip:{}@192.0.2.9:5060;transport=tcp;lr>", open.tokens.seal(&token));
    let bye = |from| Draft { method: "BYE", to_tag: true, ..Draft::message(from) }.line(&route).make();
    assert_eq!(open.outcome(&bye("sip:carol@elsewhere.example"), &tcp(2)), Outcome::Unasked);
    assert_eq!(open.outcome(&bye(ALICE), &tcp(2)), Outcome::Challenged);
}

#[test]
fn each_domain_is_its_own_realm_unless_there_is_one_for_all() {
    let challenge = |node: &mut Node, aor| {
        let answer = response(&node.answer(&Draft::register(aor).make(), &tcp(1)));
        let value = answer.first(crate::sip::Name::WwwAuthenticate).unwrap();
        crate::sip::digest::Challenge::parse(value).unwrap().realm
    };
    let mut node = Node::new("a");
    assert_eq!(challenge(&mut node, "sip:alice@example.com"), b"example.com");
    assert_eq!(challenge(&mut node, "sip:alice@EXAMPLE.org"), b"example.org");
    let one = |rules: &mut Rules| rules.realm = Some(b"phones".as_slice().into());
    let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, one);
    assert_eq!(challenge(&mut node, "sip:alice@example.org"), b"phones");
}

#[test]
fn an_aor_with_an_upstream_is_proved_by_who_stands_behind_it_here() {
    let number = Draft::message("sip:+4930123@provider.example");
    let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, |rules| {
        let aor = b"+4930123@provider.example"[..].into();
        rules.upstreams.push(crate::proto::auth::Upstream { aor, to: BOB.as_bytes().into() });
    });
    let mut login = challenged(&mut node, &number, &tcp(1), "bob", "bob");
    assert_eq!(node.outcome(&number.with(&mut login), &tcp(1)), Outcome::Proved);
    let mut other = challenged(&mut node, &number, &tcp(2), "alice", "alice");
    assert_ne!(node.outcome(&number.with(&mut other), &tcp(2)), Outcome::Proved, "and by nobody else");
    let another = Draft::message("sip:+4930124@provider.example").make();
    assert_eq!(node.answer(&another, &tcp(1)).reply.status, 403);
}
