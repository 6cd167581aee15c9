//! How results are printed: JSON for programs, short tables for people, a bar while they wait.

use std::{
    fmt::Display,
    io::{self, ErrorKind, IsTerminal, Write},
    time::Duration,
};

use comfy_table::{LineStyle, TableStyle};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// Prints a line on stdout. A reader who has seen enough and left (`| head -1`) is no fault: the rest goes nowhere.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::run(format!(
            "the result can't be printed: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Tells a person on stderr what goes on. That nobody listens there stops nothing.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints a value as JSON on stdout.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::run(format!("JSON: {error}")))?;
    line(text)
}

/// A bar on stderr; none when nobody watches.
pub(crate) fn bar(length: Option<u64>, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = if length.is_some() {
        "{prefix} {wide_bar:.cyan/blue} {pos}/{len} {msg} {eta} left"
    } else {
        "{spinner:.cyan} {prefix} {pos} {msg} {elapsed}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// One line under the header, none between rows: long lists stay easy on the eye.
const LINE_UNDER_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table without frames: a header line and rows.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(LINE_UNDER_HEADER);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}
