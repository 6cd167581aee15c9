//! The rules of 1177: who answers a call, who waits, what is recorded, for whom, and how long.
//!
//! This crate decides; it does nothing. It opens no file or socket, reads no clock, draws no random
//! number and starts no thread: `now` is an argument and inputs come in order, so the same inputs
//! always give the same outputs. The live gateway and the simulator drive the very same code.
//!
//! Start with [`scenario::Scenario`] (the configuration, read from TOML), then [`route::Table`]
//! (kommun and moment in, [`route::Decision`] out), then [`switch::Switch`] (the call machine).

pub mod area_codes;
pub mod calendar;
pub mod calls;
pub mod check;
mod csv;
pub mod diff;
pub mod digit;
pub mod explain;
pub mod incident;
pub mod journal;
pub mod kommun;
pub mod organisation;
pub mod origin;
pub mod personal;
pub mod queue;
pub mod retention;
pub mod roles;
pub mod route;
pub mod scenario;
pub mod sources;
pub mod speech;
pub mod switch;
pub mod tag;
pub mod test_numbers;
pub mod time;
pub mod uttag;
