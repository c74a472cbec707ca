//! Which of several certificates a listener shows.
//!
//! A client says in SNI which name it has dialed: the first certificate for that name is shown, or, when there is none or
//! the client names nothing, the first of all. What the client makes of it is its own decision.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::{Fault, Shown, at, read_certificates, read_key};

/// The certificates of a listener, at least one.
#[derive(Debug)]
pub(super) struct Certificates {
    keys: Vec<Arc<CertifiedKey>>,
    shown: Vec<Shown>,
}

impl Certificates {
    /// From pairs of files, a certificate with those between it and its CA, and its private key.
    pub(super) fn read<'p>(
        pairs: impl Iterator<Item = (&'p Path, &'p Path)>,
        provider: &CryptoProvider,
    ) -> Result<Self, Fault> {
        let mut read = Self { keys: Vec::new(), shown: Vec::new() };
        for (certificate, key) in pairs {
            let chain = read_certificates(certificate)?;
            let key = read_key(key)?;
            read.shown.extend(Shown::of(certificate, &chain));
            let key = CertifiedKey::from_der(chain, key, provider).map_err(at(certificate))?;
            read.keys.push(Arc::new(key));
        }
        Ok(read)
    }

    /// Until when they are good.
    pub(super) fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// The one that is shown to who dialed `name`.
    fn for_name(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| self.keys.iter().find(|certificate| stands_for(certificate, &name)));
        named.or(self.keys.first()).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.for_name(hello.server_name())
    }
}

fn stands_for(certificate: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = certificate.cert.first().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
    leaf.is_some_and(|leaf| verify_server_name(&leaf, name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::provider;
    use rcgen::{KeyPair, generate_simple_self_signed};
    use std::fs;

    #[test]
    fn the_first_certificate_for_a_name_is_shown_and_else_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let write = |index: usize, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let rcgen::CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
            let at = |end: &str| directory.path().join(format!("{index}.{end}"));
            fs::write(at("pem"), cert.pem()).unwrap();
            fs::write(at("key"), KeyPair::serialize_pem(&signing_key)).unwrap();
            (at("pem"), at("key"))
        };
        let files = [
            write(0, &["sip.example.com", "example.com"]),
            write(1, &["*.example.net"]),
            write(2, &["a.example.net"]),
        ];
        let pairs = files.iter().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        let certificates = Certificates::read(pairs, &provider()).unwrap();
        for (name, shown) in [
            (None, 0),
            (Some("example.com"), 0),
            (Some("SIP.example.com"), 0),
            (Some("a.example.net"), 1),
            (Some("a.b.example.net"), 0),
            (Some("example.org"), 0),
        ] {
            let chosen = certificates.for_name(name).unwrap();
            assert!(Arc::ptr_eq(&chosen, &certificates.keys[shown]), "{name:?}");
        }
    }
}
