//! How many nurses a region needs, hour by hour, for a service level: by the Erlang formula, then checked by simulation
//! and raised where the simulation falls short.

use std::sync::{Arc, atomic::AtomicBool};

use callcore::{
    calendar::{DayKind, Hours as Opening, Opening as Stretch},
    kommun::RegionCode,
    scenario::{Agent, Contact, QueueId, Scenario, Srtp, Staffing},
    time::{Span, Time},
};

use crate::{
    callers::{Callers, Source},
    erlang::Queue,
    error::RunError,
    hours::{HOUR, Hours},
    plan::{DAYS_MAX, Plan},
    run::run,
    tally::HourRow,
};

/// A service level: so large a share answered within so long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// From 0 to 1.
    pub share: f64,
    /// In seconds.
    pub within_s: f64,
}

impl Goal {
    /// Reads `80/180s`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (share, within) = text.trim().split_once('/')?;
        let share: f64 = share.trim().trim_end_matches('%').parse().ok()?;
        let within = within.trim();
        let within_s: f64 = within.strip_suffix('s').unwrap_or(within).parse().ok()?;
        let sane = (1.0..=99.9).contains(&share) && (0.0..=7200.0).contains(&within_s);
        sane.then_some(Self {
            share: share / 100.0,
            within_s,
        })
    }
}

/// One hour of one kind of day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// The kind of day.
    pub day: DayKind,
    /// The hour, 0 to 23.
    pub hour: u8,
    /// Calls in it, on average.
    pub calls: f64,
    /// Nurses by the formula alone.
    pub by_formula: u32,
    /// Nurses after the simulation had its say.
    pub nurses: u32,
    /// The share that the simulation answered in time with them; `None` where it was stopped before it could say.
    pub reached: Option<f64>,
}

/// What was found, of all hours or up to where it was stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Hour by hour, Monday first.
    pub needs: Vec<Need>,
    /// Somebody stopped it: these are the numbers of the last round of the simulation that was run whole, or of the formula alone.
    pub partial: bool,
}

