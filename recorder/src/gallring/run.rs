//! Erases all that is due on a day, and finishes what an earlier run left.

use std::{collections::BTreeSet, fs, io, ops::ControlFlow, sync::Mutex};

use callcore::{
    retention::{ErasurePermit, ObjectClass, Verdict},
    scenario::Scenario,
};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::{
    BATCH, GallringError, REGISTER, Step, clock,
    erase::{Batch, Behind, Tools, Watch, opens},
    matter::Matter,
    receipts::Receipts,
    register::{Decided, Destroyed},
};
use crate::{
    access::{self, Segment},
    backup::{self, Lifted},
    index::{Entry, Index, Mark},
    ledger::{GENESIS, Ledger, Signer},
    vault::{StoreLock, Vault, folder},
};

/// In the store: how much the last run had to leave. Not there when that is nothing.
const REFUSED: &str = ".gallring-refused";

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The day it judged by, ISO 8601.
    pub at: String,
    /// Recordings erased.
    pub recordings: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Recordings whose telephone numbers were erased, with their audio or before it.
    pub numbers: u64,
    /// Months of access logs erased.
    pub access_logs: u64,
    /// Erasures of an earlier, stopped run that were finished.
    pub finished: u64,
    /// Things that store or bucket refused to let go, wholly or in part: they aren't in the register, and the next run tries again.
    pub refused: u64,
    /// Recordings that the access log says are held, and the index didn't: they are held again.
    pub held_again: u64,
    /// Whose access logs aren't as they were written: nobody can say what is held of theirs, and nothing of it was erased.
    pub logs_unread: Vec<String>,
    /// Entries in the register after the run.
    pub register_lines: u64,
    /// The hash of its last line: whoever notes it elsewhere can prove what stood there.
    pub register_hash: String,
}

