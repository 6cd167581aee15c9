//! What is kept through the years: recordings by store and controller, erased only when
//! [`judge`] says so.

use std::collections::BTreeMap;

use callcore::{
    retention::{KeepReason, Kept, ObjectClass, Verdict, judge},
    scenario::{OrgId, QueueId, Scenario},
};
use jiff::civil::Date;
use serde::Serialize;

use crate::{
    error::RunError,
    plan::Plan,
    run::Finished,
    shard::Beside,
    tally::{Books, DayRecordings},
};

/// Bytes a second of a recording: two channels of 8 kHz in one byte each, as the recorder stores them.
pub const BYTES_A_SECOND: u64 = 16_000;
/// How long a hand-over takes from the decision on: assumption.
const HAND_OVER_DAYS: i64 = 30;

/// What a store holds at the end, and how it came there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreFigures {
    /// Files.
    pub files: u64,
    /// Calls they are of.
    pub calls: u64,
    /// Gigabytes (10^9) of audio.
    pub gigabytes: f64,
    /// Who runs it, by organisation.
    pub processor: String,
    /// Where it stands, as the scenario says.
    pub place: String,
    /// Files by controller.
    pub controllers: BTreeMap<String, ControllerFigures>,
}

/// What a store holds of one controller.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ControllerFigures {
    /// Files at the end.
    pub files: u64,
    /// Calls at the end.
    pub calls: u64,
    /// Gigabytes at the end.
    pub gigabytes: f64,
    /// Files erased during the run.
    pub erased_files: u64,
    /// Files that have outstayed their ceiling at the end.
    pub overdue_files: u64,
    /// Why the oldest of them stays, at the end.
    pub kept_because: String,
    /// Gigabytes by day, sampled: what the picture of the years is drawn from.
    #[serde(skip)]
    pub series: Vec<Sample>,
}

/// What lay there on a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Days since the first.
    pub day: u32,
    /// Gigabytes in all.
    pub gigabytes: f64,
    /// Of those, past their floor.
    pub past_floor: f64,
    /// Of those, past their ceiling.
    pub past_ceiling: f64,
}

/// Every store at the end of a run, by name; of two operators' stores with one name, the later has its operator before it,
/// as queues of switches beside have.
///
/// # Errors
/// When something was erased before its floor.
pub(crate) fn stores(
    scenario: &Scenario,
    beside: &[Beside],
    plan: &Plan,
    finished: &Finished,
) -> Result<BTreeMap<String, StoreFigures>, RunError> {
    let mut stores = BTreeMap::new();
    let whole = plan.window().1;
    // A run that was stopped early ends on the day it came to.
    let last = finished.until.min(whole).in_sweden().date();
    add_stores(&mut stores, scenario, plan, &finished.books, last)?;
    for (other, books) in beside.iter().zip(&finished.beside) {
        let mut its = BTreeMap::new();
        add_stores(&mut its, &other.scenario, plan, books, last)?;
        let operator = &other.scenario.org(other.scenario.operator).id;
        for (name, figures) in its {
            let name = match stores.contains_key(&name) {
                true => format!("{operator}/{name}"),
                false => name,
            };
            stores.insert(name, figures);
        }
    }
    Ok(stores)
}

fn add_stores(
    stores: &mut BTreeMap<String, StoreFigures>,
    scenario: &Scenario,
    plan: &Plan,
    books: &Books,
    end: Date,
) -> Result<(), RunError> {
    let mut heaps: BTreeMap<(String, OrgId), Vec<DayRecordings>> = BTreeMap::new();
    for (at, book) in books.queues.iter().enumerate() {
        let (store, controller) = (
            store_of(scenario, scenario.queue_by_place(at)),
            scenario.queues[at].controller,
        );
        if scenario.queues[at].recording {
            let heap = heaps.entry((store, controller)).or_default();
            add_days(heap, &book.days);
        }
    }
    for ((name, controller), days) in heaps {
        let mut shelf = Shelf::new(scenario, controller, plan.start, days);
        shelf.run_to(end).map_err(|()| RunError::ErasedEarly {
            seed: plan.seed,
            store: name.as_str().into(),
        })?;
        let figures = shelf.figures();
        let known = scenario.stores.iter().find(|store| *store.name == *name);
        let runs = known.map_or(scenario.operator, |store| store.operator);
        let store = stores.entry(name).or_insert_with(|| StoreFigures {
            files: 0,
            calls: 0,
            gigabytes: 0.0,
            processor: scenario.org(runs).id.to_string(),
            place: known.map_or_else(String::new, |store| store.place.to_string()),
            controllers: BTreeMap::new(),
        });
        store.files += figures.files;
        store.calls += figures.calls;
        store.gigabytes += figures.gigabytes;
        let id = scenario.org(controller).id.to_string();
        store.controllers.insert(id, figures);
    }
    Ok(())
}

