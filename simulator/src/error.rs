//! What the checkers of a run find.

use callcore::switch::CallId;

use crate::plan::PlanError;

/// Why a run gives no figures. What a checker found names the seed: it and the plan repeat it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RunError {
    /// The plan can't be run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Whoever wanted a list of the calls can't take it.
    #[error("{0}")]
    List(Box<str>),
    /// A call ended a second time, or wasn't one.
    #[error("seed {seed}: call {} ended twice", .call.0)]
    EndedTwice {
        /// The run's seed.
        seed: u64,
        /// Which call.
        call: CallId,
    },
    /// Calls never ended.
    #[error("seed {seed}: {count} calls never ended")]
    NeverEnded {
        /// The run's seed.
        seed: u64,
        /// How many.
        count: usize,
    },
    /// A call that was decided to be a provider's was recorded here.
    #[error("seed {seed}: call {} was a provider's and was recorded here", .call.0)]
    RecordedForProvider {
        /// The run's seed.
        seed: u64,
        /// Which call.
        call: CallId,
    },
    /// The switch passed over inputs that didn't fit.
    #[error("seed {seed}: the switch passed over {count} inputs that didn't fit")]
    StrayInputs {
        /// The run's seed.
        seed: u64,
        /// How many.
        count: u64,
    },
    /// A queue's callers and agents aren't those of its calls.
    #[error("seed {seed}: the callers or agents of queue `{queue}` don't add up")]
    Unbalanced {
        /// The run's seed.
        seed: u64,
        /// The queue.
        queue: Box<str>,
    },
    /// The books of a store show something erased too early.
    #[error("seed {seed}: store `{store}` lost recordings before their floor")]
    ErasedEarly {
        /// The run's seed.
        seed: u64,
        /// The store.
        store: Box<str>,
    },
}