/// Why no numbers come out.
#[derive(Debug, thiserror::Error)]
pub enum StaffingError {
    /// The region has no queue.
    #[error(
        "region {0} has no queue in this scenario: add one with `region = \"{0}\"`, or choose another region"
    )]
    NoQueue(&'static str),
    /// No number of nurses is enough.
    #[error("no number of nurses answers {:.0} % within {} s: lower the share or allow more time", 100.0 * .0.share, .0.within_s)]
    Unreachable(Goal),
    /// The check couldn't be run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// The queue that a region answers its callers in.
///
/// # Errors
/// When it has none.
pub fn queue_of(scenario: &Scenario, region: RegionCode) -> Result<QueueId, StaffingError> {
    (0..scenario.queues.len())
        .map(|at| scenario.queue_by_place(at))
        .find(|&queue| scenario.queue(queue).region == Some(region))
        .ok_or(StaffingError::NoQueue(region.code()))
}

/// Against the two hours that a goal can be, such patience has no end; to the formula each who would be waiting is a step.
const NEVER_GIVES_UP: Span = Span::from_secs(7 * 86_400);
/// How often the simulation may ask for more nurses.
const ROUNDS: u32 = 4;
/// How far below the goal an hour may come out by luck: about 500 calls in eight weeks have so much spread.
const TOLERANCE: f64 = 0.02;

/// The needs of a region in the weeks of a plan. `patient` callers never give up. When `stop` is set, it ends soon with what
/// there is.
///
/// # Errors
/// When the region has no queue, or no number of nurses is enough.
pub fn needs(
    scenario: &Scenario,
    plan: &Plan,
    region: RegionCode,
    goal: Goal,
    patient: bool,
    stop: &AtomicBool,
) -> Result<Found, StaffingError> {
    let queue = queue_of(scenario, region)?;
    let hours = Arc::new(Hours::new(plan));
    let callers = Callers::new(plan, &hours, Source::Region(region), plan.seed);
    let share = callers.share();
    let (mut met, mut checked) = (scenario.clone(), plan.clone());
    if patient {
        be_patient(&mut met, &mut checked);
    }
    if share_at_once(plan, goal) < goal.share {
        return Err(StaffingError::Unreachable(goal));
    }
    let mut needs = by_formula(scenario, plan, queue, &hours, &callers, goal, patient)?;
    let mut last_whole = None;
    for round in 0..ROUNDS {
        let before = needs.clone();
        if !check(
            &met,
            &checked,
            (region, queue, share),
            goal,
            &mut needs,
            stop,
        )? {
            return Ok(Found {
                needs: last_whole.unwrap_or(before),
                partial: true,
            });
        }
        last_whole = Some(needs.clone());
        let mut short = false;
        for need in &mut needs {
            let reached = need.reached.unwrap_or(1.0);
            if reached < goal.share - TOLERANCE && round + 1 < ROUNDS {
                need.nurses += 1;
                short = true;
            }
        }
        if !short {
            break;
        }
    }
    Ok(Found {
        needs,
        partial: false,
    })
}

/// The share that is answered in time when nobody waits for a nurse: even she takes a while to answer.
fn share_at_once(plan: &Plan, goal: Goal) -> f64 {
    let (shortest, longest) = plan.settings.answer;
    let (shortest, longest) = (shortest.as_secs_f64(), longest.as_secs_f64());
    match goal.within_s {
        within_s if within_s >= longest => 1.0,
        within_s if within_s < shortest => 0.0,
        within_s => (within_s - shortest) / (longest - shortest),
    }
}

fn by_formula(
    scenario: &Scenario,
    plan: &Plan,
    queue: QueueId,
    hours: &Hours,
    callers: &Callers,
    goal: Goal,
    patient: bool,
) -> Result<Vec<Need>, StaffingError> {
    const HOUR_S: f64 = 3600.0;
    let queue = scenario.queue(queue);
    let (shortest, longest) = plan.settings.answer;
    let ring_s = f64::midpoint(shortest.as_secs_f64(), longest.as_secs_f64());
    let busy_s = plan.traffic.talk_mean.as_secs_f64() + queue.wrap_up.as_secs_f64() + ring_s;
    let mut cells: Vec<(DayKind, u8, f64, u32)> = Vec::new();
    for place in 0..hours.hours.len() {
        let (day, hour) = kind_of(hours, place);
        let calls = callers.rate_of(place);
        match cells
            .iter_mut()
            .find(|cell| (cell.0, cell.1) == (day, hour))
        {
            Some(cell) => (cell.2, cell.3) = (cell.2 + calls, cell.3 + 1),
            None => cells.push((day, hour, calls, 1)),
        }
    }
    cells.sort_by_key(|cell| (cell.0, cell.1));
    cells
        .into_iter()
        .map(|(day, hour, calls, count)| {
            let calls = calls / f64::from(count);
            let formula = Queue {
                lambda: calls.max(1e-6),
                mu: HOUR_S / busy_s,
                theta: if patient || queue.patience_mean >= NEVER_GIVES_UP {
                    0.0
                } else {
                    HOUR_S / queue.patience_mean.as_secs_f64().max(1e-3)
                },
                agents: 0,
            };
            let nurses = formula
                .agents_for(goal.share, (goal.within_s - ring_s).max(0.0) / HOUR_S)
                .ok_or(StaffingError::Unreachable(goal))?;
            Ok(Need {
                day,
                hour,
                calls,
                by_formula: nurses,
                nurses,
                reached: None,
            })
        })
        .collect()
}

/// Callers who wait longer than any plan goes: of thousands of millions drawn by that shape, none is under a tenth of the mean.
fn be_patient(scenario: &mut Scenario, plan: &mut Plan) {
    plan.settings.patience_shape = 10.0;
    for queue in &mut scenario.queues {
        queue.patience_mean = Span::from_secs(DAYS_MAX * 86_400 * 10);
    }
}

/// The kind of day and the hour on a Swedish clock.
fn kind_of(hours: &Hours, place: usize) -> (DayKind, u8) {
    let micros = hours.first.as_micros() + place as i64 * HOUR.as_micros();
    let local = Time::from_micros(micros).in_sweden();
    (DayKind::of(local.date()), local.hour().unsigned_abs())
}

/// Runs the weeks with these nurses, and enters what share was answered in time; `false` when it was stopped before their end.
fn check(
    scenario: &Scenario,
    plan: &Plan,
    (region, queue, share): (RegionCode, QueueId, f64),
    goal: Goal,
    needs: &mut [Need],
    stop: &AtomicBool,
) -> Result<bool, StaffingError> {
    let most = needs.iter().map(|need| need.nurses).max().unwrap_or(1);
    let mut staffed = scenario.clone();
    staffed.agents.retain(|agent| agent.queue != queue);
    let first = staffed.agents.partition_point(|agent| agent.queue < queue);
    let nurse = Agent {
        queue,
        contact: Contact::Simulated,
        srtp: Srtp::Off,
        credentials: None,
    };
    staffed
        .agents
        .splice(first..first, std::iter::repeat_n(nurse, most as usize));
    // The nurses who are needed are those who answer: breaks and illness are made up for by the roster, once.
    let settings = &mut staffed.simulation;
    (settings.sick_share, settings.break_share) = (0.0, 0.0);
    settings.staffing = needs
        .iter()
        .map(|need| Staffing {
            queues: vec![queue],
            hours: Some(Opening::new(vec![Stretch {
                day: need.day,
                from_minute: u16::from(need.hour) * 60,
                to_minute: u16::from(need.hour) * 60 + 60,
            }])),
            share: f64::from(need.nurses) / f64::from(most),
        })
        .collect();
    let plan = of_region(plan, region, share, goal);
    let results = run(&staffed, &[], &plan, stop, |_| {})?;
    if results.summary.partial {
        return Ok(false);
    }
    let book = &results.books.queues[queue.index()];
    for need in needs.iter_mut() {
        let mut sum = HourRow::default();
        for (place, row) in book.hours.iter().enumerate() {
            if kind_of(&results.hours, place) == (need.day, need.hour) {
                sum.add(row);
            }
        }
        need.reached = Some(match sum.joined {
            0 => 1.0,
            joined => f64::from(sum.in_time) / f64::from(joined),
        });
    }
    Ok(true)
}

/// The plan with this region's callers alone, who are such a share of all: less those who call without a kommun-ID of it.
fn of_region(plan: &Plan, region: RegionCode, share: f64, goal: Goal) -> Plan {
    let mut plan = Plan {
        goal_s: goal.within_s,
        ..plan.clone()
    };
    plan.traffic.calls_per_year = (f64::from(plan.traffic.calls_per_year) * share) as u32;
    plan.traffic.regions = vec![region];
    plan.settings.calls_by_region.clear();
    let settings = &mut plan.settings;
    (settings.missing_share, settings.invalid_share) = (0.0, 0.0);
    settings.wrong_share = 0.0;
    plan
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::tests::today;

    static GO_ON: AtomicBool = AtomicBool::new(false);

    /// Stopped before the first simulation is through, the formula has spoken, and nothing is said to be reached.
    #[test]
    fn who_stops_it_gets_what_was_found_and_is_told_that_it_is_not_all() {
        let scenario = today();
        let plan = Plan::new(&scenario, date(2026, 1, 12), 7, 1);
        let region = RegionCode::parse("21").expect("a region");
        let goal = Goal::parse("80/180s").expect("a goal");
        let stop = AtomicBool::new(true);
        let found = needs(&scenario, &plan, region, goal, false, &stop).expect("numbers");
        assert!(found.partial);
        assert_eq!(found.needs.len(), 7 * 24);
        for need in found.needs {
            assert_eq!((need.reached, need.nurses), (None, need.by_formula));
        }
    }

    /// Nurses take two to six seconds to answer, however many there are.
    #[test]
    fn what_no_number_of_nurses_reaches_is_said() {
        let scenario = today();
        let plan = Plan::new(&scenario, date(2026, 1, 12), 7, 1);
        let region = RegionCode::parse("21").expect("a region");
        for (text, can) in [("80/0s", false), ("80/5s", false), ("70/5s", true)] {
            let goal = Goal::parse(text).expect("a goal");
            let needs = needs(&scenario, &plan, region, goal, false, &GO_ON);
            assert_eq!(needs.is_ok(), can, "{text}");
        }
    }

    #[test]
    fn a_goal_is_read_or_refused() {
        let goal = Goal::parse("80/180s").expect("a goal");
        assert_eq!((goal.share, goal.within_s), (0.8, 180.0));
        for text in ["", "80", "0/180s", "101/10s", "80/-1s", "80/ever"] {
            assert_eq!(Goal::parse(text), None, "{text}");
        }
    }

    /// A hundred years of patience are a step of the formula for each of a million who would be waiting.
    #[test]
    fn whose_patience_outlasts_a_week_counts_as_never_giving_up() {
        let mut scenario = today();
        let plan = Plan::new(&scenario, date(2026, 1, 12), 7, 1);
        let region = RegionCode::parse("01").expect("a region");
        let queue = queue_of(&scenario, region).expect("it has one");
        let hours = Arc::new(Hours::new(&plan));
        let callers = Callers::new(&plan, &hours, Source::Region(region), plan.seed);
        let goal = Goal::parse("80/180s").expect("a goal");
        let of = |scenario: &Scenario, patient| {
            let needs = by_formula(scenario, &plan, queue, &hours, &callers, goal, patient);
            needs.expect("it can be reached")
        };
        let never = of(&scenario, true);
        scenario.queues[queue.index()].patience_mean = Span::from_secs(u32::MAX);
        assert_eq!(of(&scenario, false), never);
    }

    #[test]
    fn the_check_meets_as_many_of_the_regions_callers_as_the_formula() {
        let mut scenario = today();
        scenario.simulation.missing_share = 0.3;
        scenario.simulation.invalid_share = 0.1;
        let plan = Plan::new(&scenario, date(2026, 1, 12), 7, 1);
        let region = RegionCode::parse("21").expect("a region");
        let callers = |plan: &Plan| {
            let hours = Arc::new(Hours::new(plan));
            Callers::new(plan, &hours, Source::Region(region), plan.seed)
        };
        let (all, goal) = (callers(&plan), Goal::parse("80/180s").expect("a goal"));
        let alone = callers(&of_region(&plan, region, all.share(), goal));
        for hour in [0, 9, 100] {
            let ratio = alone.rate_of(hour) / all.rate_of(hour);
            assert!((ratio - 1.0).abs() < 1e-4, "{ratio}");
        }
    }

    /// `--patient` says that nobody gives up, whatever the scenario says of its callers.
    #[test]
    fn patient_callers_are_met_in_the_check_too() {
        let needs = |patience_s, shape| {
            let mut scenario = today();
            scenario.simulation.patience_shape = shape;
            for queue in &mut scenario.queues {
                queue.patience_mean = Span::from_secs(patience_s);
            }
            let plan = Plan::new(&scenario, date(2026, 1, 12), 7, 1);
            let region = RegionCode::parse("21").expect("a region");
            let goal = Goal::parse("80/20s").expect("a goal");
            needs(&scenario, &plan, region, goal, true, &GO_ON).expect("numbers")
        };
        assert_eq!(needs(1, 1.0), needs(86_400, 0.5));
    }

    /// The roster makes up for breaks and illness: numbers that had done it already would be made up for twice.
    #[test]
    fn the_nurses_needed_are_those_who_are_there() {
        let needs = |away| {
            let mut scenario = today();
            let settings = &mut scenario.simulation;
            (settings.sick_share, settings.break_share) = (away, away);
            let plan = Plan::new(&scenario, date(2026, 1, 12), 7, 1);
            let region = RegionCode::parse("21").expect("a region");
            let goal = Goal::parse("80/60s").expect("a goal");
            needs(&scenario, &plan, region, goal, false, &GO_ON).expect("numbers")
        };
        assert_eq!(needs(0.0), needs(0.15));
    }

    #[test]
    fn the_nurses_found_reach_the_goal_nearly_every_hour_and_are_more_by_day() {
        let scenario = today();
        let plan = Plan::new(&scenario, date(2026, 1, 12), 14, 1);
        let goal = Goal::parse("80/180s").expect("a goal");
        let region = RegionCode::parse("21").expect("a region");
        let found = needs(&scenario, &plan, region, goal, false, &GO_ON).expect("numbers");
        assert!(!found.partial);
        let needs = found.needs;
        assert_eq!(needs.len(), 7 * 24);
        let short = needs
            .iter()
            .filter(|need| need.reached.is_none_or(|it| it < 0.7))
            .count();
        assert!(short < 8, "{short} hours fall short");
        let at = |hour| {
            needs
                .iter()
                .find(|need| need.hour == hour)
                .map_or(0, |need| need.nurses)
        };
        assert!(at(18) > 2 * at(3), "{} and {}", at(18), at(3));
    }
}
