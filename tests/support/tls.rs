//! TLS for the tests: a CA that issues what a test asks for, and the client's end of a connection.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore,
    SupportedProtocolVersion, version,
};

use super::client::Client;
use super::node::Node;
use super::wait::DEADLINE;

/// A CA, and the directory of what it has issued.
pub(crate) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    /// Where a file of it is: `ca.pem`, or what was issued.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Issues a certificate for these names (`sip:...` is a URI) as `FILE.pem`, with its key as `FILE.key`.
    pub(crate) fn issue(&self, file: &str, names: &[&str]) {
        self.issue_until(file, names, SystemTime::now() + Duration::from_secs(365 * 24 * 60 * 60));
    }

    /// The same, good until then.
    pub(crate) fn issue_until(&self, file: &str, names: &[&str], end: SystemTime) {
        let (uris, hosts): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains(':'));
        let hosts = hosts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let mut params = CertificateParams::new(hosts).unwrap();
        let uris = uris.into_iter().map(|uri| SanType::URI(uri.try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.not_after = date_time_ymd(1970, 1, 1) + end.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{file}.pem")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    /// `certificate` and `private_key` of a node that is called `localhost`, in TOML.
    pub(crate) fn node(&self) -> String {
        self.issue("node", &["localhost"]);
        let at = |file| self.path(file).display().to_string();
        format!("certificate = \"{}\"\nprivate_key = \"{}\"\n", at("node.pem"), at("node.key"))
    }

    /// `[listen]` and `[tls]` of such a node with a TLS listener; `extra` keys of `[tls]`, and what follows.
    pub(crate) fn listener(&self, extra: &str) -> String {
        format!("[listen]\ntls = [\"127.0.0.1:0\"]\n[tls]\n{}{extra}", self.node())
    }

    /// A client that trusts this CA and has nothing to show.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.client_of(rustls::ALL_VERSIONS, None)
    }

    /// The same over one version.
    pub(crate) fn client_over(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        self.client_of(&[version], None)
    }

    /// The same with a certificate that `ca` has issued as this file.
    pub(crate) fn client_with(&self, ca: &Ca, file: &str) -> Arc<ClientConfig> {
        self.client_of(rustls::ALL_VERSIONS, Some((ca, file)))
    }

    fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        shown: Option<(&Ca, &str)>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match shown {
            None => client.with_no_client_auth(),
            Some((ca, file)) => {
                let certificate = CertificateDer::from_pem_file(ca.path(&format!("{file}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(ca.path(&format!("{file}.key"))).unwrap();
                client.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        })
    }
}

/// The client's end of a connection.
pub(crate) struct Tls {
    socket: TcpStream,
    session: RefCell<ClientConnection>,
}

impl Tls {
    /// Dials the listener under a name, and shakes hands.
    pub(crate) fn dial(listener: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        Self::over(TcpStream::connect(listener)?, name, config)
    }

    /// Shakes hands over a connection that is there.
    pub(crate) fn over(mut socket: TcpStream, name: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(DEADLINE))?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self { socket, session: RefCell::new(session) })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(crate) fn write_all(&self, octets: &[u8]) -> io::Result<()> {
        self.stream(|stream| stream.write_all(octets))
    }

    /// Some octets, as far as the socket's timeout lets it wait.
    pub(crate) fn read(&self, octets: &mut [u8]) -> io::Result<usize> {
        self.stream(|stream| stream.read(octets))
    }

    /// Whether it was resumed.
    pub(crate) fn is_resumed(&self) -> bool {
        self.session.borrow().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        self.session.borrow().protocol_version().unwrap()
    }

    /// The certificate that the node has shown.
    pub(crate) fn shown(&self) -> CertificateDer<'static> {
        self.session.borrow().peer_certificates().unwrap()[0].clone().into_owned()
    }

    fn stream<T>(
        &self,
        act: impl FnOnce(&mut rustls::Stream<'_, ClientConnection, &TcpStream>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut session = self.session.borrow_mut();
        act(&mut rustls::Stream::new(&mut session, &mut &self.socket))
    }
}

impl Client {
    /// A connection to the node's TLS listener, which is called `localhost`.
    #[track_caller]
    pub(crate) fn tls(node: &Node, config: &Arc<ClientConfig>) -> Self {
        Self::over_tls(Tls::dial(node.tls(), "localhost", config).unwrap())
    }
}
