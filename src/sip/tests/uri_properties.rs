use crate::sip::Uri;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A URI in parts, to compare by the letter of RFC 3261 §19.1.4 without the code's keys.
#[derive(Clone, Debug)]
struct Parts {
    sips: bool,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    params: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl Parts {
    fn uri(&self) -> String {
        let scheme = if self.sips { "sips" } else { "sip" };
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let params: Vec<_> = self.params.iter().map(|(name, value)| format!(";{name}={value}")).collect();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if headers.is_empty() { "" } else { "?" };
        format!("{scheme}:{user}{}{port}{}{mark}{}", self.host, params.concat(), headers.join("&"))
    }

    /// The rules one after the other. RFC 3261 §19.1.4.
    fn equivalent(&self, other: &Parts) -> bool {
        let lower = |list: &[(String, String)]| -> BTreeMap<String, String> {
            list.iter().rev().map(|(name, value)| (name.to_lowercase(), value.to_lowercase())).collect()
        };
        let (mine, theirs) = (lower(&self.params), lower(&other.params));
        let names: Vec<_> = mine.keys().chain(theirs.keys()).collect();
        let params_match = names.into_iter().all(|name| match (mine.get(name), theirs.get(name)) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => !["user", "ttl", "method", "maddr", "transport"].contains(&name.as_str()),
        });
        let sorted = |list: &[(String, String)]| {
            let mut list: Vec<_> =
                list.iter().map(|(name, value)| (name.to_lowercase(), value.to_lowercase())).collect();
            list.sort();
            list
        };
        self.sips == other.sips
            && self.user == other.user
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && params_match
            && sorted(&self.headers) == sorted(&other.headers)
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let pair = |names: &'static [&'static str]| {
        (prop::sample::select(names), prop::sample::select(&["a", "A", "b"][..]))
            .prop_map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let params = pair(&["transport", "Transport", "maddr", "user", "ttl", "method", "x", "X", "security"]);
    (
        any::<bool>(),
        prop::option::of(prop::sample::select(&["alice", "Alice", "bob"][..])),
        prop::sample::select(&["example.com", "EXAMPLE.com", "192.0.2.1"][..]),
        prop::option::of(prop::sample::select(&[5060_u16, 5061][..])),
        prop::collection::vec(params, 0..4),
        prop::collection::vec(pair(&["subject", "Subject", "priority"]), 0..3),
    )
        .prop_map(|(sips, user, host, port, params, headers)| Parts {
            sips,
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            params,
            headers,
        })
}

/// The same octets with some unreserved ones escaped.
fn escaped(user: &str, which: u32) -> String {
    user.bytes()
        .enumerate()
        .map(
            |(at, octet)| {
                if which >> at & 1 == 1 { format!("%{octet:02x}") } else { char::from(octet).to_string() }
            },
        )
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn s19_1_4_the_key_agrees_with_the_rules(left in parts(), right in parts()) {
        let (left_uri, right_uri) = (left.uri(), right.uri());
        let (one, other) = (Uri::parse(left_uri.as_bytes()).unwrap(), Uri::parse(right_uri.as_bytes()).unwrap());
        let expected = left.equivalent(&right);
        prop_assert_eq!(one.equivalent(&other), expected, "{} {}", left_uri, right_uri);
        prop_assert_eq!(one.comparison_key().matches(&other.comparison_key()), expected);
        prop_assert_eq!(other.comparison_key().matches(&one.comparison_key()), expected);
        prop_assert!(one.equivalent(&one));
    }

    #[test]
    fn s19_1_4_one_difference_is_seen_or_not_by_the_rules(
        left in parts(), right in parts(), which in 0..6_usize,
    ) {
        let mut near = left.clone();
        match which {
            0 => near.sips = right.sips,
            1 => near.user = right.user,
            2 => near.host = right.host,
            3 => near.port = right.port,
            4 => near.params = right.params,
            _ => near.headers = right.headers,
        }
        let (left_uri, near_uri) = (left.uri(), near.uri());
        let (one, other) = (Uri::parse(left_uri.as_bytes()).unwrap(), Uri::parse(near_uri.as_bytes()).unwrap());
        prop_assert_eq!(one.equivalent(&other), left.equivalent(&near), "{} {}", left_uri, near_uri);
    }

    #[test]
    fn s19_1_4_escapes_of_unreserved_octets_do_not_count(user in "[a-zA-Z0-9._~-]{1,12}", which in any::<u32>()) {
        let (plain, odd) = (format!("sip:{user}@h"), format!("sip:{}@h", escaped(&user, which)));
        let (plain, odd) = (Uri::parse(plain.as_bytes()).unwrap(), Uri::parse(odd.as_bytes()).unwrap());
        prop_assert!(plain.equivalent(&odd));
        prop_assert_eq!(plain.canonical_aor().unwrap(), odd.canonical_aor().unwrap());
    }

    #[test]
    fn any_octets_are_a_uri_or_a_fault(octets in prop::collection::vec(any::<u8>(), 0..40)) {
        for scheme in ["", "sip:", "sips:", "tel:"] {
            let octets = [scheme.as_bytes(), &octets].concat();
            if let Ok(uri) = Uri::parse(&octets) {
                prop_assert!(uri.equivalent(&uri));
                let _ = uri.canonical_aor();
            }
        }
    }
}
