//! How values are written: durations `"120s"`, sizes `"64KiB"`, addresses `"127.0.0.1:5060"`, names.
//!
//! A parser's error says what was found and what would be right; it stands alone, behind the file and the key.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use super::auth::{Algorithm, AuthMode, Strangers, UserStore};
use super::listen::Listener;
use super::model::{LogFormat, PingTimeout, Profile, RedisMode, Store, TokenKey, WhenDown};
use super::secret::Secret;
use super::tls::{ClientCertificates, TlsVersion};

/// `"120s"`, `"1h 30m"`, `"500ms"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    text(from, parse_duration)
}

/// A duration that a SIP header field carries as a number of seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    text(from, parse_seconds)
}

/// As [`seconds`]; `"0s"` is none.
pub(super) fn seconds_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    text(from, |text| parse_seconds(text).map(|duration| (!duration.is_zero()).then_some(duration)))
}

/// `"auto"`, `"0s"` (never) or a duration.
pub(super) fn ping_timeout<'de, D: Deserializer<'de>>(from: D) -> Result<PingTimeout, D::Error> {
    text(from, |text| match text {
        "auto" => Ok(PingTimeout::Auto),
        _ => parse_duration(text)
            .map(|after| if after.is_zero() { PingTimeout::Never } else { PingTimeout::After(after) })
            .map_err(|reason| format!("{reason}, or \"auto\"")),
    })
}

/// `"64KiB"`, in bytes.
pub(super) fn size<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    text(from, parse_size)
}

/// A list of `"IP:PORT"`, each with `;profile=NAME` where it is not the node's.
pub(super) fn listeners<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Listener>, D::Error> {
    let listeners = Vec::<String>::deserialize(from)?;
    listeners.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

/// `"IP:PORT"`; `""` is none.
pub(super) fn address_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    text(from, |text| if text.is_empty() { Ok(None) } else { parse_address(text).map(Some) })
}

/// A list of origins as browsers write them (RFC 6454 §6.1): `https://phone.example.com`, or `null`.
pub(super) fn origins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(from)?;
    origins.into_iter().map(|text| parse_origin(text).map_err(D::Error::custom)).collect()
}

fn parse_origin(text: String) -> Result<String, String> {
    let host = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map(|(_, host)| host);
    match host {
        _ if text == "null" => Ok(text),
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(text),
        _ => Err(format!(
            "`{text}` is no origin: write \"https://phone.example.com\", with its port if it is not the usual one"
        )),
    }
}

/// `"/ws"`; `""` is any.
pub(super) fn path_of_url<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from, |text| match text {
        _ if text.is_empty() => Ok(String::new()),
        _ if text.starts_with('/') && !text.contains(['?', '#', ' ']) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no path: write \"/ws\", without a query")),
    })
}

/// A list of domains, lower case: hosts are compared without regard to case (RFC 3261 §19.1.4).
pub(super) fn domains<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let domains = Vec::<String>::deserialize(from)?;
    domains.iter().map(|text| parse_domain(text).map_err(D::Error::custom)).collect()
}

/// `"host"` or `"host:port"`; `""` is none.
pub(super) fn advertise<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from, |text| {
        let (host, port) = split_port(text);
        let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
        if text.is_empty() || (is_host(host) && port_is_good) {
            Ok(text.to_owned())
        } else {
            Err(format!(
                "`{text}` is not a host or host:port such as \"sip.example.com\" or \"192.0.2.1:5060\""
            ))
        }
    })
}

/// A list of `"ID:SECRET"`. What is wrong with one is said without what stands there: it may be the secret.
pub(super) fn token_keys<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<TokenKey>, D::Error> {
    let keys = Vec::<String>::deserialize(from)?;
    let parse = |(index, text): (usize, &String)| {
        let place = index + 1;
        parse_token_key(text).ok_or_else(|| {
            D::Error::custom(format!("value {place} is not ID:SECRET with a number from 0 to 255 for the ID"))
        })
    };
    keys.iter().enumerate().map(parse).collect()
}

/// `""` is none.
pub(super) fn auth_mode<'de, D: Deserializer<'de>>(from: D) -> Result<Option<AuthMode>, D::Error> {
    one_of(from, &[("", None), ("none", Some(AuthMode::None)), ("digest", Some(AuthMode::Digest))])
}

pub(super) fn user_store<'de, D: Deserializer<'de>>(from: D) -> Result<UserStore, D::Error> {
    one_of(from, &[("file", UserStore::File), ("redis", UserStore::Redis)])
}

/// A text that stands in quotes in a challenge, lower case; `""` is none.
pub(super) fn realm<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from, |text| {
        let is_inside = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '@');
        if text.chars().all(|c| is_inside(c) || c == ' ') {
            Ok(text.to_ascii_lowercase())
        } else {
            Err(format!("`{text}` is not a realm: letters, digits and signs other than \", \\ and @"))
        }
    })
}

/// A list of algorithms, none twice.
pub(super) fn algorithms<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Algorithm>, D::Error> {
    let mut found = Vec::new();
    for name in Vec::<String>::deserialize(from)? {
        let algorithm = match name.to_ascii_uppercase().as_str() {
            "SHA-256" => Algorithm::Sha256,
            "MD5" => Algorithm::Md5,
            _ => {
                let reason = format!("`{name}` is not among what this version has: \"SHA-256\", \"MD5\"");
                return Err(D::Error::custom(reason));
            }
        };
        if found.contains(&algorithm) {
            return Err(D::Error::custom(format!("{name} stands there twice")));
        }
        found.push(algorithm);
    }
    Ok(found)
}

