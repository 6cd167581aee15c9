//! The store as commands see it: list, show, export. Works beside a running recorder and changes nothing.

mod shown;

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

pub use self::shown::{Field, Row, Shown, StreamShown};
use crate::{
    access::{self, Access, PURPOSE_LEN_MAX},
    backup::{self, BackupError, Lifted},
    export::{self, ExportError},
    gallring::{self, GallringError},
    index::{Entry, Hold, Index, IndexError, Numbers, State},
    ledger::{self, KeyChange, LedgerError, Statement},
    names::RecordingId,
    place::Place,
    recover,
    tally::Tally,
    vault::{Ending, Vault, VaultError, mark},
};
pub use crate::{export::Exported, index::Filter};

/// What the access log calls an order that a recording stay, and its end.
pub(crate) const HOLD: &str = "hold";
pub(crate) const RELEASE: &str = "release";

const LIFTED: &str = "the access log says that it is held, and the index doesn't: `vaxel gallring run` holds it again before it erases anything; find out who changed the index";

/// Why the store can't answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The vault refuses.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The export failed.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The access log can't be written: then there is no access.
    #[error("the access log can't be written, so nothing was shown: {0}")]
    Ledger(#[from] LedgerError),
    /// The access log or the register isn't as it was written.
    #[error(transparent)]
    Gallring(#[from] GallringError),
    /// It comes from a backup and wasn't held against the destruction register.
    #[error(transparent)]
    Unswept(#[from] BackupError),
    /// A hold that came too late.
    #[error(
        "{0} is being erased under a decision, and was before this order came: it doesn't stay. The destruction register will say which decision; if the run is stopped before its key is destroyed, it stays and can be held then"
    )]
    BeingErased(RecordingId),
    /// An index that was made anew.
    #[error(
        "the index is empty, and another one than the recorder last started with: it doesn't know what is kept. Bring the old one back, or start the recorder, which enters again what there is; what lies in S3 `vaxel store recover` enters at once"
    )]
    IndexLost,
    /// Nobody said what for.
    #[error(
        "say what for: `--purpose \"...\"`, at most {PURPOSE_LEN_MAX} characters; it is kept in the controller's access log"
    )]
    Purpose,
    /// Nobody said why.
    #[error(
        "say why: `--reason \"...\"`, at most {PURPOSE_LEN_MAX} characters; it is kept in the controller's access log"
    )]
    Reason,
}

/// A store opened to read.
#[derive(Debug)]
pub struct Store {
    vault: Vault,
    index: Index,
}

/// Opens the store and its keys, as `[recorder]` of the scenario names them.
///
/// # Errors
/// When there is no store, it is open to others, or its index can't be read.
pub fn open_existing(store: &Path, keys: &Path) -> Result<Store, StoreError> {
    open_existing_place(Place::folders(store, keys))
}

/// The same, wherever its parts are.
///
/// # Errors
/// The same.
pub fn open_existing_place(place: Place) -> Result<Store, StoreError> {
    let vault = Vault::open_existing_place(place)?;
    backup::refuse_unswept(vault.store())?;
    let index = Index::open_existing(&vault)?;
    refuse_lost_index(&vault, &index)?;
    Ok(Store { vault, index })
}

/// Opens the store for commands that change it: holds, gallring, hand-over. Works beside a running recorder.
///
/// # Errors
/// When there is no store, it is open to others, or its index can't be written.
pub fn open_to_change(store: &Path, keys: &Path) -> Result<Store, StoreError> {
    open_to_change_place(Place::folders(store, keys))
}

/// The same, wherever its parts are.
///
/// # Errors
/// The same.
pub fn open_to_change_place(place: Place) -> Result<Store, StoreError> {
    let store = open_to_recover(place)?;
    refuse_lost_index(&store.vault, &store.index)?;
    Ok(store)
}

/// The same with an index that was lost, for whoever tells it what there is.
///
/// # Errors
/// The same, but for that.
pub fn open_to_recover(place: Place) -> Result<Store, StoreError> {
    let vault = Vault::open_existing_place(place)?;
    vault.refuse_keys_away()?;
    backup::refuse_unswept(vault.store())?;
    let index = Index::open_to_change(&vault)?;
    mark::refuse_unproven::<StoreError>(&vault, &index)?;
    Ok(Store { vault, index })
}

fn refuse_lost_index(vault: &Vault, index: &Index) -> Result<(), StoreError> {
    match recover::is_index_lost(vault, index)? {
        true => Err(StoreError::IndexLost),
        false => Ok(()),
    }
}

