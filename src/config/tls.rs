//! The keys of `[tls]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::units;

/// `[tls]`: what this node shows to others, and what they have to show.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate that is shown, with `private_key`.
    #[serde(deserialize_with = "units::path_or_none")]
    pub certificate: Option<PathBuf>,
    /// The key of `certificate`.
    #[serde(deserialize_with = "units::path_or_none")]
    pub private_key: Option<PathBuf>,
    /// Further certificates, each with its key, for who asks for a name of theirs.
    #[serde(deserialize_with = "units::file_pairs")]
    pub further: Vec<(PathBuf, PathBuf)>,
    /// The oldest version that is spoken.
    #[serde(deserialize_with = "units::tls_version")]
    pub min_version: TlsVersion,
    /// The CAs that clients' certificates have to be of.
    #[serde(deserialize_with = "units::path_or_none")]
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for one.
    #[serde(deserialize_with = "units::client_certificates")]
    pub client_certificates: ClientCertificates,
    /// The CAs that next hops' certificates have to be of; none: those that the system trusts.
    #[serde(deserialize_with = "units::path_or_none")]
    pub ca: Option<PathBuf>,
}

impl Tls {
    /// The certificate that is shown where next hops ask for one, with its key.
    pub fn own(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.private_key.as_deref())
    }

    /// All certificates with their keys, the one first that is shown to who asks for no name of the others.
    pub fn pairs(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.own().into_iter().chain(self.further.iter().map(|(certificate, key)| (&**certificate, &**key)))
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not.
    None,
    /// Who has none is let in too.
    Optional,
    /// Who has none is not let in.
    Required,
}
