use super::*;

#[test]
fn a_flow_that_proved_it_is_not_asked_again_for_a_while() {
    let mut node = Node::new("a");
    let (register, flow) = (Draft::register(ALICE), tcp(1));
    let mut login = challenged(&mut node, &register, &flow, "alice", "alice");
    assert_eq!(node.outcome(&register.with(&mut login), &flow), Outcome::Proved);
    for draft in [Draft::register(ALICE), Draft::message(ALICE)] {
        assert_eq!(node.outcome(&draft.make(), &flow), Outcome::Trusted);
    }
    assert_eq!(node.outcome(&Draft::message(BOB).make(), &flow), Outcome::Challenged, "another user");
    assert_eq!(node.outcome(&register.make(), &tcp(2)), Outcome::Challenged, "another flow");
    node.now = node.now + HOUR;
    assert_eq!(node.outcome(&register.make(), &flow), Outcome::Challenged, "its time is over");
}

#[test]
fn with_no_trust_every_request_has_to_prove_it() {
    let mut node = Node::with("a", Terms { streams: Duration::ZERO, udp: Duration::ZERO }, |_| {});
    let (register, flow) = (Draft::register(ALICE), tcp(1));
    let mut login = challenged(&mut node, &register, &flow, "alice", "alice");
    for _ in 0..3 {
        assert_eq!(node.outcome(&register.with(&mut login), &flow), Outcome::Proved);
        assert_eq!(node.outcome(&register.make(), &flow), Outcome::Challenged);
    }
}

#[test]
fn over_udp_a_flow_is_the_address_and_trusted_by_choice() {
    let flow = source(Transport::Udp, 1, "192.0.2.1:5060");
    let other = source(Transport::Udp, 1, "192.0.2.1:5061");
    for (udp, outcome) in [(Duration::ZERO, Outcome::Challenged), (HOUR, Outcome::Trusted)] {
        let mut node = Node::with("a", Terms { streams: HOUR, udp }, |_| {});
        let register = Draft::register(ALICE);
        let mut login = challenged(&mut node, &register, &flow, "alice", "alice");
        assert_eq!(node.outcome(&register.with(&mut login), &flow), Outcome::Proved);
        assert_eq!(node.outcome(&register.make(), &flow), outcome);
        assert_eq!(node.outcome(&register.make(), &other), Outcome::Challenged);
    }
}

#[test]
fn a_flow_that_several_uas_share_is_never_trusted() {
    let mut node = Node::new("a");
    let behind = Draft::register(ALICE).line("Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKua");
    let flow = tcp(1);
    let mut login = challenged(&mut node, &behind, &flow, "alice", "alice");
    assert_eq!(node.outcome(&behind.with(&mut login), &flow), Outcome::Proved);
    assert_eq!(node.outcome(&behind.make(), &flow), Outcome::Challenged);
    assert!(node.authenticator.trust.is_empty());
    // Nor for what comes along a flow that its next hop itself has proved it on.
    let direct = Draft::register(ALICE);
    assert_eq!(node.outcome(&direct.with(&mut login), &flow), Outcome::Proved);
    assert_eq!(node.outcome(&behind.make(), &flow), Outcome::Challenged);
}

#[test]
fn trust_ends_with_the_flow_with_a_wrong_password_and_with_new_secrets() {
    let mut node = Node::new("a");
    let (register, flow) = (Draft::register(ALICE), tcp(1));
    let mut login = challenged(&mut node, &register, &flow, "alice", "alice");
    let mut wrong = login.clone();
    node.outcome(&register.with(&mut login), &flow);
    node.authenticator.trust.end(&flow.flow);
    assert_eq!(node.outcome(&register.make(), &flow), Outcome::Challenged);

    node.outcome(&register.with(&mut login), &flow);
    node.authenticator.trust.follow(1, None);
    assert_eq!(node.outcome(&register.make(), &flow), Outcome::Challenged);

    node.outcome(&register.with(&mut login), &flow);
    assert_eq!(node.outcome(&register.make(), &flow), Outcome::Trusted);
    let bad = Draft::register(ALICE);
    let text = String::from_utf8(bad.with(&mut wrong).bytes().to_vec()).unwrap();
    let at = text.find("response=\"").unwrap() + 10;
    let digit = if &text[at..=at] == "0" { "1" } else { "0" };
    let text = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
    let request = Message::parse(Bytes::from(text)).unwrap();
    assert_eq!(node.outcome(&request, &flow), Outcome::WrongPassword);
    assert_eq!(node.outcome(&register.make(), &flow), Outcome::Challenged);
}

