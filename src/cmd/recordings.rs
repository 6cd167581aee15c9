//! `vaxel recordings`: what a store holds, whose it is, and one of them as a sound file.

use std::{path::PathBuf, process::ExitCode};

use jiff::Timestamp;
use recorder::{
    access::PURPOSE_LEN_MAX,
    export::ExportError,
    index::{Filter, Hold, IndexError, LIST_MAX},
    store::{self, By, Row, Shown, Sound, Stays, Store, StoreError, Wrong},
    vcon::{self, Audio},
};
use serde::Serialize;

use crate::{
    cli::{Asker, ExportFormat, RecordingsArgs, RecordingsCommand},
    failure::Failure,
    files, show,
};

pub(crate) fn run(args: RecordingsArgs) -> Result<ExitCode, Failure> {
    let store = open(&args)?;
    let json = args.store.json;
    match args.what {
        RecordingsCommand::List {
            controller,
            kommun,
            limit,
        } => {
            let filter = Filter {
                controller,
                kommun,
                limit,
                ..Filter::default()
            };
            newest(&store, filter, json)?;
        }
        RecordingsCommand::Show { id, asker } => {
            let shown = store.show(&id, &by(asker)?).map_err(failed)?;
            if args.store.json {
                show::json(&shown)?;
            } else {
                print(&shown)?;
            }
        }
        RecordingsCommand::Verify => return verify(&store, args.store.json),
        RecordingsCommand::Reconcile(asked) => {
            let kept = files::kept(&args.store)?;
            return super::reconcile::run(&store, kept.calls, &asked, args.store.json);
        }
        RecordingsCommand::Export {
            id,
            out,
            format,
            audio_url,
            asker,
        } => {
            let audio = audio_of(format, audio_url)?;
            return export(&store, &id, out, audio.as_ref(), asker, args.store.json);
        }
        RecordingsCommand::Hold { id, reason, who } => {
            return hold(&store, &id, reason, who, json);
        }
        RecordingsCommand::Release { id, reason, who } => {
            let purpose = Some(reason);
            let by = by(Asker { purpose, who })?;
            let (id, holds) = store.release(&id, &by).map_err(failed)?;
            let ended = serde_json::json!({ "id": id.to_string(), "ended": holds });
            let said = match holds {
                0 => format!("{id} wasn't held: nothing has changed"),
                _ => format!("{id}: {holds} holds ended"),
            };
            tell(&said, &ended, json)?;
        }
        RecordingsCommand::Holds => {
            let holds = store.holds().map_err(failed)?;
            let lifted = super::gallring::note_lifted(&store)?;
            if args.store.json {
                show::json(&holds)?
            } else if lifted == 0 || !holds.is_empty() {
                print_holds(holds)?
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn newest(store: &Store, mut filter: Filter, json: bool) -> Result<(), Failure> {
    // One fewer than an index gives, so that one more tells that there are more.
    let limit = filter.limit.min(LIST_MAX - 1);
    filter.limit = limit + 1;
    let mut rows = store.list(&filter).map_err(failed)?;
    if rows.len() > limit {
        rows.truncate(limit);
        show::note(format_args!(
            "vaxel: these are the {limit} newest, and there are more: say which by --controller or --kommun, or a higher --limit"
        ));
    }
    if json {
        show::json(&rows)
    } else {
        list(&rows, &filter)
    }
}

fn hold(
    store: &Store,
    id: &str,
    reason: String,
    who: Option<String>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let purpose = Some(reason);
    let (id, stays) = store
        .hold(id, &by(Asker { purpose, who })?)
        .map_err(failed)?;
    let has_numbers = stays == Stays::Whole;
    let mut said = format!("{id} stays until it is released, whatever its ceiling says");
    if !has_numbers {
        said += "; its telephone numbers don't: they were being erased under a decision before this order came";
    }
    let held = serde_json::json!({ "id": id.to_string(), "numbers_erased": !has_numbers });
    tell(&said, &held, json)?;
    Ok(super::key_part::renew_with_hold(store))
}

/// What was done, for a person or for a program.
fn tell(said: &str, found: &serde_json::Value, json: bool) -> Result<(), Failure> {
    if json {
        show::json(found)
    } else {
        show::line(said)
    }
}

/// Where the sound of a vCon goes; `None` for a sound file.
fn audio_of(format: ExportFormat, url: Option<String>) -> Result<Option<Audio>, Failure> {
    match (format, url) {
        (ExportFormat::Wav, None) => Ok(None),
        (ExportFormat::Vcon, None) => Ok(Some(Audio::Inline)),
        (ExportFormat::Vcon, Some(url)) if url.starts_with("https://") => Ok(Some(Audio::At(url))),
        _ => Err(Failure::usage(
            "--audio-url goes with `--format vcon` and begins with https://: a vCon's sound lies nowhere else",
        )),
    }
}

fn export(
    store: &Store,
    id: &str,
    out: Option<PathBuf>,
    audio: Option<&Audio>,
    asker: Asker,
    json: bool,
) -> Result<ExitCode, Failure> {
    let end = if audio.is_some() { "vcon.json" } else { "wav" };
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{id}.{end}")));
    let by = by(asker)?;
    let exported = match audio {
        None => store.export(id, &out, &by),
        Some(audio) => vcon::export(store.parts(), id, &out, audio, (&by, Timestamp::now())),
    };
    let exported = exported.map_err(failed)?;
    // What is silent where somebody spoke doesn't pass for whole.
    let code = ExitCode::from(u8::from(exported.damaged_chunks > 0));
    if exported.damaged_chunks > 0 {
        show::note(format_args!(
            "vaxel: {} stretches of it were changed or spoilt after they were stored, and are silent: restore it from a backup",
            exported.damaged_chunks
        ));
    }
    if json {
        show::json(&exported)?;
        return Ok(code);
    }
    let files = exported.files.iter().map(|file| file.display().to_string());
    let files: Vec<String> = files.collect();
    let files = if files.is_empty() {
        out.display().to_string()
    } else {
        files.join(", ")
    };
    show::line(format_args!(
        "{files}: {:.1} s, {} streams, {} packets lost",
        exported.seconds, exported.streams, exported.packets_lost
    ))?;
    Ok(code)
}

fn open(args: &RecordingsArgs) -> Result<Store, Failure> {
    let kept = files::kept(&args.store)?;
    let changes = matches!(
        args.what,
        RecordingsCommand::Hold { .. } | RecordingsCommand::Release { .. }
    );
    let opened = if changes {
        store::open_to_change_place(kept.place)
    } else {
        store::open_existing_place(kept.place)
    };
    opened.map_err(Failure::store)
}

/// A name is a person's or a system's, not a document; as that of a token.
const WHO_LEN_MAX: usize = 64;

/// Who asks: the account on this machine, and who it says it asks for. Whoever writes another name there can't take the account
/// away, nor its number, which nobody chooses.
pub(super) fn by(asker: Asker) -> Result<By, Failure> {
    let Asker { purpose, who } = asker;
    let purpose = purpose.unwrap_or_default();
    if purpose.len() > PURPOSE_LEN_MAX || purpose.chars().any(char::is_control) {
        return Err(Failure::usage(format!(
            "a purpose is one line of at most {PURPOSE_LEN_MAX} bytes"
        )));
    }
    if let Some(who) = &who
        && (who.trim().is_empty() || who.len() > WHO_LEN_MAX || who.chars().any(char::is_control))
    {
        return Err(Failure::usage(format!(
            "--as is a name of 1 to {WHO_LEN_MAX} bytes"
        )));
    }
    let account = account();
    Ok(By {
        who: who.map_or_else(
            || account.clone(),
            |who| format!("{} (said by {account})", who.trim()),
        ),
        purpose,
    })
}

/// The account that runs this, by name and number as the system has them: what the environment says may be anybody's.
fn account() -> String {
    let name: String = whoami::username()
        .unwrap_or_else(|_| "unknown".to_owned())
        .chars()
        .filter(|c| !c.is_control())
        .take(WHO_LEN_MAX)
        .collect();
    format!("{name} (uid {})", rustix::process::geteuid().as_raw())
}

#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    sound: Sound,
    wrong: Vec<Wrong>,
}

fn verify(store: &Store, json: bool) -> Result<ExitCode, Failure> {
    let mut wrong = Vec::new();
    let sound = store.verify(|one| wrong.push(one)).map_err(failed)?;
    let code = ExitCode::from(u8::from(!wrong.is_empty()));
    if json {
        show::json(&Verified { sound, wrong })?;
        return Ok(code);
    }
    for one in &wrong {
        show::line(format_args!("{}: {}", one.what, one.why))?;
    }
    show::line(format_args!(
        "{} recordings are as they were written; {} recordings or ledgers aren't, or couldn't be read; {} accesses in {} logs, {} erasures in the register",
        sound.recordings,
        wrong.len(),
        sound.accesses,
        sound.access_logs,
        sound.erased
    ))?;
    for change in &sound.key_changes {
        show::line(show::key_change(change))?;
    }
    Ok(code)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives the error away"
)]
fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::Purpose
        | StoreError::Reason
        | StoreError::Index(IndexError::NotFound(_) | IndexError::Ambiguous(_))
        | StoreError::Export(ExportError::InsideStore { .. } | ExportError::SameFile { .. }) => {
            Failure::usage(error.to_string())
        }
        StoreError::Export(ExportError::Write { ref source, .. }) => {
            Failure::file(source, error.to_string())
        }
        _ => Failure::run(error.to_string()),
    }
}

