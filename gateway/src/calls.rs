//! What the switch says of each call to whoever keeps the recordings: whether it should have been recorded, for whom, how
//! long it was. One JSON object a line, one file a day; nothing of a caller. Of a call that is to be recorded a line stands there
//! already when it is answered: a switch that is killed tells no ends.
//!
//! The recorder holds it against what it stores, which has the same limits. It isn't told by a call: the two meet on the wire, and in this folder.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use callcore::{
    calls::{DAY_BYTES_MAX, DAYS_MAX, SUFFIX},
    scenario::{ProviderId, Queue, Scenario},
    switch::{CallId, Fact, FactKind},
    time::Time,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::observer::Decided;

/// One call, at its end or as far as it has come. The names are what `vaxel recordings reconcile` reads.
#[derive(Debug, Serialize)]
struct Line<'a> {
    call: u64,
    controller: &'a str,
    offered: String,
    ended: String,
    seconds: f64,
    external: bool,
    recorded: bool,
    /// Its recording begins now, and another line tells of its end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    goes_on: bool,
}

/// The files being written.
#[derive(Debug)]
pub(crate) struct Calls {
    folder: PathBuf,
    open: Option<Open>,
    /// Calls that somebody has answered.
    answered: BTreeMap<CallId, Answered>,
}

/// The file of a day.
#[derive(Debug)]
struct Open {
    day: Date,
    file: BufWriter<File>,
    bytes: u64,
    /// Calls that there was no room for.
    left_out: u64,
}

#[derive(Debug, Default)]
struct Answered {
    talks_since: Option<Time>,
    /// For whom it left.
    left: Option<ProviderId>,
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
            FactKind::Connected { queue, .. } => {
                let answered = self.answered.entry(fact.call).or_default();
                if answered.talks_since.is_none() {
                    answered.talks_since = Some(fact.at);
                    self.begin(scenario, fact, decided, scenario.queue(queue));
                }
            }
            FactKind::TakenOver(to) => {
                self.answered.entry(fact.call).or_default().left = Some(to.provider);
            }
            FactKind::Ended(_) => {
                let answered = self.answered.remove(&fact.call).unwrap_or_default();
                self.enter(scenario, fact, decided, &answered);
            }
            _ => {}
        }
    }

    /// Brings what was written to the file.
    pub(crate) fn flush(&mut self) {
        if let Some(open) = &mut self.open
            && let Err(error) = open.file.flush()
        {
            tracing::error!(%error, "the calls can't be written down; the recorder will find them missing");
        }
    }

    /// Said once, with the first answer.
    fn begin(&mut self, scenario: &Scenario, fact: &Fact, decided: &Decided, queue: &Queue) {
        if !(decided.recordable && queue.recording) {
            return;
        }
        self.say(
            fact.at,
            &Line {
                call: fact.call.0,
                controller: &scenario.org(queue.controller).id,
                offered: decided.offered.timestamp().to_string(),
                ended: fact.at.timestamp().to_string(),
                seconds: 0.0,
                external: false,
                recorded: true,
                goes_on: true,
            },
        );
    }

    fn enter(&mut self, scenario: &Scenario, fact: &Fact, decided: &Decided, answered: &Answered) {
        // A nurse of ours may have taken it for the provider that the route names.
        let external = answered.left.is_some() || (decided.external && decided.queue.is_none());
        let queue = decided.queue.map(|queue| scenario.queue(queue));
        // Nor need the provider be whom the route names: a full queue overflows, a provider fails over.
        let has = answered.left.map(|id| scenario.provider(id).organisation);
        let has = has.or(queue.map(|queue| queue.controller));
        let controller = has.map_or(&*decided.controller, |has| &*scenario.org(has).id);
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
            goes_on: false,
        };
        self.say(fact.at, &line);
    }

    /// What can't be written must not stop a call; a flush tells of it, and the recorder finds it missing.
    fn say(&mut self, at: Time, line: &Line<'_>) {
        let day = at.timestamp().to_zoned(TimeZone::UTC).date();
        let _told = self.write(day, line);
    }

    fn write(&mut self, day: Date, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let open = self.file(day)?;
        if open.bytes + text.len() as u64 > DAY_BYTES_MAX {
            open.leave_out();
            return Ok(());
        }
        open.bytes += text.len() as u64;
        open.file.write_all(&text)
    }

    fn file(&mut self, day: Date) -> io::Result<&mut Open> {
        if self.open.as_ref().is_none_or(|open| open.day != day) {
            self.flush();
            if let Some(full) = self.open.take().filter(|open| open.left_out > 0) {
                tracing::error!(day = %full.day, calls = full.left_out, "calls of that day weren't written down: what is recorded of them has no call");
            }
            let open = Open::of(&self.folder, day)?;
            self.open = Some(open);
            if let Err(error) = remove_oldest(&self.folder) {
                tracing::error!(%error, "the oldest calls can't be removed");
            }
        }
        self.open
            .as_mut()
            .ok_or_else(|| io::Error::other("no file is open"))
    }
}

