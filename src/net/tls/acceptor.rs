//! What a listener for UAs and other elements shows, asks for, and takes.
//!
//! ```text
//!   first octets ---> handshake --- done ---> stream
//!                        |
//!                        +--- no TLS, nothing in common, a certificate that is not taken, too slow ---> closed, counted
//! ```
//!
//! Resumption is by tickets, so that nothing is remembered of clients that are gone. Their keys change every few hours. This
//! run of the node makes them for itself, unless nodes share secrets: see [`tickets`](super::tickets). When files are
//! read anew, keys of this run are made anew, and shared ones are others when clients have to show something else: who
//! came with a certificate has to show it to the CAs of now.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, CertificateError, HandshakeKind, RootCertStore, ServerConfig, version};
use tokio_rustls::server::TlsStream;

use super::certificates::Certificates;
use super::identity::Identities;
use super::tickets::{Shared, Tickets};
use super::validity::not_after;
use super::{Fault, Shown, at, provider, read_certificates};
use crate::config::{ClientCertificates, Tls, TlsVersion};
use crate::metrics::{TlsFailed, TlsHandshake};

/// RFC 7301: what a client may call the protocol that it means to speak, if it says so at all.
const SIP: [&[u8]; 2] = [b"sip/2", b"sip"];
const WEB_SOCKET: [&[u8]; 1] = [b"http/1.1"];

/// What is spoken within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// SIP.
    Sip,
    /// HTTP, until it becomes a WebSocket.
    WebSocket,
}

/// The end of TLS that clients dial, for all listeners of a node.
pub struct Acceptor {
    configs: RwLock<Configs>,
    domains: Vec<Box<str>>,
    tickets: Shared,
}

struct Configs {
    sip: Arc<ServerConfig>,
    web_socket: Arc<ServerConfig>,
    shown: Vec<Shown>,
}

/// Why there is no stream.
#[derive(Debug)]
pub struct Failure {
    /// As it is counted.
    pub reason: TlsFailed,
    error: Option<io::Error>,
}

impl Acceptor {
    /// Reads the files that the configuration names. Nodes that share what `tickets` are made of take each other's.
    pub fn read(config: &Tls, tickets: Shared) -> Result<Self, Fault> {
        let configs = Configs::read(config, &tickets)?;
        let mut domains = Vec::new();
        for (certificate, _) in config.pairs() {
            let own = read_certificates(certificate)?.first().map(Identities::of).unwrap_or_default();
            domains.extend(own.domains.into_iter().filter(|domain| !domain.contains('*')));
        }
        Ok(Self { configs: RwLock::new(configs), domains, tickets })
    }

    /// The names that the certificates of the start stand for. RFC 5922 §7.2: none with a wildcard.
    pub fn domains(&self) -> &[Box<str>] {
        &self.domains
    }

    /// Until when the certificates are good that are shown now.
    pub fn shown(&self) -> Vec<Shown> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).shown.clone()
    }

    /// Reads them again, for connections from now on. When one is of no use, everything stays as it is.
    pub fn reload(&self, config: &Tls) -> Result<(), Fault> {
        let configs = Configs::read(config, &self.tickets)?;
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = configs;
        Ok(())
    }

    /// Shakes hands, which has to be done `within` this time.
    pub async fn accept<S>(
        &self,
        stream: S,
        speaks: Speaks,
        within: Duration,
    ) -> Result<(TlsStream<S>, TlsHandshake), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.config(speaks));
        let stream = match timeout(within, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failure::from(error)),
            Err(_) => return Err(Failure::from(TlsFailed::Timeout)),
        };
        let (_, state) = stream.get_ref();
        if state.handshake_kind() != Some(HandshakeKind::Resumed) {
            return Ok((stream, TlsHandshake::Full));
        }
        // What is in a ticket was checked when it was shown, and may have come to its end since.
        let shown = state.peer_certificates().and_then(<[_]>::first);
        if shown.and_then(not_after).is_some_and(|end| end < SystemTime::now()) {
            return Err(Failure::from(io::Error::other(rustls::Error::from(CertificateError::Expired))));
        }
        Ok((stream, TlsHandshake::Resumed))
    }

    fn config(&self, speaks: Speaks) -> Arc<ServerConfig> {
        let configs = self.configs.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(match speaks {
            Speaks::Sip => &configs.sip,
            Speaks::WebSocket => &configs.web_socket,
        })
    }
}

impl Configs {
    fn read(config: &Tls, tickets: &Shared) -> Result<Self, Fault> {
        let own = config.certificate.as_deref().unwrap_or(Path::new(""));
        let provider = provider();
        let certificates = Certificates::read(config.pairs(), &provider)?;
        let shown = certificates.shown().to_vec();
        let versions: &[_] = match config.min_version {
            TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12],
            TlsVersion::Tls13 => &[&version::TLS13],
        };
        let (verifier, asked) = verifier(config)?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(at(own))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(certificates));
        server.ticketer = Ticketer::new().map_err(at(own))?;
        if !tickets.is_empty() {
            server.ticketer = Arc::new(Tickets::new(tickets.clone(), asked, server.ticketer));
        }
        // Nobody resumes two connections at once with the one that they had.
        server.send_tls13_tickets = 1;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        let speaking = |protocols: &[&[u8]]| {
            let mut server = server.clone();
            server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(server)
        };
        Ok(Self { sip: speaking(&SIP), web_socket: speaking(&WEB_SOCKET), shown })
    }
}

/// What clients have to show, and a digest of it.
fn verifier(config: &Tls) -> Result<(Arc<dyn ClientCertVerifier>, [u8; 32]), Fault> {
    let (Some(ca), false) = (&config.client_ca, config.client_certificates == ClientCertificates::None)
    else {
        return Ok((WebPkiClientVerifier::no_client_auth(), Sha256::digest(b"none").into()));
    };
    let (mut asked, mut roots) = (Sha256::new(), RootCertStore::empty());
    for root in read_certificates(ca)? {
        // Each has its length within.
        asked.update(&root);
        roots.add(root).map_err(at(ca))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if config.client_certificates == ClientCertificates::Optional {
        builder = builder.allow_unauthenticated();
        asked.update(b"optional");
    }
    Ok((builder.build().map_err(at(ca))?, asked.finalize().into()))
}

impl From<TlsFailed> for Failure {
    fn from(reason: TlsFailed) -> Self {
        Self { reason, error: None }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let reason = match fault {
            Some(fault) => reason(fault),
            None if error.kind() == io::ErrorKind::UnexpectedEof => TlsFailed::Closed,
            None => TlsFailed::IoError,
        };
        Self { reason, error: Some(error) }
    }
}

fn reason(fault: &rustls::Error) -> TlsFailed {
    use rustls::Error;
    match fault {
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::DecryptError
        | Error::PeerSentOversizedRecord => TlsFailed::Garbage,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsFailed::NothingInCommon,
        Error::NoCertificatesPresented => TlsFailed::NoCertificate,
        Error::InvalidCertificate(_) => TlsFailed::BadCertificate,
        Error::AlertReceived(_) => TlsFailed::RefusedByPeer,
        _ => TlsFailed::Other,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => error.fmt(f),
            None => f.write_str("not done in time"),
        }
    }
}
