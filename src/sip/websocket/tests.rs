#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;

use super::Kind;
use super::handshake::{Reject, Terms, accept, find_end};
use super::receiver::{Event, Fault, Receiver};
use super::sender::{Code, PONGS_PER_SLICE, close, is_text, message, ping, pong, pongs};
use crate::sip::Wire;

const MAX: usize = 70_000;
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..=65_535 => {
            frame.push(0xFE);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0xFF);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

/// All events, and the fault that ends them.
fn drain<'a>(
    receiver: &mut Receiver,
    segments: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<Fault>) {
    let mut events = Vec::new();
    for mut segment in segments {
        loop {
            match receiver.next(&mut segment) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(fault) => return (events, Some(fault)),
            }
        }
    }
    (events, None)
}

fn received(octets: &[u8]) -> (Vec<Event>, Option<Fault>) {
    drain(&mut Receiver::new(MAX), [octets])
}

fn said(octets: &[u8]) -> Event {
    Event::Message(Bytes::copy_from_slice(octets))
}

#[track_caller]
fn assert_fault(octets: &[u8], fault: Fault) {
    assert_eq!(received(octets), (vec![], Some(fault)));
}

#[test]
fn rfc6455_s5_7_the_examples() {
    let masked_hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(received(&masked_hello), (vec![said(b"Hello")], None));
    let masked_pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(received(&masked_pong), (vec![Event::Pong], None));
    assert_eq!(message(Kind::Text, wire(b"Hello")).to_bytes(), &b"\x81\x05Hello"[..]);
    assert_eq!(message(Kind::Binary, wire(&[7; 256])).to_bytes()[..4], [0x82, 0x7E, 0x01, 0x00]);
    let long = message(Kind::Binary, wire(&vec![7; 65_536])).to_bytes();
    assert_eq!(long[..10], [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(long.len(), 10 + 65_536);
}

#[test]
fn lengths_at_the_edges_of_their_forms() {
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, MAX] {
        let payload = vec![b'x'; len];
        assert_eq!(received(&frame(FIN | BINARY, &payload)), (vec![said(&payload)], None), "{len}");
        let sent = message(Kind::Binary, wire(&payload)).to_bytes();
        let header = match len {
            0..=125 => 2,
            126..=65_535 => 4,
            _ => 10,
        };
        assert_eq!(sent.len(), header + len);
    }
}

#[test]
fn a_message_in_fragments_with_control_frames_between_them() {
    let octets = [
        frame(TEXT, b"He"),
        frame(FIN | PING, b"a"),
        frame(CONTINUATION, b""),
        frame(FIN | PONG, b""),
        frame(CONTINUATION, b"l"),
        frame(FIN | CONTINUATION, b"lo"),
        frame(FIN | CLOSE, b"\x03\xe8bye"),
    ]
    .concat();
    let ping = Event::Ping(Bytes::from_static(b"a"));
    assert_eq!(received(&octets), (vec![ping, Event::Pong, said(b"Hello"), Event::Close(Some(1000))], None));
}

#[test]
fn rfc6455_s5_what_a_client_may_not_send() {
    // Not masked.
    assert_fault(b"\x81\x05Hello", Fault::Protocol);
    // Bits of extensions that were not asked for, opcodes that there are not.
    for first in [0xC1, 0xA1, 0x91, FIN | 3, FIN | 7, FIN | 0xB, FIN | 0xF] {
        assert_fault(&frame(first, b""), Fault::Protocol);
    }
    // A control frame in fragments, and one that is too long.
    assert_fault(&frame(PING, b""), Fault::Protocol);
    assert_fault(&frame(FIN | PING, &[0; 126]), Fault::Protocol);
    // A continuation of nothing, and a message within another.
    assert_fault(&frame(FIN | CONTINUATION, b""), Fault::Protocol);
    assert_fault(&[frame(TEXT, b"a"), frame(FIN | TEXT, b"b")].concat(), Fault::Protocol);
    // Lengths in more octets than it takes, or that are negative to some.
    assert_fault(&[0x82, 0xFE, 0, 125, 0, 0, 0, 0], Fault::Protocol);
    assert_fault(&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0], Fault::Protocol);
    assert_fault(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Fault::Protocol);
}

