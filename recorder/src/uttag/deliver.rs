//! Delivers straight to the orderer: sealed for a key made for this one delivery, which goes by another channel (UTTAG).

use std::{
    fs,
    io::BufWriter,
    path::{Path, PathBuf},
};

use callcore::{
    scenario::Scenario,
    time::Time,
    uttag::{Any, Catalogue, Order},
};
use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    UttagError,
    extract::{Source, Theirs, io_failed},
    file,
    lookup::numbers,
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
    /// Recordings of the time that can't be tied to anyone: their numbers were erased, or never sent.
    pub untied: u64,
    /// Where the file is sent.
    pub mail: String,
    /// Where the secret is sent, by SMS.
    pub phone: String,
    /// The secret: an identity of `age`. Shown this once, and kept nowhere.
    #[serde(serialize_with = "text")]
    pub secret: Zeroizing<String>,
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
    let Any::Sent(uttag) = record::read(vault, id)? else {
        return Err(wrong_step(vault, id, "sent"));
    };
    let order = uttag.order();
    let path = how.to.join(format!("uttag-{id}.tar.age"));
    refuse_places(vault, how, &path)?;
    // Whoever left the post since gets nothing.
    let orderer = catalogue.manager(order.orderer(), order.controller())?;
    let source = Source {
        vault,
        index,
        scenario,
        order,
        now,
    };
    step(vault, id, "uttag-deliver", order, by, now)?;
    let theirs = theirs(&source, how.lookup.as_deref())?;
    log_reads(vault, order, id, theirs.as_ref(), by, now)?;
    let identity = Identity::generate()?;
    let sha256 = write(&source, theirs.as_ref(), &identity, &path).inspect_err(|_| {
        let _gone = fs::remove_file(&path);
    })?;
    let secret = identity.to_text();
    if let Some(place) = &how.secret {
        folder::write_private(place, format!("{}\n", secret.as_str()).as_bytes())?;
    }
    let delivered = Delivered {
        id: id.to_owned(),
        file: path,
        sha256: sha256.clone(),
        recordings: theirs.as_ref().map_or(0, |theirs| theirs.ids.len() as u64),
        untied: theirs.as_ref().map_or(0, |theirs| theirs.untied),
        mail: orderer.mail.clone(),
        phone: orderer.phone.clone(),
        secret,
    };
    let at = Time::from(now);
    let reported = uttag.deliver(&sha256, at, &by.who).report(at, &by.who);
    let reported = Any::Reported(reported);
    step(vault, id, "uttag-report", reported.order(), by, now)?;
    record::write(vault, id, &reported.saved())?;
    Ok(delivered)
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
    let beside = match how.secret.as_deref().map(Path::parent) {
        Some(Some(folder)) if folder.as_os_str().is_empty() => Some(real(Path::new("."))?),
        Some(Some(folder)) => Some(real(folder)?),
        _ => None,
    };
    if beside == Some(real(&how.to)?) {
        return Err(UttagError::SameChannel);
    }
    Ok(())
}

/// The recordings of the person in the order; `None` when it is about nobody in particular.
fn theirs(source: &Source<'_>, lookup: Option<&Path>) -> Result<Option<Theirs>, UttagError> {
    let Some(patient_id) = source.order.patient_id() else {
        return Ok(None);
    };
    let lookup = lookup.ok_or(UttagError::NobodyFound)?;
    let numbers = numbers(lookup, patient_id)?;
    source.find(&numbers).map(Some)
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

/// Writes the sealed delivery; gives its SHA-256.
fn write(
    source: &Source<'_>,
    theirs: Option<&Theirs>,
    identity: &Identity,
    path: &Path,
) -> Result<String, UttagError> {
    let out = folder::create_private(path, false).map_err(file(path))?;
    let sealer = seal(BufWriter::new(out), &[identity.recipient()])?;
    let mut archive = Writer::new(sealer);
    source.write(&mut archive, theirs)?;
    archive
        .finish()
        .and_then(crate::envelope::Sealer::finish)
        .and_then(|out| out.get_ref().sync_all())
        .map_err(file(path))?;
    let mut hashed = Hashed::new(fs::File::open(path).map_err(file(path))?);
    std::io::copy(&mut hashed, &mut std::io::sink()).map_err(io_failed)?;
    Ok(hashed.digest())
}
