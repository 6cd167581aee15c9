//! Who calls when: for each region a Poisson process whose rate follows the hour, the kind of day and surges.
//!
//! The shape of the day is an assumption (`data/call_shape_assumption.csv`); a measured 1177 curve isn't public.
//! Callers whose kommun-ID is missing or can't be one are a process of their own, which is the same as drawing them
//! from the others (a Poisson process falls apart into Poisson processes).

use std::sync::Arc;

use callcore::{
    kommun::{self, KommunId, RegionCode},
    origin::{InvalidReason, Origin, UnknownReason},
    scenario::Surge,
    time::{Span, Time},
};
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1, LogNormal};
use rand_pcg::Pcg64;

use crate::{
    hours::Hours,
    moments::Moments,
    plan::Plan,
    random::{Purpose, fixed_chance, fixed_word, stream},
};

/// One caller, with everything about them that chance decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Caller {
    /// When the call comes in.
    pub at: Time,
    /// What the call says of where it comes from.
    pub origin: Origin,
    /// Where it really comes from.
    pub home: KommunId,
    /// How long the conversation takes once somebody answers.
    pub talk: Span,
    /// How long the agent lets it ring.
    pub ring: Span,
    /// The caller's patience as a multiple of the mean.
    pub patience: f32,
    /// How many files its recording becomes.
    pub files: u8,
}

impl Caller {
    /// A number from 0 to 1 that is this caller's own, whatever else a run is like: under other rules the same caller
    /// decides the same.
    pub(crate) fn chance(&self, seed: u64, what: u64) -> f64 {
        fixed_chance(seed, self.who(), what)
    }

    /// Numbers that are this caller's own, likewise.
    pub(crate) fn luck(&self, seed: u64, what: u64) -> Pcg64 {
        Pcg64::seed_from_u64(fixed_word(seed, self.who(), what))
    }

    /// No two call from one kommun in one microsecond, or what they do alike doesn't matter.
    fn who(&self) -> u64 {
        self.at.as_micros().cast_unsigned() ^ (self.home.index() as u64) << 52
    }
}

/// Whose calls a process makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The people of a region, under a kommun-ID of it.
    Region(RegionCode),
    /// People anywhere whose kommun-ID is missing.
    Missing,
    /// People anywhere whose kommun-ID can't be one.
    Invalid,
}

impl Source {
    /// Every source that a plan has. A list of real calls is of anybody.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let replays = !plan.replay.is_empty();
        let (missing, invalid) = (plan.settings.missing_share, plan.settings.invalid_share);
        let regions = kommun::regions().iter().map(|region| region.code);
        regions
            .filter(|&region| replays || plan.calls_from(region))
            .map(Self::Region)
            .chain((replays || missing > 0.0).then_some(Self::Missing))
            .chain((replays || invalid > 0.0).then_some(Self::Invalid))
            .collect()
    }

    /// The source of a call that says so of itself.
    pub(crate) fn of(origin: Origin) -> Self {
        match origin {
            Origin::Known(kommun) => Self::Region(kommun.region()),
            Origin::Unknown(_) => Self::Missing,
            // No list names two kommuner.
            Origin::Invalid(_) | Origin::Conflict(..) => Self::Invalid,
        }
    }

    fn place(self) -> String {
        match self {
            Self::Region(region) => region.to_string(),
            Self::Missing => "missing".to_owned(),
            Self::Invalid => "invalid".to_owned(),
        }
    }
}

/// The callers of one source, in order of time.
#[derive(Debug)]
pub struct Callers {
    source: Source,
    moments: Moments,
    homes: Homes,
    everyone: Homes,
    wrong_share: f64,
    draws: Draws,
    streams: Streams,
}

