//! Backups: a copy in another place, sealed, tried by restoring it, and erased when its time is over (HSLF-FS 2016:40 ch. 3
//! §§ 12-13; in 2019 there was none, IMY-REPORT).
//!
//! A backup has two parts, in two places, because the store has two:
//!
//! ```text
//! vaxel-<moment>.audio.age    recordings as they lie in the store (encrypted), their index, digests; one a backup
//! vaxel-keys.age              keys, destruction register, access logs; one for all backups, always the newest
//! ```
//!
//! There is one key part, and it is replaced, never kept: **a data key that gallring destroyed is gone from it with the next
//! replacement** (`vaxel gallring run` does that itself), and with it every copy of that recording's audio in every backup,
//! however old. Until then, and in copies that somebody else made of the key part, the destruction register does the rest:
//! [`restore`] leaves out what the register says was erased, and a store that was unpacked by hand carries a
//! mark ([`refuse_unswept`]) with which no recorder starts.
//!
//! A key that is missing and was not destroyed is a loss: then the key part is not replaced, so that it can be got back.

mod catalogue;
mod create;
mod forsaken;
mod gauges;
mod holds;
mod keys;
mod restore;
mod rows;
mod trial;

use std::{
    io,
    path::{Path, PathBuf},
};

use callcore::{
    retention::Period,
    scenario::{Backup, Scenario},
};
use jiff::Timestamp;

pub use self::{
    catalogue::{Catalogue, Kept, KeyPart, Tested},
    create::{Created, Where, create},
    keys::refresh,
    restore::{From, Restored, restore},
    trial::{Tried, trial},
};
pub(crate) use self::{
    gauges::Gauges,
    holds::{Lifted, carry_over, place_again, write_again},
    keys::alone as keys_alone,
};
use crate::{
    access::{self, Access, PURPOSE_LEN_MAX},
    envelope::EnvelopeError,
    gallring::GallringError,
    index::{Index, IndexError},
    ledger::LedgerError,
    names::NameError,
    place::Place,
    store::By,
    vault::{Vault, VaultError, folder},
};

/// The mark of a store that wasn't held against the destruction register yet.
const UNSWEPT: &str = ".unswept";
/// Where recordings' files stand in the audio part.
const STORE: &str = "store/";
/// Where keys and ledgers stand in the key part.
const KEYS: &str = "keys/";
const LEDGERS: &str = "ledgers/";
const INDEX: &str = "index/";
const MANIFEST: &str = "manifest/";
/// The key part's name.
pub const KEY_PART: &str = "vaxel-keys.age";
const AUDIO_SUFFIX: &str = ".audio.age";

/// Why a backup can't be made, restored or tried.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The copy would be lost with the original.
    #[error(
        "{} is on the same disk as what is to be backed up: name another place, or say --force", path.display()
    )]
    SameVolume {
        /// The place that was named.
        path: PathBuf,
    },
    /// Another program writes the key part, and doesn't end.
    #[error(
        "another program has been writing the key part of the backups for minutes: end it, then run `vaxel backup keys`"
    )]
    KeysBusy,
    /// Whoever finds one part would have both.
    #[error("{} and {} lie inside one another: keys and audio go to places apart", audio.display(), keys.display())]
    NotApart {
        /// The place of the audio part.
        audio: PathBuf,
        /// The place of the key part.
        keys: PathBuf,
    },
    /// Nobody was named who may open it.
    #[error(
        "say for whom it is sealed: `--recipient age1...`; `vaxel backup key --out FILE` makes a key. The next backup knows it"
    )]
    NoRecipient,
    /// There is no backup yet.
    #[error("there is no backup yet: `vaxel backup create --to DIR`")]
    None,
    /// No backup of that name.
    #[error("there is no backup {0}: `vaxel backup list` shows what there is")]
    Unknown(String),
    /// Keys are gone that nobody destroyed.
    #[error(
        "{count} recordings have lost their keys, the first is {first}, and no decision destroyed them: the key backup {} stays as it is, restore them from it; if one isn't there either, `vaxel store key-lost --recording {first}` says so", part.display()
    )]
    KeysLost {
        /// How many.
        count: u64,
        /// One of them.
        first: String,
        /// Where the keys still are.
        part: PathBuf,
    },
    /// A controller's key is gone, and may be in the key part alone.
    #[error(
        "the key of {controller} is gone: the key backup {} stays as it is, restore it from there; if it isn't there either, `vaxel store key-lost` says so", part.display()
    )]
    ControllersKeyLost {
        /// Whose.
        controller: String,
        /// Where it may still be.
        part: PathBuf,
    },
    /// The signing key is gone, and may be in the key part alone.
    #[error(
        "the signing key is gone: the key backup {} stays as it is, restore signing.key from there; if it isn't there either, `vaxel store key-lost --signing-key` says so", part.display()
    )]
    SigningKeyLost {
        /// Where it may still be.
        part: PathBuf,
    },
    /// A place that is in use.
    #[error("{} is there already: restore to a new folder", path.display())]
    There {
        /// Where.
        path: PathBuf,
    },
    /// Keys would lie in the store, or somebody else's in ours.
    #[error("{} lies in the store or with the keys: name another place", path.display())]
    InsideStore {
        /// Where it would have gone.
        path: PathBuf,
    },
    /// A backup of this second.
    #[error("{} was made just now: the next can be made in a second", path.display())]
    Made {
        /// Where.
        path: PathBuf,
    },
    /// Something in a part isn't what was backed up.
    #[error("{}: {what}", part.display())]
    Damaged {
        /// The part.
        part: PathBuf,
        /// What is wrong, and in which file.
        what: String,
    },
    /// The place that is restored to.
    #[error(
        "there is no room where it is restored to: {0}; name a place with more, or make room there"
    )]
    Full(String),
    /// A place that is said to be gone, and isn't.
    #[error(
        "{} is there: `vaxel backup prune` alone removes what has expired in it, and nothing was forgotten", path.display()
    )]
    PlaceThere {
        /// The folder.
        path: PathBuf,
    },
    /// A place that is said to be gone, and was none.
    #[error(
        "no backup was made in {}: `vaxel backup list --json` shows where they are", path.display()
    )]
    NothingThere {
        /// The folder.
        path: PathBuf,
    },
    /// Nobody said how a place went.
    #[error(
        "say how it went: `--purpose \"...\"`, at most {PURPOSE_LEN_MAX} characters; it is kept in every controller's access log"
    )]
    HowLost,
    /// A store that was unpacked by hand.
    #[error(
        "{} comes from a backup and wasn't held against the destruction register: what was erased since would come back. Restore it with `vaxel backup restore`", path.display()
    )]
    Unswept {
        /// The store.
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
        /// The part.
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
    /// A ledger refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A name refuses.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Gallring is at work, or the register isn't as it was written.
    #[error(transparent)]
    Gallring(#[from] GallringError),
}

impl BackupError {
    /// Whether a part is sealed for somebody else than who tries to open it.
    fn is_of_key(&self) -> bool {
        matches!(
            self,
            Self::Envelope {
                source: EnvelopeError::NotForUs,
                ..
            }
        )
    }
}

/// What the scenario decides about backups of the store that its operator runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// How long a backup is kept; `None` when that isn't decided.
    pub lifetime: Option<Period>,
    /// How often restoring is tried; `None` when that isn't decided.
    pub restore_test: Option<Period>,
}