impl Open {
    fn of(folder: &Path, day: Date) -> io::Result<Self> {
        let path = folder.join(format!("{day}{SUFFIX}"));
        let mut options = OpenOptions::new();
        let options = options.create(true).append(true).read(true).mode(0o600);
        let mut file = options.open(path)?;
        let mut bytes = file.seek(SeekFrom::End(0))?;
        let mut last = *b"\n";
        if bytes > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            // What a crash or a full disk left is one line that is lost, not two.
            file.write_all(b"\n")?;
            bytes += 1;
        }
        Ok(Self {
            day,
            file: BufWriter::new(file),
            bytes,
            left_out: 0,
        })
    }

    /// Told once a day, and how many they were when it is over.
    fn leave_out(&mut self) {
        if self.left_out == 0 {
            tracing::error!(day = %self.day, limit = DAY_BYTES_MAX, "the day's file of calls is full: no more of its calls are written down, and what is recorded of them will have no call");
        }
        self.left_out += 1;
    }
}

/// By how many there are, and not by the clock, which may be that of a day of 2018.
fn remove_oldest(folder: &Path) -> io::Result<()> {
    let mut days = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let day = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        days.extend(day.and_then(|day| day.parse::<Date>().ok()));
    }
    days.sort_unstable();
    let too_many = days.len().saturating_sub(DAYS_MAX);
    for day in days.iter().take(too_many) {
        fs::remove_file(folder.join(format!("{day}{SUFFIX}")))?;
        tracing::warn!(%day, limit = DAYS_MAX, "calls of a day that nothing is held against any more are removed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use callcore::{
        digit::Digit,
        origin::Origin,
        switch::{Input, LegFailure, Output, Switch},
    };

    use super::*;
    use crate::{observer::Observer, view::Monitor};

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

    const NOW: Time = Time::from_micros(1_772_438_400_000_000);

    /// A switch by these rules, and who keeps its calls in a folder.
    fn observed(rules: &str) -> (tempfile::TempDir, Observer, Monitor, Switch) {
        let scenario = Arc::new(crate::exchange::scenario_of_tests(rules));
        let folder = tempfile::tempdir().expect("a folder");
        let observer = Observer::new(Arc::clone(&scenario), "calls", NOW);
        let (mut observer, monitor) = observer.expect("no metric is there twice");
        observer.keep_calls(Calls::open(folder.path()).expect("a folder"));
        (folder, observer, monitor, Switch::new(scenario))
    }

    /// What is said of the calls in which that happened.
    fn kept<const N: usize>(rules: &str, inputs: [Input; N]) -> String {
        let (folder, mut observer, _monitor, mut switch) = observed(rules);
        for input in inputs {
            switch.handle(NOW, input);
            while let Some(output) = switch.poll_output() {
                if let Output::Fact(fact) = output {
                    observer.observe(&switch, &fact);
                }
            }
        }
        observer.publish(&switch, NOW, &Default::default());
        fs::read_to_string(folder.path().join("2026-03-02.jsonl")).unwrap_or_default()
    }

    /// Else the recorder has what the switch doesn't know of.
    #[test]
    fn a_call_that_a_key_took_to_a_queue_that_records_should_be_recorded() {
        let (folder, mut observer, monitor, mut switch) = observed(QUEUES);
        let now = NOW;
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
        let ended = text.lines().filter(|line| !line.contains("goes_on"));
        let told: Vec<bool> = ended
            .map(|line| line.contains(r#""recorded":true"#))
            .collect();
        assert_eq!(told, [true, false]);
    }

    /// A switch that is killed says nothing more.
    #[test]
    fn a_call_that_is_to_be_recorded_is_told_of_while_it_goes_on() {
        let call = CallId(1);
        let offered = Input::Offered {
            call,
            origin: Origin::from_code("0480"),
            reachable: true,
        };
        for (key, goes_on) in [("1", true), ("2", false)] {
            let key = Input::Digit(call, Digit::parse(key).expect("a key"));
            let text = kept(QUEUES, [offered.clone(), key, Input::AgentAnswered(call)]);
            let told = r#""seconds":0.0,"external":false,"recorded":true,"goes_on":true"#;
            assert_eq!(text.contains(told), goes_on, "{text}");
            assert_eq!(text.lines().count(), usize::from(goes_on), "{text}");
        }
    }

    const FAILS_OVER: &str = r#"
queue = [{ name = "advice", region = "04", controller = "region-04", agents = [{ simulated = 1 }] }]
provider = [{ name = "medhelp", organisation = "medhelp", targets = ["sip:1177@192.0.2.1"] }]
route = [{ name = "all", all = true, unknown = true, invalid = true, conflict = true, provider = "medhelp", handover = "direct", failover = ["advice"] }]
"#;

    /// Whom the route names never had it.
    #[test]
    fn a_call_that_a_nurse_took_for_a_provider_that_failed_has_not_left() {
        let call = CallId(1);
        let offered = Input::Offered {
            call,
            origin: Origin::from_code("0480"),
            reachable: true,
        };
        let failed = Input::ProviderFailed(call, LegFailure::Refused);
        let answered = Input::AgentAnswered(call);
        let text = kept(
            FAILS_OVER,
            [offered, failed, answered, Input::CallerGone(call)],
        );
        let told = r#""controller":"region-04""#;
        assert!(text.contains(told), "{text}");
        assert!(
            text.contains(r#""external":false,"recorded":false"#),
            "{text}"
        );
    }

    const OVERFLOWS: &str = r#"
queue = [{ name = "advice", region = "04", controller = "region-04", agents = [{ simulated = 1 }], len_max = 0, overflow = ["medhelp"] }]
provider = [{ name = "medhelp", organisation = "medhelp", targets = ["sip:1177@192.0.2.1"] }]
route = [{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "advice" }]
"#;

    /// The region never had it.
    #[test]
    fn a_call_that_overflowed_to_a_provider_is_the_providers() {
        let offered = |call| Input::Offered {
            call,
            origin: Origin::from_code("0480"),
            reachable: true,
        };
        let [first, second] = [CallId(1), CallId(2)];
        let answered = Input::AgentAnswered(first);
        let taken = Input::ProviderAnswered(second);
        let over = Input::CallerGone(second);
        let text = kept(
            OVERFLOWS,
            [offered(first), answered, offered(second), taken, over],
        );
        assert!(text.contains(r#""controller":"medhelp""#), "{text}");
        assert!(text.contains(r#""external":true"#), "{text}");
    }

    fn line(number: u64) -> Line<'static> {
        Line {
            call: number,
            controller: "region-01",
            offered: String::new(),
            ended: String::new(),
            seconds: 0.0,
            external: false,
            recorded: true,
            goes_on: false,
        }
    }

    #[test]
    fn a_day_that_is_full_takes_no_more_and_the_next_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("2026-03-02.jsonl");
        let mut file = File::create(&path).expect("ours");
        file.seek(SeekFrom::Start(DAY_BYTES_MAX - 2)).expect("ours");
        file.write_all(b"\n").expect("ours");
        let mut calls = Calls::open(folder.path()).expect("a folder");
        let day = Date::constant(2026, 3, 2);
        for number in 1..=3 {
            calls.write(day, &line(number)).expect("left out");
        }
        assert_eq!(calls.open.as_ref().map(|open| open.left_out), Some(3));
        calls
            .write(day.tomorrow().expect("a day"), &line(4))
            .expect("written");
        calls.flush();
        let length = |path| fs::metadata(path).expect("there").len();
        assert_eq!(length(path), DAY_BYTES_MAX - 1);
        assert!(length(folder.path().join("2026-03-03.jsonl")) > 0);
    }

    /// By a clock that shows another day each time, as a switch of a test may.
    #[test]
    fn the_oldest_of_too_many_days_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Date::constant(2018, 1, 1);
        for number in 0..i64::try_from(DAYS_MAX).expect("few") {
            let day = first.checked_add(jiff::Span::new().days(number));
            let name = format!("{}.jsonl", day.expect("a day"));
            fs::write(folder.path().join(name), "").expect("ours");
        }
        fs::write(folder.path().join("README"), "").expect("ours");
        let mut calls = Calls::open(folder.path()).expect("a folder");
        let newest = Date::constant(2026, 3, 2);
        calls.write(newest, &line(1)).expect("written");
        let there = |name: &str| folder.path().join(name).exists();
        assert!(!there("2018-01-01.jsonl") && there("2018-01-02.jsonl"));
        assert!(there("2026-03-02.jsonl") && there("README"));
    }

    #[test]
    fn what_a_crash_tore_is_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("2026-03-02.jsonl");
        fs::write(&path, "{\"call\":1,").expect("ours");
        let mut calls = Calls::open(folder.path()).expect("a folder");
        let day = Date::constant(2026, 3, 2);
        calls.write(day, &line(2)).expect("written");
        calls.flush();
        let text = fs::read_to_string(&path).expect("there");
        let whole = text.lines().filter(|line| line.ends_with('}'));
        assert_eq!((text.lines().count(), whole.count()), (2, 1));
    }
}
