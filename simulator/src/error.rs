//! What the checkers of a run find.

use callcore::switch::CallId;

/// What a checker found. The seed and the plan repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A call ended a second time, or wasn't one.
    #[error("seed {seed}: call {} ended twice; run the same plan again to see it", .call.0)]
    EndedTwice {
        /// The run's seed.
        seed: u64,
        /// Which call.
        call: CallId,
    },
    /// Calls never ended.
    #[error("seed {seed}: {count} calls never ended; run the same plan again to see it")]
    NeverEnded {
        /// The run's seed.
        seed: u64,
        /// How many.
        count: usize,
    },
    /// A call that was decided to be a provider's was recorded here.
    #[error("seed {seed}: call {} was a provider's and was recorded here; run the same plan again to see it", .call.0)]
    RecordedForProvider {
        /// The run's seed.
        seed: u64,
        /// Which call.
        call: CallId,
    },
    /// The switch passed over inputs that didn't fit.
    #[error(
        "seed {seed}: the switch passed over {count} inputs that didn't fit; run the same plan again to see it"
    )]
    StrayInputs {
        /// The run's seed.
        seed: u64,
        /// How many.
        count: u64,
    },
}
