//! What the scenario says about listening, made ready: certificates, credentials, limits.

use std::path::{Path, PathBuf};

use callcore::scenario::{Contact, Scenario, TlsSettings};
use transport::{
    Limits, Listen, Networks, TlsListen, certificates::CertificateError, mutual::CertificateFiles,
};
use wire::auth::{Credentials, CredentialsError};

/// Why what the scenario says about listening can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A certificate or key.
    #[error("[listen.tls]: {0}")]
    Certificate(#[from] CertificateError),
    /// The file of credentials can't be read.
    #[error("[listen] credentials: {} can't be read: {source}", file.display())]
    CredentialsFile {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line in it.
    #[error("[listen] credentials: {}, {source}", file.display())]
    Credentials {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: CredentialsError,
    },
    /// A phone is to register and nobody could prove to be it.
    #[error(
        "agents register as {user:?}, and [listen] credentials names no file that has this user in the realm {realm:?}: add a line {user}:{realm}:SHA-256:hash"
    )]
    NoCredentials {
        /// The user.
        user: Box<str>,
        /// The realm.
        realm: Box<str>,
    },
}

/// Where to listen. Files are looked for in `folder`.
pub(crate) fn listen_of(scenario: &Scenario, folder: &Path) -> Result<Listen, ListenError> {
    let settings = &scenario.listen;
    let mut listen = Listen::plain(settings.sip);
    listen.web = Some(settings.web);
    listen.limits = Limits {
        exempt: Networks::new(settings.trusted.clone()),
        ..Limits::default()
    };
    if let Some(tls) = &settings.tls {
        let files = files_of(tls, folder);
        listen.tls = Some(TlsListen {
            address: tls.address,
            config: files.server()?,
            names: tls.trusted_names.clone(),
        });
        if files.peers_ca.is_some() {
            listen.tls_client = Some(files.client()?);
        }
    }
    Ok(listen)
}

/// Who may prove to be whom. Every phone that is to register must be able to.
pub(crate) fn credentials_of(
    scenario: &Scenario,
    folder: &Path,
) -> Result<Credentials, ListenError> {
    let settings = &scenario.listen;
    let credentials = match &settings.credentials {
        Some(name) => read(&folder.join(&**name))?,
        None => Credentials::default(),
    };
    let users = scenario
        .agents
        .iter()
        .filter_map(|agent| match &agent.contact {
            Contact::Registers(user) => Some(user),
            _ => None,
        });
    for user in users {
        if !credentials.knows(user, &settings.realm) {
            return Err(ListenError::NoCredentials {
                user: user.clone(),
                realm: settings.realm.clone(),
            });
        }
    }
    Ok(credentials)
}

fn files_of(tls: &TlsSettings, folder: &Path) -> CertificateFiles {
    let file = |name: &str| folder.join(name);
    CertificateFiles {
        certificate: file(&tls.certificate),
        key: file(&tls.key),
        peers_ca: tls.peers_ca.as_deref().map(file),
    }
}

fn read(file: &Path) -> Result<Credentials, ListenError> {
    let text = std::fs::read_to_string(file).map_err(|source| ListenError::CredentialsFile {
        file: file.to_owned(),
        source,
    })?;
    Credentials::parse(&text).map_err(|source| ListenError::Credentials {
        file: file.to_owned(),
        source,
    })
}
