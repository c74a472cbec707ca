//! What flows run over, and how either end comes by it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::ua::DOMAIN;

/// What flows run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Over {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

/// As in a ready line, in the configuration of a node, and in a Contact.
impl fmt::Display for Over {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Over::Tcp => "tcp",
            Over::Tls => "tls",
            Over::Ws => "ws",
            Over::Wss => "wss",
        })
    }
}

impl Over {
    /// As in a Via.
    pub fn via(self) -> &'static str {
        match self {
            Over::Tcp => "TCP",
            Over::Tls => "TLS",
            Over::Ws => "WS",
            Over::Wss => "WSS",
        }
    }

    /// Whether servers show a certificate.
    pub fn has_tls(self) -> bool {
        matches!(self, Over::Tls | Over::Wss)
    }

    /// Whether messages travel in the frames of a WebSocket.
    pub fn has_frames(self) -> bool {
        matches!(self, Over::Ws | Over::Wss)
    }
}

/// A certificate for [`DOMAIN`] and its key, in files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate, which is its own authority.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes one in this directory.
    pub fn make(directory: &Path) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed([DOMAIN.to_owned()]).map_err(io::Error::other)?;
        let files =
            Certificate { chain: directory.join("certificate.pem"), key: directory.join("private_key.pem") };
        fs::write(&files.chain, made.cert.pem())?;
        fs::write(&files.key, made.signing_key.serialize_pem())?;
        Ok(files)
    }

    /// A server that shows it, as the library has it by default.
    pub fn server(&self) -> io::Result<Arc<ServerConfig>> {
        let chain = CertificateDer::from_pem_file(&self.chain).map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(io::Error::other)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .map_err(io::Error::other)?;
        Ok(Arc::new(config))
    }
}

/// A client that trusts the certificate in this file and nothing else. Each of its handshakes is a whole one.
pub fn client(trust: &Path) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trust).map_err(io::Error::other)?).map_err(io::Error::other)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
