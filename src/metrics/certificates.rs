//! Until when the certificates are good that this node shows. Their files and names come from the configuration, so this
//! family is the library's own.

use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::time::SystemTime;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::add;

type Labels = Vec<(&'static str, String)>;

/// When each certificate ends, in seconds of Unix time.
#[derive(Clone, Debug, Default)]
pub struct Certificates(Family<Labels, Gauge<i64, AtomicI64>>);

impl Certificates {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let help = "When a certificate that this node shows ends, in Unix time, by the first name in it and its file";
        Certificates(add(registry, "tls_certificate_not_after_seconds", help))
    }

    /// These are shown from now on, each a name, a file and its end, and no others.
    pub fn show<'c>(&self, all: impl IntoIterator<Item = (&'c str, &'c Path, SystemTime)>) {
        // One that was read anew may have another name.
        self.0.clear();
        for (name, file, end) in all {
            let since = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let labels = vec![("name", name.to_owned()), ("file", file.display().to_string())];
            self.0.get_or_create(&labels).set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        }
    }
}
