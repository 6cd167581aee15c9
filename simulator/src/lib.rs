//! Virtual-time simulation, and the load generator that plays the same traffic live.
//!
//! [`run`](run::run) drives the very [`Switch`](callcore::switch::Switch) that the live gateway drives, with callers,
//! nurses and providers drawn from seeded streams and with an event list for a clock: a national year takes seconds.
//! The same plan and the same seed give the same calls, facts and [digest](Summary::digest), on every machine and any
//! number of threads.
//!
//! Start with [`Plan`], then [`callers`] (who calls when), `operator` (one switch in virtual time and its checkers),
//! `shard` (what can run apart), [`run`] and [`Summary`]. [`erlang`] has the closed forms the simulation is checked
//! against. [`load`] is apart: real SIP and RTP.

mod again;
mod callback;
pub mod callers;
pub mod cpu;
mod digest;
mod entering;
pub mod erlang;
pub mod error;
mod event;
pub mod hours;
pub mod keeping;
mod listing;
pub mod load;
mod moments;
mod operator;
pub mod overrides;
pub mod plan;
pub mod random;
mod records;
pub mod reference;
pub mod replay;
pub mod report;
pub mod roster;
pub mod run;
mod shape;
mod shard;
mod staff;
pub mod staffing;
pub mod summary;
pub mod tables;
pub mod tally;
mod world;

use std::sync::atomic::AtomicBool;

use callcore::scenario::Scenario;

pub use error::RunError;
pub use listing::TakesCalls;
pub use plan::{Plan, PlanError};
pub use shard::Beside;
pub use summary::{Calls, QueueFigures, Results, Service, Summary};

/// Runs a plan of one scenario alone, without being stopped or watched.
///
/// # Errors
/// When the plan can't be run, or a checker finds the switch's books out of balance.
pub fn simulate(scenario: &Scenario, plan: &Plan) -> Result<Summary, RunError> {
    let results = run::run(scenario, &[], plan, &AtomicBool::new(false), |_| {})?;
    Ok(results.summary)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn today() -> Scenario {
        let text = include_str!("../../scenarios/today.toml");
        Scenario::from_toml(text, "today.toml").expect("a shipped scenario")
    }
}