fn list(rows: &[Row], filter: &Filter) -> Result<(), Failure> {
    // That nothing fits says nothing of what is stored.
    if rows.is_empty() && (filter.controller.is_some() || filter.kommun.is_some()) {
        let asked = [
            filter
                .controller
                .as_ref()
                .map(|it| format!(" --controller {it}")),
            filter.kommun.as_ref().map(|it| format!(" --kommun {it}")),
        ];
        let asked: String = asked.into_iter().flatten().collect();
        return show::line(format_args!("No recording here fits{asked}."));
    }
    if rows.is_empty() {
        show::line(
            "No recordings here. `vaxel demo` makes some, as does a switch whose queue records; what has gone stands in `vaxel gallring register`.",
        )?;
        return Ok(());
    }
    let cells = rows.iter().map(|row| {
        [
            row.id.get(..12).unwrap_or(&row.id).to_owned(),
            row.started.get(..19).unwrap_or(&row.started).to_owned(),
            length(row),
            row.controller.clone(),
            row.kommun.clone(),
            row.state.to_owned(),
            row.packets_lost
                .map_or("unknown".to_owned(), |lost| lost.to_string()),
            row.earliest.clone(),
            row.latest.clone(),
        ]
    });
    let header = [
        "id",
        "began (UTC)",
        "length",
        "controller",
        "kommun",
        "state",
        "lost",
        "erase from",
        "gone by",
    ];
    show::line(show::table(header, cells))?;
    Ok(())
}

