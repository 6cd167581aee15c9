//! Whom a certificate is for, as SIP sees it (RFC 5922 sections 7.1 and 7.2): a name matches whole, and never by a wildcard. Who holds
//! `*.example.se` for a web page is not thereby every switch of that domain.

use std::sync::Arc;

use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use webpki::EndEntityCert;
use wire::sip::uri::{Scheme, Uri};

/// Checks a server as HTTPS does, but for its names: its certificate must hold the very one that is called.
#[derive(Debug)]
pub(crate) struct WholeNames {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl WholeNames {
    /// Certificates must lead to one of these roots.
    pub(crate) fn new(roots: RootCertStore) -> Arc<Self> {
        let provider = crate::certificates::provider();
        Arc::new(Self { roots, provider })
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
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        if is_for(end_entity, server_name) {
            Ok(ServerCertVerified::assertion())
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
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// Which of the names a certificate that was shown is for; whether it may be believed was checked before.
pub(crate) fn known_as(chain: &[CertificateDer<'_>], names: &[Box<str>]) -> Option<Box<str>> {
    let shown = chain.first()?;
    let fits = |name: &str| ServerName::try_from(name).is_ok_and(|name| is_for(shown, &name));
    names.iter().find(|name| fits(name)).cloned()
}

/// Whether the name stands in the certificate as it is: as a name of the DNS, or as a SIP URI of a domain (section 7.1). Addresses have
/// no wildcards.
fn is_for(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let ServerName::DnsName(name) = name else {
        let certificate = ParsedCertificate::try_from(certificate);
        return certificate.is_ok_and(|it| verify_server_name(&it, name).is_ok());
    };
    // A name may end with the dot of the root; a certificate's doesn't.
    let name = name.as_ref().trim_end_matches('.');
    let is_it = |own: &str| own.eq_ignore_ascii_case(name);
    EndEntityCert::try_from(certificate).is_ok_and(|certificate| {
        let mut uris = certificate.valid_uri_names();
        certificate.valid_dns_names().any(is_it)
            || uris.any(|uri| domain_of(uri).is_some_and(|domain| is_it(&domain)))
    })
}

/// The domain that a certificate's URI stands for. One with a user is that user's, and only `sip:` names domains.
fn domain_of(uri: &str) -> Option<Box<str>> {
    let uri = Uri::parse(uri).ok()?;
    let domain = uri.scheme == Scheme::Sip && uri.user.is_none() && uri.port.is_none();
    domain.then_some(uri.host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test says what it expects")]

    use rcgen::{CertificateParams, KeyPair, SanType};

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

    #[test]
    fn a_sip_uri_names_its_domain_and_nobody_else() {
        for (uri, is_it) in [
            ("sip:SBC.example.se", true),
            ("sip:sbc.example.se;transport=tls", true),
            ("sip:nurse@sbc.example.se", false),
            ("sips:sbc.example.se", false),
            ("https://sbc.example.se", false),
            ("sip:*.example.se", false),
            ("sip:example.se", false),
        ] {
            let mut params = CertificateParams::new(vec!["web.example.se".into()]).expect("a name");
            let own = SanType::URI(uri.try_into().expect("ASCII"));
            params.subject_alt_names.push(own);
            let key = KeyPair::generate().expect("a key");
            let certificate = params.self_signed(&key).expect("a certificate");
            let shown = [certificate.der().clone()];
            let known = known_as(&shown, &["sbc.example.se".into()]);
            assert_eq!(known.is_some(), is_it, "{uri}");
            // And so is whom we call.
            let mut roots = RootCertStore::empty();
            roots.add(shown[0].clone()).expect("a certificate");
            let name = ServerName::try_from("sbc.example.se").expect("a name");
            let called = WholeNames::new(roots).verify_server_cert(
                &shown[0],
                &[],
                &name,
                &[],
                UnixTime::now(),
            );
            assert_eq!(called.is_ok(), is_it, "{uri}: {called:?}");
        }
    }
}
