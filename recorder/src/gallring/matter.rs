//! The three kinds of things that gallring finds in a store, each as a group that retention judges alike.

use callcore::{
    retention::{ObjectClass, RetentionWindow, Verdict},
    scenario::Scenario,
    time::sweden,
};
use jiff::{Timestamp, ToSpan, civil::Date};

use super::{GallringError, Thing, receipts::Receipts, verdict};
use crate::{
    access,
    index::{Alike, Index, IndexError, NumbersAlike},
    vault::Vault,
};

/// A group of things of one kind.
#[derive(Debug, Clone)]
pub(super) enum Matter {
    /// Whole recordings.
    Recordings(Alike),
    /// Who spoke in recordings that stay.
    Numbers(NumbersAlike),
    /// One month of a controller's access log.
    AccessLog(access::Segment),
}

impl Matter {
    /// Everything in the store; handed over is what a receipt proves to be.
    pub(super) fn all(
        vault: &Vault,
        index: &Index,
        receipts: &mut Receipts<'_>,
    ) -> Result<Vec<Self>, GallringError> {
        let (mut recordings, mut numbers) = (index.alike()?, index.numbers_alike()?);
        for group in &mut recordings {
            group.proven = receipts.covered(&group.handed_over).is_some();
        }
        for group in &mut numbers {
            group.proven = receipts.covered(&group.handed_over).is_some();
        }
        let logs = access::segments(vault.store())?;
        let recordings = recordings.into_iter().map(Self::Recordings);
        Ok(recordings
            .chain(numbers.into_iter().map(Self::Numbers))
            .chain(logs.into_iter().map(Self::AccessLog))
            .collect())
    }

    /// The same for what its receipt doesn't cover.
    pub(super) fn not_covered(&self) -> Self {
        let mut of = self.clone();
        match &mut of {
            Self::Recordings(group) => group.proven = false,
            Self::Numbers(group) => group.proven = false,
            Self::AccessLog(_) => {}
        }
        of
    }

    pub(super) fn controller(&self) -> &str {
        match self {
            Self::Recordings(group) => &group.controller,
            Self::Numbers(group) => &group.controller,
            Self::AccessLog(segment) => &segment.controller,
        }
    }

    /// The receipt of its hand-over, as the index has it; empty when there was none.
    pub(super) fn handed_over(&self) -> &str {
        match self {
            Self::Recordings(group) => &group.handed_over,
            Self::Numbers(group) => &group.handed_over,
            Self::AccessLog(_) => "",
        }
    }

    /// `2026-11`.
    pub(super) fn month(&self) -> &str {
        match self {
            Self::Recordings(group) => &group.month,
            Self::Numbers(group) => group.day.get(..7).unwrap_or_default(),
            Self::AccessLog(segment) => &segment.month,
        }
    }

    /// The class's name.
    pub(super) fn class(&self) -> &str {
        match self {
            Self::Recordings(group) => &group.class,
            Self::Numbers(_) => ObjectClass::TelephoneNumber.name(),
            Self::AccessLog(_) => ObjectClass::AccessLog.name(),
        }
    }