/// Who asks, and what for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct By {
    /// The account on this machine, or who it says it acts for.
    pub who: String,
    /// What for, as it is stated; empty when nobody said.
    pub purpose: String,
}

impl By {
    /// The same person, for another reason.
    fn because(&self, purpose: &str) -> Self {
        Self {
            who: self.who.clone(),
            purpose: purpose.to_owned(),
        }
    }
}

/// How much of a recording stays once it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// All that is there.
    Whole,
    /// Its sound: the telephone numbers were being erased before the order came.
    WithoutNumbers,
}

/// Something that isn't as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// A recording's id, `access log` or `destruction register`.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

impl Wrong {
    fn new(what: &str, error: &GallringError) -> Self {
        Self {
            what: what.to_owned(),
            why: error.to_string(),
        }
    }
}

/// What a check found to be as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sound {
    /// Recordings that open under their tags and are whole.
    pub recordings: u64,
    /// Months of access logs.
    pub access_logs: u64,
    /// Accesses in them.
    pub accesses: u64,
    /// Entries of the destruction register.
    pub erased: u64,
    /// When the key that signs logs and register was lost and another took its place: nothing here proves who said so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_changes: Vec<KeyChange>,
}

impl Store {
    /// The vault and the index.
    pub const fn parts(&self) -> (&Vault, &Index) {
        (&self.vault, &self.index)
    }

    /// Lists recordings, newest first.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        Ok(self.index.list(filter)?.iter().map(Row::of).collect())
    }

    /// One recording, by its id or its beginning. Decrypts it all, so what it says of the streams is certain.
    /// Written to the access log first.
    ///
    /// # Errors
    /// When there is none or several, it doesn't open under its tag, or the access log can't be written.
    pub fn show(&self, id: &str, by: &By) -> Result<Shown, StoreError> {
        let entry = self.index.find(id)?;
        self.log(&entry, "show", by)?;
        let recording = self.vault.unlock(entry.id, &entry.tag)?;
        let labels = recording.labels()?;
        Ok(Shown {
            row: Row::of(&entry),
            tag: Field::all(&entry.tag),
            files: labels
                .iter()
                .map(|label| StreamShown::of(&recording, label))
                .collect(),
        })
    }

    /// Writes one recording as a sound file, by its id or its beginning. Written to the access log first; needs a purpose.
    ///
    /// # Errors
    /// When there is none or several, it doesn't open under its tag, no purpose is stated, or the file or the access log
    /// can't be written.
    pub fn export(&self, id: &str, path: &Path, by: &By) -> Result<Exported, StoreError> {
        if by.purpose.trim().is_empty() {
            return Err(StoreError::Purpose);
        }
        let entry = self.index.find(id)?;
        self.log(&entry, "export", by)?;
        Ok(export::export(&self.vault, &self.index, entry.id, path)?)
    }
}

impl Store {
    /// Orders that a recording stay until it is released; there is no longest time. The purpose is the reason. Gives its id, and
    /// whether all of it stays: who spoke in it doesn't where that was being erased already.
    ///
    /// # Errors
    /// When there is none or several, it is being erased, or index or access log can't be written.
    pub fn hold(&self, id: &str, by: &By) -> Result<(RecordingId, Stays), StoreError> {
        has_reason(by)?;
        let entry = self.index.find(id)?;
        let id = entry.id;
        let before = self.index.numbers(id)?;
        self.log(&entry, HOLD, by)?;
        let now = Timestamp::now();
        if !self.index.hold(id, &by.purpose, &by.who, now)? {
            // Else the log would say of what goes that it stays.
            self.log(&entry, RELEASE, &by.because("not held: it is being erased"))?;
            return Err(StoreError::BeingErased(id));
        }
        let has_begun = before != Numbers::Erased && self.index.numbers(id)? != Numbers::Kept;
        Ok((
            id,
            match has_begun {
                true => Stays::WithoutNumbers,
                false => Stays::Whole,
            },
        ))
    }

    /// Ends every hold on a recording, after which it may be erased. The purpose is the reason. Gives its id and how many there
    /// were.
    ///
    /// # Errors
    /// When there is none or several, nobody says why, or index or access log can't be written.
    pub fn release(&self, id: &str, by: &By) -> Result<(RecordingId, usize), StoreError> {
        has_reason(by)?;
        let entry = self.index.find(id)?;
        self.log(&entry, RELEASE, by)?;
        let ended = self.index.release(entry.id, &by.who, Timestamp::now())?;
        Ok((entry.id, ended))
    }

