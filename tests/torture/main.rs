//! The torture messages of RFC 4475, each against the outcome that [`table::TABLE`] expects of an element that is proxy
//! and registrar: as a datagram, and where a stream can carry it, as a stream in any split.
#![allow(clippy::unwrap_used)]

mod table;

use bytes::Bytes;
use flowhold::sip::{Edit, Fault, Frame, Framer, Message, Refusal, Unintelligible};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use table::TABLE;

/// What becomes of a message as a datagram.
enum Outcome {
    /// It breaks no rule, and these facts hold.
    Accepted(fn(&Message)),
    /// A request is answered with this fault's status, a response dropped.
    Refused(Fault),
    /// It cannot be taken for SIP: dropped.
    Dropped(Unintelligible),
}

/// What becomes of a message as a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stream {
    /// One message, and nothing behind it.
    Whole,
    /// It does not end within its octets.
    Unfinished,
    /// Refused for its Content-Length; the head can be answered.
    BadContentLength,
    /// Refused for want of a Content-Length; the head can be answered.
    NoContentLength,
    /// Refused as no SIP, at its start or behind a first message.
    Garbage,
}

/// One message.
struct Row {
    file: &'static str,
    outcome: Outcome,
    stream: Stream,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

fn octets(file: &str) -> Bytes {
    Bytes::from(std::fs::read(folder().join(file)).unwrap())
}

#[test]
fn every_message_has_one_row_and_every_row_a_message() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "dat"))
        .collect();
    let rows: BTreeSet<String> = TABLE.iter().map(|row| row.file.to_owned()).collect();
    assert_eq!(files, rows);
    assert_eq!(rows.len(), TABLE.len(), "a message has two rows");
}

#[test]
fn each_datagram_has_its_outcome() {
    for Row { file, outcome, .. } in TABLE {
        let parsed = Message::parse(octets(file));
        match outcome {
            Outcome::Accepted(facts) => {
                let message = parsed.unwrap_or_else(|error| panic!("{file}: {error}"));
                assert_eq!(message.validate(), Ok(()), "{file}");
                facts(&message);
            }
            Outcome::Refused(fault) => {
                let message = parsed.unwrap_or_else(|error| panic!("{file}: {error}"));
                assert_eq!(message.validate(), Err(*fault), "{file}");
            }
            Outcome::Dropped(why) => assert_eq!(parsed.map(|_| ()), Err(*why), "{file}"),
        }
    }
}

#[test]
fn each_datagram_leaves_as_it_came() {
    for Row { file, .. } in TABLE {
        let octets = octets(file);
        let Ok(message) = Message::parse(octets.clone()) else { continue };
        assert!(octets.starts_with(message.bytes()), "{file}");
        assert_eq!(&Edit::new(&message).finish().to_bytes(), message.bytes(), "{file}");
        let mut edit = Edit::new(&message);
        edit.push_via(b"SIP/2.0/UDP n;branch=z9hG4bKn");
        let pushed = Message::parse(edit.finish().to_bytes()).unwrap();
        let mut edit = Edit::new(&pushed);
        edit.pop_via();
        // Nothing can be put behind a head that has no end.
        if message.validate() != Err(Fault::UnfinishedHead) {
            assert_eq!(&edit.finish().to_bytes(), message.bytes(), "{file}");
        }
    }
}

#[test]
fn each_stream_has_its_outcome_however_it_is_split() {
    for Row { file, stream, .. } in TABLE {
        let octets = octets(file);
        for split in 0..=octets.len() {
            let (first, second) = octets.split_at(split);
            assert_eq!(read(&octets, &[first, second]), *stream, "{file} split at {split}");
        }
        assert_eq!(read(&octets, &octets.chunks(1).collect::<Vec<_>>()), *stream, "{file} octet by octet");
    }
}

fn read(whole: &[u8], segments: &[&[u8]]) -> Stream {
    let mut framer = Framer::new(64 * 1024);
    let mut messages = 0;
    for mut segment in segments.iter().copied() {
        loop {
            match framer.next(&mut segment) {
                Ok(Some(Frame::Message(message))) => {
                    let octets = &message.bytes()[..];
                    assert!(whole.windows(octets.len()).any(|window| window == octets));
                    messages += 1;
                }
                Ok(Some(Frame::Ping | Frame::Pong | Frame::Stun(_))) => {}
                Ok(None) => break,
                Err(refusal) => return refused(&refusal),
            }
        }
    }
    match messages {
        _ if framer.in_message() => Stream::Unfinished,
        1 => Stream::Whole,
        messages => panic!("{messages} messages"),
    }
}

fn refused(refusal: &Refusal) -> Stream {
    match refusal {
        Refusal::BadContentLength { head } => {
            assert!(head.top_via().is_ok(), "there is a Via to answer to");
            Stream::BadContentLength
        }
        Refusal::NoContentLength { head } => {
            assert!(head.top_via().is_ok(), "there is a Via to answer to");
            Stream::NoContentLength
        }
        Refusal::Garbage => Stream::Garbage,
        Refusal::TooLarge { .. } => panic!("none is large"),
    }
}

#[test]
fn s3_1_2_15_the_display_name_is_what_is_wrong_with_baddn() {
    // The archive's file ends before the empty line, which is the first fault to be found.
    let ended = [&octets("baddn.dat")[..], b"\r\n"].concat();
    assert_eq!(Message::parse(Bytes::from(ended)).unwrap().validate(), Err(Fault::From));
}