/// All callers of a plan, in order of time: for those who want to look at traffic and not at what becomes of it.
pub fn everyone(plan: &Plan) -> impl Iterator<Item = Caller> + use<> {
    let hours = Arc::new(Hours::new(plan));
    let sources = Source::all(plan).into_iter();
    // One of each at a time: a hundred national years are more than fits in memory.
    let mut sources: Vec<_> = sources
        .map(|source| Callers::new(plan, &hours, source, plan.seed).peekable())
        .collect();
    std::iter::from_fn(move || {
        let next = sources
            .iter_mut()
            .filter_map(|source| Some((source.peek()?.at, source)))
            .min_by_key(|(at, _)| *at);
        next?.1.next()
    })
}

/// How many calls a plan is expected to bring, all sources together, with surges; those of a list are known.
pub(crate) fn expected(plan: &Plan, hours: &Arc<Hours>) -> f64 {
    if !plan.replay.is_empty() {
        return plan.replayed().count() as f64;
    }
    let of = |source| {
        let moments = Moments::new(hours, share_of(plan, source), surges_of(plan, source));
        (0..hours.hours.len())
            .map(|hour| moments.rate_of(hour))
            .sum::<f64>()
    };
    Source::all(plan).into_iter().map(of).sum()
}

#[derive(Debug)]
struct Streams {
    arrivals: Pcg64,
    origins: Pcg64,
    talk: Pcg64,
    patience: Pcg64,
    ring: Pcg64,
    files: Pcg64,
}

impl Callers {
    /// The callers of a source.
    pub fn new(plan: &Plan, hours: &Arc<Hours>, source: Source, seed: u64) -> Self {
        let place = source.place();
        let of = |purpose| stream(seed, purpose, &place);
        let everyone = Homes::new(|region| plan.calls_from(region));
        let homes = match source {
            Source::Region(own) => Homes::new(|region| region == own),
            Source::Missing | Source::Invalid => everyone.clone(),
        };
        Self {
            source,
            moments: Moments::new(hours, share_of(plan, source), surges_of(plan, source)),
            homes,
            everyone,
            wrong_share: wrong_share(plan),
            draws: Draws::new(plan),
            streams: Streams {
                arrivals: of(Purpose::Arrivals),
                origins: of(Purpose::Origins),
                talk: of(Purpose::Talk),
                patience: of(Purpose::Patience),
                ring: of(Purpose::Ring),
                files: of(Purpose::Files),
            },
        }
    }

    /// Expected calls of this source in an hour.
    pub fn rate_of(&self, hour: usize) -> f64 {
        self.moments.rate_of(hour)
    }

    /// The source's share of all calls.
    pub const fn share(&self) -> f64 {
        self.moments.share()
    }

    fn origin(&mut self, home: KommunId) -> (Origin, KommunId) {
        match self.source {
            Source::Missing => (Origin::Unknown(UnknownReason::Missing), home),
            Source::Invalid => (Origin::Invalid(InvalidReason::NotDigits), home),
            Source::Region(_) if self.wrong_share == 0.0 => (Origin::Known(home), home),
            Source::Region(_) => {
                let rng = &mut self.streams.origins;
                let wrong = rng.random::<f64>() < self.wrong_share;
                let really = self.everyone.draw(rng);
                (Origin::Known(home), if wrong { really } else { home })
            }
        }
    }
}

impl Iterator for Callers {
    type Item = Caller;

    fn next(&mut self) -> Option<Caller> {
        let at = self.moments.next(&mut self.streams.arrivals)?;
        let home = self.homes.draw(&mut self.streams.origins);
        let (origin, home) = self.origin(home);
        let streams = &mut self.streams;
        Some(Caller {
            at,
            origin,
            home,
            talk: self.draws.talk(&mut streams.talk),
            ring: self.draws.ring(&mut streams.ring),
            patience: self.draws.patience(&mut streams.patience) as f32,
            files: self.draws.files(&mut streams.files),
        })
    }
}

fn wrong_share(plan: &Plan) -> f64 {
    let settings = &plan.settings;
    let good = 1.0 - settings.missing_share - settings.invalid_share;
    if good > 0.0 {
        settings.wrong_share / good
    } else {
        0.0
    }
}

