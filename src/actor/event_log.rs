//! One line per event, with all that a person needs to follow it: Call-ID, To, flow, peer, instance-id and reg-id.

use std::fmt;

use flowhold_cluster::binding::BindingKey;
use tracing::field::display;
use tracing::{debug, info};

use crate::proto::Source;
use crate::proto::proxy::{About, Event};
use crate::sip::{Message, Name};

/// Octets of one field that a line of the log has: what is longer is nobody's name.
const LONGEST: usize = 128;

/// Octets off the wire, as text for a log.
pub struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Control characters would let a peer write lines of its own into the log.
        self.0[..self.0.len().min(LONGEST)].escape_ascii().fmt(f)?;
        // A peer does not decide how long a line is either.
        if self.0.len() > LONGEST { f.write_str("...") } else { Ok(()) }
    }
}

/// Logs how a REGISTER was answered: a refusal that is to be said, and by choice (`debug`) each other, of which a large node
/// has thousands a second.
pub fn register(request: &Message, source: &Source, status: u16, is_said: bool) {
    let field = |name| Text(request.first(name).unwrap_or_default());
    let (call_id, to, contact) = (field(Name::CallId), field(Name::To), field(Name::Contact));
    let (flow, peer) = (source.flow.id, source.flow.remote);
    if status == 200 {
        debug!(status, %call_id, %to, %contact, %flow, %peer, "REGISTER");
    } else if is_said {
        info!(status, %call_id, %to, %contact, %flow, %peer, "REGISTER refused; more are summed up each 10s");
    } else {
        debug!(status, %call_id, %to, %contact, %flow, %peer, "REGISTER refused");
    }
}

/// Logs what a proxy noted.
pub fn proxy(event: Event, about: &About) {
    let key = about.binding.as_deref().map(|binding| &binding.key);
    let (instance_id, reg_id) = match key {
        Some(BindingKey::Instance { instance_id, reg_id }) => {
            (Some(display(Text(instance_id))), Some(*reg_id))
        }
        Some(BindingKey::Contact { .. }) | None => (None, None),
    };
    let (call_id, to) = (Text(&about.call_id), Text(&about.to));
    let (node, flow, peer) = (about.node.as_deref(), about.flow.id, about.flow.remote);
    // Of everything else there may be one line per request, which is for who looks for a fault.
    if event == Event::Failover {
        info!(%call_id, %to, instance_id, reg_id, node, %flow, %peer, "failover");
    } else {
        debug!(?event, %call_id, %to, instance_id, reg_id, node, %flow, %peer, "request");
    }
}

/// Logs why another node's request went no further.
pub fn relay(event: Event, request: &Message, link: &Source) {
    let field = |name| Text(request.first(name).unwrap_or_default());
    let (call_id, to) = (field(Name::CallId), field(Name::To));
    let (flow, peer) = (link.flow.id, link.flow.remote);
    debug!(?event, %call_id, %to, %flow, %peer, "request of another node");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_writes_no_line_of_its_own() {
        assert_eq!(Text(b"a\r\nINFO forged\x1b[2J").to_string(), r"a\r\nINFO forged\x1b[2J");
        assert_eq!(Text(b"<sip:alice@example.com>;tag=1").to_string(), "<sip:alice@example.com>;tag=1");
    }

    #[test]
    fn a_peer_writes_no_line_as_long_as_it_likes() {
        assert_eq!(Text(&[b'a'; LONGEST]).to_string(), "a".repeat(LONGEST));
        let cut = Text(&[0xff; 6000]).to_string();
        assert_eq!(cut, format!("{}...", r"\xff".repeat(LONGEST)));
    }
}
