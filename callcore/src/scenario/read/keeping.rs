//! Retention rules, recorded decisions, and pauses.

use jiff::civil::{Date, date};
use toml::Spanned;

use super::{Reader, names::Names};
use crate::{
    retention::{CountedFrom, OBJECT_CLASSES, ObjectClass, Period},
    scenario::{
        ControllerDecision, Pause, Retention,
        raw::{RawDecision, RawPause, RawRetention},
    },
};

/// Days of which some floor and ceiling are far apart in length: a leap day, a year's end, after a short month.
const PROBES: [Date; 3] = [date(2020, 2, 29), date(2019, 12, 31), date(2021, 3, 1)];

/// What a decision can permit.
const PERMITS: [(&str, ()); 3] = [("erase", ()), ("hand-over", ()), ("keep", ())];

impl Reader<'_> {
    pub(super) fn retention(&mut self, raws: Vec<RawRetention>, names: &Names) -> Vec<Retention> {
        let mut rules: Vec<Retention> = Vec::with_capacity(raws.len());
        for raw in raws {
            let span = raw.class.span();
            let rule = self.retention_rule(raw, names);
            if rules
                .iter()
                .any(|other| (other.class, other.controller) == (rule.class, rule.controller))
            {
                let message = format!(
                    "a second rule for `{}` of the same controller",
                    rule.class.name()
                );
                let before = self.faults.len();
                self.fault(span, &message, "keep one of them");
                self.coded(before, "V0502");
            }
            rules.push(rule);
        }
        rules
    }

    fn retention_rule(&mut self, raw: RawRetention, names: &Names) -> Retention {
        if raw.basis.trim().is_empty() {
            self.fault(
                raw.class.span(),
                "the retention has no basis: `basis` is empty",
                "cite what it follows, such as `BTV instruction 8`",
            );
        }
        let class = self.class(&raw.class);
        let earliest = self.period(&raw.earliest);
        let latest = raw.latest.as_ref().and_then(|latest| self.period(latest));
        if let (Some(earliest), Some(latest)) = (earliest, latest)
            && PROBES
                .iter()
                .any(|&day| earliest.after(day) > latest.after(day))
        {
            let remedy = "`latest` is the last day the data may be there, so it can't come before `earliest`";
            let before = self.faults.len();
            self.fault(
                raw.earliest.span(),
                "the floor lies above the ceiling",
                remedy,
            );
            self.coded(before, "V0501");
        }
        let counted_from = raw.counted_from.as_ref().and_then(|name| {
            let words = [CountedFrom::Call, CountedFrom::LastEntry].map(|from| (from.name(), from));
            self.word(name, "day to count from", &words)
        });
        Retention {
            class,
            controller: self.maybe_org(raw.controller, names),
            earliest: earliest.unwrap_or(Period::Days(0)),
            latest,
            counted_from: counted_from.unwrap_or_default(),
            basis: raw.basis.into(),
        }
    }

    pub(super) fn period(&mut self, raw: &Spanned<String>) -> Option<Period> {
        let read = |text: &String| Period::parse(text);
        self.value(
            raw,
            "this is no period",
            "write `2 years`, `18 months` or `30 days`",
            read,
        )
    }

    pub(super) fn class(&mut self, raw: &Spanned<String>) -> ObjectClass {
        let words = OBJECT_CLASSES.map(|class| (class.name(), class));
        self.word(raw, "object class", &words)
            .unwrap_or(ObjectClass::Audio)
    }

    pub(super) fn decision(&mut self, raw: RawDecision, names: &Names) -> ControllerDecision {
        self.word(&raw.permits, "permission", &PERMITS);
        if raw.diary_number.get_ref().trim().is_empty() {
            self.fault(
                raw.diary_number.span(),
                "the decision has no diary number, so that nobody could find it",
                "write the number under which the controller recorded it, such as `RS/903/2025`",
            );
        }
        if raw.classes.is_empty() {
            self.fault(
                raw.diary_number.span(),
                "the decision speaks of no object class",
                "add them to `classes`",
            );
        }
        let date = self.day(&raw.date);
        let until = raw.until.as_ref().and_then(|until| self.day(until));
        if let (Some(date), Some(until), Some(said)) = (date, until, &raw.until)
            && until <= date
        {
            self.fault(
                said.span(),
                "`until` is not after `date`, so that the decision would never hold",
                "write the first day on which it no longer holds, or leave `until` out while it does",
            );
        }
        ControllerDecision {
            controller: names.org(self, &raw.controller),
            date: date.unwrap_or_default(),
            until,
            classes: raw.classes.iter().map(|class| self.class(class)).collect(),
            permits: raw.permits.into_inner().into(),
            diary_number: raw.diary_number.into_inner().into(),
            note: raw.note.into(),
        }
    }

    pub(super) fn pause(&mut self, raw: RawPause, names: &Names) -> Pause {
        let from = self.day(&raw.from);
        let until = raw.until.as_ref().and_then(|until| self.day(until));
        self.in_order(from, until, raw.from.span());
        self.says(
            &raw.reason,
            "the pause has no reason",
            "write why nothing may be erased: whoever plans gallring reads it",
        );
        Pause {
            controller: self.maybe_org(raw.controller, names),
            from: from.unwrap_or_default(),
            until,
            reason: raw.reason.into_inner().into(),
        }
    }
}
