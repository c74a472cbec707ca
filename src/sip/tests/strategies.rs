//! Messages to prove properties with: whole ones in every way of writing them, and octets of SIP in no order.

use bytes::Bytes;
use proptest::prelude::*;

/// A field in one of the ways of writing it, with its line end.
fn field(name: &'static str, compact: &'static str, value: &'static str) -> BoxedStrategy<String> {
    let value = value.to_owned();
    let name = prop_oneof![
        Just(name.to_owned()),
        Just(compact.to_owned()),
        Just(name.to_uppercase()),
        Just(name.to_lowercase())
    ];
    let colon = prop_oneof![Just(":"), Just(": "), Just(" : "), Just("\t:\t"), Just(":\r\n ")];
    let end = prop_oneof![Just("\r\n"), Just(" \r\n"), Just("\r\n \r\n")];
    (name, colon, end).prop_map(move |(name, colon, end)| format!("{name}{colon}{value}{end}")).boxed()
}

fn via() -> BoxedStrategy<String> {
    prop_oneof![
        field("Via", "v", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport"),
        field(
            "Via",
            "v",
            "SIP / 2.0\r\n / TCP  b.example.com ;\r\n\tbranch = z9hG4bKb , SIP/2.0/UDP [2001:db8::1]"
        ),
        field(
            "Via",
            "V",
            "SIP/2.0/TLS c;received=192.0.2.9;x=\"1,\\\"2\";rport = 7,SIP/2.0/WSS d;y , SIP/2.0/UDP e"
        ),
    ]
    .boxed()
}

fn other() -> BoxedStrategy<String> {
    prop_oneof![
        field("Route", "route", "<sip:r1.example.com;lr>"),
        field("Route", "route", "<sip:r2.example.com;lr> ,\r\n <sip:r3.example.com;lr;x=y>;z=\"<,>\""),
        field("Record-Route", "record-route", "<sip:rr;lr>, <sip:[::1]:5070;lr>"),
        field("Path", "path", "<sip:p;lr;ob>,<sip:q>"),
        field(
            "Contact",
            "m",
            "\"a, b \\\" <c>\" <sip:c@192.0.2.1;x?y=z>;+sip.instance=\"<urn:uuid:1>\";reg-id=1"
        ),
        field("Supported", "k", "path, outbound,gruu"),
        field("Subject", "s", ""),
        field("X-Odd.Name!", "x-odd.name!", ";;,,;;,\" unbalanced \u{e9}\u{4e2d}"),
        field("Proxy-Authorization", "proxy-authorization", "Digest a=\"b, c\",\r\n d=e"),
    ]
    .boxed()
}

/// A whole message, a request or a response, with as many Via and other fields as it happens.
pub(super) fn whole() -> BoxedStrategy<Bytes> {
    let start = prop_oneof![
        Just(("MESSAGE sip:b@example.com;x=y SIP/2.0\r\n", "1 MESSAGE")),
        Just(("x-Method! tel:+1-201-555-0123 sip/2.0\r\n", "0002\r\n  x-Method!")),
        Just(("SIP/2.0 200 OK then\r\n", "3 INVITE")),
    ];
    let fields = (
        prop::collection::vec(via(), 1..4),
        prop::collection::vec(other(), 0..6),
        field("From", "f", "\"A \\\" <B>\"<sip:a@example.com>;tag=1"),
        field("To", "t", "Some One <sip:b@example.com;x=y>"),
        field("Call-ID", "i", "a@b<>\"]["),
        prop::option::of(field("Max-Forwards", "max-forwards", "0070")),
    );
    (start, fields, prop::collection::vec(any::<u8>(), 0..700), any::<prop::sample::Index>())
        .prop_flat_map(|((start, cseq), (vias, others, from, to, call_id, max_forwards), body, stated)| {
            let mut lines: Vec<String> = vias.into_iter().chain(others).chain(max_forwards).collect();
            lines.extend([from, to, call_id, format!("CSeq: {cseq}\r\n")]);
            let name = ["Content-Length", "l", "CONTENT-LENGTH"][stated.index(3)];
            lines.push(format!("{name}: {}\r\n", body.len()));
            Just(lines).prop_shuffle().prop_map(move |lines| {
                let head = format!("{start}{}\r\n", lines.concat());
                Bytes::from([head.as_bytes(), &body].concat())
            })
        })
        .boxed()
}

/// Pieces of SIP in any order: near enough to messages to get far, and hardly ever one.
pub(super) fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "\r\n",
        "\r\n\r\n",
        "\r",
        "\n",
        " ",
        "\t",
        "MESSAGE sip:b SIP/2.0\r\n",
        "SIP/2.0 200 OK\r\n",
        "l: 0\r\n\r\n",
        "l: 5\r\n\r\n",
        "Content-Length: 5\r\n",
        "l: x\r\n",
        "l: 99999\r\n",
        "Via: SIP/2.0/UDP h;branch=z\r\n",
        "To: x",
        "\"",
        "<",
        ">",
        ",",
        ";",
        "=",
        ":",
        "hello",
        "\0",
        "%41",
        "@",
        "[::1]",
        "sip:",
        "\\",
        "\u{e9}",
    ]);
    prop::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat().into_bytes())
}

/// Where to cut `len` octets.
pub(super) fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop_oneof![prop::collection::vec(any::<prop::sample::Index>(), 0..12)]
}

/// The octets in segments, cut at these places.
pub(super) fn segments<'a>(octets: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
    places.sort_unstable();
    let mut segments = Vec::new();
    let mut at = 0;
    for place in places.into_iter().chain([octets.len()]) {
        segments.push(&octets[at..place]);
        at = place;
    }
    segments
}
