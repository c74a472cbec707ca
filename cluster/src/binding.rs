//! A binding: where an AOR can be reached, for how long, and over which flow (RFC 3261 §10, RFC 5626 §6).
//!
//! SIP is opaque here. The caller has made the AOR canonical, normalised the instance-id and taken the Contact URI apart
//! for comparison, so that every store decides alike with nothing but equality of bytes.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{Flow, NodeRun, Transport};

/// Milliseconds since the Unix epoch, from a clock that never steps back within a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// How long after `earlier`; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// This long after; at the end of time it stays there.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A canonical address-of-record, `user@host`. Cloning it copies no text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aor(Arc<[u8]>);

impl Aor {
    /// The octets, which need not be UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Aor {
    fn from(canonical: &[u8]) -> Self {
        Self(canonical.into())
    }
}

impl From<&str> for Aor {
    fn from(canonical: &str) -> Self {
        Self(canonical.as_bytes().into())
    }
}

// Equal slices have equal hashes: `Hash` of `Arc<[u8]>` is that of the slice.
impl Borrow<[u8]> for Aor {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aor({self})")
    }
}

/// What makes two bindings of one AOR the same binding.
///
/// The two kinds never match each other: RFC 5626 §6 lets an AOR have registrations of both at a time.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum BindingKey {
    /// RFC 5626 §6: a flow of a UA instance, whatever its Contact URI.
    Instance {
        /// Normalised so that equal URNs have equal octets.
        instance_id: Box<[u8]>,
        /// 1 to 2^31-1.
        reg_id: u32,
    },
    /// RFC 3261 §10.3 step 7: the Contact URI, by the comparison of §19.1.4. Made by [`BindingKey::contact`].
    Contact {
        /// Must be equal.
        core: Box<[u8]>,
        /// `;name=value` each, with `%`, `;` and `=` in them escaped: a name on both sides must have the same value, a
        /// name on one side only counts for nothing.
        params: Box<[u8]>,
    },
}

impl BindingKey {
    /// The key of a Contact URI: its `core`, and those parameters that are compared only when both URIs have them.
    pub fn contact<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        core: impl Into<Box<[u8]>>,
        params: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut packed = Vec::new();
        for (name, value) in params {
            packed.push(b';');
            escape(name.as_ref(), &mut packed);
            packed.push(b'=');
            escape(value.as_ref(), &mut packed);
        }
        Self::Contact { core: core.into(), params: packed.into() }
    }

    /// Whether the two name the same binding. Not transitive for Contact URIs, as RFC 3261 §19.1.4 says itself.
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Instance { instance_id, reg_id },
                Self::Instance { instance_id: other_id, reg_id: other_reg },
            ) => reg_id == other_reg && instance_id == other_id,
            (Self::Contact { core, params }, Self::Contact { core: other_core, params: other_params }) => {
                core == other_core && agree(params, other_params)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for BindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance { instance_id, reg_id } => {
                write!(f, "{};reg-id={reg_id}", instance_id.escape_ascii())
            }
            Self::Contact { core, params } => write!(f, "{}{}", core.escape_ascii(), params.escape_ascii()),
        }
    }
}

/// One binding of an AOR.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// What a later registration must have in order to replace it.
    pub key: BindingKey,
    /// The Contact URI as it came, without angle brackets.
    pub contact: Box<[u8]>,
    /// All Contact parameters as they came but for `expires`, each with its leading `;`.
    pub params: Box<[u8]>,
    /// The Path values as they came, joined with `, `; empty: none.
    pub path: Box<[u8]>,
    /// Of the REGISTER that wrote it.
    pub call_id: Box<[u8]>,
    /// Of the REGISTER that wrote it.
    pub cseq: u32,
    /// Preference in thousandths; 1000 when the UA gave none.
    pub q: u16,
    /// From then on it is no longer there.
    pub expires_at: Timestamp,
    /// When its REGISTER came.
    pub updated_at: Timestamp,
    /// The run of the node that has the flow.
    pub holder: NodeRun,
    /// The flow that its REGISTER came over.
    pub flow: Flow,
    /// What that flow runs over.
    pub transport: Transport,
    /// RFC 5626 §6: the UA itself is at the other end of the flow, so the binding is reached over it and ends with it. If
    /// not, a proxy is, and the binding is reached by its Path or Contact, whatever becomes of the proxy's connection.
    pub direct: bool,
    /// Whether outbound processing was applied (RFC 5626 §6).
    pub outbound: bool,
    /// What the UA calls itself; empty: it does not say.
    pub user_agent: Box<[u8]>,
}

