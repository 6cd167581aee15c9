//! A list of calls as Parquet: the columns `time`, `kommun` and `talk_s`, in whichever type a program wrote them.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
};

use callcore::time::{Time, sweden};
use jiff::Timestamp;
use parquet::{
    basic::{LogicalType, TimeUnit},
    errors::ParquetError,
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
    schema::types::{SchemaDescriptor, Type},
};

use super::{List, ReplayError, Row, moment};
use crate::{callers::Caller, plan::Plan};

/// What every Parquet file begins with.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";

pub(super) fn read(file: File, plan: &Plan) -> Result<Vec<Caller>, ReplayError> {
    // A file that is broken on purpose makes its reader panic in places: that ends as an error too.
    let read = catch_unwind(AssertUnwindSafe(|| rows(file, plan)));
    read.unwrap_or_else(|_| Err(ReplayError::Unreadable("the file is broken".to_owned())))
}

fn rows(file: File, plan: &Plan) -> Result<Vec<Caller>, ReplayError> {
    let broken = |error: ParquetError| ReplayError::Unreadable(error.to_string());
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let clock = Clock::of(schema, column(schema, "time")?);
    let wanted = projection(schema)?;
    let mut list = List::new(plan);
    for (place, row) in reader
        .get_row_iter(Some(wanted))
        .map_err(broken)?
        .enumerate()
    {
        let row = row.map_err(broken)?;
        let (mut at, mut kommun, mut talk_s) = (None, String::new(), None);
        for (name, field) in row.get_column_iter() {
            match name.as_str() {
                "time" => at = clock.moment(field),
                "kommun" => kommun = code(field),
                _ => talk_s = number(field),
            }
        }
        list.add(&Row {
            line: place + 1,
            at,
            kommun: &kommun,
            talk_s,
        })?;
    }
    list.finish()
}

fn column(schema: &SchemaDescriptor, name: &'static str) -> Result<usize, ReplayError> {
    let columns = schema.columns();
    let found = columns.iter().position(|one| one.path().string() == name);
    found.ok_or(ReplayError::NoColumn(name))
}

/// Only what is read: a list may have many more columns.
fn projection(schema: &SchemaDescriptor) -> Result<Type, ReplayError> {
    let fields = ["time", "kommun", "talk_s"].map(|name| column(schema, name));
    let fields: Vec<_> = fields.into_iter().collect::<Result<_, _>>()?;
    let fields = fields
        .into_iter()
        .map(|at| schema.column(at).self_type_ptr());
    Type::group_type_builder(schema.name())
        .with_fields(fields.collect())
        .build()
        .map_err(|error| ReplayError::Unreadable(error.to_string()))
}

/// How the file's times are meant.
struct Clock {
    /// Time on a Swedish clock; else moments.
    local: bool,
    nanos: bool,
}

impl Clock {
    fn of(schema: &SchemaDescriptor, at: usize) -> Self {
        let (local, nanos) = match schema.column(at).logical_type_ref() {
            Some(LogicalType::Timestamp {
                is_adjusted_to_u_t_c,
                unit,
            }) => (!is_adjusted_to_u_t_c, matches!(unit, TimeUnit::NANOS)),
            _ => (false, false),
        };
        Self { local, nanos }
    }

    fn moment(&self, field: &Field) -> Option<Time> {
        let micros = match field {
            Field::Str(text) => return moment(text),
            Field::TimestampMicros(micros) => *micros,
            Field::TimestampMillis(millis) => millis.checked_mul(1000)?,
            Field::Long(nanos) if self.nanos => nanos / 1000,
            _ => return None,
        };
        let stamp = Timestamp::from_microsecond(micros).ok()?;
        if !self.local {
            return Some(stamp.into());
        }
        let wall = stamp.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        Some(wall.to_zoned(sweden()).ok()?.timestamp().into())
    }
}

/// A kommun's four digits; programs that take them for a number lose the leading zero.
fn code(field: &Field) -> String {
    match field {
        Field::Str(text) => text.trim().to_owned(),
        Field::Int(number) => format!("{number:04}"),
        Field::Long(number) => format!("{number:04}"),
        Field::Short(number) => format!("{number:04}"),
        Field::UShort(number) => format!("{number:04}"),
        Field::UInt(number) => format!("{number:04}"),
        Field::ULong(number) => format!("{number:04}"),
        Field::Float(number) if number.is_finite() => format!("{number:04.0}"),
        Field::Double(number) if number.is_finite() => format!("{number:04.0}"),
        Field::Null | Field::Float(_) | Field::Double(_) => String::new(),
        _ => "?".to_owned(),
    }
}

