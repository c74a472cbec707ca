//! Forwarding: any changes to any message.

use bytes::Bytes;
use flowhold::sip::{Edit, Fault, Message, Name};
use std::net::{IpAddr, Ipv6Addr};

/// Names that changes are about.
const NAMES: [Name; 8] = [
    Name::Via,
    Name::Route,
    Name::RecordRoute,
    Name::Path,
    Name::MaxForwards,
    Name::ContentLength,
    Name::Contact,
    Name::CSeq,
];

/// The first octet is the number of changes, each an octet; then a message.
pub(crate) fn edit(octets: &[u8]) {
    let Some((&count, rest)) = octets.split_first() else { return };
    let count = usize::from(count & 7);
    if rest.len() < count {
        return;
    }
    let (changes, octets) = rest.split_at(count);
    let Ok(message) = Message::parse(Bytes::copy_from_slice(octets)) else { return };
    if message.validate() == Err(Fault::UnfinishedHead) {
        return;
    }
    let mut edit = Edit::new(&message);
    for &change in changes {
        apply(&mut edit, change);
    }
    let wire = edit.finish();
    let octets = wire.to_bytes();
    assert_eq!(wire.len(), octets.len());
    let result = Message::parse(octets).expect("what we write is SIP");

    assert_eq!(result.is_request(), message.is_request());
    assert_eq!(result.method_bytes(), message.method_bytes());
    assert_eq!(result.status(), message.status());
    assert_eq!(result.reason(), message.reason());
    let named = |name: Name| changes.iter().any(|&change| touched(change) == Some(name));
    if !named(Name::ContentLength) {
        assert_eq!(result.body(), message.body(), "the body stays");
    }
    if !changes.iter().any(|&change| kind(change) == Kind::RequestUri) {
        assert_eq!(result.request_uri(), message.request_uri());
    }
    let untouched = |message: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
        let headers = message.headers().filter(|(name, _)| !named(Name::of(name)) && *name != b"X-New");
        headers.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    };
    assert_eq!(untouched(&result), untouched(&message), "what no change names stays, to the octet");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Push,
    Pop,
    Set,
    Remove,
    Append,
    RequestUri,
    NoteSource,
    EnsureContentLength,
}

/// The upper bits say what is done, the lower ones to which field.
fn kind(change: u8) -> Kind {
    match change >> 3 & 7 {
        0 => Kind::Push,
        1 => Kind::Pop,
        2 => Kind::Set,
        3 => Kind::Remove,
        4 => Kind::Append,
        5 => Kind::RequestUri,
        6 => Kind::NoteSource,
        _ => Kind::EnsureContentLength,
    }
}

/// The lower bits: a place in [`NAMES`].
fn place(change: u8) -> usize {
    usize::from(change & 7)
}

/// The field that a change may alter.
fn touched(change: u8) -> Option<Name> {
    match kind(change) {
        Kind::Push | Kind::Pop if place(change).is_multiple_of(4) => Some(Name::Via),
        Kind::Pop => Some(Name::Route),
        Kind::Push => Some(NAMES[place(change) % 4]),
        Kind::Set | Kind::Remove => Some(NAMES[place(change)]),
        Kind::Append | Kind::RequestUri => None,
        Kind::NoteSource => Some(Name::Via),
        Kind::EnsureContentLength => Some(Name::ContentLength),
    }
}

fn apply(edit: &mut Edit<'_>, change: u8) {
    match kind(change) {
        Kind::Push => match place(change) % 4 {
            0 => edit.push_via(b"SIP/2.0/UDP n;branch=z9hG4bKn"),
            1 => edit.push_route(b"<sip:n;lr>"),
            2 => edit.push_record_route(b"<sip:n;lr>"),
            _ => edit.push_path(b"<sip:n;lr;ob>"),
        },
        Kind::Pop if place(change).is_multiple_of(4) => edit.pop_via(),
        Kind::Pop => edit.pop_route(),
        // The value is right for none of them: that is the caller's, and no reason not to be SIP.
        Kind::Set => edit.set(NAMES[place(change)], b"7"),
        Kind::Remove => edit.remove(NAMES[place(change)]),
        Kind::Append => edit.append("X-New", b"y"),
        Kind::RequestUri => edit.request_uri(b"sip:n"),
        Kind::NoteSource => edit.note_source(IpAddr::V6(Ipv6Addr::LOCALHOST), 9988),
        Kind::EnsureContentLength => edit.ensure_content_length(),
    };
}