impl Binding {
    /// Whether its time has not run out.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at > now
    }

    /// Whether it is reached over this flow of this run of a node, and so ends with it.
    pub fn is_on(&self, holder: &NodeRun, flow: &Flow) -> bool {
        self.direct && self.flow == *flow && self.holder == *holder
    }
}

fn escape(text: &[u8], into: &mut Vec<u8>) {
    for &octet in text {
        match octet {
            b'%' => into.extend_from_slice(b"%25"),
            b';' => into.extend_from_slice(b"%3B"),
            b'=' => into.extend_from_slice(b"%3D"),
            _ => into.push(octet),
        }
    }
}

fn agree(ours: &[u8], theirs: &[u8]) -> bool {
    // Also where a name stands twice, with two values.
    if ours == theirs {
        return true;
    }
    // Contact URIs have a parameter or two: nothing to gain by sorting.
    pairs(ours).all(|(name, value)| pairs(theirs).all(|(other, its)| name != other || value == its))
}

fn pairs(packed: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    packed.split(|&octet| octet == b';').skip(1).map(|pair| {
        let equals = pair.iter().position(|&octet| octet == b'=').unwrap_or(pair.len());
        (&pair[..equals], pair.get(equals + 1..).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(core: &str, params: &[(&str, &str)]) -> BindingKey {
        BindingKey::contact(core.as_bytes(), params.iter().copied())
    }

    fn instance(id: &str, reg_id: u32) -> BindingKey {
        BindingKey::Instance { instance_id: id.as_bytes().into(), reg_id }
    }

    #[test]
    fn s6_a_binding_is_its_instance_and_reg_id() {
        assert!(instance("urn:a", 1).matches(&instance("urn:a", 1)));
        assert!(!instance("urn:a", 1).matches(&instance("urn:a", 2)));
        assert!(!instance("urn:a", 1).matches(&instance("urn:b", 1)));
        assert!(!instance("urn:a", 1).matches(&contact("urn:a", &[])));
    }

    #[test]
    fn s19_1_4_a_parameter_on_one_side_counts_for_nothing() {
        let plain = contact("sip:a@h", &[]);
        let one = contact("sip:a@h", &[("transport", "tcp")]);
        let two = contact("sip:a@h", &[("x", "1"), ("transport", "tcp")]);
        let other = contact("sip:a@h", &[("transport", "udp")]);
        assert!(plain.matches(&one) && one.matches(&plain) && one.matches(&two) && two.matches(&one));
        assert!(!one.matches(&other) && !two.matches(&other));
        assert!(!plain.matches(&contact("sip:b@h", &[])));
    }

    #[test]
    fn separators_within_names_and_values_stay_apart() {
        assert!(
            !contact("c", &[("a", "1;b=2"), ("b", "3")])
                .matches(&contact("c", &[("a", "1;b=2"), ("b", "2")]))
        );
        assert!(!contact("c", &[("a", "1;b=2")]).matches(&contact("c", &[("a", "1")])));
        assert!(!contact("c", &[("a", "%3B")]).matches(&contact("c", &[("a", ";")])));
        assert!(!contact("c", &[("a", "")]).matches(&contact("c", &[("a", "1")])));
        let twice = contact("c", &[("a", "1"), ("a", "2")]);
        assert!(twice.matches(&twice) && !twice.matches(&contact("c", &[("a", "1")])));
    }

    #[test]
    fn time_neither_wraps_nor_runs_back() {
        assert_eq!(Timestamp(u64::MAX) + Duration::from_secs(1), Timestamp(u64::MAX));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(1500).since(Timestamp(500)), Duration::from_secs(1));
    }
}
