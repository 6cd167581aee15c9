//! What the switch says of each call to whoever keeps the recordings: whether it should have been recorded, for whom, how
//! long it was. One JSON object a line, one file a day; nothing of a caller.
//!
//! The recorder holds it against what it stores. It isn't told by a call: the two meet on the wire, and in this folder.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use callcore::{
    scenario::Scenario,
    switch::{CallId, Fact, FactKind},
    time::Time,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::observer::Decided;

/// One call that has ended. The names are what `vaxel recordings reconcile` reads.
#[derive(Debug, Serialize)]
struct Line<'a> {
    call: u64,
    controller: &'a str,
    offered: String,
    ended: String,
    seconds: f64,
    external: bool,
    recorded: bool,
}

/// The files being written.
#[derive(Debug)]
pub(crate) struct Calls {
    folder: PathBuf,
    open: Option<(Date, BufWriter<File>)>,
    /// Calls that somebody has answered.
    answered: BTreeMap<CallId, Answered>,
}

#[derive(Debug, Default)]
struct Answered {
    talks_since: Option<Time>,
    left: bool,
}

impl Calls {
    /// Makes the folder when it isn't there.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            open: None,
            answered: BTreeMap::new(),
        })
    }

    /// Takes a fact of a call that was decided upon.
    pub(crate) fn observe(&mut self, scenario: &Scenario, fact: &Fact, decided: &Decided) {
        match fact.what {
            FactKind::Connected { .. } => {
                let answered = self.answered.entry(fact.call).or_default();
                answered.talks_since.get_or_insert(fact.at);
            }
            FactKind::TakenOver(_) => self.answered.entry(fact.call).or_default().left = true,
            FactKind::Ended(_) => {
                let answered = self.answered.remove(&fact.call).unwrap_or_default();
                self.enter(scenario, fact, decided, &answered);
            }
            _ => {}
        }
    }

    /// Brings what was written to the file.
    pub(crate) fn flush(&mut self) {
        if let Some((_, file)) = &mut self.open
            && let Err(error) = file.flush()
        {
            tracing::error!(%error, "the calls can't be written down; the recorder will find them missing");
        }
    }

    fn enter(&mut self, scenario: &Scenario, fact: &Fact, decided: &Decided, answered: &Answered) {
        let external = decided.external || answered.left;
        let queue = decided.queue.map(|queue| scenario.queue(queue));
        let controller = match queue {
            Some(queue) if !external => &*scenario.org(queue.controller).id,
            _ => &*decided.controller,
        };
        let talked = answered.talks_since.filter(|_| !external);
        let records = decided.records && queue.is_some_and(|queue| queue.recording);
        let line = Line {
            call: fact.call.0,
            controller,
            offered: decided.offered.timestamp().to_string(),
            ended: fact.at.timestamp().to_string(),
            seconds: talked.map_or(0.0, |since| fact.at.since(since).as_secs_f64()),
            external,
            recorded: records && talked.is_some(),
        };
        let day = fact.at.timestamp().to_zoned(TimeZone::UTC).date();
        // What can't be written must not stop a call; a flush tells of it, and the recorder finds it missing.
        let _told = self.file(day).and_then(|file| {
            serde_json::to_writer(&mut *file, &line)?;
            file.write_all(b"\n")
        });
    }

    fn file(&mut self, day: Date) -> io::Result<&mut BufWriter<File>> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != day) {
            self.flush();
            let path = self.folder.join(format!("{day}.jsonl"));
            let mut options = OpenOptions::new();
            let file = options.create(true).append(true).mode(0o600).open(path)?;
            self.open = Some((day, BufWriter::new(file)));
        }
        let (_, file) = self
            .open
            .as_mut()
            .ok_or_else(|| io::Error::other("no file is open"))?;
        Ok(file)
    }
}
