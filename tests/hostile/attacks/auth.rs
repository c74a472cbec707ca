//! Whoever tries to get in, where users have passwords.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::peer::{HERE, Peer, connect, connect_from, register, socket, swallow};
use super::{Attack, LASTS, Victim};
use crate::population::LOST;
use crate::support::Message;
use crate::support::digest::Login;
use crate::{lasts, wait_until_within};

/// A user who is one, and his password.
pub(crate) const MALLORY: (&str, &str) = ("mallory", "123456");

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "passwords of users that are not there",
        run: guesses,
        found_out: &[
            "authentications_total{outcome=\"unknown_user\"}",
            "authentications_total{outcome=\"throttled\"}",
        ],
    },
    Attack {
        name: "challenges that nobody answers",
        run: challenges,
        found_out: &["authentications_total{outcome=\"challenged\"}"],
    },
    Attack {
        name: "a nonce for each request",
        run: nonces,
        found_out: &["authentications_total{outcome=\"proved\"}"],
    },
    Attack {
        name: "a REGISTER that is replayed",
        run: replays,
        found_out: &["authentications_total{outcome=\"replayed\"}"],
    },
];

/// The next message.
fn receive(stream: &mut TcpStream, inbox: &mut Vec<u8>) -> Option<Message> {
    let mut octets = [0; 4096];
    loop {
        if let Some(message) = Message::take(inbox) {
            return Some(message);
        }
        let read = stream.read(&mut octets).ok().filter(|read| *read > 0)?;
        inbox.extend_from_slice(&octets[..read]);
    }
}

/// Asks for a challenge, and takes it up for that user.
fn login(stream: &mut TcpStream, user: &str, password: &str) -> Option<Login> {
    stream.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
    stream.write_all(register(user, 0, 0).as_bytes()).ok()?;
    let response = receive(stream, &mut Vec::new())?;
    (response.status() == 401).then(|| Login::new(&response, user, password))
}

/// A REGISTER with the next credentials.
fn proved(login: &mut Login, user: &str, number: usize) -> String {
    let (field, value) = login.next("REGISTER", "sip:example.com");
    register(user, number, 0).replacen("Supported", &format!("{field}: {value}\r\nSupported"), 1)
}

/// Another user each time.
fn guesses(victim: &Victim<'_>) {
    let goes_on = victim.is_unmoved();
    let mut number = 0;
    while goes_on() {
        let mut stream = connect(victim.node.tcp());
        let Some(mut login) = login(&mut stream, "nobody", "password") else { continue };
        swallow(&stream);
        for _ in 0..100 {
            number += 1;
            let user = format!("nobody{number}");
            login.name.clone_from(&user);
            let guess = proved(&mut login, &user, number);
            if !stream.is_taken(guess.as_bytes()) {
                break;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

/// For another AOR each time, over a connection and over UDP.
fn challenges(victim: &Victim<'_>) {
    let (udp, goes_on) = (socket(victim.node), victim.is_unmoved());
    let mut number = 0;
    while goes_on() {
        let mut stream = connect(victim.node.tcp());
        swallow(&stream);
        for _ in 0..100 {
            number += 1;
            let register = register(&format!("new{number}"), number, number);
            let _ = udp.send(register.replace("/TCP", "/UDP").as_bytes());
            if !stream.is_taken(register.as_bytes()) {
                break;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Each proves the password, which is right, so that its nonce is remembered.
fn nonces(victim: &Victim<'_>) {
    let (user, password) = MALLORY;
    let goes_on = lasts(3 * LASTS);
    let mut proofs = 0;
    while goes_on() {
        let from = Ipv4Addr::new(127, 0, 2, u8::try_from(proofs % 250).unwrap());
        let mut stream = connect_from(from, victim.node.tcp());
        let Some(mut login) = login(&mut stream, user, password) else { continue };
        let register = proved(&mut login, user, proofs + 1);
        stream.write_all(register.as_bytes()).unwrap();
        proofs +=
            usize::from(receive(&mut stream, &mut Vec::new()).is_some_and(|answer| answer.status() == 200));
    }
    assert!(proofs > 0);
    println!("{proofs} nonces were used");
}

/// What one connection has sent comes over others.
fn replays(victim: &Victim<'_>) {
    let (user, password) = MALLORY;
    // A node that is still busy with what came before sheds whom it does not know.
    let mut proof = None;
    wait_until_within(LOST, "a REGISTER with the right password is served", || {
        let mut stream = connect_from(HERE, victim.node.tcp());
        let Some(mut login) = login(&mut stream, user, password) else { return false };
        let register = proved(&mut login, user, 1);
        stream.write_all(register.as_bytes()).unwrap();
        let is_served = receive(&mut stream, &mut Vec::new()).is_some_and(|answer| answer.status() == 200);
        proof = is_served.then_some((stream, register));
        is_served
    });
    let (_stream, register) = proof.expect("it was served");
    let goes_on = victim.is_unmoved();
    while goes_on() {
        let (mut stream, mut inbox) = (connect(victim.node.tcp()), Vec::new());
        stream.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
        if !stream.is_taken(register.repeat(10).as_bytes()) {
            continue;
        }
        for _ in 0..10 {
            let Some(answer) = receive(&mut stream, &mut inbox) else { break };
            assert!(matches!(answer.status(), 401 | 503), "a replay was answered {answer}");
        }
    }
}
