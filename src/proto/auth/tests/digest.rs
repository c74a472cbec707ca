use super::*;
use crate::sip::Name;
use crate::sip::digest::Challenge;

/// A request with its credentials changed.
fn changed(draft: &Draft, login: &mut Login, change: impl Fn(&str) -> String) -> Message {
    let request = draft.with(login);
    let text = std::str::from_utf8(request.bytes()).unwrap();
    let lines: Vec<String> = text
        .split("\r\n")
        .map(|line| if line.contains("uthorization: ") { change(line) } else { line.to_owned() })
        .collect();
    Message::parse(Bytes::from(lines.join("\r\n"))).unwrap()
}

#[test]
fn rfc8760_s2_3_the_strongest_algorithm_is_at_the_top() {
    let answer = response(&Node::new("a").answer(&Draft::register(ALICE).make(), &tcp(1)));
    let found: Vec<Challenge> =
        answer.fields(Name::WwwAuthenticate).map(|value| Challenge::parse(value).unwrap()).collect();
    assert_eq!(found.len(), 2);
    assert_eq!(
        found.iter().map(Challenge::algorithm).collect::<Vec<_>>(),
        [Algorithm::Sha256, Algorithm::Md5]
    );
    assert!(found.iter().all(|challenge| challenge.has_qop && !challenge.is_stale));
    assert!(found.iter().all(|challenge| challenge.realm == b"example.com"));
}

#[test]
fn both_algorithms_and_both_forms_of_a_name_prove_it() {
    let register = Draft::register(ALICE);
    for name in ["alice", "alice@example.com", "alice@Example.COM"] {
        for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
            let only = |rules: &mut Rules| rules.algorithms = vec![algorithm];
            let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, only);
            let mut login = challenged(&mut node, &register, &tcp(1), name, "alice");
            let expected = if name.contains("COM") { Outcome::WrongPassword } else { Outcome::Proved };
            assert_eq!(node.outcome(&register.with(&mut login), &tcp(1)), expected, "{name} {algorithm:?}");
        }
    }
}