/// Erases all that a permit allows on a day. `now` is for the register; `watch` is told every step and may stop it there.
///
/// # Errors
/// When the day hasn't come, another run is going on, or something refuses: what was begun is finished by the next run.
pub fn run(
    vault: &Vault,
    index: &Index,
    scenario: &Scenario,
    today: Date,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Report, GallringError> {
    run_only(vault, index, scenario, today, now, watch, &|_| true)
}

/// The same for what was handed over under this receipt, and nothing else.
///
/// # Errors
/// The same.
pub(crate) fn run_handed_over(
    vault: &Vault,
    index: &Index,
    scenario: &Scenario,
    today: Date,
    now: Timestamp,
    receipt: &str,
    watch: Watch<'_>,
) -> Result<Report, GallringError> {
    let only = |matter: &Matter| matter.handed_over() == receipt;
    run_only(vault, index, scenario, today, now, watch, &only)
}

fn run_only(
    vault: &Vault,
    index: &Index,
    scenario: &Scenario,
    today: Date,
    now: Timestamp,
    watch: Watch<'_>,
    only: &dyn Fn(&Matter) -> bool,
) -> Result<Report, GallringError> {
    let real = callcore::time::Time::from(now).in_sweden().date();
    if today > real {
        return Err(GallringError::NotYet { at: today });
    }
    // No pause, and no decision taken back since, is got round by a day of the past either.
    let judge = |matter: &Matter| match matter.verdict(scenario, today) {
        Some(Verdict::Erase(_)) => matter.verdict(scenario, real),
        other => other,
    };
    let _lock = lock(vault)?;
    if crate::recover::is_unlisted(vault.store()) {
        return Err(GallringError::Unlisted);
    }
    let mut tools = tools(vault, index, now, watch)?;
    clock::note(vault, real)?;
    let mut report = Report {
        at: today.to_string(),
        finished: finish_marked(&mut tools)?,
        ..Report::default()
    };
    let lifted = place_lifted(vault, index, &mut report)?;
    let mut due = Due::default();
    let mut receipts = Receipts::of(vault);
    let mut matters = Matter::all(vault, index, &mut receipts)?;
    matters.sort_by_key(Matter::turn);
    for matter in matters.into_iter().filter(only) {
        let Some(Verdict::Erase(permit)) = judge(&matter) else {
            continue;
        };
        if lifted.unread.contains_key(matter.controller()) {
            report.refused += matter.count();
            continue;
        }
        let decided = decided(&matter, scenario, permit.decision(), (today, real));
        match &matter {
            Matter::Recordings(_) | Matter::Numbers(_) => {
                let what = match &matter {
                    Matter::Numbers(_) => Mark::Numbers,
                    _ => Mark::Recording,
                };
                let each = receipts.of_each(&matter);
                let before = matter.begun_before(scenario, today);
                let some = || some_of(index, &matter, before);
                due.take(&mut tools, what, &decided, some, |entry: &Entry| {
                    judge(each.of(&entry.id))
                })?;
            }
            Matter::AccessLog(segment) => {
                let went = erase_log(&mut tools, segment, &matter, scenario, permit, &decided)?;
                report.access_logs += u64::from(went);
                report.refused += u64::from(!went);
            }
        }
    }
    due.erase(&mut tools)?;
    tools.catch_up()?;
    let report = summed(report, &due, &tools);
    note_refused(vault, report.refused)?;
    Ok(report)
}

/// With what went, and where the register is.
fn summed(report: Report, due: &Due, tools: &Tools<'_>) -> Report {
    Report {
        recordings: due.recordings,
        bytes: due.bytes,
        numbers: due.numbers,
        refused: report.refused + tools.refused.len() as u64,
        register_lines: tools.register.lines(),
        register_hash: tools.register.hash().to_owned(),
        ..report
    }
}

/// Orders that something stay which the access logs have and the index doesn't, or no more, stand: who lifts one says so, and that is
/// in the log. Where a log can't be read nobody knows what is held.
fn place_lifted(
    vault: &Vault,
    index: &Index,
    report: &mut Report,
) -> Result<Lifted, GallringError> {
    let lifted = Lifted::find::<GallringError>(vault, index)?;
    for (controller, error) in &lifted.unread {
        tracing::error!(controller, %error, "nobody can say what is held of it, and nothing of it is erased");
        report.logs_unread.push(controller.clone());
    }
    report.held_again = lifted.place(index)?;
    if report.held_again > 0 {
        tracing::error!(
            recordings = report.held_again,
            "the access log says that they are held, and the index didn't: they are held again. Find out who changed the index"
        );
    }
    Ok(lifted)
}

/// Under what a thing goes by a decision, judged by a day; today's decide on the numbers that go with a recording.
fn decided(
    matter: &Matter,
    scenario: &Scenario,
    decision: usize,
    (today, real): (Date, Date),
) -> Decided {
    let of_numbers = |decided: Decided| {
        decided.by_rule(scenario, matter.controller(), ObjectClass::TelephoneNumber)
    };
    let decided = Decided::new(scenario, decision, today);
    match matter {
        Matter::Recordings(_) => match matter.numbers_go(scenario, real) {
            Some(place) => decided.and_numbers(of_numbers(Decided::new(scenario, place, today))),
            None => decided,
        },
        Matter::Numbers(_) => of_numbers(decided),
        Matter::AccessLog(_) => decided,
    }
}

/// Finishes what a stopped run left: for a recorder that starts. Erases nothing that could still be opened. Gives how
/// many it finished.
///
/// # Errors
/// When something refuses.
pub fn recover(vault: &Vault, index: &Index, now: Timestamp) -> Result<u64, GallringError> {
    let no_log = !access::has_aside(vault.store())?;
    let nothing_left = [Mark::Recording, Mark::Numbers]
        .into_iter()
        .try_fold(no_log, |so_far, what| {
            Ok::<_, GallringError>(so_far && index.marked(what)?.is_empty())
        })?;
    if nothing_left {
        return Ok(0);
    }
    let _lock = match lock(vault) {
        // Whoever runs now has finished it already.
        Err(GallringError::Busy) => return Ok(0),
        other => other?,
    };
    finish_marked(&mut tools(vault, index, now, &mut |_| {
        ControlFlow::Continue(())
    })?)
}

fn tools<'a>(
    vault: &'a Vault,
    index: &'a Index,
    now: Timestamp,
    watch: Watch<'a>,
) -> Result<Tools<'a>, GallringError> {
    index.wait_for_disk()?;
    Ok(Tools {
        vault,
        index,
        signer: Signer::of(vault)?,
        register: Ledger::open(vault.store(), vault.keys(), REGISTER, GENESIS)?,
        now,
        watch: Mutex::new(watch),
        behind: Behind::default(),
        refused: BTreeSet::new(),
    })
}