/// Where a queue's recordings go: as `[simulation]` says, or to a store that holds the controller's audio, or to the
/// operator's own.
fn store_of(scenario: &Scenario, queue: QueueId) -> String {
    let said = scenario.simulation.stores.iter();
    if let Some((_, store)) = said.clone().find(|(known, _)| *known == queue) {
        return store.to_string();
    }
    let controller = scenario.queue(queue).controller;
    let fits = scenario.stores.iter().find(|store| {
        store.holds.contains(&ObjectClass::Audio)
            && (store.controllers.is_empty() || store.controllers.contains(&controller))
    });
    fits.map_or_else(
        || scenario.org(scenario.operator).id.to_string(),
        |store| store.name.to_string(),
    )
}

fn add_days(heap: &mut Vec<DayRecordings>, days: &[DayRecordings]) {
    if heap.len() < days.len() {
        heap.resize(days.len(), DayRecordings::default());
    }
    for (sum, day) in heap.iter_mut().zip(days) {
        sum.calls += day.calls;
        sum.files += day.files;
        sum.seconds += day.seconds;
    }
}

/// One controller's recordings in one store: a heap for each day, the oldest first.
struct Shelf<'a> {
    scenario: &'a Scenario,
    controller: OrgId,
    start: Date,
    days: Vec<DayRecordings>,
    /// The first day whose recordings are still there.
    oldest: usize,
    erased_files: u64,
    kept_because: Option<(KeepReason, bool)>,
    today: Date,
    samples: Vec<Sample>,
}

impl<'a> Shelf<'a> {
    fn new(
        scenario: &'a Scenario,
        controller: OrgId,
        start: Date,
        days: Vec<DayRecordings>,
    ) -> Self {
        Self {
            scenario,
            controller,
            start,
            days,
            oldest: 0,
            erased_files: 0,
            kept_because: None,
            today: start,
            samples: Vec::new(),
        }
    }

    /// Lets the days pass. What is kept longest goes first, so that each day only the oldest heap is judged: what lets
    /// it stay lets the younger ones stay too.
    fn run_to(&mut self, end: Date) -> Result<(), ()> {
        let mut day = 0;
        while self.today < end {
            while self.oldest < self.days.len() && self.day(self.oldest) < self.today {
                let Some(kept) = self.kept(self.oldest) else {
                    break;
                };
                match judge(self.scenario, &kept, self.today) {
                    Verdict::Erase(permit) => {
                        if self.today < kept.window.earliest() {
                            return Err(());
                        }
                        debug_assert!(permit.into_decision() < self.scenario.decisions.len());
                        self.erased_files += u64::from(self.days[self.oldest].files);
                        self.oldest += 1;
                        self.kept_because = None;
                    }
                    Verdict::Keep { reason, overdue } => {
                        self.kept_because = Some((reason, overdue));
                        break;
                    }
                }
            }
            if day % 7 == 0 {
                self.sample(day);
            }
            day += 1;
            self.today = self.today.tomorrow().map_err(|_| ())?;
        }
        self.sample(day);
        Ok(())
    }

    fn day(&self, place: usize) -> Date {
        self.start
            .saturating_add(jiff::Span::new().days(place as i64))
    }

