//! The extensions `path` and `outbound` as a REGISTER brings them along. RFC 3327 §5.3, RFC 5626 §6.

use crate::proto::Profile;
use crate::sip::{Address, Message, Name, Uri};

use super::reject::Reject;

/// What a REGISTER says of extensions and of the way it came.
pub(super) struct Extensions {
    /// The UA has `outbound` among its Supported.
    pub(super) ua_knows_outbound: bool,
    /// No proxy lies between the UA and us.
    pub(super) is_first_hop: bool,
    /// The first hop keeps flows, so that reg-id has a meaning.
    pub(super) has_outbound_first_hop: bool,
    /// The Path values as they came, joined with `, `.
    pub(super) path: Vec<u8>,
}

impl Extensions {
    /// Reads them and refuses what we cannot do.
    pub(super) fn of(request: &Message, profile: &Profile) -> Result<Self, Reject> {
        check_require(request)?;
        let path = Path::of(request)?;
        // RFC 5626 §6: the Via tells whether we are the first hop: it is the UA's own and the only one.
        let is_first_hop = request.values(Name::Via).nth(1).is_none();
        Ok(Self {
            ua_knows_outbound: request.has_tag(Name::Supported, "outbound"),
            is_first_hop,
            // In a text that has no `ob`, whoever wrote the first Path keeps flows.
            has_outbound_first_hop: is_first_hop
                || path.has_ob
                || (!profile.marks_first_hop && !path.values.is_empty()),
            path: path.values,
        })
    }
}

/// RFC 3261 §8.2.2.3: each option tag in Require that we do not know is told in Unsupported.
fn check_require(request: &Message) -> Result<(), Reject> {
    let is_known = |tag: &[u8]| tag.eq_ignore_ascii_case(b"path") || tag.eq_ignore_ascii_case(b"outbound");
    let mut unknown = request.values(Name::Require).filter(|tag| !is_known(tag)).peekable();
    if unknown.peek().is_none() {
        return Ok(());
    }
    Err(Reject::BadExtension { unsupported: unknown.collect::<Vec<_>>().join(&b", "[..]).into() })
}

struct Path {
    values: Vec<u8>,
    has_ob: bool,
}

impl Path {
    fn of(request: &Message) -> Result<Self, Reject> {
        let mut path = Self { values: Vec::new(), has_ob: false };
        for value in request.values(Name::Path) {
            let address = Address::parse(value).map_err(|_| Reject::BadPath)?;
            let uri = Uri::parse(address.uri).map_err(|_| Reject::BadPath)?;
            // RFC 5626 §6: the first URI must have an `ob` parameter. First is the one that was written first, by the
            // edge proxy next to the UA (§5.1); as each further proxy writes on top (RFC 3327 §5.2), it is the last.
            path.has_ob = uri.params.has("ob");
            if !path.values.is_empty() {
                path.values.extend_from_slice(b", ");
            }
            path.values.extend_from_slice(value);
        }
        // RFC 3327 §5.3: a Path for a UA that does not know it is refused, so that the UA learns of the proxy on its way.
        if !path.values.is_empty() && !request.has_tag(Name::Supported, "path") {
            return Err(Reject::BadExtension { unsupported: b"path"[..].into() });
        }
        Ok(path)
    }
}
