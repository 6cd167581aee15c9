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
        let records = decided.recordable && queue.is_some_and(|queue| queue.recording);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use callcore::{
        digit::Digit,
        origin::Origin,
        switch::{Input, Output, Switch},
    };

    use super::*;
    use crate::observer::Observer;

    const QUEUES: &str = r#"
queue = [
  { name = "advice", region = "04", controller = "region-04", agents = [{ simulated = 1 }] },
  { name = "doctor", region = "04", controller = "region-04", agents = [{ simulated = 1 }], recording = true, agreement = "pub-04" },
]
agreement = [{ id = "pub-04", controller = "region-04", processor = "inera", purposes = ["routing", "recording", "storage"], from = 2013-01-01 }]
retention = [{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }]
announcement = [{ name = "menu", file = "queue.wav" }]
route = [{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "advice", menu = { announcement = "menu", choices = [{ digit = "1", queue = "doctor" }, { digit = "2", continue = true }] } }]
"#;

    /// Else the recorder has what the switch doesn't know of.
    #[test]
    fn a_call_that_a_key_took_to_a_queue_that_records_should_be_recorded() {
        let scenario = Arc::new(crate::exchange::scenario_of_tests(QUEUES));
        let folder = tempfile::tempdir().expect("a folder");
        let now = Time::from_micros(1_772_438_400_000_000);
        let observer = Observer::new(Arc::clone(&scenario), "calls", now);
        let (mut observer, monitor) = observer.expect("no metric is there twice");
        observer.keep_calls(Calls::open(folder.path()).expect("a folder"));
        let mut switch = Switch::new(scenario);
        let mut recorded = Vec::new();
        for (number, key) in [(1, "1"), (2, "2")] {
            let call = CallId(number);
            let offered = Input::Offered {
                call,
                origin: Origin::from_code("0480"),
                reachable: true,
            };
            let key = Input::Digit(call, Digit::parse(key).expect("a key"));
            let answered = Input::AgentAnswered(call);
            for input in [offered, key, answered, Input::CallerGone(call)] {
                if matches!(input, Input::AgentAnswered(_)) {
                    observer.publish(&switch, now, &Default::default());
                    let live = monitor.live.borrow().clone();
                    recorded.push(live.calls[0].recording == "later");
                }
                switch.handle(now, input);
                while let Some(output) = switch.poll_output() {
                    match output {
                        Output::StartRecording(..) => recorded.push(true),
                        Output::Fact(fact) => observer.observe(&switch, &fact),
                        _ => {}
                    }
                }
            }
        }
        assert_eq!(recorded, [true, true, false]);
        observer.publish(&switch, now, &Default::default());
        let file = folder.path().join("2026-03-02.jsonl");
        let text = fs::read_to_string(file).expect("the day's calls");
        let told: Vec<bool> = text
            .lines()
            .map(|line| line.contains(r#""recorded":true"#))
            .collect();
        assert_eq!(told, [true, false]);
    }
}
