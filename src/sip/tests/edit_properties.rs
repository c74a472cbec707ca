use super::strategies::{fragments, whole};
use crate::sip::{Edit, Message, Name, Response};
use bytes::Bytes;
use proptest::prelude::*;

fn edited(message: &Message, change: impl FnOnce(&mut Edit<'_>)) -> Bytes {
    let mut edit = Edit::new(message);
    change(&mut edit);
    let wire = edit.finish();
    let octets = wire.to_bytes();
    assert_eq!(octets.len(), wire.len());
    assert_eq!(octets, wire.pieces().concat());
    octets
}

/// A change that needs nothing of its surroundings.
type Change = fn(&mut Edit<'_>);

/// The start line, each field with its folding and line end, and the body behind the empty line.
fn lines(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < octets.len() {
        if octets[at..].starts_with(b"\r\n") && !matches!(octets.get(at + 2), Some(b' ' | b'\t')) {
            lines.push(octets[start..at + 2].to_vec());
            start = at + 2;
            at += 2;
            if octets[start..].starts_with(b"\r\n") {
                break;
            }
        } else {
            at += 1;
        }
    }
    lines.push(octets[start..].to_vec());
    lines
}

/// The lines without those of this name.
fn lines_but(message: &Message, name: Name) -> Vec<Vec<u8>> {
    let all = lines(message.bytes());
    let names = message.headers().map(|(name, _)| Name::of(name));
    let body = all.last().cloned();
    let fields = all[1..all.len() - 1]
        .iter()
        .zip(names)
        .filter(|(_, found)| *found != name)
        .map(|(line, _)| line.clone());
    fields.chain(body).collect()
}

fn values(message: &Message, name: Name) -> Vec<Vec<u8>> {
    message.values(name).map(<[u8]>::to_vec).collect()
}

fn parse(octets: Bytes) -> Message {
    Message::parse(octets).unwrap()
}

proptest! {
    #[test]
    fn no_change_is_no_change(octets in whole()) {
        let message = parse(octets.clone());
        prop_assert_eq!(message.validate(), Ok(()));
        prop_assert_eq!(edited(&message, |_| {}), octets);
    }

    #[test]
    fn no_change_is_no_change_to_anything_intelligible(octets in fragments()) {
        if let Ok(message) = Message::parse(Bytes::from(octets)) {
            prop_assert_eq!(&edited(&message, |_| {}), message.bytes());
        }
    }

    #[test]
    fn pop_via_undoes_push_via(octets in whole()) {
        let pushed = parse(edited(&parse(octets.clone()), |edit| _ = edit.push_via(b"SIP/2.0/TCP n;branch=z9hG4bKn")));
        prop_assert_eq!(pushed.top_via().unwrap().host(), b"n");
        prop_assert_eq!(edited(&pushed, |edit| _ = edit.pop_via()), octets);
    }

    #[test]
    fn pop_route_undoes_push_route(octets in whole()) {
        let pushed = parse(edited(&parse(octets.clone()), |edit| _ = edit.push_route(b"<sip:n;lr>")));
        prop_assert_eq!(pushed.values(Name::Route).next().unwrap(), b"<sip:n;lr>");
        prop_assert_eq!(edited(&pushed, |edit| _ = edit.pop_route()), octets);
    }

    #[test]
    fn popping_takes_values_from_the_top_and_nothing_else(octets in whole(), count in 0_usize..9) {
        let message = parse(octets);
        for (name, pop) in [
            (Name::Via, (|edit| _ = edit.pop_via()) as Change),
            (Name::Route, |edit| _ = edit.pop_route()),
        ] {
            let after = parse(edited(&message, |edit| (0..count).for_each(|_| pop(edit))));
            let before = values(&message, name);
            prop_assert_eq!(values(&after, name), before[count.min(before.len())..].to_vec());
            prop_assert_eq!(lines_but(&after, name), lines_but(&message, name));
        }
    }

    #[test]
    fn each_change_touches_its_own_field_only(octets in whole()) {
        let message = parse(octets);
        let changes: [(Name, Change); 6] = [
            (Name::Via, |edit| _ = edit.note_source("192.0.2.77".parse().unwrap(), 9988)),
            (Name::MaxForwards, |edit| _ = edit.max_forwards(9)),
            (Name::Path, |edit| _ = edit.push_path(b"<sip:n;ob>")),
            (Name::RecordRoute, |edit| _ = edit.push_record_route(b"<sip:n;lr>")),
            (Name::ProxyAuthorization, |edit| _ = edit.remove(Name::ProxyAuthorization)),
            (Name::Contact, |edit| _ = edit.append(Name::Contact, b"<sip:n>")),
        ];
        for (name, change) in changes {
            let after = parse(edited(&message, change));
            prop_assert_eq!(lines_but(&after, name), lines_but(&message, name));
            prop_assert_eq!(&lines(after.bytes())[0], &lines(message.bytes())[0]);
        }
    }

    #[test]
    fn the_request_uri_changes_alone(octets in whole()) {
        let message = parse(octets);
        let after = parse(edited(&message, |edit| _ = edit.request_uri(b"sip:new@example.net")));
        if message.is_request() {
            prop_assert_eq!(after.request_uri(), b"sip:new@example.net");
        }
        prop_assert_eq!(after.method_bytes(), message.method_bytes());
        prop_assert_eq!(&lines(after.bytes())[1..], &lines(message.bytes())[1..]);
    }

    #[test]
    fn the_source_is_told_by_the_topmost_via_and_the_others_stay(octets in whole()) {
        let message = parse(octets);
        let source = "192.0.2.77".parse().unwrap();
        let after = parse(edited(&message, |edit| _ = edit.note_source(source, 9988)));
        let via = after.top_via().unwrap();
        prop_assert_eq!(via.received(), Some(source));
        let asked = message.top_via().unwrap().rport().is_some();
        prop_assert_eq!(via.rport(), asked.then_some(Some(9988)));
        prop_assert_eq!(&values(&after, Name::Via)[1..], &values(&message, Name::Via)[1..]);
    }

    #[test]
    fn a_response_has_what_its_request_gives_it(octets in whole()) {
        let message = parse(octets);
        let response = Response::to(&message, 404, "Not Found").to_tag("t").source("192.0.2.77".parse().unwrap(), 9988);
        let response = parse(response.finish().to_bytes());
        prop_assert_eq!(response.validate(), Ok(()));
        prop_assert_eq!(&values(&response, Name::Via)[1..], &values(&message, Name::Via)[1..]);
        for name in [Name::From, Name::CallId, Name::CSeq] {
            prop_assert_eq!(response.first(name), message.first(name));
        }
        let to = [message.first(Name::To).unwrap(), b";tag=t"].concat();
        prop_assert_eq!(response.first(Name::To).unwrap(), &to[..]);
    }
}
