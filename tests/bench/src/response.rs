//! Responses: how a UA writes one to the request that it received, and how it knows one to the request that it sent.

use std::io::Write as _;

use crate::{Fault, wire};

/// Begins the response to a request: the fields of RFC 3261 §8.2.6.2. `tag` is what To gets behind it: nothing where the
/// request is in a dialog, for then it has a tag.
pub(crate) fn begin(request: &[u8], status: &str, tag: &str, out: &mut Vec<u8>) {
    out.clear();
    write!(out, "SIP/2.0 {status}\r\n").expect("a Vec takes all that is written");
    copy(request, "Via", "v", "", out);
    copy(request, "From", "f", "", out);
    copy(request, "To", "t", tag, out);
    copy(request, "Call-ID", "i", "", out);
    copy(request, "CSeq", "CSeq", "", out);
}

/// Copies all fields of this name, and puts `suffix` behind each.
pub(crate) fn copy(request: &[u8], name: &str, compact: &str, suffix: &str, out: &mut Vec<u8>) {
    for value in wire::fields(request, name, compact) {
        for piece in [name.as_bytes(), b": ", value, suffix.as_bytes(), b"\r\n"] {
            out.extend_from_slice(piece);
        }
    }
}

/// A request that a UA sent: what a response to it must repeat.
#[derive(Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) call_id: &'a str,
    /// Number and method.
    pub(crate) cseq: &'a str,
    pub(crate) branch: &'a str,
}

impl Sent<'_> {
    /// RFC 3261 §17.1.3 and §8.1.3.3: the branch and the method match the request, and no Via is left over.
    pub(crate) fn check(&self, flow: u32, status: u16, answer: &[u8]) -> Result<(), Fault> {
        let Sent { call_id, cseq, branch } = self;
        let wrong = |why: &str| {
            Err(Fault::wrong(flow, format!("{why} (expected {status} to {cseq}, {call_id})"), answer))
        };
        if !is(status, answer) {
            return wrong(&format!("not a {status}"));
        }
        if wire::field(answer, "Call-ID", "i") != Some(call_id.as_bytes()) {
            return wrong("an answer of another Call-ID");
        }
        if wire::field(answer, "CSeq", "CSeq") != Some(cseq.as_bytes()) {
            return wrong("an answer of another CSeq");
        }
        let mut via = wire::fields(answer, "Via", "v");
        let ours = via.next().is_some_and(|via| memchr::memmem::find(via, branch.as_bytes()).is_some());
        if !ours || via.next().is_some() {
            return wrong("an answer whose only Via is not the request's");
        }
        Ok(())
    }
}

/// Whether the message is a response of this status.
pub(crate) fn is(status: u16, message: &[u8]) -> bool {
    message.starts_with(format!("SIP/2.0 {status} ").as_bytes())
}
