//! From the file as written to a scenario that is whole: names become ids, texts become values, and every
//! fault is noted with its place. A fault leaves a placeholder behind, so that the rest can be looked at too;
//! the placeholder never gets out, because a scenario with faults is refused.

mod canonical;
mod clients;
mod duties;
mod keeping;
mod listening;
mod media;
mod names;
mod overload;
mod people;
mod routing;
mod saying;
mod settings;
mod simulation;
mod syntax;
mod waiting;

use std::ops::Range;

use toml::Spanned;

use super::{
    AnnouncementId, Fault, Lines, NAME_LEN_MAX, Scenario, ScenarioError,
    nearest::nearest,
    raw::{RawScenario, RawSwitchAnnouncements},
};
use crate::route::Table;
use names::Names;

/// Faults beyond this many are not listed: nobody reads them, and a hostile file could hold millions.
const FAULTS_MAX: usize = 50;

pub(super) fn scenario(text: &str, file: &str) -> Result<Scenario, ScenarioError> {
    let raw = syntax::parse(text).map_err(|fault| ScenarioError::new(file, fault))?;
    let mut reader = Reader::new(text);
    let names = reader.all_names(&raw);
    let starts = syntax::line_starts(text);
    let lines = lines(&starts, &raw);
    let operator = names.org(&mut reader, &raw.operator.organisation);
    let (no_answer, busy) = reader.switch_announcements(&raw.announcements, &names);
    let organisations = reader.each(raw.organisation, Reader::organisation);
    let agreements = reader.each(raw.agreement, |reader, raw| reader.agreement(raw, &names));
    let announcements = reader.each(raw.announcement, Reader::announcement);
    let calendars = reader.calendars(raw.calendar);
    let providers = reader.each(raw.provider, |reader, raw| reader.provider(raw, &names));
    let (queues, agents) = reader.queues(raw.queue, &names);
    let recording_asked = reader.recording_asked(&raw.route);
    let routes = reader.each(raw.route, |reader, raw| {
        reader.route(raw, &names, &calendars)
    });
    reader.everyone_has_a_route(&routes);
    let retention = reader.retention(raw.retention, &names);
    let decisions = reader.each(raw.decision, |reader, raw| reader.decision(raw, &names));
    let pauses = reader.each(raw.pause, |reader, raw| reader.pause(raw, &names));
    let information = reader.each(raw.information, |reader, raw| {
        reader.information(raw, &names)
    });
    let collections = reader.each(raw.collection, |reader, raw| reader.collection(raw, &names));
    let stores = reader.each(raw.store, |reader, raw| reader.store(raw, &names, &starts));
    let sanctions = reader.each(raw.sanction, |reader, raw| reader.sanction(raw, &names));
    let recorder = reader.recorder(raw.recorder, &names, &queues, &retention);
    let uttag = raw.uttag.map(|raw| reader.uttag(raw, &names));
    let (listen, overload) = (reader.listen(raw.listen), reader.overload(&raw.overload));
    let (traffic, media) = (reader.traffic(&raw.traffic), reader.media(&raw.media));
    let simulation = reader.simulation(raw.simulation, &names, &calendars);
    let expectations = reader.each(raw.expect, |reader, raw| reader.expectation(raw, &names));

    if let Some(error) = ScenarioError::of(file, reader.faults) {
        return Err(error);
    }
    let canonical = canonical::canonical(&routes, &queues, &providers, &announcements);
    Ok(Scenario {
        file: file.into(),
        operator,
        organisations,
        agreements,
        announcements,
        no_answer,
        busy,
        queues,
        agents,
        providers,
        retention,
        decisions,
        pauses,
        recorder,
        uttag,
        listen,
        overload,
        media,
        traffic,
        simulation,
        expectations,
        information,
        collections,
        stores,
        sanctions,
        recording_asked,
        routes: Table::new(routes, &canonical),
        lines,
    })
}

/// Notes faults while the scenario is read.
struct Reader<'t> {
    text: &'t str,
    faults: Vec<Fault>,
}

impl<'t> Reader<'t> {
    const fn new(text: &'t str) -> Self {
        Self {
            text,
            faults: Vec::new(),
        }
    }
}

