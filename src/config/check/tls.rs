//! The rules of `[tls]`.

use super::Findings;
use crate::config::model::Config;
use crate::config::tls::ClientCertificates;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let tls = &config.tls;
    if tls.certificate.is_some() != tls.private_key.is_some() {
        found.fault(
            &["tls.certificate", "tls.private_key"],
            "a certificate and its private key go together: one of them is missing",
        );
    }
    let secure = config.listen.each().find(|(transport, ..)| transport.is_secure());
    if let Some((_, key, _)) = secure
        && tls.certificate.is_none()
    {
        found.fault(
            &[key, "tls.certificate"],
            "a listener with TLS takes tls.certificate and tls.private_key",
        );
    }
    if tls.certificate.is_none() && !tls.further.is_empty() {
        found.fault(
            &["tls.further", "tls.certificate"],
            "there is no first one: set tls.certificate, which is shown to who asks for no name of the others",
        );
    }
    match (tls.client_certificates, &tls.client_ca) {
        (ClientCertificates::None, Some(_)) => found.warning(
            &["tls.client_ca", "tls.client_certificates"],
            "no client is asked for a certificate: set tls.client_certificates",
        ),
        (ClientCertificates::Optional | ClientCertificates::Required, None) => found.fault(
            &["tls.client_certificates", "tls.client_ca"],
            "which certificates count is not said: set tls.client_ca",
        ),
        _ => {}
    }
}
