use super::*;
use crate::sip::Response;
use bytes::Bytes;

const SECRET: &[u8] = b"0123456789abcdef";
const NAMES: Random = [1; 16];
const CNONCE: Random = [2; 16];
const NONCE: Random = [3; 16];

fn me(node: &str, at: &str, secret: Option<&[u8]>) -> Me {
    let transport = if secret.is_some() { Transport::Tcp } else { Transport::Tls };
    let run = NodeRun { node: node.into(), epoch: 1_700_000_000_000 };
    Me { run, at: at.into(), transport, links: 2, secret: secret.map(Into::into) }
}

fn a() -> Me {
    me("a", "127.0.0.1:5070", Some(SECRET))
}

fn b() -> Me {
    me("b", "127.0.0.1:5071", Some(SECRET))
}

fn message(wire: &Bytes) -> Message {
    let message = Message::parse(wire.clone()).unwrap();
    message.validate().unwrap();
    message
}

/// The same message with another text in place of one.
fn changed(wire: &Bytes, from: &str, to: &str) -> Message {
    let text = String::from_utf8(wire.to_vec()).unwrap();
    assert!(text.contains(from), "{text}");
    Message::parse(Bytes::from(text.replace(from, to))).unwrap()
}

#[track_caller]
fn challenged(arrival: Arrival) -> Bytes {
    match arrival {
        Arrival::Challenged(wire) => wire,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(arrival: Arrival) -> Refusal {
    match arrival {
        Arrival::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn said(progress: Result<Progress, Refusal>) -> Bytes {
    match progress {
        Ok(Progress::Send(wire)) => wire,
        other => panic!("{other:?}"),
    }
}

/// Both ends up to the second OPTIONS, which is on its way.
fn up_to_proof<'n>(a: &'n Me, b: &'n Me) -> (Dialer<'n>, Acceptor<'n>, Bytes) {
    let (mut dialer, hello) = Dialer::new(a, &b.run, &b.at, NAMES, CNONCE);
    let mut acceptor = Acceptor::new(b, NONCE);
    let challenge = challenged(acceptor.arrive(&message(&hello)));
    let proof = said(dialer.arrive(&message(&challenge)));
    (dialer, acceptor, proof)
}

#[test]
fn two_nodes_with_the_secret_know_each_other() {
    let (a, b) = (a(), b());
    let (mut dialer, mut acceptor, proof) = up_to_proof(&a, &b);
    let Arrival::Proved(peer, answer) = acceptor.arrive(&message(&proof)) else { panic!("refused") };
    assert_eq!(peer, Peer { run: a.run.clone(), version: VERSION, links: 2 });
    let Ok(Progress::Up(peer)) = dialer.arrive(&message(&answer)) else { panic!("refused") };
    assert_eq!(peer, Peer { run: b.run.clone(), version: VERSION, links: 2 });
}

#[test]
fn the_secret_is_not_said() {
    let (a, b) = (a(), b());
    let (_, _, proof) = up_to_proof(&a, &b);
    let text = String::from_utf8(proof.to_vec()).unwrap();
    assert!(!text.contains("0123456789abcdef"), "{text}");
    assert!(text.contains("Max-Forwards: 0\r\n"), "{text}");
    let shown = format!("{:?}", Acceptor::new(&b, NONCE));
    assert!(shown.contains("Me(b;run=") && !shown.contains("48, 49"), "{shown}");
}

#[test]
fn over_tls_one_options_is_enough() {
    let (a, b) = (me("a", "a:5070", None), me("b", "b:5070", None));
    let (mut dialer, hello) = Dialer::new(&a, &b.run, &b.at, NAMES, CNONCE);
    let Arrival::Proved(peer, answer) = Acceptor::new(&b, NONCE).arrive(&message(&hello)) else {
        panic!("refused")
    };
    assert_eq!(peer.run, a.run);
    assert!(matches!(dialer.arrive(&message(&answer)), Ok(Progress::Up(_))));
}

#[test]
fn a_wrong_secret_is_refused() {
    let (a, b) = (me("a", "127.0.0.1:5070", Some(b"another secret..")), b());
    let (_, mut acceptor, proof) = up_to_proof(&a, &b);
    assert_eq!(refused(acceptor.arrive(&message(&proof))), Refusal::WrongSecret);
}

#[test]
fn an_acceptor_that_does_not_know_the_secret_is_refused() {
    let (a, b) = (a(), b());
    let stranger = me("b", "127.0.0.1:5071", Some(b"another secret.."));
    let (mut dialer, hello) = Dialer::new(&a, &b.run, &b.at, NAMES, CNONCE);
    let mut acceptor = Acceptor::new(&stranger, NONCE);
    let proof = said(dialer.arrive(&message(&challenged(acceptor.arrive(&message(&hello))))));
    let presents = stranger.presents();
    for answer in [
        // It cannot make the digest, so it makes one up, or leaves it out.
        Response::to(&message(&proof), 200, "OK").header(NODE, &presents).finish().to_bytes(),
        Response::to(&message(&proof), 200, "OK")
            .header(NODE, &presents)
            .header("Authentication-Info", format!("rspauth=\"{}\"", "0".repeat(64)))
            .finish()
            .to_bytes(),
    ] {
        let refused = dialer.arrive(&message(&answer));
        assert!(matches!(refused, Err(Refusal::WrongSecret)), "{refused:?}");
    }
}

#[test]
fn a_200_without_a_challenge_proves_nothing() {
    let (a, b) = (a(), b());
    let (mut dialer, hello) = Dialer::new(&a, &b.run, &b.at, NAMES, CNONCE);
    let answer = Response::to(&message(&hello), 200, "OK").header(NODE, b.presents()).finish().to_bytes();
    assert!(matches!(dialer.arrive(&message(&answer)), Err(Refusal::WrongSecret)));
}

#[test]
fn a_nonce_is_good_once_and_for_its_connection() {
    let (a, b) = (a(), b());
    let (_, mut acceptor, proof) = up_to_proof(&a, &b);
    // Played back on another connection, before and after its challenge.
    assert!(matches!(Acceptor::new(&b, [4; 16]).arrive(&message(&proof)), Arrival::Challenged(_)));
    let mut other = Acceptor::new(&b, [4; 16]);
    challenged(other.arrive(&message(&proof)));
    assert_eq!(refused(other.arrive(&message(&proof))), Refusal::WrongNonce);
    // And on the same one.
    assert!(matches!(acceptor.arrive(&message(&proof)), Arrival::Proved(..)));
    assert_eq!(refused(acceptor.arrive(&message(&proof))), Refusal::NotAHello);
    // A try that failed was the one.
    let (_, mut acceptor, proof) = up_to_proof(&a, &b);
    let wrong = changed(&proof, "response=\"", "response=\"0");
    assert_eq!(refused(acceptor.arrive(&wrong)), Refusal::WrongSecret);
    assert_eq!(refused(acceptor.arrive(&message(&proof))), Refusal::NotAHello);
}

#[test]
fn what_one_node_was_told_is_of_no_use_before_another() {
    let (a, b, c) = (a(), b(), me("c", "127.0.0.1:5072", Some(SECRET)));
    let (_, _, proof) = up_to_proof(&a, &b);
    let mut acceptor = Acceptor::new(&c, NONCE);
    let hello = changed(&proof, "OPTIONS sip:127.0.0.1:5071", "OPTIONS sip:127.0.0.1:5072");
    challenged(acceptor.arrive(&hello));
    assert_eq!(refused(acceptor.arrive(&message(&proof))), Refusal::NotForUs);
    let mut acceptor = Acceptor::new(&c, NONCE);
    challenged(acceptor.arrive(&hello));
    assert_eq!(refused(acceptor.arrive(&hello)), Refusal::WrongSecret, "the digest is of the address");
}

#[test]
fn a_node_is_who_its_digest_says() {
    let (a, b) = (a(), b());
    let (_, mut acceptor, proof) = up_to_proof(&a, &b);
    let other = changed(&proof, "Flowhold-Node: a;", "Flowhold-Node: c;");
    assert_eq!(refused(acceptor.arrive(&other)), Refusal::WrongSecret);
    let (_, mut acceptor, proof) = up_to_proof(&a, &b);
    assert_eq!(
        refused(acceptor.arrive(&changed(&proof, "Flowhold-Node: a;", "Flowhold-Node: b;"))),
        Refusal::OwnId
    );
}

#[test]
fn another_run_is_not_the_one_that_was_dialed() {
    let (a, b) = (a(), b());
    let old = NodeRun { epoch: 1, ..b.run.clone() };
    let (mut dialer, hello) = Dialer::new(&a, &old, &b.at, NAMES, CNONCE);
    let mut acceptor = Acceptor::new(&b, NONCE);
    let proof = said(dialer.arrive(&message(&challenged(acceptor.arrive(&message(&hello))))));
    let Arrival::Proved(_, answer) = acceptor.arrive(&message(&proof)) else { panic!("refused") };
    let Err(Refusal::AnotherRun(run)) = dialer.arrive(&message(&answer)) else { panic!("taken") };
    assert_eq!(run, b.run);
}

#[test]
fn what_is_no_hello_is_refused() {
    let (a, b) = (a(), b());
    let (_, hello) = Dialer::new(&a, &b.run, &b.at, NAMES, CNONCE);
    let with = |from, to| changed(&hello, from, to);
    for wrong in [
        with("OPTIONS", "REGISTER"),
        with("Flowhold-Node: a;", "X-Node: a;"),
        with(";run=1700000000000", ""),
        with(";run=1700000000000", ";run=x"),
        with(";version=1", ";version=0"),
        with("Flowhold-Node: a;", "Flowhold-Node: a b;"),
        with("Max-Forwards: 0\r\n", "Flowhold-Node: a;run=1;version=1;links=1\r\n"),
        message(&Response::to(&message(&hello), 200, "OK").finish().to_bytes()),
    ] {
        assert_eq!(refused(Acceptor::new(&b, NONCE).arrive(&wrong)), Refusal::NotAHello, "{wrong:?}");
    }
    // A later version is told, and taken.
    let later = with(";version=1", ";version=2;more=x");
    challenged(Acceptor::new(&b, NONCE).arrive(&later));
    // Twice the same is no proof.
    let mut acceptor = Acceptor::new(&b, NONCE);
    challenged(acceptor.arrive(&message(&hello)));
    assert_eq!(refused(acceptor.arrive(&message(&hello))), Refusal::NotAHello);
}

#[test]
fn a_dialer_takes_the_answer_to_what_it_said() {
    let (a, b) = (a(), b());
    let (mut dialer, hello) = Dialer::new(&a, &b.run, &b.at, NAMES, CNONCE);
    let forbidden = Acceptor::new(&b, NONCE).forbid(&message(&hello)).unwrap();
    let trying = Response::to(&message(&hello), 100, "Trying").finish().to_bytes();
    assert!(matches!(dialer.arrive(&message(&trying)), Ok(Progress::Wait)));
    assert!(matches!(dialer.arrive(&message(&hello)), Err(Refusal::NotAHello)), "a request");
    let stranger = changed(&forbidden, "tag=01", "tag=02");
    assert!(matches!(dialer.arrive(&stranger), Err(Refusal::NotAHello)));
    let earlier = changed(&forbidden, "CSeq: 1 ", "CSeq: 7 ");
    assert!(matches!(dialer.arrive(&earlier), Err(Refusal::NotAHello)));
    assert!(matches!(dialer.arrive(&message(&forbidden)), Err(Refusal::Status(403))));
}

#[test]
fn a_challenge_for_less_is_refused() {
    let (a, b) = (a(), b());
    let challenge = |from: &str, to: &str| {
        let (mut dialer, hello) = Dialer::new(&a, &b.run, &b.at, NAMES, CNONCE);
        let wire = challenged(Acceptor::new(&b, NONCE).arrive(&message(&hello)));
        dialer.arrive(&changed(&wire, from, to))
    };
    assert!(matches!(challenge("SHA-256", "SHA-256"), Ok(Progress::Send(_))));
    for (from, to) in [
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("algorithm=SHA-256, ", ""),
        ("qop=\"auth\"", "qop=\"auth-int\""),
        ("flowhold cluster", "another realm"),
        ("Digest", "Basic"),
    ] {
        let refused = challenge(from, to);
        assert!(matches!(refused, Err(Refusal::NotAHello)), "{from}: {refused:?}");
    }
    let (mut dialer, hello) = Dialer::new(&a, &b.run, &b.at, NAMES, CNONCE);
    let wire = challenged(Acceptor::new(&b, NONCE).arrive(&message(&hello)));
    said(dialer.arrive(&message(&wire)));
    let again = changed(&wire, "CSeq: 1 ", "CSeq: 2 ");
    assert!(matches!(dialer.arrive(&again), Err(Refusal::Status(401))), "asked once");
}
