//! Calendars and routes.

use std::{collections::BTreeMap, ops::Range};

use toml::Spanned;

use super::{Reader, names::Names};
use crate::{
    calendar::{DayKind, Hours, Opening},
    kommun::{KommunId, kommuner},
    route::{Coverage, Destination, External, Handover, Route, RouteHours, Who},
    scenario::{
        Menu, ProviderId,
        nearest::nearest,
        raw::{OneOrMany, RawCalendar, RawMenu, RawOpening, RawRoute},
        values,
    },
    time::Time,
};

/// The calendar that every scenario has.
const JOURTID: &str = "jourtid";

/// Openings in one calendar: eight kinds of day, each with many breaks.
const OPENINGS_MAX: usize = 100;

/// Openings by kind of day in all calendars together: for each of a hundred calendars six on every kind of day. They take
/// some two hundred megabytes when each calendar is compiled; a hundred openings every day in each would take three thousand.
const OPENINGS_IN_ALL_MAX: usize = 5_000;

/// Calendars of a scenario. Each that a route uses is compiled to the moments of 46 years, a third of a megabyte.
const CALENDARS_MAX: usize = 100;

const HANDOVERS: [(&str, Handover); 3] = [
    (Handover::Release.name(), Handover::Release),
    (Handover::Direct.name(), Handover::Direct),
    (Handover::Relay.name(), Handover::Relay),
];

pub(super) type Calendars = BTreeMap<String, Hours>;

