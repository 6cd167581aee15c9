//! Delivers straight to the orderer: sealed for a key made for this one delivery, which goes by another channel (UTTAG).

use std::{
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use callcore::{
    scenario::Scenario,
    time::Time,
    uttag::{Any, Catalogue, Order, Refusal, Reported, Saved, Uttag},
};
use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    UttagError,
    extract::{Source, Theirs, Written, io_failed},
    file,
    lookup::{Numbers, numbers},
    record, step, wrong_step,
};
use crate::{
    access::{self, Access},
    archive::{Hashed, Writer},
    envelope::{Identity, seal},
    index::Index,
    store::By,
    vault::{Vault, folder},
};

/// Where a delivery goes, and what it is made with.
#[derive(Debug, Clone)]
pub struct Deliver {
    /// The folder for the sealed delivery.
    pub to: PathBuf,
    /// A file for the secret, elsewhere; `None`: it is only given back.
    pub secret: Option<PathBuf>,
    /// The supplier's look-up file; `None` when nobody in particular is asked about.
    pub lookup: Option<PathBuf>,
}

/// What was delivered. Debug shows neither the secret nor how the orderer is reached.
#[derive(Serialize)]
pub struct Delivered {
    /// The extract.
    pub id: String,
    /// The sealed delivery.
    pub file: PathBuf,
    /// Its SHA-256.
    pub sha256: String,
    /// Recordings it is about.
    pub recordings: u64,
    /// Recordings that were erased under a decision while it was made, and aren't in it.
    pub erased: u64,
    /// Recordings of the time that can't be tied to anyone: their numbers were erased, or never sent.
    pub untied: u64,
    /// Recordings of the time that are spoilt, so that nobody can say who spoke: they can be restored from a backup.
    pub unopened: u64,
    /// Recordings in it of which stretches are spoilt, and silence: they can be restored from a backup.
    pub spoilt: u64,
    /// Where the file is sent.
    pub mail: String,
    /// Where the secret is sent, by SMS.
    pub phone: String,
    /// The secret: an identity of `age`. Shown this once, and kept nowhere; empty when it went into a file.
    #[serde(serialize_with = "text", skip_serializing_if = "is_empty")]
    pub secret: Zeroizing<String>,
}

fn is_empty(secret: &Zeroizing<String>) -> bool {
    secret.is_empty()
}

impl std::fmt::Debug for Delivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Delivered({}, {} recordings)", self.id, self.recordings)
    }
}

fn text<S: serde::Serializer>(secret: &Zeroizing<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret)
}

/// Makes the delivery and reports it. The extract must be with the supplier.
///
/// # Errors
/// When it is at another step, nobody can be tied to its patientID, or the delivery can't be written: then it stays there.
pub fn deliver(
    (vault, index): (&Vault, &Index),
    scenario: &Scenario,
    catalogue: &Catalogue,
    id: &str,
    how: &Deliver,
    (by, now): (&By, Timestamp),
) -> Result<Delivered, UttagError> {
    let _alone = record::alone(vault)?;
    let Any::Sent(uttag) = record::read(vault, id)? else {
        return Err(wrong_step(vault, id, "sent"));
    };
    let order = uttag.order();
    let path = how.to.join(format!("uttag-{id}.tar.age"));
    refuse_places(vault, how, &path)?;
    // Whoever left the post since gets nothing.
    let orderer = match catalogue.manager(order.orderer(), order.controller()) {
        Ok(orderer) => orderer,
        Err(refusal) => return Err(refused(refusal, vault, (id, order), by, now)),
    };
    // Before it is said that anything was delivered.
    let numbers = wanted(order, how.lookup.as_deref())?;
    let source = Source {
        vault,
        index,
        scenario,
        order,
        now,
    };
    step(vault, id, "uttag-deliver", order, by, now)?;
    let theirs = numbers.map(|numbers| source.find(&numbers)).transpose()?;
    log_reads(vault, order, id, theirs.as_ref(), by, now)?;
    let identity = Identity::generate()?;
    let (sha256, written) = write(&source, theirs.as_ref(), &identity, &path)?;
    let secret = identity.to_text();
    let at = Time::from(now);
    let reported = uttag.deliver(&sha256, at, &by.who).report(at, &by.who);
    let handed = hand_on(vault, id, &reported, how, &secret, (by, now));
    handed.inspect_err(|_| {
        // Nobody has what opens it.
        let _gone = fs::remove_file(&path);
    })?;
    Ok(Delivered {
        id: id.to_owned(),
        file: path,
        sha256,
        recordings: theirs.as_ref().map_or(0, |theirs| {
            (theirs.ids.len() as u64).saturating_sub(written.gone)
        }),
        erased: written.gone,
        untied: theirs.as_ref().map_or(0, |theirs| theirs.untied),
        unopened: theirs.as_ref().map_or(0, |theirs| theirs.unopened),
        spoilt: written.spoilt,
        mail: orderer.mail.clone(),
        phone: orderer.phone.clone(),
        // Said once: by its file or here.
        secret: match how.secret {
            Some(_) => Zeroizing::default(),
            None => secret,
        },
    })
}

