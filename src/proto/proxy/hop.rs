//! What goes out hop by hop on a branch: its Request-URI, our Via, the CANCEL, and the ACK to a failure.

use std::borrow::Cow;

use bytes::BytesMut;
use smallvec::SmallVec;

use super::context::{Branch, Onward};
use super::keys::Branch as BranchText;
use super::{Action, BranchId, Proxy};
use crate::proto::via::via;
use crate::sip::{Message, Name, Transport, Wire};

impl Proxy {
    /// Our Via value for what leaves over a flow or to a next hop of that transport, or over a link.
    pub(super) fn via(
        &self,
        transport: Transport,
        is_link: bool,
        branch: &BranchText,
    ) -> SmallVec<[u8; 128]> {
        let settings = &self.settings;
        let on_links = settings.cluster.as_deref().filter(|_| is_link);
        via(transport, on_links.unwrap_or(settings.sent_by.of(transport)), branch)
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
        let via = self.via(branch.leaves_over().1, branch.by_link.is_some(), &branch.text);
        put(&[b"Via: ", &via, b"\r\n"]);
        put(&[b"Max-Forwards: 70\r\n"]);
        if let Some(by_link) = &branch.by_link {
            put(&[b"Route: ", &by_link.route(), b"\r\n"]);
        }
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
        let (to, transport) = self.leaves_over();
        Action::Send { to, transport, wire, assign: None, branch: first }
    }
}
