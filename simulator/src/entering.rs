//! What the books get from a call that is over.

use callcore::{
    origin::Origin, route::Destination, scenario::QueueId, switch::Outcome, time::Time,
};

use crate::{
    operator::Operator,
    records::Record,
    tally::{CallRow, DayRecordings, HourRow, WAIT_CLASS_S, WAIT_CLASSES},
};

/// How a call was in its queue.
#[derive(Clone, Copy)]
struct Stay {
    wait_s: Option<f64>,
    in_time: bool,
    busy_s: f64,
}

impl Operator {
    /// Enters a call that is over.
    pub(crate) fn enter(&mut self, now: Time, record: &Record, outcome: Outcome) {
        let queue = match record.place {
            Some(Destination::Queue(queue)) => Some(queue),
            _ => None,
        };
        let stay = self.stay(now, record, queue);
        if !record.counts {
            // Busy with a call of the warm-up, but in counted time.
            if let Some(queue) = queue {
                self.books.queues[queue.index()].tally.busy_s += stay.busy_s;
            }
            return;
        }
        self.enter_kommun(record, stay);
        match queue {
            Some(queue) => self.enter_queue(queue, record, outcome, stay),
            None if record.taken_over => self.books.external += 1,
            None => self.books.failed += 1,
        }
        if let Some((queue, since)) = record.recorded {
            self.enter_recording(queue, since, now, record.caller.files);
        }
        if self.plan.keeps_calls {
            let row = call_row(now, record, outcome, stay);
            self.books.calls.push(row);
        }
    }

    fn stay(&self, now: Time, record: &Record, queue: Option<QueueId>) -> Stay {
        let answered = record.answered;
        let wait_s = record
            .joined
            .map(|joined| answered.unwrap_or(now).since(joined).as_secs_f64());
        let busy_s = match (record.rung, queue) {
            (Some(rung), Some(queue)) => {
                let until = match answered {
                    Some(_) => now + self.scenario.queue(queue).wrap_up,
                    None => now,
                };
                let until = until.min(self.end);
                until.since(rung.max(self.counts_from)).as_secs_f64()
            }
            _ => 0.0,
        };
        Stay {
            wait_s,
            in_time: answered.is_some() && wait_s.is_some_and(|wait_s| wait_s <= self.plan.goal_s),
            busy_s,
        }
    }

    fn enter_kommun(&mut self, record: &Record, stay: Stay) {
        let row = &mut self.books.kommuner[record.caller.home.index()];
        row.offered += 1;
        row.joined += u32::from(stay.wait_s.is_some());
        row.in_time += u32::from(stay.in_time);
        let elsewhere = |said| said != record.caller.home;
        row.misrouted += u32::from(record.caller.origin.kommun().is_some_and(elsewhere));
    }

    fn enter_queue(&mut self, queue: QueueId, record: &Record, outcome: Outcome, stay: Stay) {
        let answered = record.answered.is_some();
        let one = |is| u32::from(is);
        let row = HourRow {
            offered: 1,
            answered: one(answered),
            abandoned: one(!answered && outcome == Outcome::Abandoned),
            blocked: one(!answered && outcome == Outcome::TurnedAway),
            joined: one(stay.wait_s.is_some()),
            in_time: one(stay.in_time),
            wait_s: stay.wait_s.unwrap_or(0.0) as f32,
            busy_s: stay.busy_s as f32,
        };
        let hour = self.hours.place(record.caller.at);
        let book = self.books.queue(queue, self.hours.hours.len());
        book.hours[hour].add(&row);
        if let Some(wait_s) = stay.wait_s {
            let class = (wait_s / WAIT_CLASS_S) as usize;
            book.waits[class.min(WAIT_CLASSES - 1)] += 1;
            book.tally.wait_s += wait_s;
            book.tally.longest_wait_s = book.tally.longest_wait_s.max(wait_s);
        }
        let tally = &mut book.tally;
        tally.offered += 1;
        tally.answered += u64::from(row.answered);
        tally.abandoned += u64::from(row.abandoned);
        tally.blocked += u64::from(row.blocked);
        tally.failed += u64::from(1 - row.answered - row.abandoned - row.blocked);
        tally.joined += u64::from(row.joined);
        tally.waited += u64::from(record.waited);
        tally.in_time += u64::from(row.in_time);
        tally.busy_s += stay.busy_s;
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
    let talked = record
        .answered
        .map_or(0.0, |at| now.since(at).as_secs_f64());
    CallRow {
        at: record.caller.at.as_micros(),
        kommun: match record.caller.origin {
            Origin::Known(kommun) => kommun.index() as u16,
            _ => NONE,
        },
        queue,
        provider: if record.taken_over { provider } else { NONE },
        outcome: outcome as u8,
        files: record.recorded.map_or(0, |_| record.caller.files),
        wait_s: stay.wait_s.map_or(f32::NAN, |wait_s| wait_s as f32),
        talk_s: talked as f32,
    }
}
