//! TLS between nodes.
//!
//! Both sides show a certificate of the cluster's own CA, over TLS 1.3 alone. A certificate stands for one node: its
//! subjectAltName has the node's id, as a DNS name, or as an IP address if the id is one. It is not the address, which may be
//! another after each start. So a node that is taken over can be no other one.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, ClientConfig, ServerConfig, version};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{Fault, Shown, at, provider, read_certificates, read_key, read_roots};

/// Both ends of TLS between nodes.
pub struct Links(RwLock<Ends>);

struct Ends {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    shown: Option<Shown>,
}

impl Links {
    /// From this node's certificate with those between it and the CA, its key, and the CA of all nodes.
    pub fn read(certificate: &Path, private_key: &Path, ca: &Path) -> Result<Self, Fault> {
        Ok(Self(RwLock::new(Ends::read(certificate, private_key, ca)?)))
    }

    /// Reads the files again, for links from now on. When one is of no use, everything stays as it is.
    pub fn reload(&self, certificate: &Path, private_key: &Path, ca: &Path) -> Result<(), Fault> {
        let ends = Ends::read(certificate, private_key, ca)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ends;
        Ok(())
    }

    /// This node's certificate.
    pub fn shown(&self) -> Option<Shown> {
        self.ends().shown.clone()
    }

    /// The end that was dialed. Which node the other one is, it still has to say: see [`names`].
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = self.ends().acceptor.clone();
        acceptor.accept(stream).await.map(TlsStream::Server)
    }

    /// The end that dials `node`, which has to show a certificate of that name.
    pub async fn connect<S>(&self, node: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = server_name(node).ok_or_else(|| io::Error::other("its id is no DNS name"))?;
        let connector = self.ends().connector.clone();
        connector.connect(name, stream).await.map(TlsStream::Client)
    }

    fn ends(&self) -> RwLockReadGuard<'_, Ends> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    fn read(certificate: &Path, private_key: &Path, ca: &Path) -> Result<Self, Fault> {
        let chain = read_certificates(certificate)?;
        let shown = Shown::of(certificate, &chain);
        let key = read_key(private_key)?;
        let roots = Arc::new(read_roots(ca)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider())
            .build()
            .map_err(at(ca))?;
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(at(certificate))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(at(certificate))?;
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(at(certificate))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(at(certificate))?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            shown,
        })
    }
}

/// Whether the certificate that the other end has shown is that of `node`.
pub fn names<S>(stream: &TlsStream<S>, node: &str) -> bool {
    let (_, state) = stream.get_ref();
    let shown = state.peer_certificates().and_then(|chain| ParsedCertificate::try_from(chain.first()?).ok());
    let name = server_name(node);
    shown.zip(name).is_some_and(|(shown, name)| rustls::client::verify_server_name(&shown, &name).is_ok())
}

