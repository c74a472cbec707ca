//! Whom a certificate stands for in SIP (RFC 5922 §7.1). That it is valid, and of a CA that is trusted, was checked before.

use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Whom a certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Identities {
    /// SIP domains, in lower case.
    pub domains: Vec<Box<str>>,
    /// Users, as `user@domain`: what stands behind `sip:` in the certificate.
    pub users: Vec<Box<str>>,
}

impl Identities {
    /// Of an end entity's certificate; none at all where it does not parse.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Self::default() };
        Self::from_names(certificate.valid_uri_names(), certificate.valid_dns_names())
    }

    fn from_names<'n>(uris: impl Iterator<Item = &'n str>, names: impl Iterator<Item = &'n str>) -> Self {
        let mut found = Self::default();
        // RFC 5922 §7.1: of URIs only those with the scheme `sip`; with a userpart they are no domain but a user.
        for rest in uris.filter_map(behind_scheme) {
            if rest.contains('@') {
                found.users.push(rest.into());
            } else {
                let end = rest.find([';', '?', ':']).unwrap_or(rest.len());
                found.domains.push(rest[..end].to_ascii_lowercase().into());
            }
        }
        // RFC 5922 §7.1: DNS names count if and only if no `sip` URI names a domain.
        if found.domains.is_empty() {
            found.domains = names.map(|name| name.to_ascii_lowercase().into()).collect();
        }
        found
    }

    /// Whether one of the domains is this one.
    ///
    /// RFC 5922 §7.2: the whole name, in any case, and no wildcard.
    pub fn has_domain(&self, name: &str) -> bool {
        !name.contains('*') && self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(name))
    }

    /// Whether it stands for nobody.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.users.is_empty()
    }
}

fn behind_scheme(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    scheme.eq_ignore_ascii_case("sip").then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uris: &[&str], names: &[&str]) -> Identities {
        Identities::from_names(uris.iter().copied(), names.iter().copied())
    }

    #[track_caller]
    fn assert_are(found: &[Box<str>], expected: &[&str]) {
        let found: Vec<&str> = found.iter().map(|name| &**name).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn s7_1_sip_uris_without_a_user_are_domains_and_put_dns_names_aside() {
        let both = of(&["SIP:Example.com", "sips:example.net", "https://example.org"], &["host.example.com"]);
        assert_are(&both.domains, &["example.com"]);
        let names = of(&["sips:example.net"], &["Host.example.com", "*.example.org"]);
        assert_are(&names.domains, &["host.example.com", "*.example.org"]);
    }

    #[test]
    fn s7_1_a_uri_with_a_user_is_no_domain() {
        let alice = of(&["sip:alice@example.com"], &["example.com"]);
        assert_are(&alice.users, &["alice@example.com"]);
        // No `sip` URI names a domain, so that DNS names count.
        assert_are(&alice.domains, &["example.com"]);
    }

    #[test]
    fn s7_2_names_match_whole_in_any_case_and_never_by_wildcard() {
        let found = of(&[], &["*.example.org", "example.com"]);
        assert!(found.has_domain("EXAMPLE.com"));
        for other in ["foo.example.org", "*.example.org", "foo.example.com", "com", ""] {
            assert!(!found.has_domain(other), "{other}");
        }
    }
}