impl Reader<'_> {
    pub(super) fn calendars(&mut self, raws: Vec<RawCalendar>) -> Calendars {
        let mut calendars = Calendars::from([(JOURTID.to_owned(), Hours::jourtid())]);
        let mut in_all = 0;
        for raw in raws {
            if calendars.len() > CALENDARS_MAX {
                self.fault(
                    raw.name.span(),
                    &format!("more than {CALENDARS_MAX} calendars"),
                    "let routes with the same hours share one",
                );
                break;
            }
            self.check_name("calendar", &raw.name);
            let span = raw.name.span();
            if raw.open.len() > OPENINGS_MAX {
                self.fault(
                    span,
                    &format!("more than {OPENINGS_MAX} openings"),
                    "join openings that touch",
                );
                continue;
            }
            let openings: Vec<Opening> = raw
                .open
                .iter()
                .flat_map(|opening| self.openings(opening))
                .collect();
            in_all += openings.len();
            if in_all > OPENINGS_IN_ALL_MAX {
                self.fault(
                    span,
                    &format!("more than {OPENINGS_IN_ALL_MAX} openings in all calendars, each kind of day counted"),
                    "join openings that touch, and let routes with the same hours share a calendar",
                );
                break;
            }
            if calendars
                .insert(raw.name.into_inner(), Hours::new(openings))
                .is_some()
            {
                self.fault(
                    span,
                    "a second calendar has this name",
                    "give each a name of its own; `jourtid` is built in",
                );
            }
        }
        calendars
    }

    fn openings(&mut self, raw: &RawOpening) -> Vec<Opening> {
        const REMEDY: &str =
            "write a time of day such as \"08:00\"; the end of the day is \"24:00\"";
        let from = self.value(
            &raw.from,
            "this is no time of day",
            REMEDY,
            values::minute_of_day,
        );
        let to = self.value(
            &raw.to,
            "this is no time of day",
            REMEDY,
            values::minute_of_day,
        );
        let (Some(from_minute), Some(to_minute)) = (from, to) else {
            return Vec::new();
        };
        // An end that isn't after the beginning is on the next day.
        let to_minute = if to_minute <= from_minute {
            to_minute + 24 * 60
        } else {
            to_minute
        };
        let days = self
            .texts(&raw.days)
            .into_iter()
            .flat_map(|(text, span)| self.days(text, span));
        days.collect::<Vec<_>>()
            .into_iter()
            .map(|day| Opening {
                day,
                from_minute,
                to_minute,
            })
            .collect()
    }

    /// `mon`, `mon-fri` or `holiday`.
    fn days(&mut self, text: &str, span: Range<usize>) -> Vec<DayKind> {
        let kind = |name: &str| DayKind::ALL.into_iter().find(|day| day.name() == name);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (kind(first), kind(last)) {
            (Some(first), Some(last)) if first <= last => DayKind::ALL
                .into_iter()
                .filter(|day| (first..=last).contains(day))
                .collect(),
            _ => {
                self.fault(
                    span,
                    "this is no day",
                    "write mon, tue, wed, thu, fri, sat, sun, mon-fri or holiday",
                );
                Vec::new()
            }
        }
    }

    pub(super) fn route(&mut self, raw: RawRoute, names: &Names, calendars: &Calendars) -> Route {
        let (from, from_day) = self.beginning(raw.from.as_ref());
        let (until, until_day) = self.beginning(raw.until.as_ref());
        self.in_order(from_day, until_day, raw.name.span());
        let handover = raw
            .handover
            .as_ref()
            .and_then(|name| self.word(name, "handover", &HANDOVERS));
        Route {
            covers: self.coverage(&raw),
            from,
            until,
            hours: raw
                .hours
                .as_ref()
                .and_then(|name| self.hours(name, calendars)),
            to: self.destination(&raw, handover, names),
            announcement: raw
                .announcement
                .as_ref()
                .map(|name| names.announcement(self, name)),
            failover: self.instead(&raw.failover, handover, names),
            menu: self.menu_of(raw.menu, raw.provider.as_ref(), names),
            name: raw.name.into_inner().into(),
        }
    }

    fn menu_of(
        &mut self,
        raw: Option<RawMenu>,
        provider: Option<&Spanned<String>>,
        names: &Names,
    ) -> Option<Menu> {
        if let (Some(_), Some(provider)) = (&raw, provider) {
            self.fault(
                provider.span(),
                "a call to a provider has no menu: it isn't answered here",
                "leave out `menu`, or send the call to a queue",
            );
        }
        raw.map(|raw| self.menu(raw, names))
    }

    fn beginning(
        &mut self,
        raw: Option<&Spanned<toml::Value>>,
    ) -> (Option<Time>, Option<jiff::civil::Date>) {
        let day = raw.and_then(|raw| self.day(raw));
        (day.and_then(values::day_begins), day)
    }

    pub(super) fn day(&mut self, raw: &Spanned<toml::Value>) -> Option<jiff::civil::Date> {
        self.value(
            raw,
            "this is no day",
            "write a day that exists, such as 2019-11-01",
            values::day,
        )
    }

    pub(super) fn hours(
        &mut self,
        name: &Spanned<String>,
        calendars: &Calendars,
    ) -> Option<RouteHours> {
        let hours = calendars.get(name.get_ref()).cloned();
        if hours.is_none() {
            let remedy = match nearest(name.get_ref(), calendars.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write \"jourtid\", or add it with [[calendar]]".to_owned(),
            };
            self.fault(
                name.span(),
                &format!("no calendar is called `{}`", super::shown(name.get_ref())),
                &remedy,
            );
        }
        hours.map(|hours| RouteHours {
            name: name.get_ref().as_str().into(),
            hours,
        })
    }

    fn coverage(&mut self, raw: &RawRoute) -> Coverage {
        let mut covers = Coverage::default();
        let classes = [
            (raw.unknown, Who::Unknown),
            (raw.invalid, Who::Invalid),
            (raw.conflict, Who::Conflict),
        ];
        classes
            .into_iter()
            .filter(|(named, _)| *named)
            .for_each(|(_, who)| covers.add(who));
        for (code, span) in raw
            .kommun
            .iter()
            .flat_map(|raw| self.texts(raw))
            .collect::<Vec<_>>()
        {
            match KommunId::parse(code) {
                Some(kommun) => covers.add(Who::Kommun(kommun)),
                None => self.fault(
                    span,
                    "no kommun has this code",
                    "write four digits; data/kommuner.csv lists all 290",
                ),
            }
        }
        let mut regions = Vec::new();
        for (code, span) in raw
            .region
            .iter()
            .flat_map(|raw| self.texts(raw))
            .collect::<Vec<_>>()
        {
            regions.extend(self.region(code, span));
        }
        let named = |region| raw.all || regions.contains(&region);
        kommuner()
            .iter()
            .filter(|kommun| named(kommun.region))
            .for_each(|kommun| covers.add(Who::Kommun(kommun.id)));
        // A code that is wrong has been told already.
        if covers.is_empty() && raw.kommun.is_none() && raw.region.is_none() {
            let remedy = "add kommun = [...], region = \"..\", all = true, unknown = true, invalid = true or conflict = true";
            self.fault(
                raw.name.span(),
                "the route doesn't say whose calls it takes",
                remedy,
            );
        }
        covers
    }

    fn destination(
        &mut self,
        raw: &RawRoute,
        handover: Option<Handover>,
        names: &Names,
    ) -> Destination {
        match (&raw.queue, &raw.provider) {
            (Some(queue), None) => {
                if let Some(handover) = &raw.handover {
                    self.fault(
                        handover.span(),
                        "only a call to a provider is handed over",
                        "leave out `handover`",
                    );
                }
                Destination::Queue(names.queue(self, queue))
            }
            (None, Some(provider)) => external(names.provider(self, provider), handover),
            _ => {
                let message = "a route goes to a queue or to a provider, to exactly one of them";
                self.fault(
                    raw.name.span(),
                    message,
                    "write either `queue = \"...\"` or `provider = \"...\"`",
                );
                external(ProviderId(0), handover)
            }
        }
    }

    /// Where a full queue's callers go, and how to the providers among them.
    pub(super) fn overflow(
        &mut self,
        raw: &[Spanned<String>],
        handover: Option<&Spanned<String>>,
        names: &Names,
    ) -> Vec<Destination> {
        let said = handover.and_then(|name| self.word(name, "handover", &HANDOVERS));
        let overflow = self.instead(raw, said, names);
        let leaves = |to: &Destination| matches!(to, Destination::External(_));
        if let Some(handover) = handover
            && !overflow.iter().any(leaves)
        {
            self.fault(
                handover.span(),
                "only a call to a provider is handed over, and `overflow` names none",
                "name a provider in `overflow`, or leave out `handover`",
            );
        }
        overflow
    }

    /// Queues or providers that are tried instead, in order.
    pub(super) fn instead(
        &mut self,
        raw: &[Spanned<String>],
        handover: Option<Handover>,
        names: &Names,
    ) -> Vec<Destination> {
        let mut one = |name: &Spanned<String>| match names.providers.places.get(name.get_ref()) {
            Some(&provider) => external(ProviderId(provider), handover),
            None => Destination::Queue(names.queue(self, name)),
        };
        raw.iter().map(&mut one).collect()
    }

    /// Refuses a scenario in which somebody has no route at all. Gaps in time are findings, not faults.
    pub(super) fn everyone_has_a_route(&mut self, routes: &[Route]) {
        // A wrong code leaves its kommun without a route; telling that too would only hide the cause.
        if !self.faults.is_empty() {
            return;
        }
        let without: Vec<Who> = Who::everyone()
            .filter(|&who| !routes.iter().any(|route| route.covers.contains(who)))
            .collect();
        if let Some(first) = without.first() {
            let more = if without.len() > 1 {
                format!(" (and {} more)", without.len() - 1)
            } else {
                String::new()
            };
            let remedy = "add a [[route]] that takes these calls; `all`, `unknown`, `invalid` and `conflict` can be combined";
            self.fault(
                0..0,
                &format!("no route takes calls from {first}{more}"),
                remedy,
            );
            self.coded(0, "V0101");
        }
    }

    /// The texts of a value that may be one or a list, each with its place.
    pub(super) fn texts<'r>(&self, raw: &'r Spanned<OneOrMany>) -> Vec<(&'r str, Range<usize>)> {
        match raw.get_ref() {
            OneOrMany::One(text) => vec![(text.as_str(), raw.span())],
            OneOrMany::Many(texts) => texts
                .iter()
                .map(|text| (text.get_ref().as_str(), text.span()))
                .collect(),
        }
    }
}

fn external(provider: ProviderId, handover: Option<Handover>) -> Destination {
    Destination::External(External {
        provider,
        handover: handover.unwrap_or(Handover::Direct),
    })
}
