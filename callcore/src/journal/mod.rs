//! A journal: every input of a live switch with its time, and what came out, so that the run can be repeated.
//!
//! One line each, as text. What identifies a caller isn't in it: the switch never sees a number, and the driver may add a
//! pseudonym to an offered call, which a replay passes over. [`Header`] opens a journal, [`input_line`] and
//! [`output_line`] write it, [`Replay`] feeds it to a fresh switch and compares.

mod header;
mod input;
mod replay;

pub use header::Header;
pub use input::{origin as origin_of, origin_text};
pub use replay::{Difference, Replay, ReplayError, Report};

use crate::{
    scenario::Scenario,
    switch::{Input, Output},
    time::Time,
};

/// How journals of this form begin.
pub const FORM: &str = "vaxel-journal 1";

/// The last line of a journal that was closed in good order.
pub const END: &str = "end";

/// An input as a line, without the line's end. `caller` is a pseudonym for who calls, when there is one.
pub fn input_line(now: Time, input: &Input, caller: Option<&str>) -> String {
    let text = input::text(input);
    match caller {
        Some(caller) => format!("i {} {text} caller={caller}", now.as_micros()),
        None => format!("i {} {text}", now.as_micros()),
    }
}

/// Another rule set as a line: its text whole.
pub fn rules_line(now: Time, text: &str) -> String {
    format!("r {} {}", now.as_micros(), header::escaped(text))
}

/// An output as a line.
pub fn output_line(output: &Output) -> String {
    match output {
        // A permit holds the whole scenario; what it is for tells runs apart.
        Output::StartRecording(call, permit) => {
            format!("o StartRecording({call:?}, {:?})", permit.queue())
        }
        Output::Fact(fact) => {
            format!("o {} {:?} {:?}", fact.at.as_micros(), fact.call, fact.what)
        }
        other => format!("o {other:?}"),
    }
}

/// The queues' wrap-up, which a demo shortens after the scenario was read.
fn wrap_ups(scenario: &Scenario) -> String {
    let micros = scenario
        .queues
        .iter()
        .map(|queue| queue.wrap_up.as_micros().to_string());
    micros.collect::<Vec<_>>().join(" ")
}