/// Keeps every other gallring out of a store; backups too keep it out while they are made.
pub(crate) fn lock(vault: &Vault) -> Result<StoreLock, GallringError> {
    StoreLock::take(&vault.store().join(".gallring"))?.ok_or(GallringError::Busy)
}

/// Recordings of several groups that go at once: the disk is waited for once a batch, and a group may be one recording.
#[derive(Default)]
struct Due {
    batch: Vec<(Entry, ErasurePermit)>,
    /// As what they go, and under which decision.
    under: Option<(Mark, Decided)>,
    recordings: u64,
    bytes: u64,
    numbers: u64,
}

impl Due {
    /// Takes a group, each recording under a permit of its own; erases whenever a batch is full.
    fn take(
        &mut self,
        tools: &mut Tools<'_>,
        what: Mark,
        decided: &Decided,
        some: impl Fn() -> Result<Vec<Entry>, GallringError>,
        judge: impl Fn(&Entry) -> Option<Verdict>,
    ) -> Result<(), GallringError> {
        let under = Some((what, decided.clone()));
        if self.under != under {
            self.erase(tools)?;
            self.under = under;
        }
        loop {
            let entries = some()?;
            let all_of_it = entries.len() < BATCH;
            if !all_of_it {
                // What was taken before would be found again by the next look.
                self.erase(tools)?;
            }
            let untried = entries
                .into_iter()
                .filter(|entry| !tools.refused.contains(&entry.id));
            let mut not_covered = Vec::new();
            self.batch
                .extend(untried.filter_map(|entry| match judge(&entry) {
                    Some(Verdict::Erase(permit)) => Some((entry, permit)),
                    _ => {
                        not_covered.push(entry.id);
                        None
                    }
                }));
            for id in not_covered {
                tracing::error!(recording = %id, "the index has it as handed over by a receipt that isn't of it: it stays");
                tools.refused.insert(id);
            }
            let full = self.batch.len() >= BATCH || !all_of_it;
            if full && self.erase(tools)? == 0 {
                // What was held meanwhile, or is refused, would come again and again.
                return Ok(());
            }
            if all_of_it {
                return Ok(());
            }
        }
    }

    /// Erases what was taken; gives how many went.
    fn erase(&mut self, tools: &mut Tools<'_>) -> Result<usize, GallringError> {
        let batch = std::mem::take(&mut self.batch);
        let Some((what, decided)) = self.under.as_ref().filter(|_| !batch.is_empty()) else {
            return Ok(0);
        };
        let gone = tools.erase(*what, batch, decided)?;
        match what {
            Mark::Recording => {
                self.recordings += gone.0;
                self.bytes += gone.1;
                if decided.numbers.is_some() {
                    self.numbers += gone.0;
                }
            }
            Mark::Numbers => self.numbers += gone.0,
        }
        Ok(usize::try_from(gone.0).unwrap_or(usize::MAX))
    }
}

fn some_of(
    index: &Index,
    matter: &Matter,
    before: Option<Timestamp>,
) -> Result<Vec<Entry>, GallringError> {
    Ok(match matter {
        Matter::Recordings(group) => index.some_alike(group, before, BATCH)?,
        Matter::Numbers(group) => index.some_numbers(group, before, BATCH)?,
        Matter::AccessLog(_) => Vec::new(),
    })
}

