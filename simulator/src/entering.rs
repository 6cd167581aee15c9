//! What the books get from a call: what became of it when that is known, what it took when it is over.

use callcore::{
    origin::Origin, route::Destination, scenario::QueueId, switch::Outcome, time::Time,
};

use crate::{
    hours::Hours,
    records::{Record, happened},
    tally::{Books, CallRow, DayRecordings, QueueBook, WAIT_CLASS_S, WAIT_CLASSES},
    world::World,
};

/// How a call was in its queue.
#[derive(Clone, Copy)]
struct Stay {
    wait_s: Option<f64>,
    in_time: bool,
}

/// Enters what became of a call, as soon as that is known: when it is answered or taken over, or ends without; a figure
/// that waited for the end of a conversation would be wrong at every moment before. `outcome` is of one that ended.
pub(crate) fn settle(
    books: &mut Books,
    hours: &Hours,
    goal_s: f64,
    now: Time,
    record: &Record,
    outcome: Option<Outcome>,
) {
    if !record.counts {
        return;
    }
    let stay = Stay::of(now, record, goal_s);
    enter_kommun(books, record, stay);
    match record.queue() {
        Some(queue) => {
            let book = books.queue(queue, hours.hours.len());
            enter_queue(book, hours.place(record.caller.at), record, outcome, stay);
            books.callbacks.unreached += u64::from(outcome == Some(Outcome::Unreached));
        }
        None if record.taken_over => books.external += 1,
        None => books.failed += 1,
    }
}

impl Stay {
    fn of(now: Time, record: &Record, goal_s: f64) -> Self {
        let answered = happened(record.answered);
        let wait_s = happened(record.joined)
            .map(|joined| answered.unwrap_or(now).since(joined).as_secs_f64());
        Self {
            wait_s,
            in_time: answered.is_some() && wait_s.is_some_and(|wait_s| wait_s <= goal_s),
        }
    }
}

fn enter_kommun(books: &mut Books, record: &Record, stay: Stay) {
    let row = &mut books.kommuner[record.caller.home.index()];
    row.offered += 1;
    row.joined += u32::from(stay.wait_s.is_some());
    row.in_time += u32::from(stay.in_time);
    let elsewhere = |said| said != record.caller.home;
    row.misrouted += u32::from(record.caller.origin.kommun().is_some_and(elsewhere));
}

fn enter_queue(
    book: &mut QueueBook,
    hour: usize,
    record: &Record,
    outcome: Option<Outcome>,
    stay: Stay,
) {
    let answered = happened(record.answered).is_some();
    let abandoned = !answered && outcome == Some(Outcome::Abandoned);
    let blocked = !answered && outcome == Some(Outcome::TurnedAway);
    let joined = stay.wait_s.is_some();
    let row = &mut book.hours[hour];
    row.offered += 1;
    row.answered += u32::from(answered);
    row.abandoned += u32::from(abandoned);
    row.blocked += u32::from(blocked);
    row.joined += u32::from(joined);
    row.in_time += u32::from(stay.in_time);
    row.wait_s += stay.wait_s.unwrap_or(0.0) as f32;
    if let Some(wait_s) = stay.wait_s {
        let class = (wait_s / WAIT_CLASS_S) as usize;
        book.waits[class.min(WAIT_CLASSES - 1)] += 1;
        book.tally.wait_s += wait_s;
        book.tally.longest_wait_s = book.tally.longest_wait_s.max(wait_s);
    }
    let tally = &mut book.tally;
    tally.offered += 1;
    tally.answered += u64::from(answered);
    tally.abandoned += u64::from(abandoned);
    tally.blocked += u64::from(blocked);
    tally.failed += u64::from(!(answered || abandoned || blocked));
    tally.joined += u64::from(joined);
    tally.waited += u64::from(record.waited);
    tally.in_time += u64::from(stay.in_time);
}