#[test]
fn rfc6455_s8_1_text_is_utf8_and_a_sign_may_be_in_two_fragments() {
    assert_fault(&frame(FIN | TEXT, b"\xff"), Fault::NotUtf8);
    assert_eq!(received(&frame(FIN | BINARY, b"\xff")), (vec![said(b"\xff")], None));
    let split = [frame(TEXT, b"\xc3"), frame(FIN | CONTINUATION, b"\xa9")].concat();
    assert_eq!(received(&split), (vec![said("é".as_bytes())], None));
}

#[test]
fn rfc6455_s7_4_codes_of_a_close() {
    assert_eq!(received(&frame(FIN | CLOSE, b"")), (vec![Event::Close(None)], None));
    for code in [1000_u16, 1001, 1003, 1007, 1011, 3000, 4999] {
        let close = frame(FIN | CLOSE, &code.to_be_bytes());
        assert_eq!(received(&close), (vec![Event::Close(Some(code))], None));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535] {
        assert_fault(&frame(FIN | CLOSE, &code.to_be_bytes()), Fault::Protocol);
    }
    assert_fault(&frame(FIN | CLOSE, b"\x03"), Fault::Protocol);
    assert_fault(&frame(FIN | CLOSE, b"\x03\xe8\xff"), Fault::NotUtf8);
}

