//! How long personal data stay, and who may say that they go.
//!
//! Invariant 4: only this module decides that something may be erased, and only under a recorded decision of the controller.

mod judge;

use std::fmt;

use jiff::{ToSpan, civil::Date};

pub use judge::{ErasurePermit, KeepReason, Kept, Verdict, judge};

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

impl Period {
    /// Reads `2 years`, `1 year`, `18 months` or `30 days`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.trim().split_once(' ')?;
        let count = count.parse().ok()?;
        match unit.trim() {
            "year" | "years" => Some(Self::Years(count)),
            "month" | "months" => Some(Self::Months(count)),
            "day" | "days" => Some(Self::Days(count)),
            _ => None,
        }
    }

    /// The day that lies this period after another. 29 February and a year is 28 February.
    /// A day too far away to be named becomes the last day there is.
    pub fn after(self, day: Date) -> Date {
        let span = match self {
            Self::Years(n) => jiff::Span::new().try_years(n),
            Self::Months(n) => jiff::Span::new().try_months(n),
            Self::Days(n) => Ok(i64::from(n).days()),
        };
        span.and_then(|span| day.checked_add(span))
            .unwrap_or(Date::MAX)
    }
}

/// From which day a retention period is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CountedFrom {
    /// The day of the call (or of the access, for access logs).
    #[default]
    Call,
    /// The day of the last entry in the patient record (Patientdatalagen).
    LastEntry,
}

impl CountedFrom {
    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::LastEntry => "last-entry",
        }
    }

    /// The one with that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Call, Self::LastEntry]
            .into_iter()
            .find(|from| from.name() == name)
    }
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_period_is_read_and_shown_alike() {
        for text in ["2 years", "1 year", "18 months", "30 days"] {
            assert_eq!(
                Period::parse(text)
                    .map(|period| period.to_string())
                    .as_deref(),
                Some(text)
            );
        }
        for text in ["", "2", "2 weeks", "-1 years", "70000 days", "two years"] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_term_counts_from_is_read_and_shown_alike() {
        for from in [CountedFrom::Call, CountedFrom::LastEntry] {
            assert_eq!(CountedFrom::parse(from.name()), Some(from));
        }
        assert_eq!(CountedFrom::parse("entry"), None);
    }

    #[test]
    fn a_period_counts_calendar_days() {
        assert_eq!(Period::Years(2).after(date(2018, 11, 5)), date(2020, 11, 5));
        assert_eq!(Period::Years(1).after(date(2020, 2, 29)), date(2021, 2, 28));
        assert_eq!(
            Period::Months(1).after(date(2019, 1, 31)),
            date(2019, 2, 28)
        );
        assert_eq!(Period::Years(u16::MAX).after(date(2020, 1, 1)), Date::MAX);
    }

    #[test]
    fn a_floor_above_its_ceiling_is_no_window() {
        assert!(RetentionWindow::new(date(2020, 1, 2), Some(date(2020, 1, 1))).is_none());
        assert!(RetentionWindow::new(date(2020, 1, 1), Some(date(2020, 1, 1))).is_some());
        assert!(RetentionWindow::new(date(2020, 1, 1), None).is_some());
    }
}
