//! Certificates for every TLS listener: read from PEM files, or made for this machine alone.
//!
//! A key that others may read is refused before it is used: whoever has it can be this machine.

use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{CertificateParams, KeyPair, SanType};
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Bits that let anybody else in.
const OTHERS: u32 = 0o077;

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read or written.
    #[error("{} can't be used ({source}): check the path, and that this user may read it", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The key is open to others.
    #[error("others may read the key {0} (mode {mode:04o}): run chmod 600 {0}, and change the key if anybody did", path.display())]
    KeyOpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not PEM, or not what it should be.
    #[error("{} holds no {what} in PEM: export it so, beginning with -----BEGIN", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// A certificate, or a private key.
        what: &'static str,
    },
    /// Certificate and key don't go together, or rustls knows neither.
    #[error(
        "the certificate can't be used: {0}; the key must be the certificate's own, RSA or ECDSA or Ed25519"
    )]
    Tls(#[from] rustls::Error),
    /// It couldn't be made.
    #[error("no certificate could be made: {0}; this is a fault of the program")]
    Made(#[from] rcgen::Error),
}

/// A certificate with those that vouch for it, and its key.
#[derive(Debug)]
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// Reads PEM files. The key must be this user's alone.
    ///
    /// # Errors
    /// When a file can't be read, isn't PEM, or the key is open to others.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let mode = fs::metadata(key)
            .map_err(unusable(key))?
            .permissions()
            .mode()
            & 0o7777;
        if mode & OTHERS != 0 {
            return Err(CertificateError::KeyOpenToOthers {
                path: key.to_owned(),
                mode,
            });
        }
        let not_pem = |path: &Path, what| CertificateError::NotPem {
            path: path.to_owned(),
            what,
        };
        let text = fs::read(chain).map_err(unusable(chain))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|_| not_pem(chain, "certificate"))?;
        if certificates.is_empty() {
            return Err(not_pem(chain, "certificate"));
        }
        let secret = fs::read(key).map_err(unusable(key))?;
        let secret =
            PrivateKeyDer::from_pem_slice(&secret).map_err(|_| not_pem(key, "private key"))?;
        Ok(Self {
            chain: certificates,
            key: secret,
        })
    }

    /// Makes one for `localhost` and the loopback addresses, which nobody but a test or a demo has a reason to trust.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn for_loopback() -> Result<Self, CertificateError> {
        let (certificate, key) = made()?;
        Ok(Self {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        })
    }

    /// The same as PEM files, the key 0600; files that are there are kept.
    ///
    /// # Errors
    /// When they can't be made, written or read.
    pub fn files_for_loopback(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        if !(chain.exists() && key.exists()) {
            let (certificate, secret) = made()?;
            write_private(key, &secret.serialize_pem()).map_err(unusable(key))?;
            write_private(chain, &certificate.pem()).map_err(unusable(chain))?;
        }
        Self::load(chain, key)
    }

    /// The certificate itself, for whoever is to trust it.
    pub fn der(&self) -> &CertificateDer<'static> {
        // Every way to make one puts at least one in.
        &self.chain[0]
    }

    /// Our certificate first, then those that vouch for it.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The key, for a configuration of its own.
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// What a listener needs: TLS 1.2 and 1.3, no client certificate.
    ///
    /// # Errors
    /// When certificate and key don't go together.
    pub fn server(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        Ok(Arc::new(config))
    }
}

/// What a client needs that trusts these certificates and no others.
///
/// # Errors
/// When one of them is no certificate.
pub fn client(
    trusted: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate)?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Named, so that no other crate's choice changes ours.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn made() -> Result<(rcgen::Certificate, KeyPair), CertificateError> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    for address in [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ] {
        params.subject_alt_names.push(SanType::IpAddress(address));
    }
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?, key))
}

pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

pub(crate) fn unusable(path: &Path) -> impl Fn(io::Error) -> CertificateError + '_ {
    move |source| CertificateError::Unusable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test says what it expects")]

    use super::*;

    /// A folder of this test alone, gone with it.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("vaxel-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _gone = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_that_were_made_are_read_back_and_kept() {
        let place = Place::new("made");
        let (chain, key) = (place.0.join("a.pem"), place.0.join("a.key"));
        let first = Certificate::files_for_loopback(&chain, &key).expect("made");
        let again = Certificate::files_for_loopback(&chain, &key).expect("kept");
        assert_eq!(first.der(), again.der());
        assert!(again.server().is_ok());
        assert!(client([again.der().clone()]).is_ok());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let place = Place::new("open");
        let (chain, key) = (place.0.join("a.pem"), place.0.join("a.key"));
        Certificate::files_for_loopback(&chain, &key).expect("made");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("ours");
        let refused = Certificate::load(&chain, &key);
        assert!(matches!(
            refused,
            Err(CertificateError::KeyOpenToOthers { mode: 0o640, .. })
        ));
    }

    #[test]
    fn what_is_no_certificate_or_another_key_is_refused() {
        let place = Place::new("wrong");
        let (chain, key) = (place.0.join("a.pem"), place.0.join("a.key"));
        write_private(&chain, "hello").expect("ours");
        write_private(&key, "hello").expect("ours");
        assert!(matches!(
            Certificate::load(&chain, &key),
            Err(CertificateError::NotPem { .. })
        ));
        let (one, other) = (made().expect("made"), made().expect("made"));
        write_private(&chain, &one.0.pem()).expect("ours");
        write_private(&key, &other.1.serialize_pem()).expect("ours");
        let mixed = Certificate::load(&chain, &key).expect("both are PEM");
        assert!(matches!(mixed.server(), Err(CertificateError::Tls(_))));
    }
}
