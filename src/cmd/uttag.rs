//! `vaxel uttag`: extracts of personal data, from the order to its end.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs::{self, File},
    io::{ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use callcore::{scenario::UttagSettings, uttag::Catalogue};
use jiff::Timestamp;
use recorder::{
    store::{self, Store},
    uttag::{self, Deliver, Delivered, Listed, Row, UttagError},
};

use super::recordings::by;
use crate::{
    cli::{UttagArgs, UttagCommand},
    failure::Failure,
    files::{self, Kept},
    given, show,
};

/// An order form is a few lines.
const FORM_LEN_MAX: u64 = 64 * 1024;
/// As many lines as a catalogue may have, of some hundred bytes each.
const CATALOGUE_LEN_MAX: u64 = 64 * 1024 * 1024;
/// Group and everybody. Whoever writes in the catalogue takes extracts: an account that may is its owner, and no other.
const OTHERS_WRITE: u32 = 0o022;

pub(crate) fn run(args: UttagArgs) -> Result<ExitCode, Failure> {
    let kept = files::kept(&args.store)?;
    let store = store::open_to_change_place(kept.place.clone()).map_err(Failure::store)?;
    let (vault, _) = store.parts();
    let (json, now) = (args.store.json, Timestamp::now());
    let with = given::again(&args.store);
    match args.what {
        UttagCommand::Order {
            form,
            kind,
            asked_by,
            controller,
            orderer,
            patient,
            from,
            until,
            asker,
        } => {
            let given = [kind, asked_by, controller, orderer, patient, from, until];
            let form = match form {
                Some(path) => read_form(&path)?,
                None => callcore::uttag::FIELDS
                    .into_iter()
                    .zip(given)
                    .filter_map(|(name, text)| Some((name.to_owned(), text?)))
                    .collect(),
            };
            let fields = form
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()));
            // What can't go on is not begun.
            settings(&kept)?;
            let row = uttag::order(vault, &kept.scenario, fields, &by(asker)?, now);
            print(&row.map_err(told)?, json, &with)
        }
        UttagCommand::Check { id, asker } => {
            let settings = settings(&kept)?;
            let supplier = &kept.scenario.org(settings.supplier).id;
            let catalogue = catalogue(&kept, settings)?;
            let row = uttag::check(vault, &id, &catalogue, supplier, &by(asker)?, now);
            print(&row.map_err(told)?, json, &with)
        }
        UttagCommand::Deliver {
            id,
            to,
            lookup,
            secret,
            asker,
        } => {
            let how = Deliver { to, secret, lookup };
            let catalogue = catalogue(&kept, settings(&kept)?)?;
            let id = deliver(&store, &kept, &catalogue, &id, &how, &by(asker)?, json)?;
            if !json {
                tell_next(&id, "reported", &with);
            }
            Ok(ExitCode::SUCCESS)
        }
        UttagCommand::Close { id, asker } => {
            let row = uttag::close(vault, &id, &by(asker)?, now);
            print(&row.map_err(told)?, json, &with)
        }
        UttagCommand::List => list(&store, json),
    }
}

