//! `vaxel recordings`: what a store holds, whose it is, and one of them as a sound file.

use std::{path::PathBuf, process::ExitCode};

use recorder::{
    index::{Filter, Hold},
    store::{self, Row, Shown, Store},
};

use crate::{
    cli::{RecordingsArgs, RecordingsCommand},
    failure::Failure,
    files, show,
};

pub(crate) fn run(args: RecordingsArgs) -> Result<ExitCode, Failure> {
    let store = open(&args)?;
    match args.what {
        RecordingsCommand::List {
            controller,
            kommun,
            limit,
        } => {
            let rows = store
                .list(&Filter {
                    controller,
                    kommun,
                    limit,
                })
                .map_err(failed)?;
            if args.json {
                show::json(&rows)?;
            } else {
                list(&rows)?;
            }
        }
        RecordingsCommand::Show { id } => {
            let shown = store.show(&id).map_err(failed)?;
            if args.json {
                show::json(&shown)?;
            } else {
                print(&shown)?;
            }
        }
        RecordingsCommand::Export { id, out } => {
            let out = out.unwrap_or_else(|| PathBuf::from(format!("{id}.wav")));
            let exported = store.export(&id, &out).map_err(failed)?;
            if args.json {
                show::json(&exported)?;
            } else {
                show::line(format_args!(
                    "{}: {:.1} s, {} streams, {} packets lost",
                    out.display(),
                    exported.seconds,
                    exported.streams,
                    exported.packets_lost
                ))?;
            }
        }
        RecordingsCommand::Hold {
            id,
            reason,
            who: said,
        } => {
            let id = store.hold(&id, &reason, &who(said)).map_err(failed)?;
            show::line(format_args!(
                "{id} stays until it is released, whatever its ceiling says"
            ))?;
        }
        RecordingsCommand::Release { id, who: said } => {
            let (id, holds) = store.release(&id, &who(said)).map_err(failed)?;
            show::line(format_args!("{id}: {holds} holds ended"))?;
        }
        RecordingsCommand::Holds => {
            let holds = store.holds().map_err(failed)?;
            if args.json {
                show::json(&holds)?
            } else {
                print_holds(holds)?
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(args: &RecordingsArgs) -> Result<Store, Failure> {
    let kept = files::kept(&args.config, args.data.as_deref())?;
    let changes = matches!(
        args.what,
        RecordingsCommand::Hold { .. } | RecordingsCommand::Release { .. }
    );
    let opened = if changes {
        store::open_to_change(&kept.store, &kept.keys)
    } else {
        store::open_existing(&kept.store, &kept.keys)
    };
    opened.map_err(failed)
}

/// Who asks: who it says, else the account on this machine.
fn who(said: Option<String>) -> String {
    said.or_else(|| std::env::var("USER").ok())
        .or_else(|| std::env::var("LOGNAME").ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::run(error.to_string())
}

fn list(rows: &[Row]) -> Result<(), Failure> {
    if rows.is_empty() {
        show::line("No recordings yet. Run `vaxel demo`, or call a switch whose queue records.")?;
        return Ok(());
    }
    let cells = rows.iter().map(|row| {
        [
            row.id.get(..12).unwrap_or(&row.id).to_owned(),
            row.started.get(..19).unwrap_or(&row.started).to_owned(),
            format!("{:.0} s", row.seconds),
            row.controller.clone(),
            row.kommun.clone(),
            row.state.to_owned(),
            row.packets_lost.to_string(),
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

fn print_holds(holds: Vec<Hold>) -> Result<(), Failure> {
    let rows = holds.into_iter().map(|hold| {
        let id = hold.id.get(..12).unwrap_or(&hold.id).to_owned();
        [id, hold.reason, hold.placed_by, hold.placed, hold.released]
    });
    show::line(show::table(
        ["id", "reason", "by", "since", "released"],
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
