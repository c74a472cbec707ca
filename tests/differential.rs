//! Our reading of SIP against that of `sipx-sip`, which was written by others from the same RFCs: over the torture
//! messages and over generated ones the two agree on every value, or the difference stands in a list with its reason.
#![allow(clippy::unwrap_used)]

#[path = "../src/sip/tests/strategies.rs"]
#[allow(dead_code)]
mod strategies;

use bytes::Bytes;
use flowhold::sip::{Address, Message, Name, Uri, Via, unquote};
use proptest::prelude::*;
use sipx_sip::Limits;
use sipx_sip::headers::{CSeq, From, To};
use std::collections::BTreeSet;

/// Torture messages that we refuse and the other accepts, and why.
const REFUSED_HERE_ONLY: &[(&str, &str)] = &[
    ("unkscm.dat", "416 for an unknown scheme is part of our validation; there it is left to the element"),
    ("novelsc.dat", "the same"),
];

/// All that a message says, as lines to compare.
type Facts = Vec<String>;

/// `None` where the message is refused.
fn ours(octets: &Bytes) -> Option<Facts> {
    let message = Message::parse(octets.clone()).ok()?;
    message.validate().ok()?;
    let mut facts = vec![match message.status() {
        Some(status) => format!("{status} {}", shown(message.reason())),
        None => format!("{} {}", shown(message.method_bytes()), shown(message.request_uri())),
    }];
    facts.extend(message.headers().map(|(name, value)| {
        let full = Name::of(name).as_str().to_owned();
        let name = if full.is_empty() { shown(name) } else { full };
        field(&name, &unfolded(value))
    }));
    for value in message.values(Name::Via) {
        let via = Via::parse(value).unwrap();
        let host =
            via.host().strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(via.host());
        let params = via.params().iter().map(|(name, value)| param(name, value));
        facts.push(via_fact(via.transport_bytes(), host, via.port(), params));
    }
    for name in [Name::From, Name::To] {
        let address = Address::parse(message.first(name).unwrap()).unwrap();
        let params = address.params.iter().map(|(name, value)| param(name, value));
        facts.push(address_fact(&unquote(address.display), address.uri, params));
    }
    let cseq = message.cseq().unwrap();
    facts.push(format!("CSeq {} {}", cseq.number, shown(cseq.method)));
    facts.push(format!("body {}", shown(message.body())));
    Some(facts)
}

/// As [`ours`], read by the other.
fn theirs(octets: &Bytes) -> Option<Facts> {
    let message = sipx_sip::parse_datagram(octets.clone(), &Limits::datagram()).ok()?;
    let findings = sipx_sip::validate(&message);
    if findings.iter().any(|finding| !finding.is_repairable()) {
        return None;
    }
    let headers = message.headers();
    let mut facts = vec![match &message {
        sipx_sip::Message::Request(request) => {
            format!("{} {}", shown(request.method.as_bytes()), shown(&request.uri.to_bytes()))
        }
        sipx_sip::Message::Response(response) => format!("{} {}", response.status, shown(&response.reason)),
    }];
    facts.extend(headers.iter().map(|header| field(&shown(header.name().canonical()), &header.value())));
    for via in headers.typed_all::<sipx_sip::Via>() {
        let via = via.ok()?;
        let params = via.params.iter().map(|found| param(found.name.as_ref(), found.value.as_deref()));
        facts.push(via_fact(&via.transport, &via.host.to_bytes(), via.port, params));
    }
    for address in [headers.typed::<From>()?.ok()?.0, headers.typed::<To>()?.ok()?.0] {
        let params = address.params.iter().map(|found| param(found.name.as_ref(), found.value.as_deref()));
        let display = address.display_name.clone().unwrap_or_default();
        facts.push(address_fact(&display, &address.uri.to_bytes(), params));
    }
    let cseq = headers.typed::<CSeq>()?.ok()?;
    facts.push(format!("CSeq {} {}", cseq.sequence, shown(cseq.method.as_bytes())));
    facts.push(format!("body {}", shown(message.body())));
    Some(facts)
}

fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

fn field(name: &str, value: &[u8]) -> String {
    format!("{}: {}", name.to_ascii_lowercase(), shown(value))
}