#[test]
fn an_unknown_user_gets_the_answer_of_a_wrong_password() {
    let register = Draft::register("sip:mallory@example.com");
    let mut answers = Vec::new();
    for (draft, name, why) in [
        (Draft::register(ALICE), "alice", Outcome::WrongPassword),
        (register, "mallory", Outcome::UnknownUser),
    ] {
        let mut node = Node::new("a");
        let mut login = challenged(&mut node, &draft, &tcp(1), name, "wrong");
        let answer = node.answer(&draft.with(&mut login), &tcp(1));
        assert_eq!((answer.reply.status, answer.why), (401, why));
        let text = String::from_utf8(answer.reply.wire.to_bytes().to_vec()).unwrap().replace(name, "NAME");
        let tagless: Vec<String> =
            text.lines().map(|line| line.split(";tag=").next().unwrap().to_owned()).collect();
        answers.push(tagless);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(!answers[0].iter().any(|line| line.contains("stale")));
}

#[test]
fn rfc7616_s3_3_a_nonce_that_has_aged_is_stale_and_only_with_the_right_password() {
    let mut node = Node::with("a", Terms { streams: Duration::ZERO, udp: HOUR }, |_| {});
    let register = Draft::register(ALICE);
    let mut login = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    let mut wrong = challenged(&mut node, &register, &tcp(1), "alice", "wrong");
    node.now = node.now + LIFETIME;
    let answer = node.answer(&register.with(&mut login), &tcp(1));
    assert_eq!(answer.why, Outcome::Stale);
    let challenge = Challenge::parse(response(&answer).first(Name::WwwAuthenticate).unwrap()).unwrap();
    assert!(challenge.is_stale);
    login.challenged(&response(&answer)).unwrap();
    assert_eq!(node.outcome(&register.with(&mut login), &tcp(1)), Outcome::Proved);
    assert_eq!(node.outcome(&register.with(&mut wrong), &tcp(1)), Outcome::WrongPassword);
}

#[test]
fn rfc7616_s3_4_a_request_cannot_be_replayed() {
    let mut node = Node::with("a", Terms { streams: Duration::ZERO, udp: HOUR }, |_| {});
    let register = Draft::register(ALICE);
    let mut login = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    let request = register.with(&mut login);
    assert_eq!(node.outcome(&request, &tcp(1)), Outcome::Proved);
    assert_eq!(node.outcome(&request, &tcp(1)), Outcome::Replayed);
    assert_eq!(node.outcome(&request, &tcp(2)), Outcome::Replayed, "nor over another flow");
    let elsewhere = source(Transport::Tcp, 3, "198.51.100.7:5060");
    assert_eq!(node.outcome(&request, &elsewhere), Outcome::OtherNonce, "nor from elsewhere");
    assert_eq!(node.outcome(&register.with(&mut login), &tcp(1)), Outcome::Proved, "the count goes on");
}

#[test]
fn a_retransmission_over_udp_is_no_replay() {
    let mut node = Node::new("a");
    let (register, flow) = (Draft::register(ALICE), source(Transport::Udp, 1, "192.0.2.1:5060"));
    let mut login = challenged(&mut node, &register, &flow, "alice", "alice");
    let request = register.with(&mut login);
    assert_eq!(node.outcome(&request, &flow), Outcome::Proved);
    assert_eq!(node.outcome(&request, &flow), Outcome::Repeated);
    let other = source(Transport::Udp, 1, "192.0.2.1:5061");
    assert_eq!(
        node.outcome(&request, &other),
        Outcome::Replayed,
        "it is no retransmission of another peer's"
    );
    node.now = node.now + Duration::from_secs(32);
    assert_eq!(node.outcome(&request, &flow), Outcome::Replayed, "the transaction is over");
}

#[test]
fn who_was_not_sent_the_nonce_is_asked_anew_and_has_not_failed() {
    let mut node = Node::new("a");
    let register = Draft::register(ALICE);
    let (flow, forged) =
        (source(Transport::Udp, 1, "192.0.2.1:5060"), source(Transport::Udp, 1, "192.0.2.77:5060"));
    let mut right = challenged(&mut node, &register, &flow, "alice", "alice");
    let mut wrong = challenged(&mut node, &register, &flow, "alice", "guess");
    let (right, wrong) = (register.with(&mut right), register.with(&mut wrong));
    // Whether the password is right cannot be told from what is answered.
    let answers = [&wrong, &right].map(|request| {
        let answer = node.answer(request, &forged);
        assert_eq!((answer.reply.status, answer.why), (401, Outcome::OtherNonce));
        let answer = response(&answer);
        let mut challenge = Challenge::parse(answer.first(Name::WwwAuthenticate).unwrap()).unwrap();
        challenge.nonce.clear();
        challenge
    });
    assert!(answers[0].is_stale && answers[0] == answers[1]);
    for _ in 0..100 {
        node.outcome(&wrong, &forged);
    }
    let mut login = challenged(&mut node, &register, &forged, "alice", "alice");
    assert_eq!(node.outcome(&register.with(&mut login), &forged), Outcome::Proved, "nobody is locked out");
}

#[test]
fn a_ua_whose_address_has_changed_is_asked_once() {
    let mut node = Node::new("a");
    let (register, moved) = (Draft::register(ALICE), source(Transport::Tcp, 2, "198.51.100.7:40000"));
    let mut login = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    assert_eq!(node.outcome(&register.with(&mut login), &tcp(1)), Outcome::Proved);
    let answer = node.answer(&register.with(&mut login), &moved);
    // RFC 3261 §22.2: it does not take its password for a wrong one.
    login.challenged(&response(&answer)).unwrap();
    assert_eq!(node.outcome(&register.with(&mut login), &moved), Outcome::Proved);
}

#[test]
fn of_several_credentials_those_count_that_can_be_used() {
    let register = Draft::register(ALICE);
    let line = |login: &mut Login| {
        let value = login.credentials("REGISTER", b"sip:example.com", "c").remove(0).1;
        format!("Authorization: {}", String::from_utf8(value).unwrap())
    };
    let with = |lines: &[&String]| {
        lines.iter().fold(Draft::register(ALICE), |draft, line| draft.line(line.as_str())).make()
    };
    let sha = |rules: &mut Rules| rules.algorithms = vec![Algorithm::Sha256];
    let mut node = Node::with("a", Terms { streams: Duration::ZERO, udp: HOUR }, sha);
    let mut login = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    let md5 = line(&mut login).replace("algorithm=SHA-256", "algorithm=MD5");
    assert_eq!(node.outcome(&with(&[&md5, &line(&mut login)]), &tcp(1)), Outcome::Proved, "as is offered");
    let foreign =
        line(&mut challenged(&mut node, &register, &source(Transport::Tcp, 1, "192.0.2.9:1"), "alice", "x"));
    assert_eq!(
        node.outcome(&with(&[&foreign, &line(&mut login)]), &tcp(1)),
        Outcome::Proved,
        "with our nonce"
    );
    let mut later = login.clone();
    node.now = node.now + LIFETIME;
    let mut fresh = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    let (aged, fresh) = (line(&mut later), line(&mut fresh));
    assert_eq!(
        node.outcome(&with(&[&aged, &fresh]), &tcp(1)),
        Outcome::Proved,
        "with the nonce that is good"
    );
}

#[test]
fn rfc3261_s17_2_1_a_refused_invite_is_no_retransmission_once_its_transaction_is_over() {
    let mut node = Node::new("a");
    let flow = source(Transport::Udp, 1, "192.0.2.1:5060");
    let invite = Draft { method: "INVITE", ..Draft::message(ALICE) };
    let mut login = challenged(&mut node, &invite, &flow, "alice", "alice");
    let request = invite.with(&mut login);
    assert_eq!(node.outcome(&request, &flow), Outcome::Proved);
    node.now = node.now + Duration::from_secs(1);
    let ack = Draft { method: "ACK", to_tag: true, ..Draft::message(ALICE) };
    let of_other = Draft { cseq: 2, ..Draft { method: "ACK", to_tag: true, ..Draft::message(ALICE) } };
    node.outcome(&of_other.make(), &flow);
    node.outcome(&ack.make(), &source(Transport::Udp, 1, "192.0.2.66:5060"));
    node.now = node.now + Duration::from_secs(6);
    assert_eq!(node.outcome(&request, &flow), Outcome::Repeated, "only its own ACK ends it");
    node.outcome(&ack.make(), &flow);
    node.now = node.now + Duration::from_millis(4999);
    assert_eq!(node.outcome(&request, &flow), Outcome::Repeated);
    node.outcome(&ack.make(), &flow);
    node.now = node.now + Duration::from_millis(1);
    assert_eq!(node.outcome(&request, &flow), Outcome::Replayed);
}

#[test]
fn the_nonce_of_one_node_is_good_at_another_and_gives_no_trust_there() {
    let (mut one, mut other) = (Node::new("a"), Node::new("b"));
    let register = Draft::register(ALICE);
    let mut login = challenged(&mut one, &register, &tcp(1), "alice", "alice");
    let request = register.with(&mut login);
    assert_eq!(other.outcome(&request, &tcp(1)), Outcome::Proved);
    assert_eq!(other.outcome(&register.make(), &tcp(1)), Outcome::Challenged);
    let answer = other.answer(&register.with(&mut login), &tcp(1));
    assert_eq!(answer.why, Outcome::Replayed);
    login.challenged(&response(&answer)).unwrap();
    assert_eq!(other.outcome(&register.with(&mut login), &tcp(1)), Outcome::Proved);
    assert_eq!(other.outcome(&register.make(), &tcp(1)), Outcome::Trusted);
}

#[test]
fn the_digest_of_another_uri_is_taken_where_the_operator_says_so() {
    let terms = Terms { streams: Duration::ZERO, udp: Duration::ZERO };
    let mut node = Node::with("a", terms, |rules| rules.checks_uri = false);
    let register = Draft::register(ALICE);
    let mut login = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    let mut of_the_node = |method: &str| {
        let credentials = login.credentials(method, b"sip:192.0.2.9:5060", "c").remove(0).1;
        format!("Authorization: {}", String::from_utf8(credentials).unwrap())
    };
    let (right, wrong) = (of_the_node("REGISTER"), of_the_node("MESSAGE"));
    assert_eq!(node.outcome(&Draft::register(ALICE).line(&right).make(), &tcp(1)), Outcome::Proved);
    assert_eq!(node.outcome(&Draft::register(ALICE).line(&wrong).make(), &tcp(1)), Outcome::WrongPassword);
}

#[test]
fn rfc7616_s3_4_6_the_digest_of_another_uri_is_a_bad_request() {
    let mut node = Node::new("a");
    let message = Draft::message(ALICE);
    let mut login = challenged(&mut node, &message, &tcp(1), "alice", "alice");
    let elsewhere = Draft { uri: "sip:carol@example.com", ..Draft::message(ALICE) };
    let credentials = login.credentials("MESSAGE", b"sip:bob@example.com", "c").remove(0).1;
    let line = format!("Proxy-Authorization: {}", String::from_utf8(credentials).unwrap());
    let answer = node.answer(&elsewhere.line(&line).make(), &tcp(1));
    assert_eq!((answer.reply.status, answer.why), (400, Outcome::Malformed));
    let same = Draft { uri: "sip:bob@EXAMPLE.com;transport=tcp", ..Draft::message(ALICE) }.line(&line);
    assert_eq!(node.outcome(&same.make(), &tcp(1)), Outcome::Proved, "the same resource in other words");
}

#[test]
fn rfc7616_s3_4_credentials_that_lack_a_part_are_a_bad_request() {
    let mut node = Node::new("a");
    let register = Draft::register(ALICE);
    let mut login = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    for (part, with) in
        [("response=", "answer="), ("nc=", "nd="), ("uri=", "url="), ("Digest ", "Digest ,\"")]
    {
        let request = changed(&register, &mut login, |line| line.replacen(part, with, 1));
        assert_eq!(node.answer(&request, &tcp(1)).reply.status, 400, "{part}");
    }
}

#[test]
fn what_answers_no_challenge_of_ours_is_challenged() {
    let mut node = Node::new("a");
    let register = Draft::register(ALICE);
    let mut login = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    for (part, with) in [
        ("algorithm=SHA-256", "algorithm=SHA-512-256"),
        ("qop=auth", "qop=auth-int"),
        ("realm=\"example.com\"", "realm=\"elsewhere\""),
        ("Digest ", "Bearer "),
    ] {
        let request = changed(&register, &mut login, |line| line.replacen(part, with, 1));
        assert_eq!(node.outcome(&request, &tcp(1)), Outcome::Challenged, "{part}");
    }
    // RFC 3261 §22.4: a peer of RFC 2069 knows no qop. What it sends could be replayed.
    let old = changed(&register, &mut login, |line| line[..line.find(", qop=").unwrap()].to_owned());
    assert_eq!(node.outcome(&old, &tcp(1)), Outcome::Challenged);
    let only = |rules: &mut Rules| rules.algorithms = vec![Algorithm::Sha256];
    let mut strict = Node::with("a", Terms { streams: HOUR, udp: HOUR }, only);
    let md5 = changed(&register, &mut login, |line| line.replacen("algorithm=SHA-256, ", "", 1));
    assert_eq!(strict.outcome(&md5, &tcp(1)), Outcome::Challenged, "MD5 was not offered");
}

#[test]
fn who_guesses_passwords_has_to_wait_and_trusted_flows_do_not() {
    let mut node = Node::new("a");
    let register = Draft::register(ALICE);
    let mut right = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    assert_eq!(node.outcome(&register.with(&mut right), &tcp(1)), Outcome::Proved);
    for _ in 0..3 {
        let mut wrong = challenged(&mut node, &register, &tcp(2), "alice", "wrong");
        assert_eq!(node.outcome(&register.with(&mut wrong), &tcp(2)), Outcome::WrongPassword);
    }
    for password in ["wrong", "alice"] {
        let mut login = challenged(&mut node, &register, &tcp(2), "alice", password);
        let answer = node.answer(&register.with(&mut login), &tcp(2));
        assert_eq!((answer.reply.status, answer.why), (503, Outcome::Throttled), "right or wrong");
        assert_eq!(response(&answer).first(Name::RetryAfter), Some(&b"10"[..]));
    }
    assert_eq!(node.outcome(&register.with(&mut right), &tcp(1)), Outcome::Trusted);
    let elsewhere = source(Transport::Tcp, 3, "198.51.100.7:5060");
    let mut login = challenged(&mut node, &register, &elsewhere, "alice", "alice");
    assert_eq!(node.outcome(&register.with(&mut login), &elsewhere), Outcome::Proved, "another address");
    node.now = node.now + Duration::from_secs(10);
    let mut login = challenged(&mut node, &register, &tcp(2), "alice", "alice");
    assert_eq!(node.outcome(&register.with(&mut login), &tcp(2)), Outcome::Proved, "later");
}

#[test]
fn while_nobody_can_say_who_is_known_a_trusted_flow_goes_on() {
    let mut node = Node::new("a");
    let register = Draft::register(ALICE);
    let mut login = challenged(&mut node, &register, &tcp(1), "alice", "alice");
    node.outcome(&register.with(&mut login), &tcp(1));
    node.has_users = false;
    assert_eq!(node.outcome(&register.with(&mut login), &tcp(1)), Outcome::Trusted);
    let mut login = challenged(&mut node, &register, &tcp(2), "alice", "alice");
    let answer = node.answer(&register.with(&mut login), &tcp(2));
    assert_eq!((answer.reply.status, answer.why), (503, Outcome::Unavailable));
}

#[test]
fn rfc3261_s22_1_an_ack_is_asked_nothing() {
    let mut node = Node::new("a");
    let ack = Draft { method: "ACK", to_tag: true, ..Draft::message(ALICE) }.make();
    assert_eq!(node.outcome(&ack, &tcp(1)), Outcome::Unasked);
}

#[test]
fn rfc3261_s22_3_what_was_for_this_node_goes_no_further_and_the_rest_does() {
    let mut node = Node::new("a");
    let other = "Proxy-Authorization: Digest username=\"u\", realm=\"elsewhere\", nonce=\"n\", uri=\"sip:x\", response=\"0\"";
    let message = Draft::message(ALICE).line(other);
    let mut login = challenged(&mut node, &message, &tcp(1), "alice", "alice");
    let request = message.with(&mut login);
    assert_eq!(request.fields(Name::ProxyAuthorization).count(), 2);
    let onward = Message::parse(node.shared.without_credentials(&request).unwrap().to_bytes()).unwrap();
    assert_eq!(onward.bytes(), message.make().bytes(), "all else as it came");
    assert!(node.shared.without_credentials(&onward).is_none());
}

#[test]
fn no_other_ua_gets_what_a_password_of_this_node_was_used_for() {
    let node = Node::new("a");
    let digest = |more: &str| {
        format!("Digest username=\"alice\", nonce=\"n\", uri=\"sip:bob@example.com\", response=\"0\", {more}")
    };
    let ours = [
        digest("realm=\"example.com\""),
        digest("realm=\"EXAMPLE.org\", algorithm=MD5-sess, qop=auth, nc=00000001, cnonce=\"c\""),
        digest("realm=\"example.com\", qop=auth-int, nc=00000001, cnonce=\"c\""),
        digest("realm=\"ex\\ample.com\""),
        digest("realm=\"elsewhere\", realm=\"example.com\""),
        digest("opaque=\"o\""),
        "basic YWxpY2U6YWxpY2U=".to_owned(),
    ];
    let others = [digest("realm=\"elsewhere\""), "Bearer token".to_owned()];
    for field in ["Proxy-Authorization", "Authorization"] {
        for value in &ours {
            let request = Draft::message(ALICE).line(format!("{field}: {value}")).make();
            let onward = node.shared.without_credentials(&request);
            let onward = onward.unwrap_or_else(|| panic!("it is left in: {field}: {value}")).to_bytes();
            assert_eq!(onward, Draft::message(ALICE).make().bytes(), "{field}: {value}");
        }
        for value in &others {
            let request = Draft::message(ALICE).line(format!("{field}: {value}")).make();
            assert!(node.shared.without_credentials(&request).is_none(), "{field}: {value}");
        }
    }
}

#[test]
fn guesses_from_all_over_a_network_of_ipv6_are_of_one_peer() {
    let mut node = Node::new("a");
    let register = Draft::register(ALICE);
    let from = |host: u32| source(Transport::Tcp, host, &format!("[2001:db8::{host:x}]:40000"));
    for host in 1..=3 {
        let mut login = challenged(&mut node, &register, &from(host), "alice", "guess");
        assert_eq!(node.outcome(&register.with(&mut login), &from(host)), Outcome::WrongPassword);
    }
    for host in 4..40 {
        let mut login = challenged(&mut node, &register, &from(host), "alice", "guess");
        assert_eq!(node.outcome(&register.with(&mut login), &from(host)), Outcome::Throttled, "{host}");
    }
}

#[test]
fn a_user_without_a_hash_for_the_algorithm_has_not_failed_and_cannot_be_told_from_others() {
    let register = Draft::register("sip:imported@example.com");
    let answer = |name: &str, draft: &Draft| {
        let mut node = Node::new("a");
        let mut login = challenged(&mut node, draft, &tcp(1), name, "imported");
        let answer = node.answer(&draft.with(&mut login), &tcp(1));
        let text = String::from_utf8(answer.reply.wire.to_bytes().to_vec()).unwrap().replace(name, "NAME");
        let lines: Vec<String> =
            text.lines().map(|line| line.split(";tag=").next().unwrap().to_owned()).collect();
        (answer.why, lines)
    };
    let (why, lines) = answer("imported", &register);
    assert_eq!(why, Outcome::NoHash);
    assert!(!why.is_failure());
    assert_eq!(lines, answer("alice", &Draft::register(ALICE)).1);
    let md5 = |rules: &mut Rules| rules.algorithms = vec![Algorithm::Md5];
    let mut node = Node::with("a", Terms { streams: HOUR, udp: HOUR }, md5);
    let mut login = challenged(&mut node, &register, &tcp(1), "imported", "imported");
    assert_eq!(node.outcome(&register.with(&mut login), &tcp(1)), Outcome::Proved);
}

#[test]
fn what_is_stored_is_read_again() {
    let secrets = Secrets::of(&user("alice"), b"secret", &[Algorithm::Sha256, Algorithm::Md5]);
    let fields: Vec<(&str, &[u8])> = secrets.fields().map(|(name, value)| (name, value.as_bytes())).collect();
    assert_eq!(fields.len(), 4);
    assert_eq!(Secrets::read(fields), Ok(secrets));
    assert_eq!(Secrets::read([("ha1_md5", &b"short"[..])]), Err("ha1_md5"));
    assert_eq!(Secrets::read([("note", &b"anything"[..])]), Ok(Secrets::default()));
}

#[test]
fn a_request_that_comes_again_while_its_user_is_looked_up_is_let_through_once_more() {
    let mut node = Node::new("a");
    let (register, flow) = (Draft::register(ALICE), source(Transport::Udp, 1, "192.0.2.1:5060"));
    let mut login = challenged(&mut node, &register, &flow, "alice", "alice");
    let request = register.with(&mut login);
    let first = node.asked(&request, &flow);
    let second = node.asked(&request, &flow);
    assert_eq!(node.finished(&request, &flow, &first), Outcome::Proved);
    assert_eq!(node.finished(&request, &flow, &second), Outcome::Repeated);
}

#[test]
fn guesses_that_wait_together_for_one_lookup_are_no_more_than_guesses_that_come_one_by_one() {
    let mut node = Node::new("a");
    let (register, flow) = (Draft::register(ALICE), tcp(1));
    let mut login = challenged(&mut node, &register, &flow, "alice", "guess");
    let guesses: Vec<Message> = (0..5).map(|_| register.with(&mut login)).collect();
    let asked: Vec<_> = guesses.iter().map(|guess| node.asked(guess, &flow)).collect();
    let outcomes: Vec<Outcome> =
        guesses.iter().zip(&asked).map(|(guess, asked)| node.finished(guess, &flow, asked)).collect();
    assert_eq!(outcomes[..3], [Outcome::WrongPassword; 3]);
    assert_eq!(outcomes[3..], [Outcome::Throttled; 2]);
}
