//! TOML and its keys: what the file must look like before its values mean anything.

use serde::Deserialize;

use crate::scenario::{Fault, SCENARIO_LEN_MAX, nearest::nearest, raw::RawScenario};

/// Reads the text, or says the first thing that is wrong with its form. Nesting is limited by the TOML parser (80).
pub(super) fn parse(text: &str) -> Result<RawScenario, Fault> {
    if text.len() > SCENARIO_LEN_MAX {
        let message = format!(
            "the file has {} bytes; at most {SCENARIO_LEN_MAX} are read",
            text.len()
        );
        return Err(Fault::new(
            text,
            0..0,
            &message,
            "is this really a scenario?",
        ));
    }
    let deserializer = toml::Deserializer::parse(text).map_err(|error| fault(text, &error))?;
    RawScenario::deserialize(deserializer).map_err(|error| fault(text, &error))
}

/// Where each line begins.
pub(super) fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .collect()
}

fn fault(text: &str, error: &toml::de::Error) -> Fault {
    let message: String = error
        .message()
        .chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_LEN_MAX)
        .collect();
    let span = error.span().unwrap_or(0..0);
    match unknown_key(error.message()) {
        Some((key, remedy)) => Fault {
            code: "V0002",
            ..Fault::new(
                text,
                span,
                &format!("there is no key `{key}` here"),
                &remedy,
            )
        },
        None if message.contains("recursion depth") => Fault::new(
            text,
            span,
            "lists and tables are nested too deep",
            "a scenario has four levels at most; is this really one?",
        ),
        None => {
            let remedy = remedy_for(&message);
            let said = match message.split_once(", expected ") {
                // A Rust type says nothing to a reader.
                Some((what, expected)) if is_of_rust(expected) => what,
                _ => &message,
            };
            Fault::new(text, span, said, &remedy)
        }
    }
}

/// A message may repeat a text from the file, and that can be long.
const MESSAGE_LEN_MAX: usize = 300;

fn remedy_for(message: &str) -> String {
    match between_ticks(message).next() {
        Some(key) if message.starts_with("missing field") => {
            format!("add `{key} = ...` to this entry")
        }
        _ if message.starts_with("invalid ") => match most_of(message) {
            Some(most) => format!("give a whole number from 0 to {most}, without quotes"),
            None => form_of(message).to_owned(),
        },
        _ => "mend the TOML here; texts stand in double quotes, tables begin with [[name]]"
            .to_owned(),
    }
}

/// How the value is written where serde says what it expected.
fn form_of(message: &str) -> &'static str {
    match message.rsplit("expected ").next().unwrap_or_default() {
        "a string" => "write a text in double quotes",
        "a boolean" => "write true or false, without quotes",
        "a sequence" => "write a list in square brackets",
        "f64" => "write a number such as 0.5 or 12, without quotes",
        table if table.starts_with("struct ") || table == "a map" => {
            "write a table: `[name]` with its keys below, or `{ key = value }`"
        }
        _ => "write the value in the form that is expected",
    }
}

fn is_of_rust(expected: &str) -> bool {
    expected == "f64" || expected.starts_with("struct ") || most_of(expected).is_some()
}

/// The greatest number that fits where serde says "expected u32" and the like, as TOML writes it.
fn most_of(message: &str) -> Option<&'static str> {
    match message.rsplit("expected ").next()? {
        "u8" => Some("255"),
        "u16" => Some("65_535"),
        "u32" => Some("4_294_967_295"),
        "u64" | "usize" => Some("9_223_372_036_854_775_807"),
        _ => None,
    }
}

/// Serde's "unknown field `x`, expected one of `a`, `b`", taken apart.
fn unknown_key(message: &str) -> Option<(&str, String)> {
    let mut names = between_ticks(message.strip_prefix("unknown field ")?);
    let key = names.next()?;
    let known: Vec<&str> = names.collect();
    let remedy = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", known.join(", ")),
    };
    Some((key, remedy))
}

/// Every other piece between back ticks.
fn between_ticks(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}