fn read_form(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let unreadable = |what: &dyn std::fmt::Display| {
        Failure::usage(format!("the form {}: {what}", path.display()))
    };
    let length = fs::metadata(path)
        .map_err(|error| unreadable(&error))?
        .len();
    if length > FORM_LEN_MAX {
        return Err(unreadable(&"it is too long for an order"));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    // What serde says of it may repeat what stands in it.
    serde_json::from_str(&text).map_err(|_| unreadable(&"it is no JSON object of texts"))
}

fn settings(kept: &Kept) -> Result<&UttagSettings, Failure> {
    kept.scenario.uttag.as_ref().ok_or_else(|| {
        Failure::usage("the scenario says nothing of extracts: add [uttag] with `hsa`, the file of the HSA catalogue, and `supplier`")
    })
}

/// The catalogue beside the scenario, or from here.
fn catalogue(kept: &Kept, settings: &UttagSettings) -> Result<Catalogue, Failure> {
    let beside = Path::new(&*kept.scenario.file)
        .parent()
        .map(|folder| folder.join(&*settings.hsa))
        .filter(|path| path.is_file());
    let path = beside.unwrap_or_else(|| PathBuf::from(&*settings.hsa));
    let unusable = |what: &dyn Display| {
        Failure::usage(format!("the HSA catalogue {}: {what}", path.display()))
    };
    let mut file = File::open(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => unusable(
            &"it lies neither beside the scenario nor in this folder, and `hsa` under [uttag] names it",
        ),
        _ => unusable(&error),
    })?;
    let found = file.metadata().map_err(|error| unusable(&error))?;
    let mode = found.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        return Err(unusable(&format_args!(
            "others may change it (mode {mode:04o}), and it says who may order and where a delivery goes: run `chmod go-w` on it, and look through it"
        )));
    }
    if found.len() > CATALOGUE_LEN_MAX {
        return Err(unusable(&"it is too long for a catalogue"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|error| unusable(&error))?;
    Catalogue::parse(&text).map_err(|error| Failure::usage(error.to_string()))
}

/// Gives the id in full.
fn deliver(
    store: &Store,
    kept: &Kept,
    catalogue: &Catalogue,
    id: &str,
    how: &Deliver,
    by: &store::By,
    json: bool,
) -> Result<String, Failure> {
    let now = Timestamp::now();
    let made = uttag::deliver(store.parts(), &kept.scenario, catalogue, id, how, (by, now));
    let delivered = made.map_err(told)?;
    if json {
        show::json(&delivered)?;
    } else {
        print_delivered(&delivered, how.secret.as_deref())?;
    }
    Ok(delivered.id)
}

fn print_delivered(delivered: &Delivered, secret: Option<&Path>) -> Result<(), Failure> {
    show::line(format_args!(
        "{}: {} recordings, {} that can't be tied to anyone; mail it to {}",
        delivered.file.display(),
        delivered.recordings,
        delivered.untied,
        delivered.mail
    ))?;
    if delivered.erased > 0 {
        show::line(format_args!(
            "{} recordings were erased under a decision while it was made, and aren't in it",
            delivered.erased
        ))?;
    }
    if delivered.unopened > 0 {
        show::line(format_args!(
            "{} recordings of the time are spoilt, and nobody can say whose they are: `vaxel recordings verify` says which",
            delivered.unopened
        ))?;
    }
    if delivered.spoilt > 0 {
        show::line(format_args!(
            "{} recordings in it have spoilt stretches, which are silent: `vaxel recordings verify` says which",
            delivered.spoilt
        ))?;
    }
    match secret {
        Some(path) => show::line(format_args!(
            "the secret is in {}: send it by SMS to {}, then remove it",
            path.display(),
            delivered.phone
        )),
        None => show::line(format_args!(
            "the secret, shown this once; send it by SMS to {}:\n{}",
            delivered.phone,
            delivered.secret.as_str()
        )),
    }
}

fn print(row: &Row, json: bool, with: &str) -> Result<ExitCode, Failure> {
    if json {
        show::json(row)?;
    } else {
        show::line(format_args!(
            "{}: {}; {} of {} for {}, ordered by {}",
            row.id, row.step, row.kind, row.controller, row.asked_by, row.orderer
        ))?;
        tell_next(&row.id, row.step, with);
    }
    Ok(ExitCode::SUCCESS)
}

/// What a person types next; on stderr, since it is no result.
fn tell_next(id: &str, step: &str, with: &str) {
    let next = match step {
        "ordered" => format!("vaxel uttag check {id}{with}"),
        "sent" => format!("vaxel uttag deliver {id} --to FOLDER{with}"),
        "reported" => format!("vaxel uttag close {id}{with}"),
        _ => return,
    };
    show::note(format_args!("next: {next}"));
}

fn list(store: &Store, json: bool) -> Result<ExitCode, Failure> {
    let Listed { rows, unread } = uttag::list(store.parts().0).map_err(told)?;
    for (id, error) in &unread {
        let remedy = match error {
            // It says so itself.
            UttagError::Changed { .. } => String::new(),
            _ => format!("; restore `.uttag/{id}.json` in the store from a backup"),
        };
        show::note(format_args!(
            "vaxel: the extract {id} can't be read: {error}{remedy}"
        ));
    }
    let code = ExitCode::from(u8::from(!unread.is_empty()));
    if json {
        show::json(&rows)?;
        return Ok(code);
    }
    if rows.is_empty() {
        if unread.is_empty() {
            show::line("No extracts yet.")?;
        }
        return Ok(code);
    }
    let cells = rows.into_iter().map(|row| {
        let since = row.since.get(..19).unwrap_or_default().to_owned();
        let texts = [row.kind, row.asked_by, row.step].map(str::to_owned);
        let [kind, asked_by, step] = texts;
        [
            row.id,
            kind,
            asked_by,
            row.controller,
            row.orderer,
            step,
            since,
        ]
    });
    let header = [
        "id",
        "kind",
        "for",
        "controller",
        "orderer",
        "step",
        "since (UTC)",
    ];
    show::line(show::table(header, cells))?;
    Ok(code)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives the error away"
)]
fn told(error: UttagError) -> Failure {
    match error {
        UttagError::Refused(_) => Failure::finding(error.to_string()),
        UttagError::Unknown(_)
        | UttagError::Step { .. }
        | UttagError::Controller
        | UttagError::NobodyFound
        | UttagError::Lookup(..)
        | UttagError::LookupFile(_)
        | UttagError::NoFolder { .. }
        | UttagError::There { .. }
        | UttagError::SameChannel
        | UttagError::InsideStore { .. } => Failure::usage(error.to_string()),
        _ => Failure::run(error.to_string()),
    }
}
