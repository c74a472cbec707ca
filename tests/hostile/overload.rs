//! More than a node can do: it answers pings all the time, refuses what is new with 503 before anything waits for long,
//! and is as it was as soon as that ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::lasts;
use crate::population::{Population, Terms, raise_descriptors};
use crate::support::tls::Ca;
use crate::support::{Client, Message, Node, wait_until};

/// No rate keeps the load away, which comes over many flows: only the delay counts.
const ONE_WORKER: &str = r#"
[node]
workers = 1

[log]
filter = "warn"

[limits]
max_queue_delay = "100ms"
messages_per_flow = 0
registers_per_second = 0
registers_per_address = 0

[listen]
ws = ["127.0.0.1:0"]
tls = ["127.0.0.1:0"]
"#;

/// How long the load lasts.
const LASTS: Duration = Duration::from_secs(6);

/// Connections that ask for more at once than they can get.
const FLOWS: usize = 40;

/// Requests that one of them has under way.
const PIPELINED: usize = 60;

/// What the load was answered.
#[derive(Default)]
struct Answers {
    served: AtomicU64,
    refused: AtomicU64,
}

#[test]
fn an_overloaded_node_answers_pings_sheds_what_is_new_and_recovers_by_itself() {
    let _alone = crate::ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    raise_descriptors();
    let ca = Ca::new();
    let node = Node::start(&format!("{ONE_WORKER}[tls]\n{}", ca.node()));
    let population = Population::register(&node, Terms { count: 50, password: None }, &ca.client());
    let answers = Arc::new(Answers::default());
    let load: Vec<_> = (0..FLOWS)
        .map(|flow| {
            let (stream, answers) = (TcpStream::connect(node.tcp()).unwrap(), Arc::clone(&answers));
            thread::spawn(move || drive(stream, flow, &answers))
        })
        .collect();
    for flow in load {
        flow.join().unwrap();
    }
    let slowest = population.slowest_pong();
    let (served, refused) = (answers.served.load(Relaxed), answers.refused.load(Relaxed));
    println!("{served} served, {refused} refused, the slowest pong took {slowest:?}");
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    assert!(node.metric("refused_total{reason=\"overload\"}") > 0);
    // The machine is shared with who asks for too much: a second for the node, and another for the UAs themselves.
    assert!(slowest < Duration::from_secs(2), "a pong took {slowest:?}");
    population.assert_unharmed("the load");
    let client = Client::tcp(&node);
    wait_until("it has recovered", || client.ask(&client.register_contact("alice")).status() == 200);
    let started = Instant::now();
    client.registers("alice");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    population.end();
}

/// Has as many requests under way as may be, half of them REGISTERs and half INVITEs, and counts their answers.
fn drive(mut stream: TcpStream, flow: usize, answers: &Answers) {
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let (mut inbox, mut octets) = (Vec::new(), vec![0; 64 << 10]);
    let (mut under_way, mut number) = (0, 0);
    let goes_on = lasts(LASTS);
    while goes_on() {
        let mut some = String::new();
        while under_way < PIPELINED {
            under_way += 1;
            number += 1;
            some.push_str(&request(flow, number));
        }
        stream.write_all(some.as_bytes()).unwrap();
        let read = stream.read(&mut octets).unwrap();
        assert!(read > 0, "the node closed a flow");
        inbox.extend_from_slice(&octets[..read]);
        while let Some(response) = Message::take(&mut inbox) {
            let counter = match response.status() {
                100..200 => continue,
                503 => {
                    assert!((1..=130).contains(&response.header("Retry-After").parse::<u64>().unwrap()));
                    &answers.refused
                }
                _ => &answers.served,
            };
            counter.fetch_add(1, Relaxed);
            under_way -= 1;
        }
    }
}

fn request(flow: usize, number: usize) -> String {
    let (method, uri, contact) = if number.is_multiple_of(2) {
        ("REGISTER", "sip:example.com".to_owned(), format!("Contact: <sip:load{flow}@127.0.0.1>\r\n"))
    } else {
        // To nobody: the answer is 404, and nobody acknowledges it, which does not matter over TCP.
        ("INVITE", "sip:nobody@example.com".to_owned(), "Contact: <sip:load@127.0.0.1>\r\n".to_owned())
    };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKload{flow}-{number}\r\n\
         From: <sip:load{flow}@example.com>;tag=load\r\nTo: <sip:load{flow}@example.com>\r\n\
         Call-ID: load{flow}-{method}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n{contact}Content-Length: 0\r\n\r\n"
    )
}
