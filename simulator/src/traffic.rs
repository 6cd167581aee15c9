//! Who calls when: a Poisson process whose rate follows the hour and the kind of day, split by population.
//!
//! The shape of the day is an assumption (`data/call_shape_assumption.csv`); a measured 1177 curve isn't public.
//! One process for the country whose calls are given a kommun by population is the same as one process a kommun.

use std::{collections::BTreeMap, vec};

use callcore::{
    kommun::{self, KommunId, RegionCode},
    scenario::Traffic,
    time::{Span, Time, sweden},
};
use jiff::{Timestamp, civil::Date};
use rand::RngExt;
use rand_distr::{Distribution, Exp1, LogNormal, Poisson};
use rand_pcg::Pcg64;

use crate::{
    plan::{DAYS_MAX, DayShape, Plan, TalkShape},
    random::{Purpose, stream},
    shape::{day_factor, is_workday, mean_day_factor, share_of_day},
};

const HOUR: Span = Span::from_secs(3600);

/// One caller, with everything about them that chance decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// When the call comes in.
    pub at: Time,
    /// Where from.
    pub kommun: KommunId,
    /// How long the conversation takes once somebody answers.
    pub talk: Span,
    /// The caller's patience as a multiple of the mean.
    pub patience: f64,
}

/// The callers of a plan, in order of time.
#[derive(Debug)]
pub struct Arrivals {
    hour: Time,
    end: Time,
    traffic: Traffic,
    shape: DayShape,
    year_means: BTreeMap<i16, f64>,
    this_hour: vec::IntoIter<Time>,
    kommuner: PopulationTable,
    talk: Talk,
    streams: Streams,
}

#[derive(Debug)]
struct Streams {
    arrivals: Pcg64,
    origins: Pcg64,
    talk: Pcg64,
    patience: Pcg64,
}

impl Arrivals {
    /// The callers of this plan.
    pub fn new(plan: &Plan) -> Self {
        let (hour, end) = window(plan);
        let of = |purpose| stream(plan.seed, purpose);
        Self {
            hour,
            end,
            traffic: plan.traffic.clone(),
            shape: plan.shape,
            year_means: BTreeMap::new(),
            this_hour: Vec::new().into_iter(),
            kommuner: PopulationTable::new(&plan.traffic.regions),
            talk: Talk::new(plan),
            streams: Streams {
                arrivals: of(Purpose::Arrivals),
                origins: of(Purpose::Origins),
                talk: of(Purpose::Talk),
                patience: of(Purpose::Patience),
            },
        }
    }

    fn fill_next_hour(&mut self) {
        let expected = self.calls_in_hour(self.hour);
        let rng = &mut self.streams.arrivals;
        let count = Poisson::new(expected).map_or(0.0, |poisson| poisson.sample(rng)) as usize;
        let hour = self.hour;
        let mut moments: Vec<Time> = (0..count)
            .map(|_| hour + Span::from_micros(rng.random_range(0..HOUR.as_micros())))
            .collect();
        moments.sort_unstable();
        self.this_hour = moments.into_iter();
        self.hour = hour + HOUR;
    }

    /// How many calls are expected in the hour that begins then.
    pub fn calls_in_hour(&mut self, hour: Time) -> f64 {
        let local = hour.in_sweden();
        let date = local.date();
        let mean_day = f64::from(self.traffic.calls_per_year) / f64::from(date.days_in_year());
        match self.shape {
            DayShape::Flat => mean_day / 24.0,
            DayShape::Profile => {
                let traffic = &self.traffic;
                let mean = *self
                    .year_means
                    .entry(date.year())
                    .or_insert_with(|| mean_day_factor(traffic, date.year()));
                let day = mean_day * day_factor(traffic, date) / mean;
                day * share_of_day(is_workday(date), local.hour() as usize)
            }
        }
    }
}

/// Draws lengths of conversations.
#[derive(Debug)]
enum Talk {
    LogNormal(LogNormal<f64>),
    Exponential(f64),
}

impl Talk {
    fn new(plan: &Plan) -> Self {
        let mean_s = plan.traffic.talk_mean.as_secs_f64();
        let log_normal =
            LogNormal::from_mean_cv(mean_s, plan.traffic.talk_sd.as_secs_f64() / mean_s);
        match (plan.talk, log_normal) {
            (TalkShape::LogNormal, Ok(log_normal)) => Self::LogNormal(log_normal),
            // A mean of 0 has no log-normal; every draw is 0 then.
            (TalkShape::LogNormal, Err(_)) | (TalkShape::Exponential, _) => {
                Self::Exponential(mean_s)
            }
        }
    }

