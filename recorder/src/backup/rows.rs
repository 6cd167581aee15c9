//! Rows of the index as lines of text: they go into any index there is, of this version or a later one.

use callcore::tag::RecordingTag;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    index::{Closing, Entry, State},
    names::RecordingId,
    tally::Tally,
};

/// One recording of the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    id: String,
    state: String,
    tag: Map<String, Value>,
    ended: String,
    bytes: u64,
    packets: u64,
    packets_lost: u64,
    gaps: u64,
    samples: u32,
    /// Packets and gaps were counted by nobody.
    #[serde(default, skip_serializing_if = "is_false")]
    uncounted: bool,
    /// Who spoke isn't stored any more.
    #[serde(default, skip_serializing_if = "is_false")]
    numbers_erased: bool,
    files: Vec<String>,
    /// Orders that it stay: reason, by whom, since when.
    holds: Vec<(String, String, String)>,
    handed_over: String,
}

/// What a line says.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) id: RecordingId,
    pub(super) tag: RecordingTag,
    pub(super) closing: Closing,
    pub(super) holds: Vec<(String, String, String)>,
    pub(super) handed_over: String,
    pub(super) numbers_erased: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
const fn is_false(yes: &bool) -> bool {
    !*yes
}

impl Line {
    pub(super) fn of(
        entry: &Entry,
        holds: Vec<(String, String, String)>,
        handed_over: &str,
        numbers: bool,
    ) -> Self {
        let fields = entry.tag.fields().into_iter();
        Self {
            id: entry.id.to_string(),
            state: entry.state.name().to_owned(),
            tag: fields
                .map(|(name, text)| (name.to_owned(), Value::from(text)))
                .collect(),
            ended: entry.ended.map(|at| at.to_string()).unwrap_or_default(),
            bytes: entry.bytes,
            packets: entry.tally.packets,
            packets_lost: entry.tally.packets_lost,
            gaps: entry.tally.gaps,
            samples: entry.tally.end,
            uncounted: entry.tally.uncounted,
            numbers_erased: !numbers,
            files: entry.files.clone(),
            holds,
            handed_over: handed_over.to_owned(),
        }
    }

    /// What it says; `None` when it isn't a line of ours.
    pub(super) fn read(text: &str) -> Option<Read> {
        let line: Self = serde_json::from_str(text).ok()?;
        let state = [State::Closed, State::Truncated]
            .into_iter()
            .find(|state| state.name() == line.state)?;
        let tag =
            RecordingTag::from_fields(|name| line.tag.get(name).and_then(Value::as_str)).ok()?;
        Some(Read {
            id: RecordingId::parse(&line.id).ok()?,
            closing: Closing {
                state,
                ended: line
                    .ended
                    .parse()
                    .unwrap_or_else(|_| tag.started.timestamp()),
                bytes: line.bytes,
                tally: Tally {
                    packets: line.packets,
                    packets_lost: line.packets_lost,
                    gaps: line.gaps,
                    end: line.samples,
                    uncounted: line.uncounted,
                },
                files: line.files,
            },
            tag,
            holds: line.holds,
            handed_over: line.handed_over,
            numbers_erased: line.numbers_erased,
        })
    }
}
