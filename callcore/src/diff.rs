//! What two rule sets do differently: for whom, when, and to how many calls.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    kommun::kommun,
    origin::Origin,
    route::{Decision, Destination, Who},
    scenario::{RouteId, Scenario},
    time::{Span, Time},
};

/// Calls that are kept as examples of each kind of change.
const EXAMPLES_MAX: usize = 5;

/// What differs over a time, without traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The callers for whom it does, kommun codes first, in order.
    pub who: Vec<String>,
    /// Where their calls went.
    pub from: Place,
    /// Where they go.
    pub to: Place,
    /// For how many hours of the time, summed.
    pub hours: u64,
    /// When it first does, on a Swedish clock.
    pub first: String,
    /// Until when it last does.
    pub last: String,
}

/// Where a call goes, as far as a difference matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The queue's or provider's name; `none` when no rule holds.
    pub name: String,
    /// How the call leaves this switch; `None` when it stays.
    pub handover: Option<&'static str>,
    /// Whether this switch has it recorded.
    pub recorded: bool,
}

/// What differs for calls of some traffic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Moved {
    /// Calls looked at.
    pub calls: u64,
    /// Calls that go somewhere else.
    pub moved: Group,
    /// Calls that were recorded here and no longer are.
    pub recorded_to_unrecorded: Group,
    /// Calls that weren't recorded here and now are.
    pub unrecorded_to_recorded: Group,
    /// Calls that were answered here and now leave.
    pub region_to_external: Group,
    /// Calls that left and now are answered here.
    pub external_to_region: Group,
}

/// Calls of one kind of change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Group {
    /// How many.
    pub calls: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

/// One call that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The kommun's code, or `unknown`, `invalid`, `conflict`.
    pub kommun: String,
    /// When it comes, on a Swedish clock.
    pub at: String,
    /// The route it took.
    pub from: String,
    /// The route it takes.
    pub to: String,
}

/// Who is answered elsewhere from one moment to another, and for how many hours. Exact: it looks at every moment at
/// which a rule of either begins or ceases to hold. Hours are rounded down.
pub fn changes(a: &Scenario, b: &Scenario, from: Time, until: Time) -> Vec<Changed> {
    let mut by_change: BTreeMap<Change, Vec<Who>> = BTreeMap::new();
    let mut known: Vec<(Who, Vec<Change>)> = Vec::new();
    let mut places: Vec<Place> = vec![Place::nowhere()];
    let of_a = Answers::new(a, &mut places);
    let of_b = Answers::new(b, &mut places);
    for who in Who::everyone() {
        // Kommuner of one region share their rules, so this is worked out some twenty times, not 293.
        let alike = known.iter().find(|(other, _)| {
            a.routes.candidates(*other) == a.routes.candidates(who)
                && b.routes.candidates(*other) == b.routes.candidates(who)
        });
        let found = match alike {
            Some((_, found)) => found.clone(),
            None => {
                let found = changes_for((&of_a, &of_b), &places, who, (from, until));
                known.push((who, found.clone()));
                found
            }
        };
        for change in found {
            by_change.entry(change).or_default().push(who);
        }
    }
    by_change
        .into_iter()
        .map(|(change, who)| change.shown(&who))
        .collect()
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    first: Time,
    last: Time,
    from: Place,
    to: Place,
    span: Span,
}

impl Change {
    fn shown(self, who: &[Who]) -> Changed {
        const HOUR_MICROS: u64 = 3_600_000_000;
        Changed {
            who: who.iter().map(|who| code(*who)).collect(),
            from: self.from,
            to: self.to,
            hours: self.span.as_micros().unsigned_abs() / HOUR_MICROS,
            first: clock(self.first),
            last: clock(self.last),
        }
    }
}

fn changes_for(
    (a, b): (&Answers<'_>, &Answers<'_>),
    places: &[Place],
    who: Who,
    (from, until): (Time, Time),
) -> Vec<Change> {
    let mut found: BTreeMap<(usize, usize), Change> = BTreeMap::new();
    let winners = |table: &Answers<'_>| {
        let all = table.scenario.routes.winners(who, (from, until));
        let placed = |(at, route): (Time, Option<RouteId>)| (at, table.place_of(route));
        all.map(placed).collect::<Vec<_>>()
    };
    for (at, end, was, is) in beside(&winners(a), &winners(b), until) {
        if was == is {
            continue;
        }
        let change = found.entry((was, is)).or_insert_with(|| Change {
            first: at,
            last: end,
            from: places[was].clone(),
            to: places[is].clone(),
            span: Span::ZERO,
        });
        change.last = end;
        change.span = Span::from_micros(change.span.as_micros() + end.since(at).as_micros());
    }
    found.into_values().collect()
}

