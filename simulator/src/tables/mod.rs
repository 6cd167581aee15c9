//! Lists for other programs: calls and hours, as comma-separated values and as [Parquet](parquet).

pub mod parquet;

use std::io::{self, Write};

use callcore::{kommun, scenario::Scenario, switch::OUTCOMES, time::Time};

use crate::{hours::HOUR, summary::Results, tally::CallRow};

/// Every hour of every queue that had calls, in the order of the queues.
///
/// # Errors
/// What the writer says.
pub fn hours(out: &mut impl Write, scenario: &Scenario, results: &Results) -> io::Result<()> {
    writeln!(
        out,
        "time,queue,region,offered,answered,abandoned,blocked,joined,answered_in_180_s,wait_s,busy_s,staffed_s"
    )?;
    for (at, (queue, book)) in scenario
        .queues
        .iter()
        .zip(&results.books.queues)
        .enumerate()
    {
        let agents = scenario.agents_of(scenario.queue_by_place(at)).count() as f64;
        let region = queue.region.map_or("", |region| region.code());
        let counted = results.counted();
        for (place, row) in counted
            .clone()
            .zip(book.hours.get(counted).unwrap_or_default())
        {
            let at = results.hours.first.as_micros() + place as i64 * HOUR.as_micros();
            writeln!(
                out,
                "{},{},{region},{},{},{},{},{},{},{:.1},{:.1},{:.1}",
                stamp(at),
                queue.name,
                row.offered,
                row.answered,
                row.abandoned,
                row.blocked,
                row.joined,
                row.in_time,
                row.wait_s,
                row.busy_s,
                book.staffed_s(place).unwrap_or(agents * 3600.0)
            )?;
        }
    }
    Ok(())
}

/// A list of calls as comma-separated values, written while the run goes on.
#[derive(Debug)]
pub struct Calls<'a, W> {
    out: W,
    scenario: &'a Scenario,
}

impl<'a, W: Write> Calls<'a, W> {
    /// Begins it.
    ///
    /// # Errors
    /// What the writer says.
    pub fn begin(mut out: W, scenario: &'a Scenario) -> io::Result<Self> {
        writeln!(
            out,
            "time,kommun,queue,provider,outcome,wait_s,talk_s,files"
        )?;
        Ok(Self { out, scenario })
    }

    /// Writes the next rows.
    ///
    /// # Errors
    /// What the writer says.
    pub fn add(&mut self, rows: &[CallRow]) -> io::Result<()> {
        rows.iter().try_for_each(|row| self.add_one(row))
    }

    fn add_one(&mut self, row: &CallRow) -> io::Result<()> {
        let Self { out, scenario } = self;
        let kommun = kommun::kommuner().get(usize::from(row.kommun));
        let queue = scenario.queues.get(usize::from(row.queue));
        let provider = scenario.providers.get(usize::from(row.provider));
        let outcome = OUTCOMES.get(usize::from(row.outcome));
        write!(
            out,
            "{},{},{},{},{},",
            stamp(row.at),
            kommun.map_or("", |kommun| kommun.code),
            queue.map_or("", |queue| &queue.name),
            provider.map_or("", |provider| &provider.name),
            outcome.map_or("", |outcome| outcome.label())
        )?;
        if row.wait_s.is_finite() {
            write!(out, "{:.1}", row.wait_s)?;
        }
        writeln!(out, ",{:.1},{}", row.talk_s, row.files)
    }

    /// Gives the writer back.
    pub fn end(self) -> W {
        self.out
    }
}

/// A moment on a Swedish clock, with its offset.
fn stamp(micros: i64) -> String {
    let zoned = Time::from_micros(micros).in_sweden();
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