#[test]
fn a_certificate_stands_for_a_password_as_long_as_the_flow_lasts_and_the_user_is_there() {
    let mut node = Node::new("a");
    let flow = source(Transport::Tls, 1, "192.0.2.1:40000");
    node.authenticator.trust.certified(&flow, vec![user("alice"), user("mallory")]);
    node.now = node.now + HOUR * 24;
    node.authenticator.trust.follow(1, None);
    assert_eq!(node.outcome(&Draft::register(ALICE).make(), &flow), Outcome::Trusted);
    assert_eq!(node.outcome(&Draft::message(ALICE).make(), &flow), Outcome::Trusted);
    let anonymous = Draft::message("sip:anonymous@anonymous.invalid");
    assert_eq!(node.outcome(&anonymous.make(), &flow), Outcome::Trusted);
    assert_eq!(node.outcome(&Draft::register(BOB).make(), &flow), Outcome::Challenged);
    let behind = Draft::register(ALICE).line("Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKua");
    assert_eq!(
        node.outcome(&behind.make(), &flow),
        Outcome::Challenged,
        "the certificate is of the next hop"
    );
    let unknown = Draft::register("sip:mallory@example.com");
    assert_eq!(node.outcome(&unknown.make(), &flow), Outcome::Challenged, "there is no such user");
    let mut login = challenged(&mut node, &Draft::register(BOB), &flow, "bob", "bob");
    assert_eq!(node.outcome(&Draft::register(BOB).with(&mut login), &flow), Outcome::Proved);
    assert_eq!(node.outcome(&Draft::register(ALICE).make(), &flow), Outcome::Trusted);
    node.has_users = false;
    assert_eq!(node.outcome(&Draft::register(ALICE).make(), &flow), Outcome::Unavailable);
    node.has_users = true;
    node.authenticator.trust.end(&flow.flow);
    assert_eq!(node.outcome(&Draft::register(ALICE).make(), &flow), Outcome::Challenged);
    assert!(node.authenticator.trust.is_empty());
}

#[test]
fn a_ua_that_registers_in_time_is_asked_nothing_between_its_registers() {
    let mut node = Node::new("a");
    let (register, flow) = (Draft::register(ALICE), tcp(1));
    let at = |minutes: u64| START + Duration::from_secs(60 * minutes);
    let mut login = challenged(&mut node, &register, &flow, "alice", "alice");
    assert_eq!(node.outcome(&register.with(&mut login), &flow), Outcome::Proved);
    node.now = at(50);
    assert_eq!(node.outcome(&register.make(), &flow), Outcome::Trusted);
    for minutes in [59, 61, 99] {
        node.now = at(minutes);
        assert_eq!(node.outcome(&Draft::message(ALICE).make(), &flow), Outcome::Trusted, "{minutes}");
    }
    node.now = at(100);
    assert_eq!(
        node.outcome(&register.make(), &flow),
        Outcome::Challenged,
        "but a REGISTER proves it each hour"
    );
    assert_eq!(node.outcome(&Draft::message(ALICE).make(), &flow), Outcome::Trusted);
    node.now = at(110);
    assert_eq!(
        node.outcome(&Draft::message(ALICE).make(), &flow),
        Outcome::Challenged,
        "who does not is asked"
    );
}

#[test]
fn flows_that_are_remembered_have_a_limit_and_so_have_their_users() {
    let mut trust = Trust::new(Terms { streams: HOUR, udp: HOUR }, 3, (1, 2));
    for slot in 0..5 {
        trust.grant(START, &tcp(slot), &user("alice"));
    }
    assert_eq!(trust.len(), 3);
    assert!(!trust.holds(START, &tcp(4), &user("alice")), "it is asked each time");
    let later = START + HOUR + Duration::from_secs(2);
    trust.grant(later, &tcp(4), &user("alice"));
    assert!(trust.holds(later, &tcp(4), &user("alice")), "the others' time is over");
    for line in 0..100_u64 {
        trust.grant(later + Duration::from_secs(line), &tcp(4), &user(&format!("line{line}")));
    }
    let now = later + Duration::from_secs(100);
    assert!(!trust.holds(now, &tcp(4), &user("line0")));
    assert!(trust.holds(now, &tcp(4), &user("line99")));
}

#[test]
fn a_users_password_over_a_flow_says_nothing_for_other_users() {
    let mut trust = Trust::new(Terms { streams: HOUR, udp: HOUR }, 3, (1, 2));
    trust.grant(START, &tcp(1), &user("alice"));
    assert!(trust.holds_any(START, &tcp(1)));
    assert!(!trust.holds(START, &tcp(1), &user("bob")));
    let elsewhere = User { realm: b"example.org".as_slice().into(), ..user("alice") };
    assert!(!trust.holds(START, &tcp(1), &elsewhere));
}

#[test]
fn trust_ends_in_a_user_who_has_changed_and_in_no_other() {
    let mut trust = Trust::new(Terms { streams: HOUR, udp: HOUR }, 10, (1, 2));
    trust.grant(START, &tcp(1), &user("alice"));
    trust.grant(START, &tcp(1), &user("bob"));
    trust.grant(START, &tcp(2), &user("alice"));
    trust.follow(1, Some(&[user("alice")]));
    assert!(!trust.holds(START, &tcp(1), &user("alice")) && !trust.holds(START, &tcp(2), &user("alice")));
    assert!(trust.holds(START, &tcp(1), &user("bob")));
    assert_eq!(trust.len(), 1);
    trust.follow(1, None);
    assert!(trust.holds(START, &tcp(1), &user("bob")), "it has heard of that");
}
