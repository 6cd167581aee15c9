//! What is owed to callers and to their data, as the scenario declares it: the checker compares it with the law.

use super::OrgId;
use crate::{
    retention::{ObjectClass, Period},
    time::Time,
};

/// What a caller can be informed of (GDPR Art. 13 and 14). The first three are what `data/audio/announcements.toml` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// Who is controller for the telephone number and the kommun-ID, and why they are used.
    NumberAndKommunId,
    /// That the call is recorded, and why.
    Recording,
    /// That a care provider answers, and is itself controller for the call.
    CareProvider,
    /// That call information is collected from the care provider, by whom and why (Art. 14).
    CallInformation,
}

impl Told {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::NumberAndKommunId,
        Self::Recording,
        Self::CareProvider,
        Self::CallInformation,
    ];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NumberAndKommunId => "number-and-kommun-id",
            Self::Recording => "recording",
            Self::CareProvider => "care-provider",
            Self::CallInformation => "call-information",
        }
    }
}

/// Information that an organisation gives its callers otherwise than in a call's own announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Information {
    /// Who informs.
    pub organisation: OrgId,
    /// Of what.
    pub data: Vec<Told>,
    /// By what means: `announcement`, `web` or `letter`.
    pub by: Box<str>,
    /// The first moment it is given; `None` for always before.
    pub from: Option<Time>,
    /// The first moment it no longer is; `None` while it is.
    pub until: Option<Time>,
    /// What a reader should know about it.
    pub note: Box<str>,
}

/// Personal data that a controller collects from another organisation instead of from the caller (GDPR Art. 14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Who collects.
    pub controller: OrgId,
    /// From whom.
    pub from: OrgId,
    /// Which data.
    pub data: Vec<Box<str>>,
    /// What for.
    pub purpose: Box<str>,
}

/// A place where personal data are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its name.
    pub name: Box<str>,
    /// Who runs it.
    pub operator: OrgId,
    /// Whose data it holds; empty for those of every controller whose calls this switch records.
    pub controllers: Vec<OrgId>,
    /// What it holds.
    pub holds: Vec<ObjectClass>,
    /// Whether the classes it holds can't be told apart, so that a rule for one is a rule for all.
    pub inseparable: bool,
    /// Where it stands, in words; two equal places are one place.
    pub place: Box<str>,
    /// From where it can be reached.
    pub reach: Reach,
    /// Whether it asks who reads. Not said counts as no.
    pub login: Stated<bool>,
    /// Whether what is read is encrypted on the way. Not said counts as no.
    pub tls: Stated<bool>,
    /// Whether what it holds is encrypted; `None` when the scenario doesn't say.
    pub encrypted: Stated<Option<bool>>,
    /// Its backup.
    pub backup: Stated<Backup>,
    /// Whether its operator erases there by itself what has outstayed its ceiling.
    pub erases: Stated<bool>,
}

/// A value and the line it stands on, counted from 1; the line of its entry when the value isn't said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated<T> {
    /// The value.
    pub value: T,
    /// The line.
    pub line: u32,
}

/// From where a store can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From anywhere.
    Internet,
    /// From its operator's network.
    Network,
    /// From its own machine only.
    Machine,
}

/// A store's backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// There is none, or the scenario doesn't say that there is.
    None,
    /// The case is a historical one, and nobody looked at this: nothing is concluded from it.
    NotExamined,
    /// There is one.
    Kept(BackupPlan),
}

/// What is decided about a backup (HSLF-FS 2016:40 ch. 3 §§ 12-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupPlan {
    /// Whether it stands in another place than the originals.
    pub apart: bool,
    /// How long a backup is kept; `None` when that isn't decided.
    pub lifetime: Option<Period>,
    /// How often restoring is tested; `None` when that isn't decided.
    pub restore_test: Option<Period>,
}

/// How extracts of personal data are ordered (UTTAG).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UttagSettings {
    /// The file of the HSA catalogue, as the scenario names it; looked for beside the scenario.
    pub hsa: Box<str>,
    /// Who makes and delivers them.
    pub supplier: OrgId,
}

/// An administrative sanction that an authority has decided in a case the scenario describes. A fact, never an estimate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sanction {
    /// Who was to pay.
    pub actor: OrgId,
    /// The codes of the findings it was for, taken together.
    pub findings: Vec<Box<str>>,
    /// How much, in Swedish kronor.
    pub sek: u64,
    /// Where that is written.
    pub source: Box<str>,
    /// What a reader should know about it, such as an order that came with it.
    pub note: Box<str>,
}
