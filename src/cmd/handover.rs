//! `vaxel handover`: a controller gets its recordings; with its receipt they go here.

use std::{
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::Timestamp;
use recorder::{
    envelope::{self, EnvelopeError, Identity},
    gallring,
    handover::{self, Closed, Created, HandoverError, Receipt, Receiver, Record, Verified, Wanted},
    store::{self, Store},
};

use super::recordings::by;
use crate::{
    cli::{Asker, HandoverArgs, HandoverCommand},
    failure::Failure,
    files::{self, Kept},
    given, show,
};

pub(crate) fn run(args: HandoverArgs) -> Result<ExitCode, Failure> {
    let json = args.store.json;
    let with = given::again(&args.store);
    let kept = || files::kept(&args.store);
    match args.what {
        HandoverCommand::Key { identity } => key(&identity, json),
        HandoverCommand::Verify {
            package,
            identity,
            out,
            receipt,
        } => verify(&package, &identity, out.as_deref(), receipt, json),
        HandoverCommand::Create {
            controller,
            kommun,
            before,
            receiver,
            to,
            asker,
        } => {
            let wanted = Wanted {
                controller,
                kommun,
                before: before.map(|day| files::day(Some(&day))).transpose()?,
            };
            let created = create(&kept()?, &wanted, &receiver, &to, asker)?;
            if json {
                show::json(&created)?;
            } else {
                print_created(&created, &with)?;
            }
            Ok(ExitCode::from(u8::from(!created.wrong.is_empty())))
        }
        HandoverCommand::Close { receipt, asker } => close(&kept()?, &receipt, asker, json),
        HandoverCommand::List => list(&kept()?, json),
    }
}

fn key(path: &Path, json: bool) -> Result<ExitCode, Failure> {
    if !path.exists() {
        let identity = Identity::generate().map_err(failed)?;
        super::backup::write_key(path, &identity)?;
    }
    let identities = envelope::read_identities(path).map_err(usage)?;
    let text = Receiver::of(&identities[0]).to_text();
    if json {
        show::json(&serde_json::json!({ "receiver": text }))?;
    } else {
        show::line(text.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(kept: &Kept) -> Result<Store, Failure> {
    store::open_to_change_place(kept.place.clone()).map_err(Failure::store)
}

fn create(
    kept: &Kept,
    wanted: &Wanted,
    receiver: &Path,
    to: &Path,
    asker: Asker,
) -> Result<Created, Failure> {
    let store = open(kept)?;
    let receiver = Receiver::read(receiver).map_err(told)?;
    let by = by(asker)?;
    let bar = show::bar(None, "packed");
    let packed = handover::create(
        store.parts(),
        &kept.scenario,
        wanted,
        &receiver,
        to,
        (&by, Timestamp::now()),
        &mut || bar.inc(1),
    );
    bar.finish_and_clear();
    let created = packed.map_err(told)?;
    if !created.receiver_named {
        show::note(format_args!(
            "vaxel: nothing says that this key is {}'s: ask it for its fingerprint by another way, and enter `receiver = \"{}\"` with the organisation when it is that",
            wanted.controller, created.receiver
        ));
    }
    Ok(created)
}

fn print_created(created: &Created, with: &str) -> Result<(), Failure> {
    for (id, why) in &created.wrong {
        show::line(format_args!("{id} isn't in it: {why}"))?;
    }
    show::line(format_args!(
        "{}: {} recordings, {} files, {} bytes; hand-over {}",
        created.package.display(),
        created.recordings,
        created.files,
        created.bytes,
        created.handover
    ))?;
    if !created.wrong.is_empty() {
        show::line(format_args!(
            "{} recordings aren't in it, which it tells the receiver; no receipt for it erases them",
            created.wrong.len()
        ))?;
    }
    show::line(format_args!(
        "they stay here until its receipt comes: `vaxel handover close RECEIPT{with}`"
    ))
}

fn verify(
    package: &Path,
    identity: &Path,
    out: Option<&Path>,
    receipt: Option<PathBuf>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let identities = envelope::read_identities(identity).map_err(usage)?;
    let bar = show::bar(None, "checking");
    let checked = handover::verify(package, &identities, out, Timestamp::now());
    bar.finish_and_clear();
    let verified = match checked {
        Ok(verified) => verified,
        Err(error) => return Err(told(error)),
    };
    let receipt =
        receipt.unwrap_or_else(|| PathBuf::from(format!("{}.receipt.json", package.display())));
    let text = serde_json::to_string_pretty(&verified.receipt).map_err(failed)?;
    files::write_whole(&receipt, |out| writeln!(out, "{text}"))
        .map_err(|error| Failure::run(format!("{}: {error}", receipt.display())))?;
    if json {
        show::json(&verified)?;
    } else {
        print_verified(&verified, &receipt)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_verified(verified: &Verified, receipt: &Path) -> Result<(), Failure> {
    let of = &verified.receipt;
    show::line(format_args!(
        "from {}: {} recordings of {}, {} files as they were packed, {} bytes",
        verified.from, of.recordings, of.controller, of.files, of.bytes
    ))?;
    if of.left_out > 0 {
        show::line(format_args!(
            "{} more are {}'s and aren't in it, as they didn't open over there or were spoilt: left-out.txt in it names them",
            of.left_out, of.controller
        ))?;
    }
    match &verified.unpacked {
        Some(path) => show::line(format_args!("unpacked in {}", path.display()))?,
        // With the receipt they go over there: then there are no others.
        None => show::line(
            "nothing was unpacked: keep the package and its key, or unpack it with --out, before the receipt goes back",
        )?,
    }
    show::line(format_args!(
        "receipt in {}: with it they are erased over there",
        receipt.display()
    ))
}

fn close(kept: &Kept, receipt: &Path, asker: Asker, json: bool) -> Result<ExitCode, Failure> {
    let receipt = Receipt::read(receipt).map_err(|error| match error {
        HandoverError::File { .. } => usage(error),
        other => told(other),
    })?;
    let store = open(kept)?;
    let mut watch = |_| ControlFlow::Continue(());
    let by = by(asker)?;
    let (vault, index) = store.parts();
    // What is let go goes at once, by this clock.
    gallring::refuse_jump(vault, index, Timestamp::now(), None)
        .map_err(|error| Failure::run(error.to_string()))?;
    let closed = handover::close(
        store.parts(),
        &kept.scenario,
        &receipt,
        (&by, Timestamp::now()),
        &mut watch,
    );
    // Also after an erasure that stopped half-way: what it destroyed goes from the backups too.
    let code = super::key_part::renew(&store);
    let closed = closed.map_err(told)?;
    if json {
        show::json(&closed)?;
    } else {
        print_closed(&closed)?;
    }
    Ok(code)
}

fn print_closed(closed: &Closed) -> Result<(), Failure> {
    show::line(format_args!(
        "{}: {} recordings are with their controller; {} erased here",
        closed.handover, closed.recordings, closed.erased.recordings
    ))?;
    if closed.left_out > 0 {
        show::line(format_args!(
            "{} weren't in the package, and stay: hand them over once they open (`vaxel handover list --json` names them)",
            closed.left_out
        ))?;
    }
    if closed.stay > 0 {
        show::line(format_args!(
            "{} stay for now: `vaxel gallring plan` says why",
            closed.stay
        ))?;
    }
    Ok(())
}

fn list(kept: &Kept, json: bool) -> Result<ExitCode, Failure> {
    let store = open(kept)?;
    let records = handover::list(store.parts().0).map_err(told)?;
    if json {
        show::json(&records)?;
        return Ok(ExitCode::SUCCESS);
    }
    if records.is_empty() {
        show::line("No hand-overs yet.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |record: Record| {
        let closed = match &*record.closed {
            "" => "waits for its receipt".to_owned(),
            at => at.get(..19).unwrap_or(at).to_owned(),
        };
        [
            record.id,
            record.controller,
            record.decision,
            record.at.get(..19).unwrap_or_default().to_owned(),
            record.recordings.len().to_string(),
            closed,
        ]
    };
    let header = [
        "id",
        "controller",
        "decision",
        "packed",
        "recordings",
        "receipt",
    ];
    show::line(show::table(header, records.into_iter().map(row)))?;
    Ok(ExitCode::SUCCESS)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives the error away"
)]
fn told(error: HandoverError) -> Failure {
    match error {
        HandoverError::NoDecision { .. }
        | HandoverError::OtherDecision { .. }
        | HandoverError::Purpose
        | HandoverError::Nothing
        | HandoverError::TooMany { .. }
        | HandoverError::Receiver
        | HandoverError::OtherReceiver { .. }
        | HandoverError::NoReceipt
        | HandoverError::There { .. }
        | HandoverError::Envelope {
            source: EnvelopeError::NotForUs,
            ..
        }
        | HandoverError::InsideStore { .. } => Failure::usage(error.to_string()),
        HandoverError::File { ref source, .. } => Failure::file(source, error.to_string()),
        // What somebody looked for.
        HandoverError::Tampered { .. }
        | HandoverError::Envelope {
            source: EnvelopeError::HeaderChanged | EnvelopeError::NotOne(_),
            ..
        }
        | HandoverError::Foreign
        | HandoverError::Forged(_)
        | HandoverError::Changed(_)
        | HandoverError::Closed(_) => Failure::finding(error.to_string()),
        _ => Failure::run(error.to_string()),
    }
}

fn usage(error: impl std::error::Error) -> Failure {
    Failure::usage(error.to_string())
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::run(error.to_string())
}
