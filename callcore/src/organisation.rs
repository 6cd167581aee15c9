//! Who takes part: organisations, and the agreements that make one the processor of another (GDPR Art. 28).

use jiff::civil::Date;

use crate::kommun::RegionCode;

/// What an organisation is in the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrganisationKind {
    /// A region (or a board of it): controller for routing, and care provider in its own service.
    Region,
    /// Works for a controller under an agreement, as Inera does.
    Processor,
    /// Gives care itself, and is controller for its recordings and notes, as MedHelp was.
    CareProvider,
    /// Works for a processor or care provider further down, as MediCall and Voice did.
    SubProcessor,
}

impl OrganisationKind {
    /// The kind's name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Processor => "processor",
            Self::CareProvider => "care-provider",
            Self::SubProcessor => "sub-processor",
        }
    }
}

/// What lets personal data go to a country outside the EEA (GDPR ch. V).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transfer {
    /// The Commission has found the country's protection adequate (Art. 45).
    Adequacy,
    /// Standard contractual clauses (Art. 46.2 c).
    StandardClauses,
    /// Binding corporate rules (Art. 47).
    BindingRules,
    /// The case is a historical one, and nobody looked at this: nothing is concluded from it.
    NotExamined,
}

impl Transfer {
    /// Each with its name in scenarios.
    pub const NAMES: [(&str, Self); 4] = [
        ("adequacy", Self::Adequacy),
        ("standard-clauses", Self::StandardClauses),
        ("binding-rules", Self::BindingRules),
        ("not-examined", Self::NotExamined),
    ];
}

/// One organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its short name in the scenario, such as `inera` or `region-01`: also what tags and metrics call it.
    pub id: Box<str>,
    /// Its full name.
    pub name: Box<str>,
    /// What it is.
    pub kind: OrganisationKind,
    /// Its country, ISO 3166-1 alpha-2.
    pub country: Box<str>,
    /// Whether it stands under Swedish health-care law and its duty of secrecy.
    pub health_care_secrecy: bool,
    /// The region it is, when it is one: of callers from there it is controller for number and kommun-ID.
    pub region: Option<RegionCode>,
    /// The board that is controller within it, such as Hälso- och sjukvårdsnämnden; empty when not said.
    pub board: Box<str>,
    /// The fingerprint of the key to which its recordings are handed over (`vaxel handover key`): 64 hexadecimal digits.
    pub receiver: Option<Box<str>>,
}

/// An agreement by which a processor works for a controller (GDPR Art. 28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Its short name in the scenario.
    pub id: Box<str>,
    /// For whom.
    pub controller: crate::scenario::OrgId,
    /// Who does the work.
    pub processor: crate::scenario::OrgId,
    /// What for, such as `routing`, `recording`, `storage`.
    pub purposes: Vec<Box<str>>,
    /// First day in force.
    pub from: Date,
    /// First day no longer in force; `None` while it runs on.
    pub until: Option<Date>,
    /// Who else may be engaged.
    pub sub_processors: Vec<crate::scenario::OrgId>,
    /// Who of them gives care to callers, as a matter of fact.
    pub gives_care: Vec<crate::scenario::OrgId>,
    /// What lets data leave the EEA under it; `None` when nothing is said.
    pub transfer: Option<Transfer>,
}
