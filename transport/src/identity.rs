//! Whom a certificate is for, as SIP sees it (RFC 5922 section 7.2): a name matches whole, and never by a wildcard. Who holds
//! `*.example.se` for a web page is not thereby every switch of that domain.

use std::sync::Arc;

use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use webpki::EndEntityCert;

/// Checks a server as HTTPS does, and that its certificate holds the very name that is called.
#[derive(Debug)]
pub(crate) struct WholeNames(Arc<WebPkiServerVerifier>);

impl WholeNames {
    /// Certificates must lead to one of these roots: at least one.
    pub(crate) fn new(roots: RootCertStore) -> Result<Arc<Self>, rustls::Error> {
        let provider = crate::certificates::provider();
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Arc::new(Self(verifier)))
    }

    /// Has a client check so whom it calls.
    pub(crate) fn check_in(self: Arc<Self>, config: &mut ClientConfig) {
        config.dangerous().set_certificate_verifier(self);
    }
}

impl ServerCertVerifier for WholeNames {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.0.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        if stands_whole(end_entity, server_name) {
            Ok(verified)
        } else {
            Err(rustls::CertificateError::NotValidForName.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Which of the names a certificate that was shown is for; whether it may be believed was checked before.
pub(crate) fn known_as(chain: &[CertificateDer<'_>], names: &[Box<str>]) -> Option<Box<str>> {
    let shown = chain.first()?;
    let certificate = ParsedCertificate::try_from(shown).ok()?;
    let fits = |name: &str| {
        ServerName::try_from(name).is_ok_and(|name| {
            verify_server_name(&certificate, &name).is_ok() && stands_whole(shown, &name)
        })
    };
    names.iter().find(|name| fits(name)).cloned()
}

/// Whether the name stands in the certificate as it is. Addresses have no wildcards.
fn stands_whole(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let ServerName::DnsName(name) = name else {
        return true;
    };
    // A name may end with the dot of the root; a certificate's doesn't.
    let name = name.as_ref().trim_end_matches('.');
    EndEntityCert::try_from(certificate).is_ok_and(|certificate| {
        let mut names = certificate.valid_dns_names();
        names.any(|own| own.eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test says what it expects")]

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_peer_is_known_by_whole_names_only() {
        let known = |shown: &[&str], name: &str| {
            let names: Vec<String> = shown.iter().map(|name| (*name).to_owned()).collect();
            let params = CertificateParams::new(names).expect("names");
            let key = KeyPair::generate().expect("a key");
            let certificate = params.self_signed(&key).expect("a certificate");
            known_as(&[certificate.der().clone()], &[name.into()]).is_some()
        };
        assert!(!known(&["*.example.se"], "sbc.example.se"));
        assert!(known(&["*.example.se", "SBC.example.se"], "sbc.example.se"));
        assert!(known(&["sbc.example.se"], "sbc.example.se."));
        assert!(known(&["192.0.2.1"], "192.0.2.1"));
        assert!(!known(&["*.example.se"], "*.example.se"));
    }
}