fn number(field: &Field) -> Option<f64> {
    match field {
        Field::Double(number) => Some(*number),
        Field::Float(number) => Some(f64::from(*number)),
        Field::Int(number) => Some(f64::from(*number)),
        Field::Long(number) => Some(*number as f64),
        Field::Short(number) => Some(f64::from(*number)),
        Field::UShort(number) => Some(f64::from(*number)),
        Field::UInt(number) => Some(f64::from(*number)),
        Field::ULong(number) => Some(*number as f64),
        Field::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use jiff::civil::date;

    use super::*;
    use crate::{run, tables, tally::CallRow, tests::today};

    fn file_with(bytes: &[u8], name: &str) -> std::path::PathBuf {
        let name = format!("vaxel-replay-{name}-{}.parquet", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut file = File::create(&path).expect("a file");
        file.write_all(bytes).expect("written");
        path
    }

    #[test]
    fn what_a_run_wrote_is_read_back_call_by_call() {
        let scenario = today();
        let plan = Plan::new(&scenario, date(2026, 10, 24), 2, 5);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let mut calls = Vec::new();
        let mut list = tables::parquet::Calls::begin(Vec::new(), &scenario).expect("begun");
        let mut longest = 0;
        let mut take = |rows: &[CallRow]| {
            longest = longest.max(rows.len());
            calls.extend_from_slice(rows);
            list.add(rows).map_err(|error| error.to_string().into())
        };
        let results = run::run_listing(&scenario, &[], &plan, &stop, |_| {}, &mut take);
        let results = results.expect("it balances");
        let bytes = list.end().expect("written");
        let path = file_with(&bytes, "whole");
        let found = super::super::read_file(&path, &plan);
        std::fs::remove_file(&path).expect("it was there");
        let found = found.expect("a list");
        assert!(longest < calls.len() / 5, "not all at once: {longest}");
        assert_eq!(found.len(), calls.len());
        assert_eq!(found.len() as u64, results.summary.calls.offered);
        let places: Vec<_> = calls
            .iter()
            .map(|row| (row.at, row.kommun, row.queue))
            .collect();
        assert!(places.is_sorted(), "in order of time");
        assert!(found.len() > 20_000);
        for (found, row) in found.iter().zip(&calls) {
            assert_eq!(found.at.as_micros(), row.at);
            let kommun = found
                .origin
                .kommun()
                .map_or(u16::MAX, |one| one.index() as u16);
            assert_eq!(kommun, row.kommun);
            assert!((found.talk.as_secs_f64() - f64::from(row.talk_s)).abs() < 1e-5);
        }
        let mut hours = Vec::new();
        tables::parquet::hours(&mut hours, &scenario, &results).expect("written");
        assert_eq!(&hours[..4], MAGIC);
    }

    /// Some programs write whole numbers without a sign, or in four bytes.
    #[test]
    fn numbers_of_every_type_are_read() {
        for field in [
            Field::Str("0180".to_owned()),
            Field::Int(180),
            Field::Long(180),
            Field::UShort(180),
            Field::UInt(180),
            Field::ULong(180),
            Field::Float(180.0),
            Field::Double(180.0),
        ] {
            assert_eq!(code(&field), "0180", "{field:?}");
            assert_eq!(number(&field), Some(180.0), "{field:?}");
        }
        for nothing in [Field::Float(f32::NAN), Field::Double(f64::NAN), Field::Null] {
            assert_eq!(code(&nothing), "", "{nothing:?}");
        }
    }

    #[test]
    fn a_broken_file_is_refused() {
        let plan = Plan::new(&today(), date(2026, 3, 2), 1, 1);
        let path = file_with(b"PAR1 and then nothing that makes sense PAR1", "broken");
        let found = super::super::read_file(&path, &plan);
        std::fs::remove_file(&path).expect("it was there");
        assert!(
            matches!(found, Err(ReplayError::Unreadable(_))),
            "{found:?}"
        );
    }
}
