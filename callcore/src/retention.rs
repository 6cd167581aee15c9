//! How long personal data stay, and who may say that they go.
//!
//! Invariant 4: only this module decides that something may be erased, and only under a recorded decision of the controller.

use std::fmt;

use jiff::civil::Date;

/// What kind of data a retention rule speaks of (domain.md section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectClass {
    /// Audio recordings of calls (BTV instruction 8).
    Audio,
    /// Telephone numbers (BTV instruction 3).
    TelephoneNumber,
    /// Access logs for journals, pictures and recordings (BTV instruction 24).
    AccessLog,
    /// Patient-record documents (Patientdatalagen).
    JournalDocument,
    /// Recorded text conversations; only Örebro had them (GALLRING-JH).
    TextConversation,
}

/// Every class, in the order they are listed.
pub const OBJECT_CLASSES: [ObjectClass; 5] = [
    ObjectClass::Audio,
    ObjectClass::TelephoneNumber,
    ObjectClass::AccessLog,
    ObjectClass::JournalDocument,
    ObjectClass::TextConversation,
];

impl ObjectClass {
    /// The class's name in scenarios and tags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::TelephoneNumber => "telephone-number",
            Self::AccessLog => "access-log",
            Self::JournalDocument => "journal-document",
            Self::TextConversation => "text-conversation",
        }
    }

    /// The class with that name.
    pub fn parse(name: &str) -> Option<Self> {
        OBJECT_CLASSES
            .into_iter()
            .find(|class| class.name() == name)
    }
}

/// A calendar period of retention, such as `2 years`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Whole years.
    Years(u16),
    /// Whole months.
    Months(u16),
    /// Whole days.
    Days(u16),
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match *self {
            Self::Years(n) => (n, "year"),
            Self::Months(n) => (n, "month"),
            Self::Days(n) => (n, "day"),
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

/// When data may go at the earliest, and must be gone at the latest. The floor is never above the ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetentionWindow {
    earliest: Date,
    latest: Option<Date>,
}

impl RetentionWindow {
    /// A window; `None` when the floor lies above the ceiling.
    pub fn new(earliest: Date, latest: Option<Date>) -> Option<Self> {
        latest
            .is_none_or(|latest| earliest <= latest)
            .then_some(Self { earliest, latest })
    }

    /// The first day on which the data may be erased, if a decision says so.
    pub const fn earliest(self) -> Date {
        self.earliest
    }

    /// The last day on which they may still be there; `None` when there is no ceiling.
    pub const fn latest(self) -> Option<Date> {
        self.latest
    }
}