/// An order that goes back, written down as one that was refused at its check is.
fn refused(
    refusal: Refusal,
    vault: &Vault,
    (id, order): (&str, &Order),
    by: &By,
    now: Timestamp,
) -> UttagError {
    match step(vault, id, "uttag-refused", order, by, now) {
        Ok(()) => refusal.into(),
        Err(error) => error,
    }
}

/// Writes the secret where it is to be, and that it was delivered. When that fails, the secret isn't left either.
fn hand_on(
    vault: &Vault,
    id: &str,
    reported: &Uttag<Reported>,
    how: &Deliver,
    secret: &str,
    (by, now): (&By, Timestamp),
) -> Result<(), UttagError> {
    if let Some(place) = &how.secret {
        write_secret(place, secret)?;
    }
    step(vault, id, "uttag-report", reported.order(), by, now)
        .and_then(|()| record::write(vault, id, &Saved::of(reported)))
        .inspect_err(|_| {
            if let Some(place) = &how.secret {
                let _gone = fs::remove_file(place);
            }
        })
}

/// A new file: another delivery's secret may still be on its way.
fn write_secret(place: &Path, secret: &str) -> Result<(), UttagError> {
    let mut out = folder::create_private(place, false).map_err(file(place))?;
    let line = Zeroizing::new(format!("{secret}\n"));
    let folder = place.parent().filter(|it| !it.as_os_str().is_empty());
    out.write_all(line.as_bytes())
        .and_then(|()| out.sync_all())
        // It is written once, and then it stands in the record that it was.
        .and_then(|()| fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all())
        .map_err(file(place))
        .inspect_err(|_| {
            let _gone = fs::remove_file(place);
        })
}

fn refuse_places(vault: &Vault, how: &Deliver, path: &Path) -> Result<(), UttagError> {
    let places = [Some(path), how.secret.as_deref()];
    for place in places.into_iter().flatten() {
        vault
            .refuse_inside(place)
            .map_err(|()| UttagError::InsideStore {
                path: place.to_owned(),
            })?;
    }
    let real = |path: &Path| path.canonicalize().map_err(file(path));
    if !how.to.is_dir() {
        return Err(UttagError::NoFolder {
            path: how.to.clone(),
        });
    }
    let to = real(&how.to)?;
    let Some(secret) = how.secret.as_deref() else {
        return Ok(());
    };
    let beside = match secret.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => real(folder)?,
        _ => real(Path::new("."))?,
    };
    // Also below it: whoever takes the folder has both.
    if beside.starts_with(to) {
        return Err(UttagError::SameChannel);
    }
    // A link that leads nowhere counts too.
    if secret.symlink_metadata().is_ok() {
        return Err(UttagError::There {
            path: secret.to_owned(),
        });
    }
    Ok(())
}

/// The numbers of the person in the order; `None` when it is about nobody in particular.
fn wanted(order: &Order, lookup: Option<&Path>) -> Result<Option<Numbers>, UttagError> {
    let Some(patient_id) = order.patient_id() else {
        return Ok(None);
    };
    let lookup = lookup.ok_or(UttagError::NobodyFound)?;
    numbers(lookup, patient_id).map(Some)
}

/// Every recording that goes into the delivery was looked at.
fn log_reads(
    vault: &Vault,
    order: &Order,
    id: &str,
    theirs: Option<&Theirs>,
    by: &By,
    now: Timestamp,
) -> Result<(), UttagError> {
    let ids = theirs.map_or(&[][..], |theirs| &theirs.ids);
    let accesses: Vec<Access> = ids
        .iter()
        .map(|recording| Access {
            who: by.who.clone(),
            controller: order.controller().to_owned(),
            action: "uttag".to_owned(),
            object: recording.to_string(),
            purpose: format!("uttag {id}"),
        })
        .collect();
    Ok(access::write(vault, now, &accesses)?)
}

/// Writes the sealed delivery, which appears when it is whole; gives its SHA-256, and what became of the recordings.
fn write(
    source: &Source<'_>,
    theirs: Option<&Theirs>,
    identity: &Identity,
    path: &Path,
) -> Result<(String, Written), UttagError> {
    let written = folder::whole(path, file(path), |out| {
        let sealer = seal(BufWriter::new(&*out), &[identity.recipient()])?;
        let mut archive = Writer::new(sealer);
        let written = source.write(&mut archive, theirs)?;
        archive
            .finish()
            .and_then(crate::envelope::Sealer::finish)
            .map_err(file(path))?;
        Ok(written)
    })?;
    let mut hashed = Hashed::new(fs::File::open(path).map_err(file(path))?);
    std::io::copy(&mut hashed, &mut std::io::sink()).map_err(io_failed)?;
    Ok((hashed.digest(), written))
}
