//! What is added up while calls end: by queue, by hour, by wait and by kommun.

use callcore::{kommun::KOMMUNER_LEN, scenario::QueueId};
use serde::Serialize;

/// Answered within this many seconds counts as in time: the first goal of the service, r045.
pub const SERVICE_GOAL_S: f64 = 180.0;
/// How wide a class of waits is.
pub const WAIT_CLASS_S: f64 = 10.0;
/// How many classes there are; the last takes every longer wait.
pub const WAIT_CLASSES: usize = 361;

/// A queue's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Calls it dealt with in the end.
    pub offered: u64,
    /// Talked with an agent.
    pub answered: u64,
    /// Gave up.
    pub abandoned: u64,
    /// Turned away.
    pub blocked: u64,
    /// Failed in other ways.
    pub failed: u64,
    /// Joined the queue.
    pub joined: u64,
    /// Had to wait.
    pub waited: u64,
    /// Answered in time.
    pub in_time: u64,
    /// All waits together.
    pub wait_s: f64,
    /// The longest wait.
    pub longest_wait_s: f64,
    /// The time agents were busy.
    pub busy_s: f64,
    /// The time agents were there.
    pub staffed_s: f64,
    /// Answering places.
    pub agents: u64,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.abandoned += other.abandoned;
        self.blocked += other.blocked;
        self.failed += other.failed;
        self.joined += other.joined;
        self.waited += other.waited;
        self.in_time += other.in_time;
        self.wait_s += other.wait_s;
        self.longest_wait_s = self.longest_wait_s.max(other.longest_wait_s);
        self.busy_s += other.busy_s;
        self.staffed_s += other.staffed_s;
        self.agents += other.agents;
    }
}

/// One hour of one queue, small because ten years have millions of them. Calls are in the hour in which they came in.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HourRow {
    /// Calls that came in.
    pub offered: u32,
    /// Talked with an agent.
    pub answered: u32,
    /// Gave up.
    pub abandoned: u32,
    /// Turned away.
    pub blocked: u32,
    /// Joined the queue.
    pub joined: u32,
    /// Answered in time.
    pub in_time: u32,
    /// All waits together, s.
    pub wait_s: f32,
    /// The time agents were busy in this hour, with whichever calls, s.
    pub busy_s: f32,
    /// The time agents were there in this hour, s; 0 throughout when all always are.
    pub staffed_s: f32,
}

impl HourRow {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.abandoned += other.abandoned;
        self.blocked += other.blocked;
        self.joined += other.joined;
        self.in_time += other.in_time;
        self.wait_s += other.wait_s;
        self.busy_s += other.busy_s;
        self.staffed_s += other.staffed_s;
    }
}

/// What became of the offers to be called back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Callbacks {
    /// Callers who were offered it.
    pub offered: u64,
    /// Those who took the offer.
    pub promised: u64,
    /// Times that the switch called.
    pub tried: u64,
    /// Those who were reached.
    pub reached: u64,
    /// Those who never were.
    pub unreached: u64,
    /// All times from promise to answer together, s.
    pub until_reached_s: f64,
}

impl Callbacks {
    fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.promised += other.promised;
        self.tried += other.tried;
        self.reached += other.reached;
        self.unreached += other.unreached;
        self.until_reached_s += other.until_reached_s;
    }
}

/// Recordings of one day in one queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayRecordings {
    /// Calls that were recorded.
    pub calls: u32,
    /// Files they became.
    pub files: u32,
    /// Seconds of audio.
    pub seconds: u64,
}

/// Calls of one kommun.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct KommunRow {
    /// Calls that came in.
    pub offered: u32,
    /// Joined a queue.
    pub joined: u32,
    /// Answered in time.
    pub in_time: u32,
    /// Went where another kommun's calls go.
    pub misrouted: u32,
}

/// One queue in all detail.
#[derive(Debug, Clone, Default)]
pub struct QueueBook {
    /// All of it.
    pub tally: Tally,
    /// By hour of the plan; empty for a queue without calls.
    pub hours: Vec<HourRow>,
    /// Waits in classes of [`WAIT_CLASS_S`]; empty for a queue without calls.
    pub waits: Vec<u32>,
    /// By day of the plan; empty for a queue without recordings.
    pub days: Vec<DayRecordings>,
}

/// A call that is over, for the list of calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallRow {
    /// When it came in, microseconds since 1970.
    pub at: i64,
    /// From where: a place among the kommuner; `u16::MAX` when the call didn't say.
    pub kommun: u16,
    /// The queue that dealt with it in the end; `u16::MAX` for none.
    pub queue: u16,
    /// The provider that took it; `u16::MAX` for none.
    pub provider: u16,
    /// How it ended: a place in [`callcore::switch::OUTCOMES`].
    pub outcome: u8,
    /// Files of its recording; 0 when it wasn't recorded.
    pub files: u8,
    /// Wait in seconds, NaN when it never joined a queue.
    pub wait_s: f32,
    /// Conversation in seconds.
    pub talk_s: f32,
}

