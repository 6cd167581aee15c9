//! Beginnings and ends of recordings, entered in the index.

use callcore::tag::RecordingTag;

use super::{
    Closing, Entry, Index, IndexError, PAGE, TAG_COLUMNS,
    db::{Change, Value},
};
use crate::names::RecordingId;

impl Index {
    /// Enters a recording that begins. One that is there already stays as it is.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn insert_open(&self, id: RecordingId, tag: &RecordingTag) -> Result<(), IndexError> {
        self.db.change(vec![begins(id, tag)])?;
        Ok(())
    }

    /// Enters a recording's end. A recording ends once: false when it isn't open.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn close(&self, id: RecordingId, closing: &Closing) -> Result<bool, IndexError> {
        let changed = self.db.change(vec![ends(id, closing)])?;
        Ok(changed == [1])
    }

    /// Enters a recording that has ended, all of it or nothing; `numbers`: whether it is stored who spoke. One that is there
    /// already stays as it is.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn enter_ended(
        &self,
        id: RecordingId,
        tag: &RecordingTag,
        closing: &Closing,
        numbers: bool,
    ) -> Result<(), IndexError> {
        let mut changes = vec![begins(id, tag)];
        if !numbers {
            let sql = "UPDATE recordings SET numbers = 'erased' WHERE id = ? AND state = 'open'";
            changes.push(Change::new(sql, [id.to_string().into()]));
        }
        changes.push(ends(id, closing));
        self.db.change(changes)?;
        Ok(())
    }
}

/// Of a recording that was closed unheard, as its key was gone.
const UNHEARD: &str = "state = 'truncated' AND packets < 0 AND samples = 0";

impl Index {
    /// Some of a controller's recordings that were closed when nobody could open them, by their ids.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn unheard(
        &self,
        controller: &str,
        after: Option<RecordingId>,
    ) -> Result<Vec<Entry>, IndexError> {
        let sql = format!(
            "SELECT * FROM recordings WHERE id > ? AND controller = ? AND {UNHEARD} ORDER BY id LIMIT {PAGE}"
        );
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.entries(&sql, &[after.into(), controller.into()])
    }

    /// Enters the end of such a recording, now that it opens. False when it isn't one.
    ///
    /// # Errors
    /// When the index can't be written.
    pub fn heard(&self, id: RecordingId, closing: &Closing) -> Result<bool, IndexError> {
        let changed = self.db.change(vec![ends_where(id, closing, UNHEARD)])?;
        Ok(changed == [1])
    }
}

fn begins(id: RecordingId, tag: &RecordingTag) -> Change {
    let names = TAG_COLUMNS.map(|name| format!("\"{name}\"")).join(", ");
    let marks = ["?"; TAG_COLUMNS.len()].join(", ");
    let sql = format!(
        "INSERT INTO recordings (id, state, started_micros, {names}) VALUES (?, 'open', ?, {marks}) \
         ON CONFLICT (id) DO NOTHING"
    );
    let mut values = vec![id.to_string().into(), tag.started.as_micros().into()];
    values.extend(tag.fields().into_iter().map(|(_, text)| Value::Text(text)));
    Change::new(sql, values)
}

fn ends(id: RecordingId, closing: &Closing) -> Change {
    ends_where(id, closing, "state = 'open'")
}

fn ends_where(id: RecordingId, closing: &Closing, condition: &str) -> Change {
    let sql = format!(
        "UPDATE recordings SET state = ?, ended = ?, bytes = ?, samples = ?, seconds = ?, streams = ?, \
         packets = ?, packets_lost = ?, gaps = ?, files = ? WHERE id = ? AND {condition}"
    );
    // Below 0 where nobody counted: an earlier version reads that as 0.
    let count = |count| {
        closing
            .tally
            .known(count)
            .map_or(Value::Int(-1), Value::from)
    };
    let values: [Value; 11] = [
        closing.state.name().into(),
        closing.ended.to_string().into(),
        closing.bytes.into(),
        u64::from(closing.tally.end).into(),
        closing.tally.seconds().into(),
        (closing.files.len() as u64).into(),
        count(closing.tally.packets),
        count(closing.tally.packets_lost),
        count(closing.tally.gaps),
        serde_json::Value::from(closing.files.clone())
            .to_string()
            .into(),
        id.to_string().into(),
    ];
    Change::new(sql, values)
}
