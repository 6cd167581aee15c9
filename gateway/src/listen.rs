//! What the scenario says about listening, made ready: certificates, credentials, limits.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use callcore::scenario::{Agent, Contact, Provider, Scenario, TlsSettings};
use transport::{
    Limits, Listen, Networks, TlsListen, certificates::CertificateError, handed::Inherited,
    mutual::CertificateFiles,
};
use wire::auth::{Credentials, CredentialsError};

/// Bits that let anybody else in.
const OTHERS: u32 = 0o077;

/// Why what the scenario says about listening can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A certificate or key.
    #[error("[listen.tls]: {0}")]
    Certificate(#[from] CertificateError),
    /// A file of credentials can't be read.
    #[error("credentials: {} can't be read: {source}", file.display())]
    CredentialsFile {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it: what is in it is as good as the passwords.
    #[error("credentials: others may read {0} (mode {mode:04o}): run chmod 600 {0}, and change the passwords if anybody did", file.display())]
    OpenToOthers {
        /// The file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line in it.
    #[error("credentials: {}, {source}", file.display())]
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
pub(crate) fn listen_of(
    scenario: &Scenario,
    folder: &Path,
    inherited: &Inherited,
) -> Result<Listen, ListenError> {
    let settings = &scenario.listen;
    let mut listen = Listen::default();
    listen.sip.clone_from(&settings.sip);
    listen.web = Some(settings.web);
    listen.inherited = inherited.clone();
    listen.limits = Limits {
        exempt: Networks::new(settings.trusted.clone()),
        ..Limits::default()
    };
    if let Some(tls) = &settings.tls {
        let files = files_of(tls, folder);
        listen.tls = Some(TlsListen {
            addresses: tls.addresses.clone(),
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

/// Who this switch is to those who ask it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// By a provider's name.
    providers: BTreeMap<Box<str>, Arc<Credentials>>,
    /// For agents' fixed contacts, by the file's name.
    agents: BTreeMap<Box<str>, Arc<Credentials>>,
    trunks: Option<Arc<Credentials>>,
}

impl Own {
    /// Reads every file that a scenario names for it, in `folder`.
    pub(crate) fn of(scenario: &Scenario, folder: &Path) -> Result<Self, ListenError> {
        let read = |name: &str| read(&folder.join(name)).map(Arc::new);
        let mut providers = BTreeMap::new();
        for provider in &scenario.providers {
            if let Some(name) = &provider.credentials {
                providers.insert(provider.name.clone(), read(name)?);
            }
        }
        let mut agents = BTreeMap::new();
        for name in scenario
            .agents
            .iter()
            .filter_map(|it| it.credentials.as_ref())
        {
            if !agents.contains_key(name) {
                agents.insert(name.clone(), read(name)?);
            }
        }
        let trunks = scenario.listen.own_credentials.as_deref();
        Ok(Self {
            providers,
            agents,
            trunks: trunks.map(read).transpose()?,
        })
    }

    /// To a provider: its own, or those for all trunks.
    pub(crate) fn to(&self, provider: &Provider) -> Option<&Arc<Credentials>> {
        let own = self.providers.get(&provider.name);
        own.or(self.trunks.as_ref())
    }

    /// To an agent's fixed contact: its own alone. What proves it to a trunk would prove it to that trunk for whoever is called there.
    pub(crate) fn to_agent(&self, agent: &Agent) -> Option<&Arc<Credentials>> {
        self.agents.get(agent.credentials.as_ref()?)
    }

    /// To trunks that bring calls, or take those that go back to callers.
    pub(crate) const fn to_trunks(&self) -> Option<&Arc<Credentials>> {
        self.trunks.as_ref()
    }

    /// Those of another rule set's providers and agents; what is said under `[listen]` stays.
    pub(crate) fn with_those_of(&self, other: Self) -> Self {
        Self {
            trunks: self.trunks.clone(),
            ..other
        }
    }
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
    let unreadable = |source| ListenError::CredentialsFile {
        file: file.to_owned(),
        source,
    };
    let mode = std::fs::metadata(file)
        .map_err(unreadable)?
        .permissions()
        .mode()
        & 0o7777;
    if mode & OTHERS != 0 {
        return Err(ListenError::OpenToOthers {
            file: file.to_owned(),
            mode,
        });
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    Credentials::parse(&text).map_err(|source| ListenError::Credentials {
        file: file.to_owned(),
        source,
    })
}
