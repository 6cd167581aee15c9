//! Scenarios from files or from the program itself, and moments from text.

use std::{
    io::ErrorKind::NotFound,
    path::{Path, PathBuf},
    sync::Arc,
};

use callcore::scenario::Scenario;
use jiff::{Timestamp, civil::DateTime};
use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};
use recorder::place::Place;

pub(crate) use crate::whole_file::write_whole;
use crate::{bounded, cli::StoreOf, failure::Failure, show};

/// The scenarios that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("today", include_str!("../scenarios/today.toml")),
    ("imy-2019", include_str!("../scenarios/imy-2019.toml")),
    (
        "medhelp-2019",
        include_str!("../scenarios/medhelp-2019.toml"),
    ),
    ("winter", include_str!("../scenarios/winter.toml")),
    (
        "erlang-check",
        include_str!("../scenarios/erlang-check.toml"),
    ),
    (
        "voice-nas-2019",
        include_str!("../scenarios/voice-nas-2019.toml"),
    ),
    (
        "jamtland-2025",
        include_str!("../scenarios/jamtland-2025.toml"),
    ),
];

/// A scenario and where it came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) scenario: Scenario,
    pub(crate) file: PathBuf,
    /// What it was read from.
    pub(crate) text: String,
}

/// The names of the built-in scenarios.
pub(crate) fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The text of a scenario, and the file it stands for: a file when there is one of that name, else a built-in one.
/// A built-in one is also found by the path it has in the repository, so that commands can be copied from anywhere.
pub(crate) fn read(name: &str) -> Result<(String, PathBuf), Failure> {
    let path = Path::new(name);
    let short = name
        .strip_prefix("scenarios/")
        .and_then(|file| file.strip_suffix(".toml"));
    let built_in = BUILT_IN
        .iter()
        .find(|(known, _)| *known == short.unwrap_or(name));
    let text = match (bounded::scenario(path), built_in) {
        (Ok(text), _) => text,
        // A file that is there and can't be read is no reason to run another scenario.
        (Err(error), Some((_, text))) if error.kind() == NotFound || path.is_dir() => {
            (*text).to_owned()
        }
        (Err(error), _) => {
            let names: Vec<&str> = BUILT_IN.iter().map(|(known, _)| *known).collect();
            let why = format!(
                "the scenario {name} can't be read: {error}; give a file, or one of: {}",
                names.join(", ")
            );
            return Err(Failure::usage(why));
        }
    };
    let file = if path.exists() || short.is_some() {
        path.to_owned()
    } else {
        PathBuf::from(format!("{name}.toml"))
    };
    Ok((text, file))
}

/// Reads a scenario: a file when there is one of that name, else a built-in one.
pub(crate) fn load(name: &str) -> Result<Loaded, Failure> {
    let (text, file) = read(name)?;
    loaded(text, file)
}

/// The scenario that a file of that name would be with this text.
pub(crate) fn loaded(text: String, file: PathBuf) -> Result<Loaded, Failure> {
    let mut scenario = Scenario::from_toml(&text, &file.display().to_string())
        .map_err(|error| Failure::configuration(diagnostics(&error, &file, &text)))?;
    let tls = scenario.recorder.as_mut().and_then(|it| it.tls.as_mut());
    if let (Some(tls), Some(folder)) = (tls, file.parent()) {
        // As those of [listen.tls], they lie beside the scenario.
        let own = [&mut tls.certificate, &mut tls.key].into_iter();
        for name in own.chain(tls.peers_ca.as_mut()) {
            *name = folder.join(&**name).to_string_lossy().into();
        }
    }
    Ok(Loaded {
        scenario,
        file,
        text,
    })
}

/// The store and keys of a scenario moved under `data`, when they are relative and `data` is given.
pub(crate) fn settle(scenario: &mut Scenario, data: Option<&Path>) {
    if let (Some(recorder), Some(data)) = (&mut scenario.recorder, data) {
        let parts = [Some(&mut recorder.store), Some(&mut recorder.keys)];
        let more = [
            recorder.spool.as_mut(),
            recorder.credentials.as_mut(),
            recorder.index.as_mut(),
            recorder.calls.as_mut(),
        ];
        // What isn't on this machine's disk isn't moved.
        let near = |part: &&mut Box<str>| !part.contains(':');
        for part in parts.into_iter().chain(more).flatten().filter(near) {
            *part = data.join(&**part).to_string_lossy().into();
        }
    }
}

