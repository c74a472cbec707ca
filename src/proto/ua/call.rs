//! A call that came in: its dialog, and the 200 that is sent until it is acknowledged. RFC 3261 §12, §13.3.1.
//!
//! ```text
//!   INVITE: 180      ring time over: 200             ACK
//!   ----------> Ringing ----------------> Accepting ------> Confirmed --- BYE ---> (ended)
//!                  |                       | ^  |  no ACK in 64*T1: BYE
//!                  | CANCEL: 487           +-+  +--------------------> (ended)
//!                  v                    200 again
//!               (ended)
//! ```

use super::server::Key;
use crate::proto::transaction::Timers;
use crate::sip::{Address, Message, Name, Wire};
use std::time::{Duration, Instant};

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) reg_id: u32,
    /// The URI in its From, for people.
    pub(super) from: String,
    /// Its Call-ID.
    pub(super) id: Vec<u8>,
    /// Of To, ours.
    pub(super) local_tag: String,
    remote_tag: Vec<u8>,
    /// The To value of the INVITE: our From.
    local: Vec<u8>,
    /// The From value of the INVITE: our To.
    remote: Vec<u8>,
    /// Where requests within the dialog go.
    target: Vec<u8>,
    routes: Vec<Vec<u8>>,
    remote_cseq: u32,
    /// Grows with each SDP of ours.
    pub(super) version: u32,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// It is answered at that time, with that SDP.
    Ringing { at: Instant, key: Key, invite: Message, sdp: String },
    /// The 200 is sent again and again.
    Accepting { accepted: Wire, again: Instant, interval: Duration, end: Instant },
    /// Acknowledged.
    Confirmed,
}

impl Call {
    /// Of an INVITE within no dialog; `None` where its From or Contact cannot be read.
    pub(super) fn of(reg_id: u32, invite: &Message, local_tag: String, state: State) -> Option<Call> {
        let from = Address::parse(invite.first(Name::From)?).ok()?;
        let contact = Address::parse(invite.values(Name::Contact).next()?).ok()?;
        Some(Call {
            reg_id,
            from: String::from_utf8_lossy(from.uri).into_owned(),
            id: invite.first(Name::CallId)?.to_vec(),
            local_tag,
            remote_tag: from.tag().unwrap_or_default().to_vec(),
            local: invite.first(Name::To)?.to_vec(),
            remote: invite.first(Name::From)?.to_vec(),
            // RFC 3261 §12.1.1: the remote target is the Contact, the route set is Record-Route in its order.
            target: contact.uri.to_vec(),
            routes: invite.values(Name::RecordRoute).map(<[u8]>::to_vec).collect(),
            remote_cseq: invite.cseq().ok()?.number,
            version: 1,
            state,
        })
    }

    /// Whether a request belongs to it. RFC 3261 §12.2.2.
    pub(super) fn has(&self, request: &Message) -> bool {
        let tag = |name| {
            let address = request.first(name).and_then(|value| Address::parse(value).ok());
            address.and_then(|address| address.tag()).unwrap_or_default()
        };
        request.first(Name::CallId) == Some(&self.id)
            && tag(Name::To) == self.local_tag.as_bytes()
            && tag(Name::From) == self.remote_tag
    }

    /// A request within the dialog has this number; `false`: it comes too late.
    pub(super) fn advances(&mut self, cseq: u32) -> bool {
        // RFC 3261 §12.2.2: a number lower than one before is out of order.
        let is_next = cseq > self.remote_cseq;
        self.remote_cseq = self.remote_cseq.max(cseq);
        is_next
    }

    /// The caller has another Contact from now on. RFC 3261 §12.2.2.
    pub(super) fn refresh_target(&mut self, request: &Message) {
        let contact = request.values(Name::Contact).next().and_then(|value| Address::parse(value).ok());
        if let Some(contact) = contact {
            self.target = contact.uri.to_vec();
        }
    }

    /// A 200 to an INVITE has just been sent.
    pub(super) fn accept(&mut self, now: Instant, accepted: Wire, timers: &Timers) {
        // RFC 3261 §13.3.1.4: again after T1, doubled up to T2, until the ACK, at most for 64*T1, on any transport.
        let (again, end) = (now + timers.t1, now + timers.patience());
        self.state = State::Accepting { accepted, again, interval: timers.t1, end };
    }

    /// The ACK is here; `false`: it was before.
    pub(super) fn confirm(&mut self) -> bool {
        let is_first = matches!(self.state, State::Accepting { .. });
        if is_first {
            self.state = State::Confirmed;
        }
        is_first
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Ringing { at, .. } => Some(at),
            State::Accepting { again, end, .. } => Some(again.min(end)),
            State::Confirmed => None,
        }
    }

    /// What a BYE of ours says. It is the only request that we send within a call. RFC 3261 §12.2.1.1.
    pub(super) fn bye(&self) -> Bye {
        let from = [&self.local, &b";tag="[..], self.local_tag.as_bytes()].concat();
        Bye {
            uri: self.target.clone(),
            routes: self.routes.clone(),
            from,
            to: self.remote.clone(),
            call_id: self.id.clone(),
        }
    }
}

/// What a BYE says.
#[derive(Clone, Debug)]
pub(super) struct Bye {
    pub(super) uri: Vec<u8>,
    pub(super) routes: Vec<Vec<u8>>,
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
    pub(super) call_id: Vec<u8>,
}
