//! Until when the certificates are good that the node shows: for those who watch the metrics, and in the log before it is
//! too late.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;
use tracing::warn;

use super::worker::Node;
use crate::net::tls::{Connector, Shown};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before its end a certificate is said to come to it.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Looks every day.
pub(super) async fn watch(node: &Node) -> Infallible {
    loop {
        tokio::time::sleep(DAY).await;
        look(node);
    }
}

/// Looks at all certificates that the node shows.
pub(super) fn look(node: &Node) {
    let listeners = node.tls.as_ref().map(|tls| tls.acceptor.shown()).unwrap_or_default();
    let dialing = node.connector.as_ref().and_then(Connector::shown);
    let links = node.cluster.as_ref().and_then(|cluster| cluster.tls.as_ref()?.shown());
    let mut all: Vec<Shown> = listeners.into_iter().chain(dialing).chain(links).collect();
    all.sort_by(|one, other| one.file.cmp(&other.file));
    all.dedup_by(|one, other| one.file == other.file);
    node.metrics.certificates.show(all.iter().map(|shown| (&*shown.name, &*shown.file, shown.not_after)));
    let now = SystemTime::now();
    for shown in &all {
        if let Some(end) = ends_soon(shown, now) {
            warn!(certificate = %shown.file.display(), name = &*shown.name, "{end}");
        }
    }
}

/// What is to be said of a certificate that has come to its end, or is about to.
pub fn ends_soon(shown: &Shown, now: SystemTime) -> Option<String> {
    let end = format_rfc3339_seconds(shown.not_after);
    match shown.not_after.duration_since(now) {
        Err(_) => Some(format!("the certificate expired at {end}, and nobody takes it: renew it")),
        Ok(left) if left < SOON => Some(format!("the certificate expires at {end}: renew it")),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_said_to_end_two_weeks_before() {
        let not_after = SystemTime::UNIX_EPOCH + 100 * DAY;
        let shown = Shown { file: "a.pem".into(), name: "example.com".into(), not_after };
        let said = |days: u32| ends_soon(&shown, SystemTime::UNIX_EPOCH + days * DAY);
        assert_eq!(said(86), None);
        assert_eq!(said(87).unwrap(), "the certificate expires at 1970-04-11T00:00:00Z: renew it");
        assert!(said(101).unwrap().starts_with("the certificate expired at 1970-04-11T00:00:00Z"));
    }
}