/// Everything that one switch of a run added up.
#[derive(Debug, Clone)]
pub struct Books {
    /// By queue.
    pub queues: Vec<QueueBook>,
    /// Calls by route.
    pub routes: Vec<u64>,
    /// Calls taken over, by provider.
    pub providers: Vec<u64>,
    /// By kommun, where callers really are.
    pub kommuner: Vec<KommunRow>,
    /// All that came in.
    pub offered: u64,
    /// Went out to a provider.
    pub external: u64,
    /// No rule, or no provider, took it, and it was in no queue.
    pub failed: u64,
    /// Sent on from a full queue or a failed provider.
    pub diverted: u64,
    /// Came from somebody who had given up.
    pub redialled: u64,
    /// Recordings begun.
    pub recorded: u64,
    /// Offers to be called back.
    pub callbacks: Callbacks,
    /// Calls that ended since the last slice of the run, when somebody wants a list of them.
    pub(crate) calls: Vec<CallRow>,
}

impl Books {
    /// Empty books.
    pub fn new(queues: usize, routes: usize, providers: usize) -> Self {
        Self {
            queues: vec![QueueBook::default(); queues],
            routes: vec![0; routes],
            providers: vec![0; providers],
            kommuner: vec![KommunRow::default(); KOMMUNER_LEN],
            offered: 0,
            external: 0,
            failed: 0,
            diverted: 0,
            redialled: 0,
            recorded: 0,
            callbacks: Callbacks::default(),
            calls: Vec::new(),
        }
    }

    /// The book of a queue, with room for that many hours.
    pub(crate) fn queue(&mut self, queue: QueueId, hours: usize) -> &mut QueueBook {
        let book = &mut self.queues[queue.index()];
        if book.hours.is_empty() {
            book.hours = vec![HourRow::default(); hours];
            book.waits = vec![0; WAIT_CLASSES];
        }
        book
    }

    /// Adds the books of another part of the same run.
    pub fn add(&mut self, other: Self) {
        for (mine, theirs) in self.queues.iter_mut().zip(other.queues) {
            mine.add(theirs);
        }
        add_up(&mut self.routes, &other.routes);
        add_up(&mut self.providers, &other.providers);
        for (mine, theirs) in self.kommuner.iter_mut().zip(&other.kommuner) {
            mine.offered += theirs.offered;
            mine.joined += theirs.joined;
            mine.in_time += theirs.in_time;
            mine.misrouted += theirs.misrouted;
        }
        self.offered += other.offered;
        self.external += other.external;
        self.failed += other.failed;
        self.diverted += other.diverted;
        self.redialled += other.redialled;
        self.recorded += other.recorded;
        self.callbacks.add(&other.callbacks);
    }
}

impl QueueBook {
    /// The time agents were busy in an hour.
    pub fn busy_s(&self, hour: usize) -> f64 {
        self.hours
            .get(hour)
            .map_or(0.0, |row| f64::from(row.busy_s))
    }

    /// The time agents were there in an hour; `None` when all always are. Who finishes a call after the end of a shift is
    /// there as long.
    pub fn staffed_s(&self, hour: usize) -> Option<f64> {
        if self.tally.staffed_s <= 0.0 {
            return None;
        }
        let row = self.hours.get(hour)?;
        Some(f64::from(row.staffed_s.max(row.busy_s)))
    }

    /// The same of all hours together.
    pub fn all_staffed_s(&self) -> Option<f64> {
        (0..self.hours.len()).map(|hour| self.staffed_s(hour)).sum()
    }

    /// The parts of a run have queues of their own, so that one of two is empty as a rule.
    fn add(&mut self, other: Self) {
        self.tally.add(&other.tally);
        if self.hours.is_empty() {
            (self.hours, self.waits) = (other.hours, other.waits);
        } else {
            for (mine, theirs) in self.hours.iter_mut().zip(&other.hours) {
                mine.add(theirs);
            }
            for (mine, theirs) in self.waits.iter_mut().zip(&other.waits) {
                *mine += theirs;
            }
        }
        if self.days.is_empty() {
            self.days = other.days;
        } else {
            for (mine, theirs) in self.days.iter_mut().zip(&other.days) {
                mine.calls += theirs.calls;
                mine.files += theirs.files;
                mine.seconds += theirs.seconds;
            }
        }
    }
}

fn add_up(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}
