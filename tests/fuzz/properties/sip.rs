//! SIP and STUN on the wire.

use bytes::Bytes;
use flowhold::sip::{
    Address, Edit, Fault, Frame, Framer, Message, Name, Params, Response, Uri, Via, stun, unquote,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const SOURCE: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77)), 9988);

/// A datagram.
pub(crate) fn message(octets: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(octets)) else { return };
    views(&message);
    assert_eq!(&edited(&message, |_| {}), message.bytes(), "no change is no change");
    let verdict = message.validate();
    if verdict == Err(Fault::UnfinishedHead) {
        return;
    }
    let pushed = reparsed(edited(&message, |edit| _ = edit.push_via(b"SIP/2.0/UDP n;branch=z9hG4bKn")));
    assert_eq!(pushed.top_via().unwrap().host(), b"n");
    assert_eq!(&edited(&pushed, |edit| _ = edit.pop_via()), message.bytes(), "pop_via undoes push_via");

    let noted = reparsed(edited(&message, |edit| _ = edit.note_source(SOURCE.0, SOURCE.1)));
    let again = edited(&noted, |edit| _ = edit.note_source(SOURCE.0, SOURCE.1));
    assert_eq!(&again, noted.bytes(), "the source is noted once");

    let forwarded = edited(&message, |edit| {
        edit.pop_route().max_forwards(7).request_uri(b"sip:n").push_record_route(b"<sip:n;lr>");
        edit.remove(Name::ProxyAuthorization).append("X-New", b"y").ensure_content_length();
    });
    let forwarded = reparsed(forwarded);
    assert_eq!(forwarded.body(), message.body());
    if verdict.is_ok() {
        assert_eq!(forwarded.validate(), Ok(()));
        let response =
            Response::to(&message, 404, "Not Found").to_tag("t").source(SOURCE.0, SOURCE.1).finish();
        assert_eq!(reparsed(response.to_bytes()).validate(), Ok(()), "a response to what is good is good");
    }
}

/// A stream: the first octet says how it is split, the second how large a message may be.
pub(crate) fn framing(octets: &[u8]) {
    let [segment, max, octets @ ..] = octets else { return };
    let max = usize::from(*max) * 8;
    let whole = drain(max, std::iter::once(octets));
    assert_eq!(
        whole,
        drain(max, octets.chunks(usize::from(*segment).max(1))),
        "any split gives the same frames"
    );
}

/// One URI or, with a line end between them, two.
pub(crate) fn uri(octets: &[u8]) {
    let mut lines = octets.splitn(2, |&octet| octet == b'\n').filter_map(|line| Uri::parse(line).ok());
    let Some(one) = lines.next() else { return };
    assert!(one.equivalent(&one));
    let _ = (one.canonical_aor(), one.host_addr(), one.transport(), one.headers().count());
    if let Some(other) = lines.next() {
        let equivalent = one.equivalent(&other);
        assert_eq!(equivalent, other.equivalent(&one), "comparison is symmetric");
        let same_scheme = one.scheme == other.scheme;
        assert_eq!(equivalent, same_scheme && one.comparison_key().matches(&other.comparison_key()));
    }
}

/// A datagram that may be STUN.
pub(crate) fn stun(octets: &[u8]) {
    if let Some(response) = stun::parse_response(octets) {
        assert_eq!(stun::parse(octets), None, "a response is no request: {response:?}");
    }
    let Some(request) = stun::parse(octets) else { return };
    assert!(stun::is_stun(octets));
    let response = stun::binding_response(&request, SocketAddr::from(SOURCE));
    assert!(response.len() <= 2 * octets.len(), "a forged source gains little");
    assert_eq!(stun::parse(&response), None, "a response is not answered");
    assert!(stun::parse_response(&response).is_some(), "what we answer can be read");
}

fn views(message: &Message) {
    let _ =
        (message.method(), message.reason(), message.cseq(), message.max_forwards(), format!("{message:?}"));
    for (name, value) in message.headers() {
        let name = Name::of(name);
        assert!(message.fields(name).count() > 0);
        let _ = (Params::parse(value), unquote(value), message.number(name), message.has_tag(name, "path"));
        for value in message.values(name) {
            assert!(!value.is_empty());
            if let Ok(via) = Via::parse(value) {
                let _ =
                    (via.unique_branch(), via.received(), via.rport(), flowhold::sip::response_target(&via));
            }
            if let Ok(address) = Address::parse(value) {
                uri(address.uri);
            }
        }
    }
}

fn edited(message: &Message, change: impl FnOnce(&mut Edit<'_>)) -> Bytes {
    let mut edit = Edit::new(message);
    change(&mut edit);
    let wire = edit.finish();
    assert_eq!(wire.len(), wire.pieces().iter().map(Bytes::len).sum::<usize>());
    wire.to_bytes()
}

fn reparsed(octets: Bytes) -> Message {
    Message::parse(octets).expect("what we write is SIP")
}

fn drain<'a>(max: usize, segments: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut decoder = Framer::new(max);
    let mut frames = Vec::new();
    for mut segment in segments {
        loop {
            match decoder.next(&mut segment) {
                Ok(Some(Frame::Message(message))) => {
                    assert!(message.bytes().len() <= max);
                    let datagram = Message::parse(message.bytes().clone()).expect("a frame is a message");
                    assert_eq!(datagram.bytes(), message.bytes());
                    assert_eq!(datagram.body(), message.body());
                    frames.push(message.bytes().escape_ascii().to_string());
                }
                Ok(Some(frame)) => frames.push(format!("{frame:?}")),
                Ok(None) => {
                    assert!(segment.is_empty());
                    break;
                }
                Err(refusal) => {
                    frames.push(format!("{refusal} {:?}", refusal.head().map(Message::bytes)));
                    return frames;
                }
            }
        }
    }
    frames
}
