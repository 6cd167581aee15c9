//! The compiled routes: for each kommun a short list of rules, the first that holds wins.

use sha2::{Digest as _, Sha256};

use super::{Decision, Destination, Digest, Route, coverage::WHO_LEN, coverage::Who, sweep::Sweep};
use crate::{
    calendar::OpenTimes,
    origin::Origin,
    scenario::{AnnouncementId, RouteId},
    time::Time,
};

/// The compiled routes of a scenario. A decision is a lookup and allocates nothing.
#[derive(Debug, Clone)]
pub struct Table {
    routes: Vec<Route>,
    rules: Vec<Rule>,
    open_times: Vec<OpenTimes>,
    /// For each [`Who`] the rules that cover it, in file order.
    candidates: Vec<Vec<RouteId>>,
    digest: Digest,
}

/// A route with its conditions ready to compare.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) from: Time,
    pub(super) until: Time,
    /// A place in the table's `open_times`.
    pub(super) hours: Option<usize>,
    to: Destination,
    announcement: Option<AnnouncementId>,
}

impl Table {
    /// Compiles rules that are in order of precedence. `canonical` is the text that two tables share
    /// when, and only when, they decide alike; it becomes the digest.
    pub(crate) fn new(routes: Vec<Route>, canonical: &str) -> Self {
        let mut open_times: Vec<OpenTimes> = Vec::new();
        let rules = routes
            .iter()
            .map(|route| Rule::new(route, &mut open_times))
            .collect();
        let ids = || (0..).map(RouteId);
        let candidates_of = |who| {
            ids()
                .zip(&routes)
                .filter(|(_, route)| route.covers.contains(who))
                .map(|(id, _)| id)
                .collect()
        };
        let candidates = Who::everyone().map(candidates_of).collect();
        let hash = Sha256::digest(canonical);
        let first = hash.iter().take(8);
        let digest = Digest(first.fold(0, |number, &byte| number << 8 | u64::from(byte)));
        Self {
            routes,
            rules,
            open_times,
            candidates,
            digest,
        }
    }

    /// What happens to a call from there at that moment; `None` when no rule holds.
    #[inline]
    pub fn decide(&self, origin: Origin, at: Time) -> Option<Decision> {
        self.decide_for(origin.into(), at)
    }

    #[inline]
    pub(crate) fn decide_for(&self, who: Who, at: Time) -> Option<Decision> {
        let route = *self
            .candidates(who)
            .iter()
            .find(|route| self.holds(&self.rules[route.index()], at))?;
        let Rule {
            to, announcement, ..
        } = self.rules[route.index()];
        Some(Decision {
            route,
            to,
            announcement,
            digest: self.digest,
        })
    }

    #[inline]
    fn holds(&self, rule: &Rule, at: Time) -> bool {
        rule.from <= at
            && at < rule.until
            && rule
                .hours
                .is_none_or(|hours| self.open_times[hours].is_open(at))
    }

    /// Every rule, in file order; a [`RouteId::index`] points into it.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// One rule.
    #[inline]
    pub fn route(&self, id: RouteId) -> &Route {
        &self.routes[id.index()]
    }

    /// The digest of everything that decides.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    #[inline]
    pub(crate) fn candidates(&self, who: Who) -> &[RouteId] {
        debug_assert_eq!(self.candidates.len(), WHO_LEN);
        &self.candidates[who.index()]
    }

    pub(super) fn rule(&self, id: RouteId) -> &Rule {
        &self.rules[id.index()]
    }

    /// How many different hours the rules have.
    pub(super) const fn calendars(&self) -> usize {
        self.open_times.len()
    }

    /// Whether hours are compiled for a moment; without hours there is nothing to compile.
    pub(super) fn is_compiled(&self, at: Time) -> bool {
        let hours = self.open_times.first();
        hours.is_none_or(|hours| hours.is_compiled(at))
    }

    /// Which rule wins for a caller from one moment to another: at the first, and at each at which that may change.
    pub(crate) fn winners(
        &self,
        who: Who,
        time: (Time, Time),
    ) -> impl Iterator<Item = (Time, Option<RouteId>)> + use<'_> {
        Sweep::within(self, self.candidates(who), time)
    }

    /// Hours by their place, which a [`Rule`] has.
    pub(super) fn calendar(&self, place: usize) -> &OpenTimes {
        &self.open_times[place]
    }

    pub(super) fn open_times(&self, rule: &Rule) -> Option<&OpenTimes> {
        rule.hours.map(|hours| &self.open_times[hours])
    }
}

impl Rule {
    /// Hours that several routes share are compiled once.
    fn new(route: &Route, open_times: &mut Vec<OpenTimes>) -> Self {
        let hours = route.hours.as_ref().map(|named| {
            open_times
                .iter()
                .position(|known| *known.hours() == named.hours)
                .unwrap_or_else(|| {
                    open_times.push(OpenTimes::new(named.hours.clone()));
                    open_times.len() - 1
                })
        });
        Self {
            from: route.from.unwrap_or(Time::from_micros(i64::MIN)),
            until: route.until.unwrap_or(Time::from_micros(i64::MAX)),
            hours,
            to: route.to,
            announcement: route.announcement,
        }
    }
}
