//! Virtual-time simulation, and the load generator that plays the same traffic live.
//!
//! [`simulate`] drives the very [`Switch`](callcore::switch::Switch) that the live gateway drives, with callers, nurses
//! and providers drawn from seeded streams and with an event list for a clock: a national day takes a fraction of a
//! second. The same plan and the same seed give the same calls, facts and [digest](Summary::digest), on every machine.
//!
//! Start with [`Plan`], then [`traffic`] (who calls when), [`virtual_time`] (the run and its checkers) and [`Summary`].
//! [`load`] is apart: real SIP and RTP.

mod digest;
pub mod error;
pub mod event;
mod ledger;
pub mod load;
pub mod plan;
pub mod random;
mod shape;
pub mod summary;
pub mod traffic;
pub mod virtual_time;

pub use error::RunError;
pub use plan::Plan;
pub use summary::{Calls, QueueFigures, Service, Summary};
pub use virtual_time::{simulate, simulate_with_progress};