pub(super) fn strangers<'de, D: Deserializer<'de>>(from: D) -> Result<Strangers, D::Error> {
    one_of(from, &[("refuse", Strangers::Refuse), ("accept", Strangers::Accept)])
}

pub(super) fn profile<'de, D: Deserializer<'de>>(from: D) -> Result<Profile, D::Error> {
    one_of(from, PROFILES)
}

pub(super) fn store<'de, D: Deserializer<'de>>(from: D) -> Result<Store, D::Error> {
    one_of(from, &[("memory", Store::Memory), ("redis", Store::Redis)])
}

pub(super) fn redis_mode<'de, D: Deserializer<'de>>(from: D) -> Result<RedisMode, D::Error> {
    let known =
        [("single", RedisMode::Single), ("cluster", RedisMode::Cluster), ("sentinel", RedisMode::Sentinel)];
    one_of(from, &known)
}

pub(super) fn when_down<'de, D: Deserializer<'de>>(from: D) -> Result<WhenDown, D::Error> {
    one_of(from, &[("reject", WhenDown::Reject), ("accept", WhenDown::Accept)])
}

/// A path; `""` is none.
pub(super) fn path_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    text(from, |text| Ok((!text.is_empty()).then(|| PathBuf::from(text))))
}

/// A secret; `""` is none.
pub(super) fn secret_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    text(from, |text| Ok((!text.is_empty()).then(|| Secret::new(text))))
}

/// A list of `"CERTIFICATE = KEY"`.
pub(super) fn file_pairs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(PathBuf, PathBuf)>, D::Error> {
    let pair = |text: &String| {
        let (certificate, key) = text.split_once('=')?;
        let (certificate, key) = (certificate.trim(), key.trim());
        let both = !certificate.is_empty() && !key.is_empty();
        both.then(|| (PathBuf::from(certificate), PathBuf::from(key)))
    };
    let wrong = |text: &String| {
        format!("`{text}` is not a certificate and its key such as \"other.pem = other.key\"")
    };
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| pair(text).ok_or_else(|| D::Error::custom(wrong(text)))).collect()
}

pub(super) fn tls_version<'de, D: Deserializer<'de>>(from: D) -> Result<TlsVersion, D::Error> {
    one_of(from, &[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)])
}

pub(super) fn client_certificates<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<ClientCertificates, D::Error> {
    let known = [
        ("none", ClientCertificates::None),
        ("optional", ClientCertificates::Optional),
        ("required", ClientCertificates::Required),
    ];
    one_of(from, &known)
}

pub(super) fn log_format<'de, D: Deserializer<'de>>(from: D) -> Result<LogFormat, D::Error> {
    one_of(from, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
}

fn parse_token_key(text: &str) -> Option<TokenKey> {
    let (id, secret) = text.split_once(':')?;
    let id = id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.parse().ok())??;
    Some(TokenKey { id, secret: Secret::new(secret) })
}

/// The host in front of an optional port, and that port. An IPv6 address stands in brackets.
pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn text<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn one_of<'de, D: Deserializer<'de>, T: Copy>(from: D, known: &[(&str, T)]) -> Result<T, D::Error> {
    text(from, |text| {
        known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<String> = known.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            format!("`{text}` is not among what this version has: {}", names.join(", "))
        })
    })
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is not a duration such as \"500ms\", \"120s\" or \"1h\""))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.subsec_nanos() != 0 {
        return Err(format!("`{text}` is not in whole seconds, and SIP has no way to say less"));
    }
    // RFC 3261 §20.19: the value is at most 2**32-1.
    if duration.as_secs() > u64::from(u32::MAX) {
        return Err(format!("`{text}` is more than the 4294967295 seconds that SIP can say"));
    }
    Ok(duration)
}

fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: usize = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => 0,
    };
    number
        .parse::<usize>()
        .ok()
        .filter(|_| unit > 0)
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("`{text}` is not a size such as \"512B\", \"64KiB\" or \"1MiB\""))
}

const PROFILES: &[(&str, Profile)] = &[("rfc5626", Profile::Rfc5626), ("draft03", Profile::Draft03)];

impl FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Listener, String> {
        let (address, profile) = match text.split_once(";profile=") {
            None => (text, None),
            Some((address, name)) => {
                let known = PROFILES.iter().find(|(known, _)| *known == name);
                let wrong = || format!("`{text}`: there is no profile `{name}`, but rfc5626 and draft03");
                (address, Some(known.ok_or_else(wrong)?.1))
            }
        };
        Ok(Listener { address: parse_address(address)?, profile })
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is not IP:PORT such as \"127.0.0.1:5060\", \"0.0.0.0:5060\" or \"[::1]:5060\"")
    })
}

fn parse_domain(text: &str) -> Result<String, String> {
    if is_host(text) {
        Ok(text.to_ascii_lowercase())
    } else if is_host(split_port(text).0) {
        Err(format!("`{text}` has a port, and a domain has none"))
    } else {
        Err(format!("`{text}` is not a domain such as \"example.com\""))
    }
}

/// RFC 3261 §25.1: `host` is a host name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return matches!(inner.parse(), Ok(IpAddr::V6(_)));
    }
    let is_label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(inside) && !label.starts_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}
