//! Tests of SIP on the wire, a file for each concept; a test is named by the rule that it proves.
#![allow(clippy::unwrap_used, clippy::similar_names)]

mod address;
mod edit;
mod edit_properties;
mod framing;
mod framing_properties;
mod message;
mod params;
mod request;
mod response;
mod strategies;
mod stun;
mod uri;
mod uri_properties;
mod validate;
mod via;

use super::Message;
use bytes::Bytes;

/// A message from lines that end in LF, for legibility; each gets its CR.
fn message(text: &str) -> Message {
    Message::parse(wire(text)).unwrap()
}

fn wire(text: &str) -> Bytes {
    Bytes::from(text.replace('\n', "\r\n"))
}

/// A good OPTIONS with these lines in addition, each with its line end.
fn options_with(lines: &str) -> Message {
    message(&format!(
        "OPTIONS sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\nMax-Forwards: 70\n\
         From: <sip:a@example.com>;tag=1\nTo: <sip:b@example.com>\nCall-ID: c\nCSeq: 1 OPTIONS\n{lines}\n"
    ))
}

fn text(octets: &[u8]) -> &str {
    str::from_utf8(octets).unwrap()
}
