//! What a reconciliation found, by controller.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{calls::CallFact, compare::Have};

/// The kinds of figures, as they stand in metrics and on the page.
pub const KINDS: [&str; 6] = [
    "expected", "stored", "missing", "extra", "short", "untagged",
];
/// Differences of each controller told one by one, so that one's many hide no other's; all are counted.
const DIFFERENCES_MAX: u64 = 1000;

/// Why a recording of an external call is told of.
pub(super) const CROSSED: &str = "this call left for a provider: a boundary was crossed";

/// Expected against stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Calls that ended then or later; `None` where nobody said from when, and no call is known.
    pub from: Option<String>,
    /// And earlier than this.
    pub until: String,
    /// Calls that the switch told of.
    pub calls: u64,
    /// Of those, how many left for a provider.
    pub external_calls: u64,
    /// Recordings here of calls that left: must be 0.
    pub external_recordings: u64,
    /// Lines that aren't calls.
    pub unreadable: u64,
    /// By controller.
    pub controllers: BTreeMap<String, Line>,
    /// One by one, a thousand of each controller at most.
    pub differences: Vec<Difference>,
}

/// One controller's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Calls that should have been recorded.
    pub expected: u64,
    /// Recordings of the time.
    pub stored: u64,
    /// Calls without the recording they should have.
    pub missing: u64,
    /// Recordings that no call vouches for, or that shouldn't be there.
    pub extra: u64,
    /// Calls of which less is recorded than was said.
    pub short: u64,
    /// Folders in the store that have no tag, or that the index doesn't know.
    pub untagged: u64,
    /// Of those expected, how many nobody has told the end of: they go on, or their switch was killed. No difference.
    pub unended: u64,
    /// Calls that lack a recording, or a part of one, since so many of their month were erased under a decision: no difference.
    pub erased: u64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `missing`, `extra`, `short` or `untagged`.
    pub kind: &'static str,
    /// Whose.
    pub controller: String,
    /// The call's number at the switch; `None` of a folder without a tag.
    pub call: Option<u64>,
    /// When the call came or the recording began, RFC 3339 in UTC.
    pub at: String,
    /// The recording; empty when it is missing.
    pub recording: String,
    /// What is wrong.
    pub why: String,
}

impl Line {
    /// The figure of a kind.
    pub fn of(&self, kind: &str) -> u64 {
        match kind {
            "expected" => self.expected,
            "stored" => self.stored,
            "missing" => self.missing,
            "extra" => self.extra,
            "short" => self.short,
            "untagged" => self.untagged,
            _ => 0,
        }
    }

    /// How many differences there are.
    pub const fn differences(&self) -> u64 {
        self.missing + self.extra + self.short + self.untagged
    }
}

impl Report {
    pub(super) fn new(from: Timestamp, until: Timestamp) -> Self {
        Self {
            from: Some(from.to_string()),
            until: until.to_string(),
            ..Self::default()
        }
    }

    /// How many differences there are.
    pub fn found(&self) -> u64 {
        let lines = self.controllers.values();
        lines.map(Line::differences).sum::<u64>() + self.unreadable
    }

    /// One organisation's part: its figures, and nothing of another's calls.
    #[must_use]
    pub fn of(mut self, controller: &str) -> Self {
        self.controllers.retain(|name, _| name == controller);
        self.differences.retain(|one| one.controller == controller);
        let line = self
            .controllers
            .get(controller)
            .copied()
            .unwrap_or_default();
        (self.calls, self.external_calls, self.unreadable) = (line.expected, 0, 0);
        let crossed = self.differences.iter().filter(|one| one.why == CROSSED);
        self.external_recordings = crossed.count() as u64;
        self
    }

    /// Only the figures.
    pub(crate) fn without_calls(mut self) -> Self {
        self.differences.clear();
        self
    }

    /// Takes over what an earlier look at the folders found.
    pub(crate) fn keep_untagged(&mut self, earlier: Option<&Self>) {
        for (controller, line) in earlier.into_iter().flat_map(|report| &report.controllers) {
            if line.untagged > 0 {
                self.line(controller).untagged = line.untagged;
            }
        }
    }

    pub(super) fn call(&mut self, call: &CallFact) {
        self.calls += 1;
        self.external_calls += u64::from(call.external);
        if call.recorded {
            self.line(&call.controller).expected += 1;
        }
    }

    pub(super) fn stored(&mut self, controller: &str) {
        self.line(controller).stored += 1;
    }

    /// Whether a call lacks anything.
    pub(super) fn lacks_any(&self) -> bool {
        self.controllers
            .values()
            .any(|line| line.missing + line.short > 0)
    }

    pub(super) fn unended(&mut self, controller: &str) {
        self.line(controller).unended += 1;
    }

    pub(super) fn erased(&mut self, controller: &str) {
        self.line(controller).erased += 1;
    }

    pub(super) fn differs(&mut self, difference: Difference) {
        let line = self.line(&difference.controller);
        let is_told = line.differences() < DIFFERENCES_MAX;
        *match difference.kind {
            "missing" => &mut line.missing,
            "extra" => &mut line.extra,
            "short" => &mut line.short,
            _ => &mut line.untagged,
        } += 1;
        if is_told {
            self.differences.push(difference);
        }
    }

    pub(super) fn add_untagged(&mut self, controller: &str, folder: &str) {
        self.differs(Difference {
            kind: "untagged",
            controller: controller.to_owned(),
            call: None,
            at: String::new(),
            recording: folder.to_owned(),
            why: "a folder in the store without a tag, or that the index doesn't know".to_owned(),
        });
    }

    fn line(&mut self, controller: &str) -> &mut Line {
        self.controllers.entry(controller.to_owned()).or_default()
    }
}

impl Difference {
    pub(super) fn extra(recording: &Have, why: &str) -> Self {
        Self {
            kind: "extra",
            controller: recording.controller.clone(),
            call: Some(recording.call),
            at: recording.started.to_string(),
            recording: recording.id.to_string(),
            why: why.to_owned(),
        }
    }

    pub(super) fn missing(call: &CallFact) -> Self {
        let why = match call.goes_on {
            true => {
                "it was to be recorded; its end isn't told: it goes on, or its switch was killed"
                    .to_owned()
            }
            false => format!("{:.0} s were to be recorded", call.seconds),
        };
        Self::of_call("missing", call, why)
    }

    pub(super) fn short(call: &CallFact, seconds: f64) -> Self {
        let why = format!("{seconds:.0} s are recorded of {:.0} s", call.seconds);
        Self::of_call("short", call, why)
    }

    fn of_call(kind: &'static str, call: &CallFact, why: String) -> Self {
        Self {
            kind,
            controller: call.controller.clone(),
            call: Some(call.call),
            at: call.offered.to_string(),
            recording: String::new(),
            why,
        }
    }
}