impl Reader<'_> {
    fn fault(&mut self, span: Range<usize>, message: &str, remedy: &str) {
        if self.faults.len() < FAULTS_MAX {
            self.faults
                .push(Fault::new(self.text, span, message, remedy));
        }
    }

    /// The fault noted last is a finding of this code, if one was noted since there were `before`.
    fn coded(&mut self, before: usize, code: &'static str) {
        if let Some(fault) = self.faults.get_mut(before) {
            fault.code = code;
        }
    }

    /// What `read` makes of each entry.
    fn each<R, T>(&mut self, entries: Vec<R>, mut read: impl FnMut(&mut Self, R) -> T) -> Vec<T> {
        entries.into_iter().map(|entry| read(self, entry)).collect()
    }

    /// A value that `read` understands, or a fault that says what is accepted, and the placeholder.
    fn value<V, T>(
        &mut self,
        raw: &Spanned<V>,
        what: &str,
        remedy: &str,
        read: impl Fn(&V) -> Option<T>,
    ) -> Option<T> {
        let value = read(raw.get_ref());
        if value.is_none() {
            self.fault(raw.span(), what, remedy);
        }
        value
    }

    /// A value from a closed list of words.
    fn word<T: Copy>(
        &mut self,
        raw: &Spanned<String>,
        what: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let found = words.iter().find(|(word, _)| word == raw.get_ref());
        if found.is_none() {
            let known = words.iter().map(|(word, _)| *word);
            let remedy = match nearest(raw.get_ref(), known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "write one of {}",
                    known
                        .map(|word| format!("`{word}`"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            };
            self.fault(
                raw.span(),
                &format!("`{}` is no {what}", shown(raw.get_ref())),
                &remedy,
            );
        }
        found.map(|(_, value)| *value)
    }

    /// Whether a period ends after it begins; notes a fault when it doesn't.
    fn in_order<T: PartialOrd>(&mut self, from: Option<T>, until: Option<T>, span: Range<usize>) {
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            self.fault(
                span,
                "`until` is not after `from`",
                "`until` is the first day that no longer counts",
            );
        }
    }

    fn switch_announcements(
        &mut self,
        raw: &RawSwitchAnnouncements,
        names: &Names,
    ) -> (Option<AnnouncementId>, Option<AnnouncementId>) {
        let no_answer = raw
            .no_answer
            .as_ref()
            .map(|name| names.announcement(self, name));
        (
            no_answer,
            raw.busy.as_ref().map(|name| names.announcement(self, name)),
        )
    }
}

/// Where each entry stands: the line of its name, or of what it has instead.
fn lines(starts: &[usize], raw: &RawScenario) -> Lines {
    fn each<T>(starts: &[usize], entries: &[T], span: impl Fn(&T) -> Range<usize>) -> Vec<u32> {
        entries
            .iter()
            .map(|entry| line(starts, &span(entry)))
            .collect()
    }
    Lines {
        organisations: each(starts, &raw.organisation, |entry| entry.id.span()),
        agreements: each(starts, &raw.agreement, |entry| entry.id.span()),
        announcements: each(starts, &raw.announcement, |entry| entry.name.span()),
        routes: each(starts, &raw.route, |entry| entry.name.span()),
        queues: each(starts, &raw.queue, |entry| entry.name.span()),
        providers: each(starts, &raw.provider, |entry| entry.name.span()),
        retention: each(starts, &raw.retention, |entry| entry.class.span()),
        decisions: each(starts, &raw.decision, |entry| entry.diary_number.span()),
        pauses: each(starts, &raw.pause, |entry| entry.from.span()),
        expectations: each(starts, &raw.expect, |entry| entry.kommun.span()),
        information: each(starts, &raw.information, |entry| entry.organisation.span()),
        collections: each(starts, &raw.collection, |entry| entry.controller.span()),
        stores: each(starts, &raw.store, |entry| entry.name.span()),
        sanctions: each(starts, &raw.sanction, |entry| entry.actor.span()),
    }
}

/// The line on which a piece of the text begins, counted from 1.
fn line(starts: &[usize], span: &Range<usize>) -> u32 {
    starts.partition_point(|&start| start <= span.start) as u32
}

/// A text from the file, short enough for a message and without control characters.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(NAME_LEN_MAX)
        .collect()
}
