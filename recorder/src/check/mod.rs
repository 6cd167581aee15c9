//! `store check`: tries as a stranger would. Every folder and file, what stands in them unencrypted, every listener.
//!
//! In 2019 an address was enough to read 2.7 million files (IMY-REPORT p. 3). This looks for each part of that: reachable,
//! without a login, unencrypted on the way, unencrypted on the disk.

mod bucket;
mod bytes;
pub mod catalogue;
mod declared;
mod files;
mod listeners;
mod ports;
mod tls;

use std::{net::SocketAddr, path::PathBuf};

use callcore::scenario::Scenario;
use serde::Serialize;
use wire::sip::uri::Uri;

use crate::place::Place;

pub use self::{files::quick, ports::listening};

/// More findings than that say nothing more.
pub const FINDINGS_MAX: usize = 10_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A stranger gets in.
    Error,
    /// A stranger comes nearer than needed.
    Warning,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something a stranger could use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// `S01xx` permissions and places, `S02xx` contents, `S03xx` listeners, `S04xx` what a scenario declares.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file, address or line.
    pub r#where: String,
    /// What it is and what to do. Never what was found itself.
    pub message: String,
}

/// What is tried.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// The store's folder; nothing is tried when it isn't there.
    pub store: Option<PathBuf>,
    /// The key folder.
    pub keys: Option<PathBuf>,
    /// The same store's place, when its audio goes to S3.
    pub bucket: Option<Place>,
    /// Files with secrets: the API's certificate key, credentials.
    pub secrets: Vec<PathBuf>,
    /// Folders beside the store, which hold nothing of a caller and are nobody else's: the switch's calls.
    pub beside: Vec<PathBuf>,
    /// Where something listens or should: a name for people, and the address.
    pub listeners: Vec<(String, SocketAddr)>,
    /// Where something else listens: asked what it gives away, and nothing more is demanded of it.
    pub others: Vec<SocketAddr>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Files looked at.
    pub files: u64,
    /// Listeners that answered.
    pub listeners: u64,
    /// What a stranger could use, worst first.
    pub findings: Vec<Finding>,
}

impl Targets {
    /// Everything a scenario names.
    pub fn of(scenario: &Scenario) -> Self {
        let mut targets = Self {
            listeners: vec![("switch, web page".to_owned(), scenario.listen.web)],
            ..Self::default()
        };
        let named = |name: &'static str| move |at: &SocketAddr| (name.to_owned(), *at);
        let tls = scenario.listen.tls.iter().flat_map(|tls| &tls.addresses);
        let sip = scenario.listen.sip.iter().map(named("switch, SIP"));
        targets.listeners.extend(sip);
        targets
            .listeners
            .extend(tls.map(named("switch, SIP by TLS")));
        if let Some(settings) = &scenario.recorder {
            let near = settings.spool.as_ref().unwrap_or(&settings.store);
            targets.store = Some(PathBuf::from(&**near));
            targets.keys = Some(PathBuf::from(&*settings.keys));
            let place = Place::of(settings).ok();
            targets.bucket = place.filter(|place| place.bucket.is_some());
            let tls_key = settings.tls.as_ref().map(|tls| tls.key.clone());
            let secrets = [&settings.certificate_key, &settings.credentials, &tls_key];
            targets.secrets = paths(&secrets);
            targets.beside = paths(&[&settings.calls]);
            let siprec = Uri::parse(&settings.siprec).ok();
            let tls = settings.tls.iter().flat_map(|tls| &tls.addresses);
            let tls = tls.map(named("recorder, SIPREC by TLS"));
            targets.listeners.extend(tls);
            for (name, address) in [
                ("recorder, SIPREC", siprec.and_then(|uri| uri.address())),
                ("recorder, API", settings.api.parse().ok()),
            ] {
                let address = address.map(|address| (name.to_owned(), address));
                targets.listeners.extend(address);
            }
        }
        targets
    }
}

fn paths(named: &[&Option<Box<str>>]) -> Vec<PathBuf> {
    let named = named.iter().copied().flatten();
    named.map(|path| PathBuf::from(&**path)).collect()
}

/// Tries all of it. Reads only; waits at most a second for each listener, and for S3 as long as it is asked again.
pub fn check(scenario: Option<&Scenario>, targets: &Targets) -> Checked {
    let mut findings = scenario.map(declared::check).unwrap_or_default();
    let files = files::check(targets, &mut findings);
    bucket::check(targets, &mut findings);
    let listeners = listeners::check(targets, &mut findings);
    findings.sort_by(|one, other| (one.severity, one).cmp(&(other.severity, other)));
    findings.truncate(FINDINGS_MAX);
    Checked {
        files,
        listeners,
        findings,
    }
}

fn error(code: &'static str, place: &dyn std::fmt::Display, message: impl Into<String>) -> Finding {
    Finding {
        code,
        severity: Severity::Error,
        r#where: place.to_string(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests;