fn via_fact(
    transport: &[u8],
    host: &[u8],
    port: Option<u16>,
    params: impl Iterator<Item = String>,
) -> String {
    format!("Via {} {} {port:?} {}", shown(transport), shown(host), params.collect::<String>())
}

fn address_fact(display: &[u8], uri: &[u8], params: impl Iterator<Item = String>) -> String {
    format!("Address {} <{}> {}", shown(display), shown(uri), params.collect::<String>())
}

/// Without the quotes, which one side keeps and the other takes off.
fn param(name: &[u8], value: Option<&[u8]>) -> String {
    let name = shown(name).to_ascii_lowercase();
    value.map_or(format!(";{name}"), |value| format!(";{name}={}", shown(&unquote(value))))
}

/// RFC 3261 §7.3.1: folding stands for one space.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        if rest.starts_with(b"\r\n") {
            rest = rest.trim_ascii_start();
            plain.push(b' ');
        } else {
            plain.push(first);
            rest = after;
        }
    }
    plain
}

#[test]
fn the_torture_messages_are_read_alike() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture");
    let mut refused_here_only = BTreeSet::new();
    let mut read_alike = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dat") {
            continue;
        }
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let octets = Bytes::from(std::fs::read(&path).unwrap());
        match (ours(&octets), theirs(&octets)) {
            (None, Some(_)) => assert!(refused_here_only.insert(file)),
            (ours, theirs) => {
                assert_eq!(ours, theirs, "{file}");
                read_alike += 1;
            }
        }
    }
    let listed: BTreeSet<_> = REFUSED_HERE_ONLY.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(refused_here_only, listed);
    assert!(read_alike >= 40, "the messages are there");
}

/// A URI in six parts.
fn uri() -> impl Strategy<Value = [String; 6]> {
    let part = |choices: &'static [&'static str]| prop::sample::select(choices).prop_map(str::to_owned);
    // RFC 3261 §19.1.1: a parameter occurs once, so what is made of two of a name is anybody's choice.
    let params = [
        &[";transport=tcp", ";Transport=TCP", ";transport=udp"][..],
        &[";x=1", ";X=2"],
        &[";maddr=a"],
        &[";lr"],
    ];
    let params = params.map(|choices| prop::option::of(part(choices)).prop_map(Option::unwrap_or_default));
    (
        part(&["sip:", "sips:", "SIP:"]),
        part(&["", "alice@", "%61lice@", "Alice@", "a:pw@", "a%3ab@", "a;b@", "a%3Bb@"]),
        part(&["example.com", "EXAMPLE.com", "192.0.2.1", "[2001:db8::1]", "[2001:DB8:0::1]"]),
        part(&["", ":5060", ":5061"]),
        params.prop_map(|params| params.concat()),
        part(&[
            "",
            "?subject=a",
            "?Subject=a",
            "?subject=b",
            "?subject=a&priority=b",
            "?priority=b&subject=a",
        ]),
    )
        .prop_map(|(scheme, user, host, port, params, headers)| [scheme, user, host, port, params, headers])
}

/// Two URIs that share many of their parts.
fn uris() -> impl Strategy<Value = (String, String)> {
    (uri(), uri(), prop::array::uniform6(prop::bool::weighted(0.25))).prop_map(|(left, other, differs)| {
        let right: String = (0..6).map(|at| if differs[at] { &*other[at] } else { &*left[at] }).collect();
        (left.concat(), right)
    })
}

proptest! {
    // No file of past failures: it would be looked for outside of the package.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn generated_messages_are_read_alike(octets in strategies::whole()) {
        let ours = ours(&octets);
        prop_assert!(ours.is_some());
        prop_assert_eq!(ours, theirs(&octets));
    }

    #[test]
    fn generated_uris_are_compared_alike((left, right) in uris()) {
        let ours = Uri::parse(left.as_bytes()).unwrap().equivalent(&Uri::parse(right.as_bytes()).unwrap());
        let their = |octets: &str| sipx_sip::Uri::parse(Bytes::from(octets.to_owned())).unwrap();
        prop_assert_eq!(ours, their(&left).equivalent(&their(&right)));
    }
}