/// The source's share of all calls.
pub(crate) fn share_of(plan: &Plan, source: Source) -> f64 {
    let settings = &plan.settings;
    match source {
        Source::Missing => settings.missing_share,
        Source::Invalid => settings.invalid_share,
        Source::Region(region) => {
            region_share(plan, region)
                * (1.0 - settings.missing_share - settings.invalid_share).max(0.0)
        }
    }
}

/// A region's share of all calls: as the scenario says, or by population of what is left.
fn region_share(plan: &Plan, region: RegionCode) -> f64 {
    let all = f64::from(plan.traffic.calls_per_year).max(1.0);
    let said = &plan.settings.calls_by_region;
    if let Some((_, calls)) = said.iter().find(|(code, _)| *code == region) {
        return f64::from(*calls) / all;
    }
    let is_said = |code| said.iter().any(|(known, _)| *known == code);
    let told: f64 = said
        .iter()
        .filter(|(code, _)| plan.calls_from(*code))
        .map(|(_, calls)| f64::from(*calls))
        .sum();
    let people: f64 = kommun::regions()
        .iter()
        .filter(|region| plan.calls_from(region.code) && !is_said(region.code))
        .map(|region| f64::from(region.population))
        .sum();
    f64::from(kommun::region(region).population) / people * (1.0 - told / all).max(0.0)
}

fn surges_of(plan: &Plan, source: Source) -> Vec<Surge> {
    let here = |surge: &&Surge| match source {
        _ if surge.regions.is_empty() => true,
        Source::Region(region) => surge.regions.contains(&region),
        Source::Missing | Source::Invalid => false,
    };
    plan.settings.surges.iter().filter(here).cloned().collect()
}

/// Draws kommuner by population: the alias method, one draw and one comparison.
#[derive(Debug, Clone)]
struct Homes {
    kommuner: Vec<KommunId>,
    /// For each place: below this much of 2^32 it is its own, else its alias.
    places: Vec<(u32, u32)>,
}

impl Homes {
    fn new(calls: impl Fn(RegionCode) -> bool) -> Self {
        let found: Vec<_> = kommun::kommuner()
            .iter()
            .filter(|kommun| calls(kommun.region))
            .collect();
        let total: f64 = found
            .iter()
            .map(|kommun| f64::from(kommun.population))
            .sum();
        let len = found.len();
        let mut weights: Vec<f64> = found
            .iter()
            .map(|kommun| f64::from(kommun.population) / total * len as f64)
            .collect();
        let mut places: Vec<(u32, u32)> = (0..len as u32).map(|at| (u32::MAX, at)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..len).partition(|&at| weights[at] < 1.0);
        while let (Some(&less), Some(&more)) = (small.last(), large.last()) {
            small.pop();
            places[less] = ((weights[less] * f64::from(u32::MAX)) as u32, more as u32);
            weights[more] -= 1.0 - weights[less];
            if weights[more] < 1.0 {
                large.pop();
                small.push(more);
            }
        }
        Self {
            kommuner: found.iter().map(|kommun| kommun.id).collect(),
            places,
        }
    }

    fn draw(&self, rng: &mut Pcg64) -> KommunId {
        let word = rng.next_u64();
        let place = (((word >> 32) * self.places.len() as u64) >> 32) as usize;
        let (own, alias) = self.places[place];
        let chosen = if word as u32 <= own {
            place
        } else {
            alias as usize
        };
        self.kommuner[chosen]
    }
}

/// The distributions of what callers and agents do.
#[derive(Debug, Clone)]
pub struct Draws {
    talk_mean_s: f64,
    talk: Option<LogNormal<f64>>,
    /// 1/k of the Weibull distribution, and what brings its mean to 1; `None` for exponential.
    patience: Option<(f64, f64)>,
    ring: (Span, Span),
    /// How many of 2^64 recordings have at most one file, two, and so on to nine.
    files: [u64; FURTHER_FILES_MAX],
}