/// A month of an access log: set aside, entered in the register with its last hash, then removed. False when the disk refuses.
fn erase_log(
    tools: &mut Tools<'_>,
    segment: &Segment,
    matter: &Matter,
    scenario: &Scenario,
    permit: ErasurePermit,
    decided: &Decided,
) -> Result<bool, GallringError> {
    if let Err(error) = backup::carry_over(tools.vault, tools.index, segment, tools.now) {
        tracing::error!(log = segment.name, %error, "what it says is held can't be written down again: the next run tries again");
        return Ok(false);
    }
    // What nobody signed is cut off; and once it is set aside nobody adds to it.
    let aside = access::last_hash(tools.vault, segment)
        .and_then(|_| access::set_aside(tools.vault, segment));
    if let Err(error) = aside {
        tracing::error!(log = segment.name, %error, "it can't be erased: the next run tries again");
        return Ok(false);
    }
    tools.step(Step::Marked)?;
    let window = matter.window(scenario);
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    let entry = Destroyed {
        object: segment.name.clone(),
        controller: segment.controller.clone(),
        class: matter.class().to_owned(),
        month: segment.month.clone(),
        earliest: day(window.map(|window| window.earliest())),
        latest: day(window.and_then(|window| window.latest())),
        decision: decided.diary_number.clone(),
        judged: decided.judged.clone(),
        bytes: segment.bytes,
        key_destroyed: false,
        numbers: None,
        call: String::new(),
        last_hash: access::last_hash(tools.vault, segment)?,
    };
    tools.enter(&[entry])?;
    tools.step(Step::Registered)?;
    if let Err(error) = access::remove(tools.vault, segment, permit) {
        tracing::error!(log = segment.name, %error, "it was set aside and can't be removed: the next run tries again");
        return Ok(false);
    }
    tools.step(Step::Removed)?;
    Ok(true)
}

/// Notes for a recorder's metrics how much the last run had to leave.
fn note_refused(vault: &Vault, refused: u64) -> Result<(), GallringError> {
    let path = vault.store().join(REFUSED);
    match refused {
        0 => match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(folder::unusable(&path)(error).into())
            }
            _ => Ok(()),
        },
        some => Ok(folder::write_private(&path, some.to_string().as_bytes())?),
    }
}

/// How many things the last run had to leave, as store or bucket refused.
pub fn refused(vault: &Vault) -> u64 {
    let noted = fs::read_to_string(vault.store().join(REFUSED)).ok();
    noted.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// What an earlier run marked: finished when it can't be opened any more, else taken back.
fn finish_marked(tools: &mut Tools<'_>) -> Result<u64, GallringError> {
    let known: BTreeSet<(String, String)> = tools
        .register
        .recent()?
        .into_iter()
        .filter_map(|line| serde_json::from_value::<Destroyed>(line.entry).ok())
        .map(|one| (one.object, one.class))
        .collect();
    let mut finished = 0;
    for what in [Mark::Recording, Mark::Numbers] {
        let mut gone = Vec::new();
        let mut there = Vec::new();
        for (entry, mark) in tools.index.marked(what)? {
            if opens(tools.vault, what, &entry) {
                there.push(entry.id);
            } else {
                gone.push((entry, Decided::parse(&mark)));
            }
        }
        tools.index.unmark(what, &there)?;
        if !gone.is_empty() {
            tools.vault.sync_keys()?;
            finished += tools.finish(Batch { what, gone }, &known)?;
        }
    }
    let registered = |name: &str| known.iter().any(|(object, _)| object == name);
    if let Err(error) = access::finish_set_aside(tools.vault, registered) {
        tracing::error!(%error, "a month of an access log was set aside, and can be neither removed nor put back: the next run tries again");
    }
    Ok(finished)
}