impl World {
    /// Enters what a call took once it is over, and what became of it unless that was known before.
    pub(crate) fn enter(&mut self, now: Time, record: &Record, outcome: Outcome) {
        if let (Some(queue), Some(rung)) = (record.queue(), happened(record.rung)) {
            let until = match happened(record.answered) {
                Some(_) => now + self.scenario.queue(queue).wrap_up,
                None => now,
            };
            // Also with a call of the warm-up, where it reaches into counted time.
            self.enter_busy(queue, rung, until);
        }
        if !record.counts {
            return;
        }
        let (hours, goal_s) = (&self.hours, self.plan.goal_s);
        if !record.is_settled() {
            settle(&mut self.books, hours, goal_s, now, record, Some(outcome));
        }
        if let Some(queue) = record.recorded_by {
            self.enter_recording(queue, record.recorded, now, record.caller.files);
        }
        if self.keeps_calls {
            let row = call_row(now, record, outcome, Stay::of(now, record, goal_s));
            self.books.calls.push(row);
        }
    }

    /// Enters the time of agents who are busy with calls in progress: the run is stopped here.
    pub(crate) fn enter_busy_until(&mut self, now: Time) {
        let busy = self.records.all().filter_map(|record| {
            let rung = happened(record.rung)?;
            Some((record.queue()?, rung))
        });
        for (queue, rung) in busy.collect::<Vec<_>>() {
            self.enter_busy(queue, rung, now);
        }
    }

    /// Enters the time an agent was busy, in the hours in which it was.
    pub(crate) fn enter_busy(&mut self, queue: QueueId, from: Time, until: Time) {
        let (mut from, until) = (from.max(self.counts_from), until.min(self.end));
        if from >= until {
            return;
        }
        let mut hour = self.hours.place(from);
        let book = self.books.queue(queue, self.hours.hours.len());
        let whole = until.since(from).as_secs_f64();
        book.tally.busy_s += whole;
        if until <= self.hours.ends(hour) {
            book.hours[hour].busy_s += whole as f32;
            return;
        }
        loop {
            let ends = self.hours.ends(hour);
            let part = until.min(ends).since(from).as_secs_f64();
            book.hours[hour].busy_s += part as f32;
            if until <= ends || hour + 1 >= book.hours.len() {
                return;
            }
            (from, hour) = (ends, hour + 1);
        }
    }

    fn enter_recording(&mut self, queue: QueueId, since: Time, now: Time, files: u8) {
        let hours = &self.hours.hours;
        let day = hours[self.hours.place(since)].day as usize;
        let days = hours.last().map_or(0, |last| last.day as usize + 1);
        let book = &mut self.books.queues[queue.index()];
        if book.days.is_empty() {
            book.days = vec![DayRecordings::default(); days];
        }
        let row = &mut book.days[day];
        row.calls += 1;
        row.files += u32::from(files);
        row.seconds += now.since(since).as_micros().unsigned_abs() / 1_000_000;
    }
}

fn call_row(now: Time, record: &Record, outcome: Outcome, stay: Stay) -> CallRow {
    const NONE: u16 = u16::MAX;
    let (queue, provider) = match record.place {
        Some(Destination::Queue(queue)) => (queue.index() as u16, NONE),
        Some(Destination::External(external)) => (NONE, external.provider.index() as u16),
        None => (NONE, NONE),
    };
    let talked = happened(record.answered).map_or(0.0, |at| now.since(at).as_secs_f64());
    CallRow {
        at: record.caller.at.as_micros(),
        kommun: match record.caller.origin {
            Origin::Known(kommun) => kommun.index() as u16,
            _ => NONE,
        },
        queue,
        provider: if record.taken_over { provider } else { NONE },
        outcome: outcome as u8,
        files: record.recorded_by.map_or(0, |_| record.caller.files),
        wait_s: stay.wait_s.map_or(f32::NAN, |wait_s| wait_s as f32),
        talk_s: talked as f32,
    }
}
