//! The same lists as Parquet, for query engines: typed columns, compressed, and nothing to parse.

use std::{
    io::{self, Write},
    sync::Arc,
};

use callcore::{
    kommun,
    scenario::Scenario,
    switch::{OUTCOMES, Outcome},
};
use parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type, Int64Type},
    errors::{ParquetError, Result},
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use crate::{
    hours::HOUR,
    summary::Results,
    tally::{CallRow, HourRow},
};

/// Rows written together: some megabytes, so that ten years of calls need no more memory than a day's.
const GROUP_ROWS: usize = 1 << 17;

const CALLS: &str = "message calls {
    REQUIRED INT64 time (TIMESTAMP(MICROS, true));
    OPTIONAL BYTE_ARRAY kommun (STRING);
    OPTIONAL BYTE_ARRAY queue (STRING);
    OPTIONAL BYTE_ARRAY provider (STRING);
    REQUIRED BYTE_ARRAY outcome (STRING);
    OPTIONAL FLOAT wait_s;
    REQUIRED FLOAT talk_s;
    REQUIRED INT32 files;
}";

const HOURS: &str = "message hours {
    REQUIRED INT64 time (TIMESTAMP(MICROS, true));
    REQUIRED BYTE_ARRAY queue (STRING);
    OPTIONAL BYTE_ARRAY region (STRING);
    REQUIRED INT32 offered;
    REQUIRED INT32 answered;
    REQUIRED INT32 abandoned;
    REQUIRED INT32 blocked;
    REQUIRED INT32 joined;
    REQUIRED INT32 answered_in_180_s;
    REQUIRED FLOAT wait_s;
    REQUIRED FLOAT busy_s;
    REQUIRED FLOAT staffed_s;
}";

/// A list of calls, written while the run goes on: some rows are kept until they are a group.
pub struct Calls<W: Write + Send> {
    file: SerializedFileWriter<W>,
    names: Names,
    group: Vec<CallRow>,
}

impl<W: Write + Send> Calls<W> {
    /// Begins it.
    ///
    /// # Errors
    /// What the writer says.
    pub fn begin(out: W, scenario: &Scenario) -> io::Result<Self> {
        Ok(Self {
            file: file(out, CALLS)?,
            names: Names::new(scenario),
            group: Vec::new(),
        })
    }

    /// Adds the next rows.
    ///
    /// # Errors
    /// What the writer says.
    pub fn add(&mut self, mut rows: &[CallRow]) -> io::Result<()> {
        while !rows.is_empty() {
            let room = rows.len().min(GROUP_ROWS - self.group.len());
            self.group.extend_from_slice(&rows[..room]);
            rows = &rows[room..];
            if self.group.len() == GROUP_ROWS {
                self.write_group()?;
            }
        }
        Ok(())
    }

    fn write_group(&mut self) -> io::Result<()> {
        let mut group = self.file.next_row_group()?;
        call_columns(&mut group, &self.names, &self.group)?;
        group.close()?;
        self.group.clear();
        Ok(())
    }

    /// Writes what is left and how to find all of it, and gives the writer back.
    ///
    /// # Errors
    /// What the writer says.
    pub fn end(mut self) -> io::Result<W> {
        if !self.group.is_empty() {
            self.write_group()?;
        }
        Ok(self.file.into_inner()?)
    }
}

