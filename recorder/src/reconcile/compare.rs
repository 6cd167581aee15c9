//! The comparison itself: no file, no clock, the same answer for the same lists.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    calls::CallFact,
    erased::Erased,
    report::{CROSSED, Difference, Report},
};
use crate::{
    index::{Entry, State},
    names::RecordingId,
    server::untagged,
};

/// Switch and recorder see the same moment this far apart at most, on the network and by their clocks.
pub(super) const APART_MAX: SignedDuration = SignedDuration::from_secs(5);
/// A shorter talk may end before its recording begins.
const TALK_MIN_S: f64 = 2.0;
/// A recording begins after the talk does and ends with the last packet: less than that is not short.
const SHORT_MAX_S: f64 = 3.0;
/// On the borders of the time, the other side of a recording may lie outside.
const BORDER: SignedDuration = SignedDuration::from_secs(60);

/// One recording, as far as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Have {
    /// Its id.
    pub id: RecordingId,
    /// Whose it is.
    pub controller: String,
    /// The call it is of.
    pub call: u64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Seconds of audio, without those that were lost.
    pub seconds: f64,
    /// Its client sends no tags, so that nothing tells of its calls either.
    pub untagged: bool,
    /// It goes on.
    pub open: bool,
}

impl Have {
    pub(super) fn of(entry: &Entry) -> Self {
        let (started, seconds) = (entry.tag.started.timestamp(), entry.tally.seconds());
        // `ended` of the index is by the recorder's clock; a switch's may show another day.
        let length = SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
        Self {
            id: entry.id,
            controller: entry.tag.controller.to_string(),
            call: entry.tag.call.0,
            started,
            ended: started.checked_add(length).unwrap_or(started),
            seconds: entry.tally.seconds_heard(entry.files.len()),
            untagged: &*entry.tag.route == untagged::ROUTE,
            open: entry.state == State::Open,
        }
    }
}

/// Holds calls that ended in a time against recordings. What lacks and may have been erased under a decision isn't missing.
/// Calls that ended later are none of the time, and their recordings no other call's.
#[must_use]
pub fn compare(
    calls: &[CallFact],
    recordings: &[Have],
    from: Timestamp,
    until: Timestamp,
    mut erased: Erased,
) -> Report {
    let mut report = Report::new(from, until);
    let mut by_number: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, call) in calls.iter().enumerate() {
        by_number.entry(call.call).or_default().push(at);
        if call.ended < until {
            report.call(call);
        }
    }
    // How many seconds of each call there are, and in how many recordings.
    let mut found = vec![(0_u32, 0.0_f64); calls.len()];
    for recording in recordings {
        let of = by_number
            .get(&recording.call)
            .into_iter()
            .flatten()
            // What goes on may be of a call that goes on, and is stored once it has ended.
            .filter(|at| calls[**at].goes_on || !recording.open)
            .filter(|at| covers(&calls[**at], recording))
            .min_by_key(|at| unlikeness(&calls[**at], recording, found[**at].0));
        let within = recording.ended >= from.saturating_add(BORDER).unwrap_or(from)
            && recording.ended < until.saturating_sub(BORDER).unwrap_or(until);
        match of {
            Some(at) if recording.open => found[*at].0 += 1,
            None if recording.open => {}
            Some(at) => {
                let call = &calls[*at];
                found[*at].0 += 1;
                found[*at].1 += recording.seconds;
                if call.ended < until {
                    belongs(call, recording, &mut report);
                }
            }
            None if within && recording.untagged => report.stored(&recording.controller),
            None if within => {
                report.stored(&recording.controller);
                report.differs(Difference::extra(recording, "no switch knows of this call"));
            }
            // Its call ended outside the time.
            None => {}
        }
    }
    for (call, found) in calls.iter().zip(found) {
        if call.goes_on {
            if (from..until.saturating_sub(BORDER).unwrap_or(until)).contains(&call.ended) {
                has_any(call, found.0, &mut erased, &mut report);
            }
        } else if call.recorded && call.seconds >= TALK_MIN_S && call.ended < until {
            has_all(call, found, &mut erased, &mut report);
        }
    }
    report
}

/// A call that should have been recorded: wholly, or what lacks went under a decision, or it is told.
fn has_all(
    call: &CallFact,
    (count, seconds): (u32, f64),
    erased: &mut Erased,
    report: &mut Report,
) {
    let is_whole = seconds + SHORT_MAX_S >= call.seconds;
    match count {
        1.. if is_whole => {}
        _ if erased.take(call) => report.erased(&call.controller),
        0 => report.differs(Difference::missing(call)),
        _ => report.differs(Difference::short(call, seconds)),
    }
}

/// A call whose end nobody told: how much of it there should be can't be said, but there should be some.
fn has_any(call: &CallFact, count: u32, erased: &mut Erased, report: &mut Report) {
    report.unended(&call.controller);
    let whole = CallFact {
        ended: call.until(),
        ..call.clone()
    };
    if count > 0 {
    } else if erased.take(&whole) {
        report.erased(&call.controller);
    } else {
        report.differs(Difference::missing(call));
    }
}

fn covers(call: &CallFact, recording: &Have) -> bool {
    let early = call
        .offered
        .saturating_sub(APART_MAX)
        .unwrap_or(call.offered);
    (early..=call.until()).contains(&recording.started)
}

/// Which of several calls it is of, the least unlike: one of which there may be such a recording, of those the one with fewest, of those
/// the one that ended with it. Calls of one number at one time are of a day that was played twice, as by starting a demonstration again.
/// One whose end nobody told is taken last: it excuses nothing of a call that left.
fn unlikeness(call: &CallFact, recording: &Have, found: u32) -> (bool, bool, u32, SignedDuration) {
    let may_be = call.recorded && !call.external && call.controller == recording.controller;
    let apart = call.ended.duration_since(recording.ended).abs();
    (call.goes_on, !may_be, found, apart)
}

/// A recording of a known call: right, unless it shouldn't be there.
fn belongs(call: &CallFact, recording: &Have, report: &mut Report) {
    report.stored(&recording.controller);
    if call.external {
        report.external_recordings += 1;
        report.differs(Difference::extra(recording, CROSSED));
    } else if !call.recorded {
        report.differs(Difference::extra(
            recording,
            "this call was not to be recorded",
        ));
    } else if call.controller != recording.controller {
        let why = "the switch names another controller for this call";
        report.differs(Difference::extra(recording, why));
    }
}
