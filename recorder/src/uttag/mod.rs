//! Extracts of personal data (uttag): the steps of `callcore::uttag`, written down, and the delivery itself.
//!
//! An order holds no personal data. What ties its patientID to telephone numbers is a file of the supplier's, read when it
//! delivers, and never stored. What is delivered is sealed for a key made for that one delivery; the key goes by another channel.

mod accesses;
mod deliver;
mod extract;
mod lookup;
mod record;

use std::{io, path::PathBuf};

use callcore::{
    scenario::Scenario,
    time::Time,
    uttag::{Any, Catalogue, CatalogueError, Order, Refusal, Saved, Uttag},
};
use jiff::Timestamp;
use serde::Serialize;

pub use self::deliver::{Deliver, Delivered, deliver};
pub(crate) use self::record::pin;
use crate::{
    access::{self, Access},
    envelope::EnvelopeError,
    export::ExportError,
    index::IndexError,
    ledger::LedgerError,
    names::{NameError, RecordingId},
    store::By,
    vault::{Vault, VaultError},
};

/// The folder within the store: with a dot, so that it never is a controller's.
pub(crate) const FOLDER: &str = ".uttag";
/// Characters of an extract's number: few enough to be told by telephone.
const ID_LEN: usize = 12;

/// Why an extract doesn't go on. Nothing of the person it is about is ever said.
#[derive(Debug, thiserror::Error)]
pub enum UttagError {
    /// The order isn't one, or goes no further.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The catalogue isn't one.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// No such extract.
    #[error("there is no extract {0}: `vaxel uttag list` shows them")]
    Unknown(String),
    /// Somebody else takes a step.
    #[error("another command is at work on extracts: try again when it has ended")]
    Busy,
    /// It is at another step.
    #[error(
        "the extract is {is}, and this is done to one that is {must}: {}",
        next(is)
    )]
    Step {
        /// Where it is.
        is: &'static str,
        /// Where it must be.
        must: &'static str,
    },
    /// A controller that the scenario doesn't know.
    #[error("the order's controller isn't an organisation of the scenario: give its id there")]
    Controller,
    /// The patientID isn't tied to anyone.
    #[error(
        "the patientID of the order isn't in the supplier's look-up file: give it with --lookup, with the columns patient_id,number"
    )]
    NobodyFound,
    /// The look-up file can't be read, or others can.
    #[error(transparent)]
    LookupFile(VaultError),
    /// The look-up file isn't one.
    #[error("line {0} of the look-up file: {1}")]
    Lookup(usize, &'static str),
    /// Nowhere to deliver to.
    #[error("{} is no folder: make it first, the sealed extract goes into it", path.display())]
    NoFolder {
        /// What was named.
        path: PathBuf,
    },
    /// The secret would lie where the delivery lies.
    #[error("the secret goes by another channel: not into the folder of the delivery")]
    SameChannel,
    /// A secret isn't written over anything.
    #[error("{} is there already: name a new file for the secret", path.display())]
    There {
        /// Where.
        path: PathBuf,
    },
    /// Open data must not lie in the store.
    #[error("{} lies in the store or with the keys: deliver somewhere else", path.display())]
    InsideStore {
        /// Where it would have gone.
        path: PathBuf,
    },
    /// A record that isn't one of ours.
    #[error("{}: its steps don't follow each other: it was changed", path.display())]
    Torn {
        /// The record.
        path: PathBuf,
    },
    /// A record that isn't as it was written.
    #[error("{}: it isn't as it was written here, or an earlier version wrote it, which signed none; nothing is delivered on its word: restore it from a backup, or order the extract anew", path.display())]
    Changed {
        /// The record.
        path: PathBuf,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Sealing failed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The vault refuses.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A recording can't be taken out.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The access log refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A name refuses.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// An extract, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its number.
    pub id: String,
    /// Where it is.
    pub step: &'static str,
    /// What is extracted.
    pub kind: &'static str,
    /// On whose behalf.
    pub asked_by: &'static str,
    /// Whose data.
    pub controller: String,
    /// The orderer's HSA id.
    pub orderer: String,
    /// When its last step was taken, RFC 3339 in UTC.
    pub since: String,
}

/// What extracts there are.
#[derive(Debug, Default)]
pub struct Listed {
    /// Those that can be read.
    pub rows: Vec<Row>,
    /// The numbers of those that can't, and why.
    pub unread: Vec<(String, UttagError)>,
}

/// Takes an order on; gives its number.
///
/// # Errors
/// When the form isn't filled in as it must be, holds personal data, or names a controller that the scenario doesn't know.
pub fn order<'a>(
    vault: &Vault,
    scenario: &Scenario,
    form: impl IntoIterator<Item = (&'a str, &'a str)>,
    by: &By,
    now: Timestamp,
) -> Result<Row, UttagError> {
    let order = Order::read(form)?;
    // Its access log would be nobody's.
    scenario
        .org_by_id(order.controller())
        .ok_or(UttagError::Controller)?;
    let id = RecordingId::random()?.to_string();
    let id = id.get(..ID_LEN).unwrap_or(&id).to_owned();
    step(vault, &id, "uttag-order", &order, by, now)?;
    let uttag = Any::Ordered(Uttag::new(order, Time::from(now), &by.who));
    record::write(vault, &id, &uttag.saved())?;
    Ok(Row::of(id, &uttag))
}

