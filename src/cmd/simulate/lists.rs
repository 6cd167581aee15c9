//! `--calls-csv` and `--calls-parquet`: written while the run goes on, and there once it is over.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
};

use callcore::scenario::Scenario;
use simulator::{tables, tally::CallRow};

use crate::{cli::SimulateArgs, failure::Failure, whole_file::WholeFile};

/// The lists of calls that are wanted.
pub(super) struct CallLists<'a> {
    csv: Option<(tables::Calls<'a, BufWriter<File>>, WholeFile, &'a Path)>,
    parquet: Option<(tables::parquet::Calls<BufWriter<File>>, WholeFile, &'a Path)>,
}

impl<'a> CallLists<'a> {
    pub(super) fn begin(args: &'a SimulateArgs, scenario: &'a Scenario) -> Result<Self, Failure> {
        let csv = args.calls_csv.as_deref().map(|file| {
            let (out, whole) = WholeFile::begin(file)?;
            Ok((tables::Calls::begin(out, scenario)?, whole, file))
        });
        let parquet = args.calls_parquet.as_deref().map(|file| {
            let (out, whole) = WholeFile::begin(file)?;
            Ok((tables::parquet::Calls::begin(out, scenario)?, whole, file))
        });
        let failed = |file: &Option<std::path::PathBuf>| {
            let file = file.clone().unwrap_or_default();
            move |error: io::Error| Failure::run(unwritable(&file, &error))
        };
        Ok(Self {
            csv: csv.transpose().map_err(failed(&args.calls_csv))?,
            parquet: parquet.transpose().map_err(failed(&args.calls_parquet))?,
        })
    }

    pub(super) const fn are_wanted(&self) -> bool {
        self.csv.is_some() || self.parquet.is_some()
    }

    /// Writes the next rows; what can't be written names its file.
    pub(super) fn add(&mut self, rows: &[CallRow]) -> Result<(), Box<str>> {
        if let Some((list, _, file)) = &mut self.csv {
            list.add(rows).map_err(|error| unwritable(file, &error))?;
        }
        if let Some((list, _, file)) = &mut self.parquet {
            list.add(rows).map_err(|error| unwritable(file, &error))?;
        }
        Ok(())
    }

    pub(super) fn end(self) -> Result<(), Failure> {
        if let Some((list, whole, file)) = self.csv {
            let ended = whole.end(list.end());
            ended.map_err(|error| Failure::run(unwritable(file, &error)))?;
        }
        if let Some((list, whole, file)) = self.parquet {
            let ended = list.end().and_then(|out| whole.end(out));
            ended.map_err(|error| Failure::run(unwritable(file, &error)))?;
        }
        Ok(())
    }
}

fn unwritable(file: &Path, error: &io::Error) -> Box<str> {
    format!("{} can't be written: {error}", file.display()).into()
}
