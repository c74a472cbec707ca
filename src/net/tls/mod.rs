//! TLS: certificates and keys from PEM files, and who shows what to whom.
//!
//! - `links`: nodes to each other
//! - `acceptor`: a listener for UAs and other elements
//! - `certificates`: which certificate a listener shows, by the name that is asked for
//! - `connector`: towards next hops, whose certificate has to name them
//! - `identity`: whom a certificate stands for in SIP's words
//! - `validity`: until when a certificate is good
//! - `tickets`: by which a client resumes at any node of a cluster

mod acceptor;
mod certificates;
mod connector;
mod identity;
mod links;
mod tickets;
mod validity;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, RootCertStore, server};

pub use acceptor::{Acceptor, Failure, Speaks};
pub use connector::Connector;
pub use identity::Identities;
pub use links::{Links, names};
pub use tickets::Shared as SharedTickets;
pub use validity::Shown;

/// Why a file of certificates or keys is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", .path.display())]
pub struct Fault {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("{0}")]
    Pem(pem::Error),
    #[error("there is no certificate in it")]
    NoCertificate,
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Verifier(#[from] server::VerifierBuilderError),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// All certificates of a PEM file, in their order.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(at(path)(Reason::NoCertificate)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(at(path)(Reason::Pem(error))),
    }
}

/// The CAs of a PEM file.
fn read_roots(path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for root in read_certificates(path)? {
        roots.add(root).map_err(at(path))?;
    }
    Ok(roots)
}

/// The private key of a PEM file.
pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| at(path)(Reason::Pem(error)))
}

fn at<E: Into<Reason>>(path: &Path) -> impl Fn(E) -> Fault {
    move |reason| Fault { path: path.to_owned(), reason: reason.into() }
}
