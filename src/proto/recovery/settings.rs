//! What a UA registers, where, and how patiently.

use super::BackOff;
use crate::proto::Profile;
use crate::proto::keepalive::client::{Means, Pace};
use crate::proto::login::Login;
use crate::proto::transaction::Timers;
use crate::sip::{Fault, Scheme, Transport, Uri};
use std::net::SocketAddr;
use std::time::Duration;

/// All that a UA's registrations go by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address-of-record, a `sip` URI.
    pub aor: String,
    /// The URN that is this UA's, the same for as long as it exists (RFC 5626 §4.1).
    pub instance_id: String,
    /// The outbound-proxy-set: a `sip` URI for each flow. The first has reg-id 1.
    pub proxies: Vec<String>,
    /// How it proves who it is.
    pub login: Login,
    /// How long a binding is asked for.
    pub expires: Duration,
    /// How long a failed flow waits.
    pub back_off: BackOff,
    /// Of the REGISTERs' transactions.
    pub timers: Timers,
    /// How streams are kept alive.
    pub stream_pace: Pace,
    /// How UDP is kept alive.
    pub udp_pace: Pace,
    /// Which text of outbound the proxies and the registrar follow.
    pub profile: &'static Profile,
    /// Whether a registrar that a flow is not good enough for (439) is asked again without outbound.
    pub may_register_plainly: bool,
    /// The user part of Contact; none: that of the AOR.
    pub contact_user: Option<String>,
    /// How long a flow waits at least whose REGISTER was refused for what only people can put right.
    pub wait_when_denied: Duration,
}

impl Settings {
    /// With the defaults of the RFC.
    pub fn new(aor: &str, instance_id: &str, proxies: &[&str]) -> Result<Settings, Fault> {
        if Uri::parse(aor.as_bytes())?.scheme != Scheme::Sip {
            return Err(Fault::UnsupportedScheme);
        }
        for proxy in proxies {
            if !matches!(Uri::parse(proxy.as_bytes())?.scheme, Scheme::Sip | Scheme::Sips) {
                return Err(Fault::UnsupportedScheme);
            }
        }
        Ok(Settings {
            aor: aor.to_owned(),
            instance_id: instance_id.to_owned(),
            proxies: proxies.iter().map(|&proxy| proxy.to_owned()).collect(),
            login: Login::default(),
            expires: Duration::from_secs(3600),
            back_off: BackOff::default(),
            timers: Timers::default(),
            stream_pace: Pace::STREAM,
            udp_pace: Pace::UDP,
            profile: &Profile::RFC5626,
            may_register_plainly: true,
            contact_user: None,
            wait_when_denied: Duration::ZERO,
        })
    }

    /// The Request-URI of a REGISTER: RFC 3261 §10.2, the domain without a user.
    pub(super) fn registrar(&self) -> Vec<u8> {
        let aor = self.aor_uri();
        let mut uri = [b"sip:", aor.host].concat();
        if let Some(port) = aor.port {
            uri.extend_from_slice(format!(":{port}").as_bytes());
        }
        uri
    }

    /// The Route value that leads to the proxy of this reg-id.
    pub fn route(&self, reg_id: u32) -> String {
        let proxy = self.proxy(reg_id);
        let mut params: Vec<&str> = proxy.split(';').collect();
        let host = params.remove(0);
        let secured = host.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("sips:"));
        let host = match secured {
            // RFC 3261 §8.1.1.8: a Route that says `sips` would want the same of Contact, and so of whoever calls. It is
            // the flow that is secure.
            Some(scheme) => {
                params.retain(|param| !param.to_ascii_lowercase().starts_with("transport="));
                params.insert(0, "transport=tls");
                format!("sip:{}", &host[scheme.len()..])
            }
            None => host.to_owned(),
        };
        // RFC 5626 §4.2.1: a loose route.
        if !params.iter().any(|param| param.eq_ignore_ascii_case("lr")) {
            params.push("lr");
        }
        format!("<{host};{}>", params.join(";"))
    }

    /// How a flow over that link to the proxy of this reg-id is kept alive.
    pub(super) fn pace(&self, reg_id: u32, link: Link) -> Pace {
        let is_stream = link.transport.is_reliable();
        let pace = if is_stream { self.stream_pace } else { self.udp_pace };
        if !self.profile.announces_stun {
            return pace;
        }
        let proxy = Uri::parse(self.proxy(reg_id).as_bytes());
        let announced = proxy.is_ok_and(|uri| uri.params.value("keepalive") == Some(b"stun"));
        let means = if is_stream { Means::StunOverStream } else { Means::Stun };
        // The draft's explicit indication, of which nothing in a response has to remind.
        Pace { means, is_supported_by_peer: announced, ..pace }
    }

    fn proxy(&self, reg_id: u32) -> &str {
        let position = usize::try_from(reg_id).expect("a small number").saturating_sub(1);
        &self.proxies[position]
    }

    /// The URI that this UA is reached at over a flow from `local`.
    pub fn contact(&self, link: Link) -> Vec<u8> {
        let mut uri = b"sip:".to_vec();
        let user = self.contact_user.as_deref().map(str::as_bytes).or(self.aor_uri().user);
        if let Some(user) = user {
            uri.extend_from_slice(user);
            uri.push(b'@');
        }
        let Link { transport, local, .. } = link;
        uri.extend_from_slice(format!("{local};transport={}", transport.as_uri_str()).as_bytes());
        uri
    }

    fn aor_uri(&self) -> Uri<'_> {
        Uri::parse(self.aor.as_bytes()).expect("it was read when the settings were made")
    }
}

/// The two ends of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// What it goes over.
    pub transport: Transport,
    /// The address that it leaves from.
    pub local: SocketAddr,
    /// The address that it leads to.
    pub remote: SocketAddr,
}