    /// How many things it is.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Recordings(group) => group.recordings,
            Self::Numbers(group) => group.recordings,
            Self::AccessLog(_) => 1,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Recordings(group) => group.bytes,
            Self::Numbers(_) => 0,
            Self::AccessLog(segment) => segment.bytes,
        }
    }

    /// Its floor and ceiling: a recording's own, fixed when it was made; the scenario's for what carries no tag.
    pub(super) fn window(&self, scenario: &Scenario) -> Option<RetentionWindow> {
        match self {
            Self::Recordings(group) => {
                let latest = match &*group.latest {
                    "" => None,
                    day => Some(day.parse().ok()?),
                };
                RetentionWindow::new(group.earliest.parse().ok()?, latest)
            }
            // By the first of its two Swedish days; who spoke on the second stays a day longer (`begun_before`, `apart`).
            Self::Numbers(group) => ruled(
                scenario,
                &group.controller,
                ObjectClass::TelephoneNumber,
                group.day.parse().ok()?,
            ),
            Self::AccessLog(segment) => {
                let (first, last) = days(&segment.month)?;
                let of = |day| ruled(scenario, &segment.controller, ObjectClass::AccessLog, day);
                let (earliest, latest) = (of(last)?.earliest(), of(first)?.latest());
                RetentionWindow::new(earliest, latest.map(|latest| latest.max(earliest)))
            }
        }
    }

    /// Groups are of a day by UTC, which is two days in Sweden. Where only the first of them has passed its floor: the moment
    /// from which on what began stays.
    pub(super) fn begun_before(&self, scenario: &Scenario, today: Date) -> Option<Timestamp> {
        if let Some(numbers) = self.numbers_within() {
            return numbers.begun_before(scenario, today);
        }
        let (second, midnight) = self.second_day()?;
        (today < second.window(scenario)?.earliest()).then_some(midnight)
    }

    /// What a day may judge in two ways, as two: each of the two Swedish days of a group apart, where the limits of only one
    /// of them have passed.
    pub(super) fn apart(
        self,
        index: &Index,
        scenario: &Scenario,
        today: Date,
    ) -> Result<Vec<Self>, IndexError> {
        if let Self::Recordings(group) = &self {
            let part = self.recordings_apart(group, index, scenario, today)?;
            return Ok(part.unwrap_or_else(|| vec![self]));
        }
        let passed = |of: &Self| {
            let window = of.window(scenario)?;
            let ceiling = window.latest().is_some_and(|latest| today > latest);
            Some((today >= window.earliest(), ceiling))
        };
        let second = self.second_day();
        let second = second.filter(|(second, _)| passed(second) != passed(&self));
        let (Self::Numbers(mut day), Some((Self::Numbers(mut night), midnight))) =
            (self.clone(), second)
        else {
            return Ok(vec![self]);
        };
        let all = day.recordings;
        day.recordings = index.count_numbers(&day, midnight)?.min(all);
        night.recordings = all - day.recordings;
        let both = [day, night].into_iter();
        Ok(both
            .filter(|one| one.recordings > 0)
            .map(Self::Numbers)
            .collect())
    }

    /// The same of recordings whose numbers may go with them on only one of the two days; `None` when they go or stay as one.
    fn recordings_apart(
        &self,
        group: &Alike,
        index: &Index,
        scenario: &Scenario,
        today: Date,
    ) -> Result<Option<Vec<Self>>, IndexError> {
        let goes = matches!(self.verdict(scenario, today), Some(Verdict::Erase(_)));
        let before = self.begun_before(scenario, today).filter(|_| goes);
        let second = group.day.parse::<Date>().and_then(|day| day.tomorrow());
        let (Some(midnight), Ok(second)) = (before, second) else {
            return Ok(None);
        };
        let (recordings, bytes) = index.count_alike(group, midnight)?;
        let day = Alike {
            recordings: recordings.min(group.recordings),
            bytes: bytes.min(group.bytes),
            ..group.clone()
        };
        let night = Alike {
            day: second.to_string(),
            recordings: group.recordings - day.recordings,
            bytes: group.bytes - day.bytes,
            ..group.clone()
        };
        let both = [day, night].into_iter();
        let both = both.filter(|one| one.recordings > 0).map(Self::Recordings);
        Ok(Some(both.collect()))
    }

    /// Who spoke in a group of recordings, as what it is: of a class of its own. `None` when nothing of it is stored any more.
    fn numbers_within(&self) -> Option<Self> {
        match self {
            Self::Recordings(group) if group.numbers => Some(Self::Numbers(NumbersAlike {
                controller: group.controller.clone(),
                day: group.day.clone(),
                held: group.held,
                handed_over: group.handed_over.clone(),
                proven: group.proven,
                recordings: group.recordings,
            })),
            _ => None,
        }
    }

    /// A group of numbers as it were by the second of its two Swedish days, and when that begins.
    fn second_day(&self) -> Option<(Self, Timestamp)> {
        let Self::Numbers(group) = self else {
            return None;
        };
        let second = group.day.parse::<Date>().ok()?.tomorrow().ok()?;
        let midnight = second.to_zoned(sweden()).ok()?.timestamp();
        let of = NumbersAlike {
            day: second.to_string(),
            ..group.clone()
        };
        Some((Self::Numbers(of), midnight))
    }

    /// What retention says; `None` when the scenario doesn't know its controller, class or rule. Who spoke is sealed with the
    /// recording's key and goes with it: so a recording goes only when that may go as well.
    pub(super) fn verdict(&self, scenario: &Scenario, today: Date) -> Option<Verdict> {
        let own = self.own_verdict(scenario, today)?;
        match self.numbers_keep(scenario, today) {
            Some(numbers) => numbers,
            None => Some(own),
        }
    }

    /// What retention says of who spoke in recordings that might go but for that.
    pub(super) fn numbers_keep(&self, scenario: &Scenario, today: Date) -> Option<Option<Verdict>> {
        let numbers = self.numbers_within()?;
        let may_go = matches!(self.own_verdict(scenario, today), Some(Verdict::Erase(_)));
        let verdict = numbers.own_verdict(scenario, today);
        (may_go && !matches!(verdict, Some(Verdict::Erase(_)))).then_some(verdict)
    }

    /// The decision under which who spoke goes with a recording that goes; `None` where that went before.
    pub(super) fn numbers_go(&self, scenario: &Scenario, today: Date) -> Option<usize> {
        match self.numbers_within()?.own_verdict(scenario, today) {
            Some(Verdict::Erase(permit)) => Some(permit.decision()),
            _ => None,
        }
    }

    /// In this order they go: numbers with their recordings where those may go, and what goes under the same decisions in a row,
    /// as that is as few batches.
    pub(super) const fn turn(&self) -> u8 {
        match self {
            Self::Recordings(group) if !group.numbers => 0,
            Self::Recordings(_) => 1,
            Self::Numbers(_) | Self::AccessLog(_) => 2,
        }
    }

    fn own_verdict(&self, scenario: &Scenario, today: Date) -> Option<Verdict> {
        let (held, handed_over) = match self {
            Self::Recordings(group) => (group.held, group.proven),
            Self::Numbers(group) => (group.held, group.proven),
            Self::AccessLog(_) => (false, false),
        };
        let thing = Thing {
            controller: self.controller(),
            class: ObjectClass::parse(self.class())?,
            window: self.window(scenario)?,
            held,
            handed_over,
        };
        verdict(scenario, &thing, today)
    }
}

fn ruled(
    scenario: &Scenario,
    controller: &str,
    class: ObjectClass,
    from: Date,
) -> Option<RetentionWindow> {
    let controller = scenario.org_by_id(controller)?;
    scenario
        .retention_window(controller, class, from)
        .map(|(window, _)| window)
}

/// The first and the last Swedish day on which there may be accesses in a month's log. Months are by UTC, which is over when the
/// next day has begun in Sweden.
fn days(month: &str) -> Option<(Date, Date)> {
    let first: Date = format!("{month}-01").parse().ok()?;
    Some((first, first.checked_add(1.month()).ok()?))
}
