//! Our own Via, as the proxy's core and the owner's hop write it.

use smallvec::SmallVec;

use crate::sip::Transport;

/// A Via value of ours.
pub(super) fn via(transport: Transport, sent_by: &[u8], branch: &[u8]) -> SmallVec<[u8; 128]> {
    let mut via = SmallVec::new();
    via.extend_from_slice(b"SIP/2.0/");
    via.extend_from_slice(transport.as_via_str().as_bytes());
    via.push(b' ');
    via.extend_from_slice(sent_by);
    via.extend_from_slice(b";branch=");
    via.extend_from_slice(branch);
    if !transport.is_reliable() {
        // RFC 3581 §3: the response comes to the port that the request left from.
        via.extend_from_slice(b";rport");
    }
    via
}