/// Every hour of every queue that had calls, in the order of the queues.
///
/// # Errors
/// What the writer says.
pub fn hours(out: impl Write + Send, scenario: &Scenario, results: &Results) -> io::Result<()> {
    let mut file = file(out, HOURS)?;
    let (counted, first) = (results.counted(), results.hours.first.as_micros());
    let time = |place: usize| first + place as i64 * HOUR.as_micros();
    for (at, (queue, book)) in scenario
        .queues
        .iter()
        .zip(&results.books.queues)
        .enumerate()
    {
        let rows = book.hours.get(counted.clone()).unwrap_or_default();
        if rows.is_empty() {
            continue;
        }
        let times: Vec<i64> = counted.clone().map(time).collect();
        let region = queue.region.map(|region| text(region.code()));
        let all_always = 3600.0 * scenario.agents_of(scenario.queue_by_place(at)).count() as f64;
        let staffed = |hour| book.staffed_s(hour).unwrap_or(all_always) as f32;
        let staffed: Vec<f32> = counted.clone().map(staffed).collect();
        let mut group = file.next_row_group()?;
        let g = &mut group;
        put::<Int64Type, _>(g, &times)?;
        put::<ByteArrayType, _>(g, &vec![text(&queue.name); rows.len()])?;
        put_some::<ByteArrayType, _>(g, rows.iter().map(|_| region.clone()))?;
        let counts: [fn(&HourRow) -> u32; 6] = [
            |row| row.offered,
            |row| row.answered,
            |row| row.abandoned,
            |row| row.blocked,
            |row| row.joined,
            |row| row.in_time,
        ];
        for count in counts {
            let column: Vec<i32> = rows.iter().map(|row| count(row).cast_signed()).collect();
            put::<Int32Type, _>(g, &column)?;
        }
        put::<FloatType, _>(g, &rows.iter().map(|row| row.wait_s).collect::<Vec<_>>())?;
        put::<FloatType, _>(g, &rows.iter().map(|row| row.busy_s).collect::<Vec<_>>())?;
        put::<FloatType, _>(g, &staffed)?;
        group.close()?;
    }
    file.close()?;
    Ok(())
}

fn file<W: Write + Send>(out: W, message: &str) -> Result<SerializedFileWriter<W>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("vaxel".to_owned());
    let schema = Arc::new(parse_message_type(message)?);
    SerializedFileWriter::new(out, schema, Arc::new(properties.build()))
}

/// The names that rows point to, each made once.
struct Names {
    kommuner: Vec<ByteArray>,
    queues: Vec<ByteArray>,
    providers: Vec<ByteArray>,
    outcomes: Vec<ByteArray>,
}

impl Names {
    fn new(scenario: &Scenario) -> Self {
        let outcomes = OUTCOMES.iter().copied().map(Outcome::label);
        Self {
            kommuner: kommun::kommuner()
                .iter()
                .map(|one| text(one.code))
                .collect(),
            queues: scenario.queues.iter().map(|one| text(&one.name)).collect(),
            providers: scenario
                .providers
                .iter()
                .map(|one| text(&one.name))
                .collect(),
            outcomes: outcomes.map(text).collect(),
        }
    }
}

fn call_columns<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    names: &Names,
    rows: &[CallRow],
) -> Result<()> {
    let named = |list: &[ByteArray], place: u16| list.get(usize::from(place)).cloned();
    put::<Int64Type, _>(group, &rows.iter().map(|row| row.at).collect::<Vec<_>>())?;
    put_some::<ByteArrayType, _>(
        group,
        rows.iter().map(|row| named(&names.kommuner, row.kommun)),
    )?;
    put_some::<ByteArrayType, _>(
        group,
        rows.iter().map(|row| named(&names.queues, row.queue)),
    )?;
    put_some::<ByteArrayType, _>(
        group,
        rows.iter().map(|row| named(&names.providers, row.provider)),
    )?;
    let outcome =
        |row: &CallRow| named(&names.outcomes, u16::from(row.outcome)).unwrap_or_default();
    put::<ByteArrayType, _>(group, &rows.iter().map(outcome).collect::<Vec<_>>())?;
    let wait = |row: &CallRow| row.wait_s.is_finite().then_some(row.wait_s);
    put_some::<FloatType, _>(group, rows.iter().map(wait))?;
    put::<FloatType, _>(
        group,
        &rows.iter().map(|row| row.talk_s).collect::<Vec<_>>(),
    )?;
    let files = |row: &CallRow| i32::from(row.files);
    put::<Int32Type, _>(group, &rows.iter().map(files).collect::<Vec<_>>())
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text)
}

/// The next column, which has a value in every row.
fn put<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<()> {
    write::<T, W>(group, values, None)
}

/// The next column, which lacks some values.
fn put_some<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T::T>> + Clone,
) -> Result<()> {
    let there: Vec<i16> = values.clone().map(|one| i16::from(one.is_some())).collect();
    let values: Vec<T::T> = values.flatten().collect();
    write::<T, W>(group, &values, Some(&there))
}

fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    there: Option<&[i16]>,
) -> Result<()> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General(
            "more columns than the schema has".to_owned(),
        ));
    };
    column.typed::<T>().write_batch(values, there, None)?;
    column.close()
}