/// Files beyond the first of a call: ten in all (IMY-REPORT p. 3).
const FURTHER_FILES_MAX: usize = 9;

impl Draws {
    /// The distributions of a plan.
    pub fn new(plan: &Plan) -> Self {
        let mean_s = plan.traffic.talk_mean.as_secs_f64();
        let cv = plan.traffic.talk_sd.as_secs_f64() / mean_s;
        let settings = &plan.settings;
        let shape = settings.patience_shape;
        Self {
            talk_mean_s: mean_s,
            // A mean of 0 has no log-normal; every draw is 0 then.
            talk: LogNormal::from_mean_cv(mean_s, cv)
                .ok()
                .filter(|_| !settings.exponential_talk),
            patience: ((shape - 1.0).abs() > 1e-9)
                .then(|| (1.0 / shape, 1.0 / gamma(1.0 + 1.0 / shape))),
            ring: settings.answer,
            files: at_most(settings.files_per_call),
        }
    }

    /// A caller of whom only so much is known.
    pub(crate) fn caller(
        &self,
        at: Time,
        origin: Origin,
        home: KommunId,
        talk: Span,
        rng: &mut Pcg64,
    ) -> Caller {
        Caller {
            at,
            origin,
            home,
            talk,
            ring: self.ring(rng),
            patience: self.patience(rng) as f32,
            files: self.files(rng),
        }
    }

    pub(crate) fn talk(&self, rng: &mut Pcg64) -> Span {
        let seconds = match &self.talk {
            Some(log_normal) => log_normal.sample(rng),
            None => {
                let multiple: f64 = Exp1.sample(rng);
                self.talk_mean_s * multiple
            }
        };
        Span::from_micros((seconds * 1e6) as i64)
    }

    fn ring(&self, rng: &mut Pcg64) -> Span {
        between(self.ring, rng)
    }

    /// The caller's patience as a multiple of the mean.
    pub fn patience(&self, rng: &mut Pcg64) -> f64 {
        let exponential: f64 = Exp1.sample(rng);
        match self.patience {
            None => exponential,
            Some((power, scale)) => exponential.powf(power) * scale,
        }
    }

    fn files(&self, rng: &mut Pcg64) -> u8 {
        let word = rng.next_u64();
        let further = self.files.iter().filter(|&&at_most| word >= at_most);
        1 + further.count() as u8
    }
}

/// Any time from the shortest to the longest.
pub(crate) fn between((shortest, longest): (Span, Span), rng: &mut Pcg64) -> Span {
    let least = shortest.as_micros();
    let width = (longest.as_micros().max(least) - least + 1).unsigned_abs();
    let drawn = (u128::from(rng.next_u64()) * u128::from(width)) >> 64;
    Span::from_micros(least + drawn as i64)
}

/// Of 2^64 recordings, how many have at most one file, two, and so on: each of nine further files exists or not by
/// itself, so that their number is binomial.
fn at_most(files_per_call: f64) -> [u64; FURTHER_FILES_MAX] {
    let most = FURTHER_FILES_MAX as f64;
    let chance = (files_per_call - 1.0) / most;
    let (mut ways, mut sum) = (1.0, 0.0);
    std::array::from_fn(|further| {
        let (with, without) = (further as f64, most - further as f64);
        sum += ways * chance.powf(with) * (1.0 - chance).powf(without);
        ways *= without / (with + 1.0);
        // From a float to a whole number, what is too much becomes the most.
        (sum * 2.0_f64.powi(64)) as u64
    })
}

/// The gamma function for arguments above 1/2, by Lanczos' series with nine terms.
fn gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let series: f64 = TERMS
        .iter()
        .enumerate()
        .map(|(place, term)| match place {
            0 => *term,
            _ => term / (x + place as f64),
        })
        .sum();
    let base = x + G + 0.5;
    std::f64::consts::TAU.sqrt() * base.powf(x + 0.5) * (-base).exp() * series
}

#[cfg(test)]
mod tests;