#[test]
fn a_message_is_refused_as_soon_as_it_is_announced() {
    let mut receiver = Receiver::new(100);
    let announced = &frame(FIN | BINARY, &[0; 101])[..6];
    assert_eq!(drain(&mut receiver, [announced]), (vec![], Some(Fault::TooLarge)));
    let fragments = [frame(BINARY, &[0; 60]), frame(FIN | CONTINUATION, &[0; 41])].concat();
    assert_eq!(drain(&mut Receiver::new(100), [&fragments[..]]), (vec![], Some(Fault::TooLarge)));
    let huge = [0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
    assert_fault(&huge, Fault::TooLarge);
}

#[test]
fn nothing_is_kept_between_messages() {
    let mut receiver = Receiver::new(MAX);
    assert_eq!(receiver.last(), Kind::Text);
    drain(&mut receiver, [&frame(FIN | BINARY, b"x")[..]]);
    assert!(!receiver.in_message());
    assert_eq!(receiver.last(), Kind::Binary);
    for part in [&[0x81][..], &frame(FIN | TEXT, b"xy")[..7], &frame(TEXT, b"x")] {
        let mut receiver = Receiver::new(MAX);
        drain(&mut receiver, [part]);
        assert!(receiver.in_message(), "{part:?}");
    }
}

#[test]
fn what_is_sent() {
    assert_eq!(ping().to_bytes(), &[0x89, 0][..]);
    assert_eq!(pong(b"abc").to_bytes(), &b"\x8a\x03abc"[..]);
    assert_eq!(close(None).to_bytes(), &[0x88, 0][..]);
    assert_eq!(close(Some(Code::GoingAway)).to_bytes(), &[0x88, 2, 0x03, 0xE9][..]);
    assert_eq!(close(Some(Code::Echo(4000))).to_bytes(), &[0x88, 2, 0x0F, 0xA0][..]);
    assert_eq!(pongs(Kind::Text, 2).to_bytes(), &b"\x81\x02\r\n\x81\x02\r\n"[..]);
    assert_eq!(pongs(Kind::Binary, 1).to_bytes(), &b"\x82\x02\r\n"[..]);
    assert_eq!(pongs(Kind::Text, PONGS_PER_SLICE + 1).len(), 4 * PONGS_PER_SLICE);
    assert!(is_text(&wire("é".as_bytes())));
    assert!(!is_text(&wire(b"\xc3")));
}

fn wire(octets: &[u8]) -> Wire {
    Wire::from(Bytes::copy_from_slice(octets))
}

/// A stream of whole messages in fragments and control frames, with what it says.
fn stream() -> impl Strategy<Value = (Vec<u8>, Vec<Event>)> {
    let octets = |most| prop::collection::vec(any::<u8>(), 0..most);
    let fragments = prop::collection::vec((octets(200), prop::option::of(octets(20))), 1..4);
    let message = fragments.prop_map(|fragments| {
        let (mut sent, mut events, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        let last = fragments.len() - 1;
        for (index, (part, ping)) in fragments.into_iter().enumerate() {
            let opcode = if index == 0 { BINARY } else { CONTINUATION };
            sent.extend(frame(if index == last { FIN | opcode } else { opcode }, &part));
            whole.extend(part);
            if index == last {
                events.push(said(&whole));
            }
            if let Some(payload) = ping {
                sent.extend(frame(FIN | PING, &payload));
                events.push(Event::Ping(Bytes::from(payload)));
            }
        }
        (sent, events)
    });
    prop::collection::vec(message, 0..6).prop_map(|messages| {
        let (octets, events): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        (octets.concat(), events.concat())
    })
}

/// Octets that often are frames.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let header =
        prop::sample::select(vec![0x01_u8, 0x81, 0x02, 0x82, 0x00, 0x80, 0x88, 0x89, 0x8A, 0xC1, 0x83]);
    let length = prop::sample::select(vec![0x80_u8, 0x81, 0x85, 0xFE, 0xFF, 0x05]);
    let part = prop_oneof![
        4 => (header, prop::collection::vec(any::<u8>(), 0..130)).prop_map(|(first, payload)| frame(first, &payload)),
        1 => length.prop_map(|octet| vec![0x82, octet]),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn cut<'a>(octets: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
    places.extend([0, octets.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_its_events(
        (octets, expected) in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        prop_assert_eq!(received(&octets), (expected.clone(), None));
        prop_assert_eq!(drain(&mut Receiver::new(MAX), cut(&octets, &cuts)), (expected.clone(), None));
        prop_assert_eq!(drain(&mut Receiver::new(MAX), octets.chunks(1)), (expected, None));
    }

    #[test]
    fn any_split_of_anything_gives_the_same_events_and_fault(
        octets in anything(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        max in 1_usize..300,
    ) {
        let whole = drain(&mut Receiver::new(max), [&octets[..]]);
        prop_assert_eq!(&whole, &drain(&mut Receiver::new(max), cut(&octets, &cuts)));
        for event in whole.0 {
            if let Event::Message(message) = event {
                prop_assert!(message.len() <= max);
            }
        }
    }

    #[test]
    fn a_handshake_of_anything_is_refused_and_nothing_worse(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(accept(&octets, ANY).is_err());
    }
}

const ANY: Terms<'static> = Terms { path: "", origins: &[] };

/// RFC 7118 §4.1: the example.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://www.example.com\r\nSec-WebSocket-Protocol: sip\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

fn verdict(request: &str, terms: Terms<'_>) -> Result<(), Reject> {
    accept(request.as_bytes(), terms).map(drop)
}

#[test]
fn rfc7118_s4_1_the_example() {
    let upgrade = accept(REQUEST.as_bytes(), ANY).unwrap();
    assert_eq!(
        upgrade.response(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    );
    assert_eq!(find_end(REQUEST.as_bytes()), Some(REQUEST.len()));
    assert_eq!(find_end(&REQUEST.as_bytes()[..REQUEST.len() - 1]), None);
}

#[test]
fn requests_as_browsers_and_proxies_write_them() {
    for (given, written) in [
        ("Connection: Upgrade", "connection: keep-alive, Upgrade"),
        ("Upgrade: websocket", "UPGRADE: WebSocket"),
        ("Protocol: sip", "Protocol: mqtt, sip"),
        ("Protocol: sip", "Protocol: mqtt\r\nSec-WebSocket-Protocol: sip"),
        ("GET / ", "GET /ws?token=1 "),
        ("Origin: http://www.example.com\r\n", ""),
    ] {
        assert_eq!(verdict(&REQUEST.replace(given, written), ANY), Ok(()), "{written}");
    }
}

#[test]
fn requests_that_are_not_taken() {
    for (given, written, reject) in [
        ("Upgrade: websocket\r\n", "", Reject::NotWebSocket),
        ("Upgrade: websocket", "Upgrade: h2c", Reject::NotWebSocket),
        ("Connection: Upgrade", "Connection: keep-alive", Reject::Malformed),
        ("GET ", "POST ", Reject::Malformed),
        ("HTTP/1.1", "HTTP/1.0", Reject::Malformed),
        ("Host: sip-ws.example.com\r\n", "", Reject::Malformed),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZQ==", Reject::Malformed),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: ?", Reject::Malformed),
        ("Version: 13", "Version: 8", Reject::Version),
        ("Sec-WebSocket-Version: 13\r\n", "", Reject::Version),
        ("Sec-WebSocket-Protocol: sip\r\n", "", Reject::NotSip),
        ("Protocol: sip", "Protocol: msrp", Reject::NotSip),
        ("GET / HTTP/1.1\r\n", "REGISTER sip:example.com SIP/2.0\r\n", Reject::Malformed),
        ("Host:", "Content-Length: 5\r\nHost:", Reject::Malformed),
        ("Host:", "Transfer-Encoding: chunked\r\nHost:", Reject::Malformed),
    ] {
        assert_eq!(verdict(&REQUEST.replace(given, written), ANY), Err(reject), "{given} -> {written}");
    }
    let many = REQUEST.replace("Host", &format!("{}Host", "A: b\r\n".repeat(100)));
    assert_eq!(verdict(&many, ANY), Err(Reject::TooLong));
}

#[test]
fn rfc6455_s10_2_origins_that_are_not_on_the_list_are_refused() {
    let origins = ["https://phone.example.com".to_owned(), "http://WWW.example.com".to_owned()];
    let terms = Terms { path: "", origins: &origins };
    assert_eq!(verdict(REQUEST, terms), Ok(()));
    for origin in
        ["http://www.example.com:8080", "https://www.example.com", "null", "http://www.example.com.evil.test"]
    {
        let request = REQUEST.replace("http://www.example.com", origin);
        assert_eq!(verdict(&request, terms), Err(Reject::Origin), "{origin}");
    }
    let both = REQUEST.replace("Host:", "Origin: http://www.example.com\r\nHost:");
    assert_eq!(verdict(&both, terms), Ok(()));
    let another = REQUEST.replace("Host:", "Origin: http://evil.test\r\nHost:");
    assert_eq!(verdict(&another, terms), Err(Reject::Origin));
    let behind =
        REQUEST.replace("Sec-WebSocket-Protocol", "Origin: http://evil.test\r\nSec-WebSocket-Protocol");
    assert_eq!(verdict(&behind, terms), Err(Reject::Origin));
    assert_eq!(verdict(&REQUEST.replace("Origin: http://www.example.com\r\n", ""), terms), Ok(()));
}

#[test]
fn a_path_that_is_asked_for() {
    let terms = Terms { path: "/ws", origins: &[] };
    assert_eq!(verdict(REQUEST, terms), Err(Reject::Path));
    for path in ["/ws", "/ws?a=b"] {
        assert_eq!(verdict(&REQUEST.replace("GET / ", &format!("GET {path} ")), terms), Ok(()));
    }
}

#[test]
fn every_refusal_is_http_that_ends_where_it_says() {
    for reject in [
        Reject::Malformed,
        Reject::NotWebSocket,
        Reject::Version,
        Reject::NotSip,
        Reject::Origin,
        Reject::Path,
        Reject::TooLong,
    ] {
        let response = reject.response();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 4"), "{head}");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
    }
    assert!(Reject::Version.response().contains("Sec-WebSocket-Version: 13\r\n"));
    assert_eq!(Code::Policy.number(), 1008);
}
