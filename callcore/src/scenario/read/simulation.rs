//! `[simulation]`: what only runs in virtual time read.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;

use super::{Reader, names::Names, routing::Calendars};
use crate::{
    kommun::RegionCode,
    scenario::{
        QueueId, Simulation, Staffing, Surge,
        raw::{OneOrMany, RawSimulation, RawStaffing, RawSurge},
        values,
    },
    time::{Span, Time},
};

/// A surge beyond this would ask for more calls than Sweden has people.
const FACTOR_MAX: f64 = 1000.0;
/// The most replications: beyond it an interval narrows by less than anybody sees.
const REPLICATIONS_MAX: u32 = 1000;
/// Mean time until somebody calls again.
const REDIAL_AFTER_S: f64 = 600.0;
/// Mean time until somebody who talked has something more to ask: assumption.
const RETURNING_AFTER_S: f64 = 86_400.0;
/// Who takes the offer to be called back: assumption.
const CALLBACK_SHARE: f64 = 0.5;
/// How many calls back nobody answers: assumption.
const CALLBACK_MISSED_SHARE: f64 = 0.1;
/// 3 to 4 files a call (IMY-REPORT p. 3).
const FILES_PER_CALL: f64 = 3.5;

impl Reader<'_> {
    pub(super) fn simulation(
        &mut self,
        raw: RawSimulation,
        names: &Names,
        calendars: &Calendars,
    ) -> Simulation {
        let from = raw.from.as_ref().and_then(|from| self.day(from));
        let until = raw.until.as_ref().and_then(|until| self.day(until));
        if let (Some(from), Some(until)) = (from, until) {
            let span = raw.from.as_ref().map_or(0..0, Spanned::span);
            self.in_order(Some(from), Some(until), span);
        }
        for name in &raw.beside {
            let remedy =
                "name a scenario's file beside this one, or a built-in one such as `medhelp-2019`";
            self.names_something("beside", name, remedy);
        }
        let seconds = |value: f64| Span::from_micros((value * 1e6) as i64);
        Simulation {
            from,
            until,
            warm_up: seconds(3600.0 * self.number(raw.warm_up_h, 0.0, 0.0..=24.0 * 366.0)),
            replications: self.replications(raw.replications.as_ref()),
            flat: raw.flat,
            exponential_talk: raw.exponential_talk,
            patience_shape: self.number(raw.patience_shape, 1.0, 0.1..=10.0),
            answer: self.answer(raw.answer_s.as_ref()),
            month_factors: self.months(raw.month_factors.as_ref()),
            calls_by_region: raw
                .calls_by_region
                .iter()
                .filter_map(|(code, calls)| Some((self.region_of(code)?, *calls)))
                .collect(),
            missing_share: self.share(raw.missing_share, 0.0),
            invalid_share: self.share(raw.invalid_share, 0.0),
            wrong_share: self.share(raw.wrong_share, 0.0),
            redial_share: self.share(raw.redial_share, 0.0),
            redial_after: seconds(self.number(raw.redial_after_s, REDIAL_AFTER_S, 1.0..=1e6)),
            returning_share: self.share(raw.returning_share, 0.0),
            returning_after: seconds(self.number(
                raw.returning_after_s,
                RETURNING_AFTER_S,
                1.0..=1e7,
            )),
            callback_share: self.share(raw.callback_share, CALLBACK_SHARE),
            callback_missed_share: self.share(raw.callback_missed_share, CALLBACK_MISSED_SHARE),
            files_per_call: self.number(raw.files_per_call, FILES_PER_CALL, 1.0..=10.0),
            sick_share: self.share(raw.sick_share, 0.0),
            break_share: self.share(raw.break_share, 0.0),
            beside: raw
                .beside
                .into_iter()
                .map(|name| name.into_inner().into())
                .collect(),
            stores: raw
                .stores
                .iter()
                .map(|(queue, store)| (names.queue(self, queue), store.get_ref().as_str().into()))
                .collect(),
            surges: self.each(raw.surge, Reader::surge),
            staffing: self.each(raw.staffing, |reader, raw| {
                reader.staffing(&raw, names, calendars)
            }),
        }
    }

    fn surge(&mut self, raw: RawSurge) -> Surge {
        const REMEDY: &str = "write a moment such as `2026-02-01T08:00` (a Swedish clock)";
        let mut moment = |raw: &Spanned<toml::Value>| {
            let read = |value: &toml::Value| {
                values::moment(value).or_else(|| values::day_begins(values::day(value)?))
            };
            self.value(raw, "this is no moment", REMEDY, read)
                .unwrap_or(Time::from_micros(0))
        };
        let (from, until) = (moment(&raw.from), moment(&raw.until));
        self.in_order(Some(from), Some(until), raw.from.span());
        self.says(
            &raw.name,
            "the surge has no name",
            "write what it is, such as `storm`: the report marks its days by it",
        );
        Surge {
            from,
            until,
            factor: self.number(Some(raw.factor), 1.0, 0.0..=FACTOR_MAX),
            regions: self.regions_of(raw.region.as_ref()),
            name: raw.name.into_inner().into(),
        }
    }

    fn staffing(&mut self, raw: &RawStaffing, names: &Names, calendars: &Calendars) -> Staffing {
        let texts = raw.queue.as_ref().map(|raw| self.texts(raw));
        let queues: Vec<QueueId> = texts
            .unwrap_or_default()
            .into_iter()
            .map(|(name, span)| names.queue(self, &Spanned::new(span, name.to_owned())))
            .collect();
        let hours = raw
            .hours
            .as_ref()
            .and_then(|name| self.hours(name, calendars));
        Staffing {
            queues,
            hours: hours.map(|named| named.hours),
            share: self.share(Some(raw.share.clone()), 1.0),
        }
    }

    fn regions_of(&mut self, raw: Option<&Spanned<OneOrMany>>) -> Vec<RegionCode> {
        let texts = raw.map(|raw| self.texts(raw)).unwrap_or_default();
        texts
            .into_iter()
            .filter_map(|(code, span)| self.region(code, span))
            .collect()
    }

    fn region_of(&mut self, code: &Spanned<String>) -> Option<RegionCode> {
        self.region(code.get_ref(), code.span())
    }

    fn replications(&mut self, raw: Option<&Spanned<u32>>) -> u32 {
        let sane = |count: &u32| (1..=REPLICATIONS_MAX).contains(count).then_some(*count);
        let read = raw.and_then(|raw| {
            let what = "this is no number of replications";
            self.value(raw, what, "write a number from 1 to 1000", sane)
        });
        read.unwrap_or(1)
    }

    fn answer(&mut self, raw: Option<&Spanned<[f64; 2]>>) -> (Span, Span) {
        let sane = |[shortest, longest]: &[f64; 2]| {
            let ordered = 0.0 <= *shortest && shortest <= longest && *longest <= 600.0;
            let span = |seconds: f64| Span::from_micros((seconds * 1e6) as i64);
            ordered.then(|| (span(*shortest), span(*longest)))
        };
        let read = raw.and_then(|raw| {
            let remedy = "write the shortest and the longest time in seconds, such as [2, 6]";
            self.value(raw, "these are no times until an answer", remedy, sane)
        });
        read.unwrap_or((Span::from_secs(2), Span::from_secs(6)))
    }

    fn months(&mut self, raw: Option<&Spanned<Vec<f64>>>) -> [f64; 12] {
        let sane = |list: &Vec<f64>| {
            let months: [f64; 12] = list.as_slice().try_into().ok()?;
            months
                .iter()
                .all(|factor| (0.0..=FACTOR_MAX).contains(factor))
                .then_some(months)
        };
        let read = raw.and_then(|raw| {
            let remedy = "write twelve factors from January on, such as 1.0";
            self.value(raw, "these are no factors of the months", remedy, sane)
        });
        read.unwrap_or([1.0; 12])
    }

    fn share(&mut self, raw: Option<Spanned<f64>>, default: f64) -> f64 {
        self.number(raw, default, 0.0..=1.0)
    }

    fn number(
        &mut self,
        raw: Option<Spanned<f64>>,
        default: f64,
        accepted: RangeInclusive<f64>,
    ) -> f64 {
        let Some(raw) = raw else { return default };
        let span: Range<usize> = raw.span();
        let number = raw.into_inner();
        if accepted.contains(&number) {
            return number;
        }
        let (least, most) = (accepted.start(), accepted.end());
        self.fault(
            span,
            "this number is out of range",
            &format!("write a number from {least} to {most}"),
        );
        default
    }
}
