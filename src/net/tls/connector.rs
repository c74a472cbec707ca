//! TLS towards next hops and proxies: whom they have to prove to be.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::{Fault, Identities, Shown, at, provider, read_certificates, read_key, read_roots};

/// The end of TLS that dials.
pub struct Connector(RwLock<End>);

struct End {
    tls: TlsConnector,
    shown: Option<Shown>,
}

impl Connector {
    /// Which trusts the CAs of `ca`, or those that the system trusts, and shows a certificate where it is asked for one and
    /// has one, with its key.
    pub fn read(ca: Option<&Path>, shown: Option<(&Path, &Path)>) -> Result<Self, Fault> {
        End::read(ca, shown).map(Self::from)
    }

    /// Reads the files again, for connections from now on. When one is of no use, everything stays as it is.
    pub fn reload(&self, ca: Option<&Path>, shown: Option<(&Path, &Path)>) -> Result<(), Fault> {
        let end = End::read(ca, shown)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = end;
        Ok(())
    }

    /// Which takes anybody: for trying out.
    pub fn that_trusts_anybody() -> Result<Self, Fault> {
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        End::new(provider, Verifier { roots: None, algorithms }, None).map(Self::from)
    }

    /// The certificate that it has.
    pub fn shown(&self) -> Option<Shown> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).shown.clone()
    }

    /// Shakes hands with who was dialed as `host`: a name, or an address (of IPv6 with or without brackets).
    pub async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        let tls = self.0.read().unwrap_or_else(PoisonError::into_inner).tls.clone();
        tls.connect(name, stream).await
    }
}

impl From<End> for Connector {
    fn from(end: End) -> Self {
        Self(RwLock::new(end))
    }
}

impl End {
    fn read(ca: Option<&Path>, shown: Option<(&Path, &Path)>) -> Result<Self, Fault> {
        let roots = match ca {
            Some(ca) => read_roots(ca)?,
            None => system_roots(),
        };
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        Self::new(provider, Verifier { roots: Some(roots), algorithms }, shown)
    }

    fn new(
        provider: Arc<CryptoProvider>,
        verifier: Verifier,
        shown: Option<(&Path, &Path)>,
    ) -> Result<Self, Fault> {
        let own = shown.map_or(Path::new(""), |(certificate, _)| certificate);
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(at(own))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let (client, shown) = match shown {
            None => (client.with_no_client_auth(), None),
            Some((certificate, key)) => {
                let chain = read_certificates(certificate)?;
                let shown = Shown::of(certificate, &chain);
                (client.with_client_auth_cert(chain, read_key(key)?).map_err(at(certificate))?, shown)
            }
        };
        Ok(Self { tls: TlsConnector::from(Arc::new(client)), shown })
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Some that the system has are older than what is taken today: the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Whom a server has to prove to be.
#[derive(Debug)]
struct Verifier {
    /// None: anybody is taken.
    roots: Option<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(certificate)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, others, now, self.algorithms.all)?;
        match name {
            // RFC 5922 §7.3: the name that was configured, and not one that DNS led to, is an identity of the certificate.
            ServerName::DnsName(domain) => {
                let shown = Identities::of(certificate);
                if !shown.has_domain(domain.as_ref()) {
                    let presented = shown.domains.iter().map(ToString::to_string).collect();
                    let expected = name.to_owned();
                    return Err(CertificateError::NotValidForNameContext { expected, presented }.into());
                }
            }
            _ => verify_server_name(&parsed, name)?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