fn server_name(node: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(node.to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use std::fs;
    use std::path::PathBuf;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// A CA, and the nodes that have certificates of it.
    struct Ca {
        issuer: CertifiedIssuer<'static, KeyPair>,
        directory: TempDir,
    }

    impl Ca {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
            Self { issuer, directory }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn node(&self, id: &str) -> Links {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![id.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &self.issuer).unwrap();
            fs::write(self.path("node.pem"), certificate.pem()).unwrap();
            fs::write(self.path("node.key"), key.serialize_pem()).unwrap();
            Links::read(&self.path("node.pem"), &self.path("node.key"), &self.path("ca.pem")).unwrap()
        }
    }

    /// What the end that dials `node`, and the one that is dialed, make of it.
    async fn link(
        dialer: &Links,
        node: &str,
        acceptor: &Links,
    ) -> (io::Result<()>, io::Result<TlsStream<tokio::io::DuplexStream>>) {
        let (near, far) = duplex(64 << 10);
        let dials = async {
            let mut stream = dialer.connect(node, near).await?;
            // With TLS 1.3 the dialer hears with its first read whether its certificate was taken.
            stream.write_all(b"hello").await?;
            stream.read_exact(&mut [0; 2]).await.map(drop)
        };
        let accepts = async {
            let mut stream = acceptor.accept(far).await?;
            stream.read_exact(&mut [0; 5]).await?;
            stream.write_all(b"ok").await?;
            stream.flush().await?;
            Ok(stream)
        };
        tokio::join!(dials, accepts)
    }

    #[tokio::test]
    async fn nodes_of_one_ca_are_who_their_certificates_say() {
        let ca = Ca::new();
        for (dialer, acceptor) in [("a", "b"), ("node-1.example", "10.0.0.2")] {
            let (near, far) = (ca.node(dialer), ca.node(acceptor));
            let (dialed, accepted) = link(&near, acceptor, &far).await;
            dialed.unwrap();
            let accepted = accepted.unwrap();
            assert!(names(&accepted, dialer));
            assert!(!names(&accepted, acceptor));
            assert!(!names(&accepted, "no name"));
            assert_eq!(accepted.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        }
    }

    #[tokio::test]
    async fn a_node_does_not_pass_for_another() {
        let ca = Ca::new();
        let (dialed, _) = link(&ca.node("a"), "c", &ca.node("b")).await;
        assert!(dialed.is_err());
    }

    #[tokio::test]
    async fn certificates_of_another_ca_are_refused_in_both_directions() {
        let (ours, theirs) = (Ca::new(), Ca::new());
        let (dialed, accepted) = link(&ours.node("a"), "b", &theirs.node("b")).await;
        assert!(dialed.is_err() && accepted.is_err());
        // One that takes any server, and has nothing of ours to show.
        let stranger = ours.node("a");
        stranger.0.write().unwrap().connector = TlsConnector::from(Arc::new(
            ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates({
                    let mut roots = rustls::RootCertStore::empty();
                    roots.add(ours.issuer.der().clone()).unwrap();
                    roots
                })
                .with_no_client_auth(),
        ));
        let (dialed, accepted) = link(&stranger, "b", &ours.node("b")).await;
        assert!(dialed.is_err() && accepted.is_err());
    }

    #[tokio::test]
    async fn files_are_read_again_and_links_that_are_up_stay() {
        let (old, new) = (Ca::new(), Ca::new());
        let (a, b) = (old.node("a"), old.node("b"));
        let (dialed, up) = link(&a, "b", &b).await;
        dialed.unwrap();
        let reload = |links: &Links, ca: &Ca, id: &str| {
            ca.node(id);
            links.reload(&ca.path("node.pem"), &ca.path("node.key"), &ca.path("ca.pem"))
        };
        reload(&b, &new, "b").unwrap();
        assert!(link(&a, "b", &b).await.0.is_err(), "of another CA");
        reload(&a, &new, "a").unwrap();
        link(&a, "b", &b).await.0.unwrap();
        fs::write(new.path("node.key"), "").unwrap();
        let nonsense = a.reload(&new.path("node.pem"), &new.path("node.key"), &new.path("ca.pem"));
        assert!(nonsense.is_err());
        link(&a, "b", &b).await.0.unwrap();
        assert!(names(&up.unwrap(), "a"));
        assert_eq!(&*a.shown().unwrap().name, "a");
    }

    #[test]
    fn a_file_that_is_of_no_use_is_named() {
        let ca = Ca::new();
        ca.node("a");
        let (good, key, empty) = (ca.path("node.pem"), ca.path("node.key"), ca.path("empty"));
        fs::write(&empty, "").unwrap();
        let other_key = ca.path("other.key");
        fs::write(&other_key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
        for (certificate, private_key, authority, named) in [
            (&empty, &key, &good, &empty),
            (&good, &empty, &good, &empty),
            (&good, &key, &empty, &empty),
            (&ca.path("missing"), &key, &good, &ca.path("missing")),
            (&good, &other_key, &good, &good),
        ] {
            let fault = Links::read(certificate, private_key, authority).err().unwrap().to_string();
            assert!(fault.starts_with(&format!("{}: ", named.display())), "{fault}");
        }
    }
}