    fn draw(&self, rng: &mut Pcg64) -> Span {
        let seconds = match self {
            Self::LogNormal(log_normal) => log_normal.sample(rng),
            Self::Exponential(mean_s) => {
                let multiple: f64 = Exp1.sample(rng);
                mean_s * multiple
            }
        };
        Span::from_micros((seconds * 1e6) as i64)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            if let Some(at) = self.this_hour.next() {
                let streams = &mut self.streams;
                return Some(Arrival {
                    at,
                    kommun: self.kommuner.draw(&mut streams.origins),
                    talk: self.talk.draw(&mut streams.talk),
                    patience: Exp1.sample(&mut streams.patience),
                });
            }
            if self.hour >= self.end {
                return None;
            }
            self.fill_next_hour();
        }
    }
}

/// The first moment of a plan and the first after it.
pub fn window(plan: &Plan) -> (Time, Time) {
    let days = jiff::Span::new()
        .try_days(i64::from(plan.days.min(DAYS_MAX)))
        .unwrap_or_default();
    let midnight = |date: Date| {
        let zoned = date.to_zoned(sweden());
        Time::from(zoned.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp()))
    };
    (
        midnight(plan.start),
        midnight(plan.start.saturating_add(days)),
    )
}

/// Draws kommuner by population.
#[derive(Debug)]
struct PopulationTable {
    kommuner: Vec<KommunId>,
    /// How many inhabitants the kommuner up to and with this one have together.
    up_to: Vec<u32>,
    total: u32,
}

impl PopulationTable {
    /// The kommuner of these regions; of all when there are none.
    fn new(regions: &[RegionCode]) -> Self {
        let calls = |region| regions.is_empty() || regions.contains(&region);
        let mut table = Self {
            kommuner: Vec::new(),
            up_to: Vec::new(),
            total: 0,
        };
        for kommun in kommun::kommuner()
            .iter()
            .filter(|kommun| calls(kommun.region))
        {
            table.total += kommun.population;
            table.kommuner.push(kommun.id);
            table.up_to.push(table.total);
        }
        table
    }

    fn draw(&self, rng: &mut Pcg64) -> KommunId {
        let inhabitant = rng.random_range(0..self.total);
        self.kommuner[self.up_to.partition_point(|&up_to| up_to <= inhabitant)]
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{plan::ANNOUNCEMENT, virtual_time::tests::today};

    fn plan(start: Date, days: u32) -> Plan {
        Plan::new(&today(), start, days, 7)
    }

    #[test]
    fn a_year_expects_as_many_calls_as_the_plan_says() {
        for (year, days) in [(2019, 365), (2024, 366)] {
            let plan = plan(date(year, 1, 1), days);
            let mut arrivals = Arrivals::new(&plan);
            let (mut hour, end) = window(&plan);
            let mut expected = 0.0;
            while hour < end {
                expected += arrivals.calls_in_hour(hour);
                hour = hour + HOUR;
            }
            // The two daylight-saving days have an hour too few and an hour too many.
            assert!((expected / 4.9e6 - 1.0).abs() < 1e-3, "{expected}");
        }
    }

    #[test]
    fn callers_come_in_order_and_from_where_people_live() {
        let arrivals: Vec<Arrival> = Arrivals::new(&plan(date(2026, 3, 2), 1)).collect();
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        let stockholm = arrivals
            .iter()
            .filter(|arrival| arrival.kommun.region().to_string() == "01")
            .count();
        let share = stockholm as f64 / arrivals.len() as f64;
        assert!((share - 0.234).abs() < 0.02, "{share}");
        let talk: f64 = arrivals
            .iter()
            .map(|arrival| arrival.talk.as_secs_f64())
            .sum();
        assert!((talk / arrivals.len() as f64 - 420.0).abs() < 15.0);
    }

    #[test]
    fn only_the_regions_of_the_traffic_call() {
        let mut plan = plan(date(2026, 3, 2), 1);
        plan.traffic.regions = RegionCode::parse("09").into_iter().collect();
        let mut arrivals = Arrivals::new(&plan);
        assert!(
            arrivals.all(|arrival| arrival.kommun.code() == "0980"),
            "Gotland has one kommun"
        );
        assert_eq!(
            plan.announcement(today().busy.expect("it has one")),
            ANNOUNCEMENT
        );
    }
}