impl Policy {
    /// As `[[store]] backup = { lifetime, restore_test }` says.
    pub fn of(scenario: &Scenario) -> Self {
        let own = scenario
            .stores
            .iter()
            .filter(|store| store.operator == scenario.operator);
        let plan = own
            .filter_map(|store| match store.backup.value {
                Backup::Kept(plan) => Some(plan),
                Backup::None | Backup::NotExamined => None,
            })
            .next();
        plan.map_or(Self::default(), |plan| Self {
            lifetime: plan.lifetime,
            restore_test: plan.restore_test,
        })
    }
}

/// Refuses a store that was unpacked from a backup and not held against the destruction register: what was erased since
/// must not come back.
///
/// # Errors
/// When it is one.
pub fn refuse_unswept(store: &Path) -> Result<(), BackupError> {
    if store.join(UNSWEPT).exists() {
        return Err(BackupError::Unswept {
            path: store.to_owned(),
        });
    }
    Ok(())
}

/// Refuses to restore into a store that is there, or to its keys.
///
/// # Errors
/// When what would be made there lies within one of them, or one of them within it.
pub fn refuse_inside(live: &Place, to: &Path) -> Result<(), BackupError> {
    for made in [to.join("store"), to.join("keys")] {
        let apart = |folder: &Path| folder::check_apart(folder, &made).is_ok();
        if !(apart(&live.store) && apart(&live.keys)) {
            return Err(BackupError::InsideStore { path: made });
        }
    }
    Ok(())
}

/// Writes into the access logs of a store that one of its backups is about to be restored. What is restored has the same in its
/// own, which goes with it.
///
/// # Errors
/// When a log can't be written: then nothing is to be restored.
pub fn log_restore(
    (vault, index): (&Vault, &Index),
    from: &From,
    by: &By,
    now: Timestamp,
) -> Result<(), BackupError> {
    let audio = from.audio.display().to_string();
    log(vault, index, "restore", &audio, by, now)
}

/// Writes a backup or a restore into the access log of every controller whose recordings are in the store.
fn log(
    vault: &Vault,
    index: &Index,
    action: &str,
    object: &str,
    by: &By,
    now: Timestamp,
) -> Result<(), BackupError> {
    for controller in index.figures()?.into_keys() {
        let access = Access {
            who: by.who.clone(),
            controller,
            action: action.to_owned(),
            object: object.to_owned(),
            purpose: by.purpose.clone(),
        };
        access::write(vault, now, &[access])?;
    }
    Ok(())
}

fn file(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    move |source| BackupError::File {
        path: path.to_owned(),
        source,
    }
}

fn envelope(path: &Path) -> impl Fn(EnvelopeError) -> BackupError + '_ {
    move |source| BackupError::Envelope {
        path: path.to_owned(),
        source,
    }
}
