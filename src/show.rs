//! How results are printed: JSON for programs, short tables for people, a bar while they wait.

use std::{
    fmt::Display,
    io::{self, ErrorKind, IsTerminal, Write},
    time::Duration,
};

use comfy_table::{CellAlignment, LineStyle, TableStyle};
use indicatif::{ProgressBar, ProgressStyle};
use recorder::ledger::KeyChange;
use serde::Serialize;

use crate::failure::Failure;

/// Prints a line on stdout, [`harmless`]. A reader who has seen enough and left (`| head -1`) is no fault: the rest goes
/// nowhere.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    print(&harmless(&text.to_string()))
}

/// Prints a diagnostic on stdout, in its colours: what stands in it is made harmless where it is put in.
pub(crate) fn diagnostic(report: &miette::Report) -> Result<(), Failure> {
    print(&format!("{report:?}"))
}

fn print(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::run(format!(
            "the result can't be printed: {error}"
        ))),
        _ => Ok(()),
    }
}

/// That a signing key was lost, and what is checked with which.
pub(crate) fn key_change(change: &KeyChange) -> String {
    let KeyChange { at, before, now } = change;
    match before.as_str() {
        "" => format!(
            "signing key given up on {at}: signed by {now} since; nobody has the one before, so what it signed is checked only to be as it was then"
        ),
        before => {
            format!("signing key given up on {at}: signed by {before} until then, by {now} since")
        }
    }
}

/// Tells a person on stderr what goes on, [`harmless`]. That nobody listens there stops nothing.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", harmless(&text.to_string()));
}

/// The same of a diagnostic, in its colours.
pub(crate) fn note_diagnostic(report: &miette::Report) {
    let _ = writeln!(io::stderr(), "{report:?}");
}

/// Text as a terminal may have it. Names and texts come from others, in a scenario, a package, a backup or a journal: a
/// character that gives a terminal orders, or turns the order of letters, is written as its number. In JSON that is the
/// character itself.
pub(crate) fn harmless(text: &str) -> String {
    let written = |letter: char| match letter {
        '\n' | '\t' => letter.to_string(),
        _ if is_order(letter) => number_of(letter),
        _ => letter.to_string(),
    };
    match text.chars().any(is_order) {
        true => text.chars().map(written).collect(),
        false => text.to_owned(),
    }
}

/// The same of a text whose places are counted in bytes: each such character becomes a sign as long as it was.
pub(crate) fn harmless_source(text: &str) -> String {
    let written = |letter: char| match letter {
        '\n' | '\t' => letter.to_string(),
        // Lines of other systems end so.
        '\r' => " ".to_owned(),
        _ if !is_order(letter) => letter.to_string(),
        _ if letter.len_utf8() == char::REPLACEMENT_CHARACTER.len_utf8() => {
            char::REPLACEMENT_CHARACTER.to_string()
        }
        _ => "?".repeat(letter.len_utf8()),
    };
    text.chars().map(written).collect()
}

/// Control characters, and those that turn the direction of what follows.
fn is_order(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn number_of(letter: char) -> String {
    format!("\\u{:04x}", u32::from(letter))
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
    TableStyle::new().header_separator(LineStyle::none().fill(RULE).junction(RULE));

const RULE: char = '─';

/// A table without frames: a header line and rows.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(LINE_UNDER_HEADER);
    table.set_header(header);
    let mut numbers = [true; N];
    for row in rows {
        for (all, cell) in numbers.iter_mut().zip(&row) {
            *all &= is_number(cell);
        }
        // A line's end within a cell would look like another row.
        table.add_row(row.map(|cell| harmless(&cell).replace('\n', &number_of('\n'))));
    }
    for (column, _) in table.column_iter_mut().zip(numbers).filter(|(_, all)| *all) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let text = table.to_string();
    let lines: Vec<String> = text.lines().map(short_line).collect();
    lines.join("\n")
}

/// As wide as help is at most. A wider one would stand on a terminal as two lines.
const RULE_LEN_MAX: usize = 100;

/// A line without what fills it up to the longest reason: a terminal would break that too.
fn short_line(line: &str) -> String {
    match line.starts_with(RULE) {
        true => line.chars().take(RULE_LEN_MAX).collect(),
        false => line.trim_end().to_owned(),
    }
}

/// A figure, with its unit or without, or the place of one: such a column stands with its ends below each other.
fn is_number(cell: &str) -> bool {
    let figure = cell.split(' ').next().unwrap_or("");
    matches!(figure, "" | "-" | "–") || figure.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_gives_a_terminal_orders() {
        let title = "Region \u{1b}]0;owned\u{7}\u{9b}31m\r\u{7f}\u{202e}änglaöR\n\tends";
        assert_eq!(
            harmless(title),
            "Region \\u001b]0;owned\\u0007\\u009b31m\\u000d\\u007f\\u202eänglaöR\n\tends"
        );
        assert_eq!(harmless("Östersund – å"), "Östersund – å");
    }

    #[test]
    fn what_is_json_stays_the_same_json() {
        let name = "a\u{1b}b\u{7f}c\u{9b}d\u{202e}e";
        let text = serde_json::to_string(name).expect("JSON");
        let shown = harmless(&text);
        assert!(!shown.chars().any(is_order), "{shown}");
        let read: String = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(read, name);
    }

    #[test]
    fn places_in_a_source_stay_where_they_were() {
        let source = "a = \"\u{1b}[2J\u{9b}\u{202e}å\"\r\n\tb";
        let shown = harmless_source(source);
        assert_eq!(shown.len(), source.len());
        assert_eq!(shown, "a = \"?[2J??\u{fffd}å\" \n\tb");
    }

    #[test]
    fn figures_stand_with_their_ends_below_each_other() {
        let rows = [["a", "9", "0180"], ["bb", "1250 s", "x"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        let shown = table(["name", "wait", "kommun"], rows.into_iter());
        let wait = |line: &str| line.find("9 ").or(line.find("1250 s")).map(|at| at + 1);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(wait(lines[2]), wait(lines[3]).map(|at| at + 5), "{shown}");
    }

    #[test]
    fn a_long_reason_makes_no_other_line_long() {
        let rows = [
            ["a".to_owned(), "why ".repeat(60)],
            ["b".to_owned(), "no".to_owned()],
        ];
        let shown = table(["x", "why"], rows.into_iter());
        let lengths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths[1], RULE_LEN_MAX);
        assert!(lengths[0] < 20 && lengths[3] < 20, "{lengths:?}");
    }

    #[test]
    fn a_name_makes_no_row_of_its_own() {
        let row = ["a\nb".to_owned(), "c".to_owned()];
        let shown = table(["x", "y"], std::iter::once(row));
        assert_eq!(shown.lines().count(), 3, "{shown}");
    }
}
