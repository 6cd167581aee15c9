//! The list of calls, handed on while the run goes on: what can't be overtaken any more leaves, so that a year of calls needs no
//! more room than some days of them. A call that is in progress keeps back those that came in after it.

use callcore::time::Time;

use crate::{error::RunError, shard::Shard, tally::CallRow};

/// Whoever wants the list: gets all calls of the first run, in order of time, part by part. Why it can't take more ends the run.
pub type TakesCalls<'a> = &'a mut dyn FnMut(&[CallRow]) -> Result<(), Box<str>>;

/// The list on its way.
pub(crate) struct Listing<'a> {
    takes: TakesCalls<'a>,
    /// In order, as far as they were there at the last slice.
    kept: Vec<CallRow>,
}

impl<'a> Listing<'a> {
    pub(crate) const fn new(takes: TakesCalls<'a>) -> Self {
        Self {
            takes,
            kept: Vec::new(),
        }
    }

    /// Takes the calls of a part of the run that have ended; tells when the first that hasn't came in.
    pub(crate) fn gather(&mut self, shard: &mut Shard) -> Option<Time> {
        let world = shard.operator.world_mut();
        self.kept.append(&mut world.books.calls);
        world.records.earliest()
    }

    /// Hands on the calls that came in before a moment: none that isn't here will be.
    pub(crate) fn hand_on(&mut self, before: Time) -> Result<(), RunError> {
        // Each part of a run kept its own calls.
        self.kept.sort_by_key(|row| (row.at, row.kommun, row.queue));
        let done = self.kept.partition_point(|row| row.at < before.as_micros());
        (self.takes)(&self.kept[..done]).map_err(RunError::List)?;
        self.kept.drain(..done);
        Ok(())
    }
}
