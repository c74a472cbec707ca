//! The 200 to a REGISTER. RFC 3261 §10.3 step 8, RFC 3327 §5.3, RFC 5626 §6.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::{BufMut, BytesMut};
use flowhold_cluster::binding::{Binding, Timestamp};
use flowhold_cluster::location::{Bindings, UpdateError};
use httpdate::HttpDate;

use crate::proto::keepalive::Assign;
use crate::proto::profile::ShownIn;
use crate::proto::{Profile, Source};
use crate::sip::{Message, Response, Wire};

use super::extensions::Extensions;
use super::reject::Reject;

/// The extensions that every response to a REGISTER names.
pub(super) const SUPPORTED: &str = "path, outbound";
/// The same where `outbound` there says that it was applied, and it was not.
const SUPPORTED_WITHOUT: &str = "path";
/// The last second that a Date can tell.
const LAST_DATE: Duration = Duration::from_secs(253_402_300_799);

/// A response to a REGISTER and what goes with it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// The response.
    pub wire: Wire,
    /// What changes in the keep-alive of the flow that it leaves over, if anything does.
    pub keepalive: Option<Assign>,
}

/// What a UA gets when its bindings have been updated.
#[derive(Debug)]
pub struct Terms {
    /// Outbound was applied, and the UA is to know.
    pub(super) outbound: bool,
    /// The Flow-Timer that it is given.
    pub(super) flow_timer: Option<Duration>,
    /// The REGISTER changes bindings. One that only asks for them leaves the flow's keep-alive as it is.
    pub(super) touches_bindings: bool,
    path: Vec<u8>,
}

impl Terms {
    pub(super) fn new(extensions: &Extensions) -> Self {
        Self { outbound: false, flow_timer: None, touches_bindings: false, path: extensions.path.clone() }
    }

    /// The response, given what the location service made of the update. `to_tag` is used where To has none.
    pub fn answer(
        &self,
        request: &Message,
        source: &Source,
        outcome: Result<Bindings, UpdateError>,
        to_tag: &str,
        now: Timestamp,
    ) -> Answer {
        let bindings = match outcome {
            Ok(bindings) => bindings,
            Err(error) => return Reject::from(error).answer(request, source, to_tag),
        };
        let response = Response::to(request, 200, "OK").to_tag(to_tag).source(source.ip(), source.port());
        let wire = response.fields(self.fields(source.profile, &bindings, now)).finish();
        let keepalive = self.touches_bindings.then_some(Assign { flow_timer: self.flow_timer });
        Answer { status: 200, wire, keepalive }
    }

    fn fields(&self, profile: &Profile, bindings: &[Arc<Binding>], now: Timestamp) -> BytesMut {
        let contacts: usize =
            bindings.iter().map(|binding| 40 + binding.contact.len() + binding.params.len()).sum();
        let mut fields = BytesMut::with_capacity(160 + contacts + self.path.len());
        // RFC 3261 §10.3 step 8: all current bindings, each with what is left of its time.
        for binding in bindings {
            put_contact(&mut fields, binding, now);
        }
        // RFC 3327 §5.3: the Path of the request goes back to the UA.
        if !self.path.is_empty() {
            fields.extend_from_slice(b"Path: ");
            fields.extend_from_slice(&self.path);
            fields.extend_from_slice(b"\r\n");
        }
        fields.extend_from_slice(b"Supported: ");
        let is_shown_here = profile.shown_in == ShownIn::Supported;
        let supported = if is_shown_here && !self.outbound { SUPPORTED_WITHOUT } else { SUPPORTED };
        fields.extend_from_slice(supported.as_bytes());
        fields.extend_from_slice(b"\r\n");
        // RFC 5626 §6: Require tells the UA that outbound was applied; a Flow-Timer goes only with it.
        if self.outbound && !is_shown_here {
            fields.extend_from_slice(b"Require: outbound\r\n");
        }
        if let Some(timer) = self.flow_timer {
            put(&mut fields, format_args!("Flow-Timer: {}\r\n", timer.as_secs()));
        }
        // RFC 3261 §10.3 step 8: a 200 should tell the date.
        let date = UNIX_EPOCH + Duration::from_millis(now.0).min(LAST_DATE);
        put(&mut fields, format_args!("Date: {}\r\n", HttpDate::from(date)));
        fields
    }
}

fn put_contact(fields: &mut BytesMut, binding: &Binding, now: Timestamp) {
    fields.extend_from_slice(b"Contact: <");
    fields.extend_from_slice(&binding.contact);
    fields.extend_from_slice(b">");
    fields.extend_from_slice(&binding.params);
    // Rounded up: a binding that lives is never told to have no time left.
    let left = binding.expires_at.since(now).as_millis().div_ceil(1000).max(1);
    put(fields, format_args!(";expires={left}\r\n"));
}

fn put(fields: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    fields.writer().write_fmt(text).expect("a buffer takes what is written to it");
}