/// The store and keys that a scenario's recorder uses, with paths moved under `data`.
pub(crate) fn kept(of: &StoreOf) -> Result<Kept, Failure> {
    let mut scenario = load(&of.config)?.scenario;
    settle(&mut scenario, of.data.as_deref());
    let Some(settings) = &scenario.recorder else {
        return Err(Failure::usage(format!(
            "the scenario {} has no [recorder], so it keeps no recordings",
            of.config
        )));
    };
    let place = Place::of(settings).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Kept {
        place,
        calls: settings.calls.as_deref().map(PathBuf::from),
        scenario,
    })
}

/// A scenario and where its recorder keeps things.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) scenario: Scenario,
    pub(crate) place: Place,
    /// Where the switch says which calls there were.
    pub(crate) calls: Option<PathBuf>,
}

/// A day as a person writes it; today in Sweden when nothing is said.
pub(crate) fn day(text: Option<&str>) -> Result<jiff::civil::Date, Failure> {
    let Some(text) = text else {
        return Ok(callcore::time::Time::from(Timestamp::now())
            .in_sweden()
            .date());
    };
    text.parse()
        .map_err(|_| Failure::usage(format!("{text} is no day: write it like 2029-01-01")))
}

/// Shared, as the rooms take it.
pub(crate) fn share(loaded: Loaded) -> (Arc<Scenario>, PathBuf) {
    (Arc::new(loaded.scenario), loaded.file)
}

/// The moment that a text says, or now.
pub(crate) fn moment_or_now(text: Option<&str>) -> Result<callcore::time::Time, Failure> {
    Ok(text.map_or_else(|| Ok(Timestamp::now()), moment)?.into())
}

/// The day that a text says, or today in Sweden.
pub(crate) fn day_or_today(text: Option<&str>) -> Result<jiff::civil::Date, Failure> {
    let Some(text) = text else {
        return Ok(Timestamp::now().to_zoned(callcore::time::sweden()).date());
    };
    text.parse()
        .map_err(|_| Failure::usage(format!("{text} is no day: write it like 2019-11-01")))
}

/// A moment as a person writes it: Swedish wall time, or with an offset.
pub(crate) fn moment(text: &str) -> Result<Timestamp, Failure> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(stamp);
    }
    let wall: DateTime = text.parse().map_err(|_| {
        Failure::usage(format!(
            "{text} is no moment: write it like 2018-11-05T22:15 (Swedish time)"
        ))
    })?;
    wall.to_zoned(callcore::time::sweden())
        .map(|zoned| zoned.timestamp())
        .map_err(|error| Failure::usage(format!("{text} is out of range: {error}")))
}

/// A file with a secret must be nobody else's to read.
pub(crate) fn read_secret(file: &Path) -> Result<String, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!(
            "the token file {} can't be read: {error}",
            file.display()
        ))
    };
    let mode = std::fs::metadata(file)
        .map_err(unreadable)?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(Failure::usage(format!(
            "others may read the token file {0}: run chmod 600 {0}",
            file.display()
        )));
    }
    std::fs::read_to_string(file).map_err(unreadable)
}

/// Every fault underlined where it stands, the first one's remedy below.
fn diagnostics(error: &callcore::scenario::ScenarioError, file: &Path, text: &str) -> Report {
    let labels = error.faults().map(|fault| {
        LabeledSpan::new_with_span(
            Some(show::harmless(&format!(
                "{} ({})",
                fault.message, fault.remedy
            ))),
            fault.span.clone(),
        )
    });
    let first = error.first();
    let title = format!(
        "{}:{}:{}: {}",
        file.display(),
        first.line,
        first.column,
        first.message
    );
    let diagnostic = MietteDiagnostic::new(show::harmless(&title))
        .with_help(show::harmless(&first.remedy))
        .with_labels(labels);
    Report::new(diagnostic).with_source_code(NamedSource::new(
        show::harmless(&file.display().to_string()),
        show::harmless_source(text),
    ))
}
