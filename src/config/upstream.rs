//! `[[upstream]]`: other providers that this node registers with, each a table of the list.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use super::model::Profile;
use super::secret::Secret;
use super::units;
use crate::sip::{Scheme, Uri};

/// An AOR with another provider, and whose it is here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// What routes, the log and the metrics call it; after loading never empty (the AOR stands in for `""`).
    #[serde(default)]
    pub name: String,
    /// The address-of-record there: a `sip` URI with a user.
    #[serde(deserialize_with = "address_of_record")]
    pub aor: String,
    /// The outbound-proxy-set: a `sip` or `sips` URI for each flow. The first has reg-id 1.
    #[serde(deserialize_with = "proxies")]
    pub proxies: Vec<String>,
    /// The address-of-record here that its requests are for: a `sip` URI with a user.
    #[serde(deserialize_with = "address_of_record")]
    pub to: String,
    /// Who authenticates there; after loading never empty (the AOR's user stands in for `""`).
    #[serde(default)]
    pub username: String,
    /// The password; after loading also what the file held.
    #[serde(default, deserialize_with = "units::secret_or_none")]
    pub password: Option<Secret>,
    /// A file with the password.
    #[serde(default, deserialize_with = "units::path_or_none")]
    pub password_file: Option<PathBuf>,
    /// Which text of SIP outbound the provider follows.
    #[serde(default = "rfc5626", deserialize_with = "units::profile")]
    pub profile: Profile,
    /// How long a binding is asked for, whole seconds.
    #[serde(default = "an_hour", deserialize_with = "units::seconds")]
    pub expires: Duration,
    /// The longest wait before a failed flow is formed anew (RFC 5626 §4.5).
    #[serde(default = "half_an_hour", deserialize_with = "units::duration")]
    pub retry_max: Duration,
    /// What the wait grows from while no flow is up.
    #[serde(default = "half_a_minute", deserialize_with = "units::duration")]
    pub retry_all_failed: Duration,
    /// What it grows from while another flow is up.
    #[serde(default = "a_minute_and_a_half", deserialize_with = "units::duration")]
    pub retry_some_up: Duration,
    /// The least wait after a refusal that only people can put right.
    #[serde(default = "ten_minutes", deserialize_with = "units::duration")]
    pub retry_denied: Duration,
}

impl Upstream {
    /// What it is without a scheme and parameters: `user@host`.
    pub(super) fn short_aor(&self) -> String {
        let aor = Uri::parse(self.aor.as_bytes()).ok().and_then(|uri| uri.canonical_aor().ok());
        String::from_utf8_lossy(&aor.unwrap_or_default()).into_owned()
    }

    /// The user of its AOR.
    pub(super) fn user(&self) -> String {
        let uri = Uri::parse(self.aor.as_bytes()).ok();
        String::from_utf8_lossy(uri.and_then(|uri| uri.user).unwrap_or_default()).into_owned()
    }
}

const fn rfc5626() -> Profile {
    Profile::Rfc5626
}

const fn an_hour() -> Duration {
    Duration::from_secs(3600)
}

const fn half_an_hour() -> Duration {
    Duration::from_secs(1800)
}

const fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

const fn a_minute_and_a_half() -> Duration {
    Duration::from_secs(90)
}

const fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn address_of_record<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let is_one = sip_uri(&text).is_some_and(|uri| uri.user.is_some());
    let wrong =
        || format!("`{text}` is not an address-of-record such as \"sip:+4930123456@provider.example\"");
    if is_one { Ok(text) } else { Err(D::Error::custom(wrong())) }
}

fn proxies<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let proxies = Vec::<String>::deserialize(from)?;
    let is_one =
        |proxy: &String| uri(proxy).is_some_and(|uri| matches!(uri.scheme, Scheme::Sip | Scheme::Sips));
    match proxies.iter().find(|proxy| !is_one(proxy)) {
        None => Ok(proxies),
        Some(proxy) => Err(D::Error::custom(format!(
            "`{proxy}` is not a proxy such as \"sip:a.provider.example;transport=tcp\""
        ))),
    }
}

fn sip_uri(text: &str) -> Option<Uri<'_>> {
    uri(text).filter(|uri| uri.scheme == Scheme::Sip)
}

fn uri(text: &str) -> Option<Uri<'_>> {
    let is_plain = text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>' | b'"'));
    Uri::parse(text.as_bytes()).ok().filter(|_| is_plain)
}
