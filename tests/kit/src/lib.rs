//! A test phone, and tones to know what was heard: for end-to-end tests of anything that speaks SIP and RTP.
//!
//! [`Phone`] calls, or answers, on the loopback interface. Nothing here sleeps to give another time: every wait is
//! for an event, with a deadline that only a fault reaches.

mod call;
pub mod child;
pub mod desk;
pub mod http;
mod phone;
mod plan;
pub mod tone;
mod voice;

pub use phone::Phone;
pub use plan::{AnswerPlan, CallPlan, CallResult, DEADLINE, Ended, Noise, Sound, Then, Until};