    fn kept(&self, place: usize) -> Option<Kept> {
        let class = ObjectClass::Audio;
        let (window, _) =
            self.scenario
                .retention_window(self.controller, class, self.day(place))?;
        let handed_over = self.scenario.decisions.iter().any(|decision| {
            decision.controller == self.controller
                && &*decision.permits == "hand-over"
                && decision.classes.contains(&class)
                && decision
                    .date
                    .saturating_add(jiff::Span::new().days(HAND_OVER_DAYS))
                    <= self.today
        });
        Some(Kept {
            controller: self.controller,
            class,
            window,
            held: false,
            handed_over,
        })
    }

    fn there(&self) -> impl Iterator<Item = (usize, &DayRecordings)> {
        let passed = |place: &usize| self.day(*place) < self.today;
        (self.oldest..self.days.len())
            .take_while(passed)
            .map(|place| (place, &self.days[place]))
    }

    fn sample(&mut self, day: u32) {
        let mut sample = Sample {
            day,
            gigabytes: 0.0,
            past_floor: 0.0,
            past_ceiling: 0.0,
        };
        let rule = self.kept(0).map(|kept| kept.window);
        // Both bounds lie the same number of days after every call, give or take the leap days.
        let days_to = |date: Date| (date - self.start).get_days();
        let floor = rule.map(|window| days_to(window.earliest()));
        let ceiling = rule.and_then(|window| window.latest()).map(days_to);
        for (place, recordings) in self.there() {
            let gigabytes = gigabytes(recordings.seconds);
            let age = day as i32 - place as i32;
            sample.gigabytes += gigabytes;
            if floor.is_some_and(|floor| age >= floor) {
                sample.past_floor += gigabytes;
            }
            if ceiling.is_some_and(|ceiling| age > ceiling) {
                sample.past_ceiling += gigabytes;
            }
        }
        self.samples.push(sample);
    }

    fn figures(mut self) -> ControllerFigures {
        let mut figures = ControllerFigures {
            erased_files: self.erased_files,
            kept_because: self
                .kept_because
                .map_or_else(String::new, |(reason, _)| said(reason)),
            series: std::mem::take(&mut self.samples),
            ..ControllerFigures::default()
        };
        let mut seconds = 0;
        for (place, recordings) in self.there() {
            figures.files += u64::from(recordings.files);
            figures.calls += u64::from(recordings.calls);
            seconds += recordings.seconds;
            let latest = self.kept(place).and_then(|kept| kept.window.latest());
            if latest.is_some_and(|latest| self.today > latest) {
                figures.overdue_files += u64::from(recordings.files);
            }
        }
        figures.gigabytes = gigabytes(seconds);
        figures
    }
}

fn gigabytes(seconds: u64) -> f64 {
    (seconds * BYTES_A_SECOND) as f64 / 1e9
}

/// Why something stays, on a Swedish page.
pub(crate) fn in_swedish(kept_because: &str) -> String {
    const SAID: [(&str, &str); 7] = [
        ("before its floor, ", "före golvet, "),
        ("held", "undantagen"),
        ("erasure is paused", "gallringen är pausad"),
        ("it can't be told apart from ", "går inte att skilja från "),
        (
            "its controller has decided nothing",
            "den ansvarige har inte beslutat något",
        ),
        (
            "its controller has decided to keep it",
            "den ansvarige har beslutat att behålla den",
        ),
        ("not yet handed over", "ännu inte överlämnad"),
    ];
    let known = SAID
        .iter()
        .find_map(|(en, sv)| Some((sv, kept_because.strip_prefix(en)?)));
    known.map_or_else(
        || kept_because.to_owned(),
        |(sv, rest)| format!("{sv}{rest}"),
    )
}

fn said(reason: KeepReason) -> String {
    match reason {
        KeepReason::BeforeFloor(day) => format!("before its floor, {day}"),
        KeepReason::Held => "held".to_owned(),
        KeepReason::Paused(_) => "erasure is paused".to_owned(),
        KeepReason::Inseparable { class, .. } => {
            format!("it can't be told apart from {}", class.name())
        }
        KeepReason::NoDecision => "its controller has decided nothing".to_owned(),
        KeepReason::DecidedToKeep(_) => "its controller has decided to keep it".to_owned(),
        KeepReason::NotHandedOver(_) => "not yet handed over".to_owned(),
    }
}