/// Nothing while it goes on: it is known at the end.
fn length(row: &Row) -> String {
    if row.ended.is_empty() {
        return String::new();
    }
    format!("{:.0} s", row.seconds)
}

fn print_holds(holds: Vec<Hold>) -> Result<(), Failure> {
    if holds.is_empty() {
        return show::line(
            "No recording is held, and none was: `vaxel recordings hold ID --reason ...` orders that one stay.",
        );
    }
    let second = |moment: &str| moment.get(..19).unwrap_or(moment).to_owned();
    let rows = holds.into_iter().map(|hold| {
        let id = hold.id.get(..12).unwrap_or(&hold.id).to_owned();
        let (placed, released) = (second(&hold.placed), second(&hold.released));
        [id, hold.reason, hold.placed_by, placed, released]
    });
    show::line(show::table(
        ["id", "reason", "by", "since (UTC)", "released (UTC)"],
        rows,
    ))
}

fn print(shown: &Shown) -> Result<(), Failure> {
    show::line(format_args!(
        "{}  {}  {:.1} s  {} bytes encrypted",
        shown.row.id, shown.row.state, shown.row.seconds, shown.row.bytes
    ))?;
    let rows = shown
        .tag
        .iter()
        .map(|field| [field.name.to_owned(), field.text.clone()]);
    show::line(show::table(["tag", ""], rows))?;
    let rows = shown.files.iter().map(|file| {
        [
            file.label.clone(),
            file.condition.clone(),
            format!("{:.1} s", file.seconds),
            file.packets.to_string(),
            file.packets_lost.to_string(),
        ]
    });
    show::line(show::table(
        ["stream", "condition", "length", "packets", "lost"],
        rows,
    ))?;
    Ok(())
}
