//! TLS where each side may ask the other for a certificate: SIP between operators (RFC 5922).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use crate::{
    certificates::{Certificate, CertificateError, provider, unusable, write_private},
    identity::WholeNames,
};

/// A certificate with its key, and whose certificates the other side may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, PEM, our own certificate first.
    pub certificate: PathBuf,
    /// Its private key, PEM, this user's alone.
    pub key: PathBuf,
    /// The CA certificates, PEM, that a peer's certificate must lead to; `None`: a server asks for none, a client trusts nobody.
    pub peers_ca: Option<PathBuf>,
}

impl CertificateFiles {
    /// TLS as a server: shows our certificate; with `peers_ca`, checks a certificate that a client shows, and lets those
    /// without one in (phones have none: what they may do is decided by trust and password).
    ///
    /// # Errors
    /// When a file is missing or holds something else.
    pub fn server(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        let own = Certificate::load(&self.certificate, &self.key)?;
        let Some(file) = &self.peers_ca else {
            return own.server();
        };
        let verifier = WebPkiClientVerifier::builder_with_provider(roots(file)?.into(), provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(own.chain().to_vec(), own.key())?;
        Ok(Arc::new(config))
    }

    /// TLS as a client: checks the server's certificate against `peers_ca`, whose name must stand in it whole, and shows ours
    /// when asked.
    ///
    /// # Errors
    /// When a file is missing or holds something else.
    pub fn client(&self) -> Result<Arc<ClientConfig>, CertificateError> {
        let own = Certificate::load(&self.certificate, &self.key)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(RootCertStore::empty())
            .with_client_auth_cert(own.chain().to_vec(), own.key())?;
        if let Some(file) = &self.peers_ca {
            WholeNames::new(roots(file)?).check_in(&mut config);
        }
        Ok(Arc::new(config))
    }
}

/// TLS as a client that has no certificate of its own: checks the server's against these CA certificates, PEM, as [`CertificateFiles::client`]
/// does.
///
/// # Errors
/// When the file is missing or holds something else.
pub fn trusting(ca: &Path) -> Result<Arc<ClientConfig>, CertificateError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    WholeNames::new(roots(ca)?).check_in(&mut config);
    Ok(Arc::new(config))
}

/// Makes a CA and a certificate for these names (host names or IP addresses) in a folder, as a demo or a test needs:
/// `ca.pem`, `certificate.pem`, `key.pem`. Nobody else has a reason to trust them.
///
/// # Errors
/// When the folder can't be written, or a name can't stand in a certificate.
pub fn generate(folder: &Path, names: &[&str]) -> Result<CertificateFiles, CertificateError> {
    let (files, ca_file) = (files_in(folder), folder.join("ca.pem"));
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut own = CertificateParams::new(names)?;
    own.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate()?;
    let certificate = own.signed_by(&key, &ca)?;
    write_private(&ca_file, &ca.pem()).map_err(unusable(&ca_file))?;
    write_private(&files.certificate, &certificate.pem()).map_err(unusable(&files.certificate))?;
    write_private(&files.key, &key.serialize_pem()).map_err(unusable(&files.key))?;
    Ok(files)
}

/// The files that [`generate`] made in this folder before; made now when they aren't there.
///
/// # Errors
/// As [`generate`].
pub fn kept(folder: &Path, names: &[&str]) -> Result<CertificateFiles, CertificateError> {
    let files = files_in(folder);
    let all = [&files.certificate, &files.key]
        .into_iter()
        .chain(&files.peers_ca);
    if all.into_iter().all(|file| file.exists()) {
        return Ok(files);
    }
    fs::create_dir_all(folder).map_err(unusable(folder))?;
    generate(folder, names)
}

fn files_in(folder: &Path) -> CertificateFiles {
    CertificateFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        peers_ca: Some(folder.join("ca.pem")),
    }
}

fn roots(file: &Path) -> Result<RootCertStore, CertificateError> {
    let text = fs::read(file).map_err(unusable(file))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| no_certificate(file))?;
        roots.add(certificate)?;
    }
    if roots.is_empty() {
        return Err(no_certificate(file));
    }
    Ok(roots)
}

fn no_certificate(file: &Path) -> CertificateError {
    CertificateError::NotPem {
        path: file.to_owned(),
        what: "certificate",
    }
}
