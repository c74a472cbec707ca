//! What goes out hop by hop on a branch: its Request-URI, our Via, the CANCEL, and the ACK to a failure.

use std::borrow::Cow;

use bytes::BytesMut;
use smallvec::SmallVec;

use super::context::{Branch, Onward};
use super::keys::Branch as BranchText;
use super::{Action, BranchId, Proxy};
use crate::sip::{Message, Name, Transport, Wire};

impl Proxy {
    /// Our Via value.
    pub(super) fn via(&self, transport: Transport, branch: &BranchText) -> SmallVec<[u8; 128]> {
        let mut via = SmallVec::new();
        via.extend_from_slice(b"SIP/2.0/");
        via.extend_from_slice(transport.as_via_str().as_bytes());
        via.push(b' ');
        via.extend_from_slice(self.settings.sent_by.of(transport));
        via.extend_from_slice(b";branch=");
        via.extend_from_slice(branch);
        if !transport.is_reliable() {
            // RFC 3581 §3: the response comes to the port that the request left from.
            via.extend_from_slice(b";rport");
        }
        via
    }

    /// A CANCEL of the branch's request, or the ACK to its failure, which has that response's To.
    ///
    /// RFC 3261 §9.1, §17.1.1.3: Request-URI, Call-ID, From, `CSeq` number, Route and our own Via are those of the request as
    /// it went out.
    pub(super) fn hop_request(
        &self,
        request: &Message,
        onward: &Onward,
        branch: &Branch,
        method: &str,
        to: Option<&[u8]>,
    ) -> Wire {
        let mut text = BytesMut::with_capacity(512);
        let mut put = |parts: &[&[u8]]| {
            for part in parts {
                text.extend_from_slice(part);
            }
        };
        let uri = branch.target.request_uri().or(onward.request_uri.as_deref().map(Cow::Borrowed));
        put(&[method.as_bytes(), b" ", uri.as_deref().unwrap_or(request.request_uri()), b" SIP/2.0\r\n"]);
        put(&[b"Via: ", &self.via(branch.transport, &branch.text), b"\r\n"]);
        put(&[b"Max-Forwards: 70\r\n"]);
        if !branch.target.path().is_empty() {
            put(&[b"Route: ", branch.target.path(), b"\r\n"]);
        }
        for route in request.values(Name::Route).skip(usize::from(onward.own_routes)) {
            put(&[b"Route: ", route, b"\r\n"]);
        }
        put(&[b"From: ", request.first(Name::From).unwrap_or_default(), b"\r\n"]);
        put(&[b"To: ", to.or(request.first(Name::To)).unwrap_or_default(), b"\r\n"]);
        put(&[b"Call-ID: ", request.first(Name::CallId).unwrap_or_default(), b"\r\n"]);
        let number = request.cseq().map_or(0, |cseq| cseq.number).to_string();
        put(&[b"CSeq: ", number.as_bytes(), b" ", method.as_bytes(), b"\r\n"]);
        put(&[b"Content-Length: 0\r\n\r\n"]);
        Wire::from(text.freeze())
    }
}

impl Branch {
    /// Towards the target.
    pub(super) fn send(&self, wire: Wire, first: Option<BranchId>) -> Action {
        Action::Send { to: self.target.hop(), transport: self.transport, wire, assign: None, branch: first }
    }
}
