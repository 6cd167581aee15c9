//! Hand-over (utlämning): a controller gets its recordings and keeps them itself; then, and only then, they go here (BTV).
//!
//! 1. [`create`] makes a package: a bag (BagIt 1.0, RFC 8493) of sound files, tags and vCons in a tar archive, sealed for the
//!    controller's key. Needs a recorded decision that says "hand over".
//! 2. [`verify`], on the other side, opens it, holds every file against its digest, and signs a receipt.
//! 3. [`close`] takes the receipt here: it must be of a package that was made here, of exactly what was in it, and signed
//!    with the key that was named when it was made, which the store's own signature shows. The recordings then count as handed over, and `callcore::retention`
//!    lets go what it lets go; nothing here decides that.
//!
//! What a receipt states, the digest of the bag's manifest, stands inside the sealed package only: whoever signs it has
//! opened it. The key that signs is derived from the one that opens, so the controller keeps one secret.

mod bag;
mod close;
mod create;
mod proof;
mod receipt;
mod record;
mod verify;

use std::{io, path::PathBuf};

pub(crate) use self::{
    close::take_again,
    proof::{pin, proven},
};
pub use self::{
    close::{Closed, close},
    create::{Created, Wanted, create},
    receipt::{Receipt, Receiver},
    record::{Record, list},
    verify::{Verified, verify},
};
use crate::{
    envelope::EnvelopeError, export::ExportError, gallring::GallringError, index::IndexError,
    ledger::LedgerError, names::NameError, vault::VaultError,
};

/// The folder within the store: with a dot, so that it never is a controller's.
pub(crate) const FOLDER: &str = ".handover";

/// Why a hand-over doesn't go on.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The controller hasn't decided it.
    #[error(
        "{controller} has no decision in force that says `hand-over`: enter it under [[decision]] in the scenario, with its diary number"
    )]
    NoDecision {
        /// Whose recordings.
        controller: String,
    },
    /// Another decision is in force: the latest of its class.
    #[error(
        "{controller}'s decision in force is {diary_number} of {date}, which says `{permits}`: one that says `hand-over` counts from its own day on, where that is later; enter it under [[decision]] in the scenario, with its diary number"
    )]
    OtherDecision {
        /// Whose recordings.
        controller: String,
        /// That of the decision.
        diary_number: String,
        /// Its day.
        date: jiff::civil::Date,
        /// What it lets happen.
        permits: String,
    },
    /// Nothing fits.
    #[error("no recording at rest fits: `vaxel recordings list` shows what there is")]
    Nothing,
    /// More than the other side could check.
    #[error(
        "{count} recordings are more than a package holds ({}): hand them over in parts, by --before or --kommun",
        bag::RECORDINGS_MAX
    )]
    TooMany {
        /// How many fit.
        count: usize,
    },
    /// Nobody said what for.
    #[error("say what for: `--purpose \"...\"`; it is kept in the controller's access log")]
    Purpose,
    /// Open audio must not lie in the store (invariant 3), nor a package with the keys.
    #[error("{} lies in the store or with the keys: write it somewhere else", path.display())]
    InsideStore {
        /// Where it would have gone.
        path: PathBuf,
    },
    /// A text that isn't a receiver's key.
    #[error(
        "this is no receiver's key: the receiver makes it with `vaxel handover key`; it has a line `# receipt-key:` and one with `age1...`"
    )]
    Receiver,
    /// A key that the scenario doesn't name.
    #[error(
        "this isn't the key to which the scenario hands {controller}'s recordings over: its fingerprint is {fingerprint}. Ask {controller} for that of its own by another way, and enter it as `receiver` of the organisation"
    )]
    OtherReceiver {
        /// Whose recordings.
        controller: String,
        /// That of the key that came.
        fingerprint: String,
    },
    /// A recording isn't what was stored any more.
    #[error("{stretches} stretches of it are spoilt: restore it from a backup first")]
    Spoilt {
        /// How many, of a second each at most.
        stretches: u64,
    },
    /// The package isn't what was sealed.
    #[error("{}: {file}: {what}; nothing of it was kept, ask for it again", package.display())]
    Tampered {
        /// The package.
        package: PathBuf,
        /// The file in it.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A text that is no receipt.
    #[error("this is no receipt: `vaxel handover verify` writes it on the receiver's side")]
    NoReceipt,
    /// A receipt of a hand-over that isn't one of this store.
    #[error("the receipt is of a hand-over that was never made here: nothing was erased")]
    Foreign,
    /// A receipt that the receiver didn't sign, or that states something else than what was handed over.
    #[error("the receipt isn't true: {0}; nothing was erased")]
    Forged(&'static str),
    /// A hand-over that others changed, or that an earlier version wrote.
    #[error(
        "hand-over {0} isn't as it was made here, or is by an earlier version: nothing was erased. Restore it from a backup, or hand over again"
    )]
    Changed(String),
    /// The receipt was taken before.
    #[error("this hand-over was closed on {0}")]
    Closed(String),
    /// Something is there already.
    #[error("{} is there already: name another place", path.display())]
    There {
        /// Where.
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
    /// Sealing or opening failed.
    #[error("{}: {source}", path.display())]
    Envelope {
        /// The package.
        path: PathBuf,
        /// Why.
        source: EnvelopeError,
    },
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
    /// Erasing refuses; what counts as handed over does, and `vaxel gallring run` goes on with it.
    #[error(transparent)]
    Gallring(#[from] GallringError),
}

fn file(path: &std::path::Path) -> impl Fn(io::Error) -> HandoverError + '_ {
    move |source| HandoverError::File {
        path: path.to_owned(),
        source,
    }
}