/// Checks who orders, in the HSA catalogue, and sends the order to the supplier.
///
/// # Errors
/// When the orderer may not order: it stays where it is, and the access log says so.
pub fn check(
    vault: &Vault,
    id: &str,
    catalogue: &Catalogue,
    supplier: &str,
    by: &By,
    now: Timestamp,
) -> Result<Row, UttagError> {
    let _alone = record::alone(vault)?;
    let Any::Ordered(uttag) = record::read(vault, id)? else {
        return Err(wrong_step(vault, id, "ordered"));
    };
    let at = Time::from(now);
    let checked = match uttag.check(catalogue, at, &by.who) {
        Ok(checked) => checked,
        Err((back, refusal)) => {
            step(vault, id, "uttag-refused", back.order(), by, now)?;
            return Err(refusal.into());
        }
    };
    step(vault, id, "uttag-check", checked.order(), by, now)?;
    let sent = Any::Sent(checked.send(supplier, at, &by.who));
    record::write(vault, id, &sent.saved())?;
    Ok(Row::of(id.to_owned(), &sent))
}

/// Closes an extract: the orderer has been told.
///
/// # Errors
/// When it wasn't delivered and reported.
pub fn close(vault: &Vault, id: &str, by: &By, now: Timestamp) -> Result<Row, UttagError> {
    let _alone = record::alone(vault)?;
    let Any::Reported(uttag) = record::read(vault, id)? else {
        return Err(wrong_step(vault, id, "reported"));
    };
    step(vault, id, "uttag-close", uttag.order(), by, now)?;
    let closed = Any::Closed(uttag.close(Time::from(now), &by.who));
    record::write(vault, id, &closed.saved())?;
    Ok(Row::of(id.to_owned(), &closed))
}

/// Every extract that can be read, the one that moved last first; and each that can't.
///
/// # Errors
/// When it can't be said which there are.
pub fn list(vault: &Vault) -> Result<Listed, UttagError> {
    let mut listed = Listed::default();
    for id in record::ids(vault)? {
        match record::read_to_list(vault, &id) {
            Ok(uttag) => listed.rows.push(Row::of(id, &uttag)),
            Err(error) => listed.unread.push((id, error)),
        }
    }
    listed
        .rows
        .sort_by(|one, other| other.since.cmp(&one.since).then(one.id.cmp(&other.id)));
    listed.unread.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(listed)
}

impl Row {
    fn of(id: String, uttag: &Any) -> Self {
        let order = uttag.order();
        let Saved { steps, .. } = uttag.saved();
        Self {
            id,
            step: uttag.step(),
            kind: order.kind().name(),
            asked_by: order.asked_by().name(),
            controller: order.controller().to_owned(),
            orderer: order.orderer().to_owned(),
            since: steps
                .last()
                .map(|step| step.at.timestamp().to_string())
                .unwrap_or_default(),
        }
    }
}

/// What is left to do with an extract at a step.
fn next(step: &str) -> &'static str {
    match step {
        "ordered" => "`vaxel uttag check` comes first",
        "sent" => "`vaxel uttag deliver` comes first",
        "reported" => "it is delivered, and `vaxel uttag close` ends it",
        _ => "nothing is left to do",
    }
}

fn wrong_step(vault: &Vault, id: &str, must: &'static str) -> UttagError {
    match record::read(vault, id) {
        Ok(uttag) => UttagError::Step {
            is: uttag.step(),
            must,
        },
        Err(error) => error,
    }
}

/// Writes a step into the controller's access log, before it is taken.
fn step(
    vault: &Vault,
    id: &str,
    action: &str,
    order: &Order,
    by: &By,
    now: Timestamp,
) -> Result<(), UttagError> {
    let mut purpose = format!(
        "uttag: {} for {}",
        order.kind().name(),
        order.asked_by().name()
    );
    if !by.purpose.is_empty() {
        purpose = format!("{purpose}: {}", by.purpose);
    }
    let access = Access {
        who: by.who.clone(),
        controller: order.controller().to_owned(),
        action: action.to_owned(),
        object: id.to_owned(),
        purpose,
    };
    Ok(access::write(vault, now, &[access])?)
}

fn file(path: &std::path::Path) -> impl Fn(io::Error) -> UttagError + '_ {
    move |source| UttagError::File {
        path: path.to_owned(),
        source,
    }
}