/// The stretches of time in which neither changes, with what each is. Both begin at the same moment.
fn beside<'w>(
    a: &'w [(Time, usize)],
    b: &'w [(Time, usize)],
    until: Time,
) -> impl Iterator<Item = (Time, Time, usize, usize)> + use<'w> {
    let (mut at_a, mut at_b) = (0, 0);
    std::iter::from_fn(move || {
        let (&(begins_a, was), &(begins_b, is)) = (a.get(at_a)?, b.get(at_b)?);
        let ends = |list: &[(Time, usize)], at: usize| list.get(at + 1).map_or(until, |it| it.0);
        let (ends_a, ends_b) = (ends(a, at_a), ends(b, at_b));
        let (begins, end) = (begins_a.max(begins_b), ends_a.min(ends_b));
        at_a += usize::from(ends_a == end);
        at_b += usize::from(ends_b == end);
        Some((begins, end, was, is))
    })
}

impl Place {
    /// Of a call without a route.
    fn nowhere() -> Self {
        Self {
            name: "none".to_owned(),
            handover: None,
            recorded: false,
        }
    }

    fn to(scenario: &Scenario, to: Destination) -> Self {
        match to {
            Destination::Queue(queue) => {
                let queue = scenario.queue(queue);
                Self {
                    name: queue.name.to_string(),
                    handover: None,
                    recorded: queue.recording,
                }
            }
            Destination::External(external) => Self {
                name: scenario.provider(external.provider).name.to_string(),
                handover: Some(external.handover.name()),
                recorded: false,
            },
        }
    }
}

/// What becomes of the calls of some traffic. The caller supplies it: a simulated year, or one that was.
pub fn moved(a: &Scenario, b: &Scenario, calls: impl IntoIterator<Item = (Origin, Time)>) -> Moved {
    // Places are told apart by number, so that a call costs two lookups and a comparison.
    let mut places: Vec<Place> = vec![Place::nowhere()];
    let (of_a, of_b) = (Answers::new(a, &mut places), Answers::new(b, &mut places));
    let mut moved = Moved::default();
    for (origin, at) in calls {
        moved.calls += 1;
        let (was, is) = (of_a.answer(origin, at), of_b.answer(origin, at));
        if was.place != is.place {
            let (from, to) = (&places[was.place], &places[is.place]);
            let example = || Example {
                kommun: code(origin.into()),
                at: clock(at),
                from: of_a.name(was),
                to: of_b.name(is),
            };
            moved.count(from, to, example);
        }
    }
    moved
}

impl Moved {
    fn count(&mut self, from: &Place, to: &Place, example: impl Fn() -> Example) {
        self.moved.add(&example);
        match (from.recorded, to.recorded) {
            (true, false) => self.recorded_to_unrecorded.add(&example),
            (false, true) => self.unrecorded_to_recorded.add(&example),
            _ => {}
        }
        match (from.handover, to.handover) {
            (None, Some(_)) => self.region_to_external.add(&example),
            (Some(_), None) => self.external_to_region.add(&example),
            _ => {}
        }
    }
}

impl Group {
    fn add(&mut self, example: impl Fn() -> Example) {
        self.calls += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
    }
}

/// The answers of one table, by route.
struct Answers<'s> {
    scenario: &'s Scenario,
    places: Vec<usize>,
}

/// One answer: the place in the list that both tables share, and the route.
#[derive(Clone, Copy)]
struct Answer {
    place: usize,
    decision: Option<Decision>,
}

impl<'s> Answers<'s> {
    fn new(scenario: &'s Scenario, known: &mut Vec<Place>) -> Self {
        let mut place_of = |place: Place| {
            known
                .iter()
                .position(|other| *other == place)
                .unwrap_or_else(|| {
                    known.push(place);
                    known.len() - 1
                })
        };
        let routes = scenario.routes.routes().iter();
        let places = routes
            .map(|route| place_of(Place::to(scenario, route.to)))
            .collect();
        Self { scenario, places }
    }

    /// The first place is that of a call without a route.
    fn place_of(&self, route: Option<RouteId>) -> usize {
        route.map_or(0, |route| self.places[route.index()])
    }

    fn answer(&self, origin: Origin, at: Time) -> Answer {
        let decision = self.scenario.routes.decide(origin, at);
        Answer {
            place: self.place_of(decision.map(|decision| decision.route)),
            decision,
        }
    }

    fn name(&self, answer: Answer) -> String {
        let route = answer
            .decision
            .map(|decision| self.scenario.route_name(decision.route));
        route.unwrap_or("none").to_owned()
    }
}

fn code(who: Who) -> String {
    match who {
        Who::Kommun(id) => kommun(id).id.to_string(),
        other => other.to_string(),
    }
}

fn clock(at: Time) -> String {
    at.in_sweden().strftime("%Y-%m-%dT%H:%M").to_string()
}