    /// Checks the access logs, the destruction register, and every recording: that it opens under its tag and that each
    /// of its streams is as it was written. `each` is told what is wrong, as it is found.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn verify(&self, mut each: impl FnMut(Wrong)) -> Result<Sound, StoreError> {
        let mut sound = Sound::default();
        match access::verify(&self.vault) {
            Ok(logs) => {
                sound.access_logs = logs.len() as u64;
                sound.accesses = logs.iter().map(|log| log.lines - log.unsigned).sum();
            }
            Err(error) => each(Wrong::new("access log", &error)),
        }
        match gallring::register(&self.vault, true, |_| sound.erased += 1) {
            Ok(_) => {}
            Err(error) => each(Wrong::new("destruction register", &error)),
        }
        // Logs that can't be read are told of above.
        for id in Lifted::find::<StoreError>(&self.vault, &self.index)?.ids() {
            each(Wrong {
                what: id.to_string(),
                why: LIFTED.to_owned(),
            });
        }
        let said = ledger::statements(self.vault.keys())?;
        sound.key_changes = said.iter().map(Statement::change).collect();
        self.index.every(|entry| match self.read_through(&entry) {
            Ok(()) => sound.recordings += 1,
            Err(_) if self.went_meanwhile(entry.id) => {}
            Err(what) => each(Wrong {
                what: entry.id.to_string(),
                why: what,
            }),
        })?;
        Ok(sound)
    }

    /// Erased since the index was asked of it, or being erased: gallring runs beside.
    fn went_meanwhile(&self, id: RecordingId) -> bool {
        let known = self.index.known(&[id]);
        known.is_ok_and(|known| known.is_empty())
            || self.index.going().is_ok_and(|going| going.contains(&id))
    }

    /// Reads every stream of a recording to its end; says what is wrong.
    fn read_through(&self, entry: &Entry) -> Result<(), String> {
        let recording = self
            .vault
            .unlock(entry.id, &entry.tag)
            .map_err(|error| error.to_string())?;
        recording.meta().map_err(|error| error.to_string())?;
        let has_its_tag = recording.has_its_tag();
        if !has_its_tag.map_err(|error| error.to_string())? {
            return Err(
                "tag.json beside it isn't the tag it was made under, and an index that is lost is made again of that: restore it from a backup"
                    .to_owned(),
            );
        }
        let labels = recording.labels().map_err(|error| error.to_string())?;
        for name in &entry.files {
            if !labels
                .iter()
                .any(|label| recording.file_name(label) == *name)
            {
                return Err(format!("{name} is missing: restore it from a backup"));
            }
        }
        for label in &labels {
            let mut reader = match recording.stream_reader(label) {
                // Torn within its first bytes as the recorder was killed: nothing was ever in it.
                Err(VaultError::Foreign { .. })
                    if entry.state == State::Truncated
                        && recording.has_no_audio(label).is_ok_and(|none| none) =>
                {
                    continue;
                }
                other => other.map_err(|error| error.to_string())?,
            };
            let ending = Tally::read(&mut reader)
                .1
                .map_err(|error| error.to_string())?;
            if entry.state == State::Closed && ending == Ending::Truncated {
                return Err(format!(
                    "{} has lost its end: restore it from a backup",
                    recording.file_name(label)
                ));
            }
        }
        Ok(())
    }

    fn log(&self, entry: &Entry, action: &str, by: &By) -> Result<(), StoreError> {
        if by.purpose.len() > PURPOSE_LEN_MAX {
            return Err(StoreError::Purpose);
        }
        let access = Access {
            who: by.who.clone(),
            controller: entry.tag.controller.to_string(),
            action: action.to_owned(),
            object: entry.id.to_string(),
            purpose: by.purpose.clone(),
        };
        Ok(access::write(&self.vault, Timestamp::now(), &[access])?)
    }

    /// How many recordings the access log says are held, and the index doesn't: gallring holds them again.
    ///
    /// # Errors
    /// When index or logs can't be read.
    pub fn lifted(&self) -> Result<u64, StoreError> {
        let lifted = Lifted::find::<StoreError>(&self.vault, &self.index)?;
        Ok(lifted.ids().count() as u64)
    }

    /// Every hold that there is or was, latest first.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        Ok(self.index.holds()?)
    }
}

/// Somebody answers for it later.
fn has_reason(by: &By) -> Result<(), StoreError> {
    if by.purpose.trim().is_empty() {
        return Err(StoreError::Reason);
    }
    Ok(())
}
