//! Tries a backup: restores it to a scratch place, compares every digest, reads every recording through, and clears up.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    BackupError, Catalogue, From, Kept, Policy, Restored, Tested, catalogue::after, file, log,
    restore, restore::opens,
};
use crate::{
    envelope::Identity,
    gallring::REGISTER,
    index::Index,
    names::RecordingId,
    store::{self, By, Store, Wrong},
    vault::{Vault, VaultError},
};

/// What a trial found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// When, which, and when the next one is due.
    #[serde(flatten)]
    pub tested: Tested,
    /// What came back; `None` when nothing did.
    pub restored: Option<Restored>,
    /// Recordings and ledgers that aren't as they were written, and what kept anything from coming back.
    pub wrong: Vec<Wrong>,
}

/// Tries the backup of that name, or the newest, and writes down what came of it. `scratch` holds the store with its keys
/// while it lasts: a folder that is nobody else's.
///
/// # Errors
/// When there is no such backup, it is sealed for somebody else, or the scratch place can't be used. A backup that doesn't come
/// back is a finding.
pub fn trial(
    (vault, index): (&Vault, &Index),
    name: Option<&str>,
    identities: &[Identity],
    scratch: &Path,
    policy: Policy,
    by: &By,
    now: Timestamp,
) -> Result<Tried, BackupError> {
    let catalogue = Catalogue::read(vault)?;
    let kept = catalogue.find(name)?.clone();
    let keys = catalogue.keys.as_ref().ok_or(BackupError::None)?;
    let live = vault.store().join(REGISTER);
    let from = From {
        audio: kept.audio.clone(),
        keys: keys.path.clone(),
        register: live.exists().then_some(live),
    };
    log(vault, index, "backup-test", &kept.name, by, now)?;
    // Another's key says nothing of the backup, nor does a scratch place that is full: neither is a trial that failed.
    if let Err(error) = opens(&from, identities)
        && error.is_of_key()
    {
        return Err(error);
    }
    Catalogue::clear(vault, false)?;
    let place = Scratch::new(vault, scratch, now)?;
    let mut wrong = Vec::new();
    let mut restored = None;
    match restore(&from, identities, &place.path, by, now) {
        Ok(back) => {
            read_through(&back, kept.recordings, &mut wrong);
            restored = Some(back);
        }
        Err(error @ BackupError::Full(_)) => return Err(error),
        Err(error) => wrong.push(Wrong {
            what: kept.name.clone(),
            why: error.to_string(),
        }),
    }
    let tested = Tested {
        at: now.to_string(),
        name: kept.name.clone(),
        sound: wrong.is_empty(),
        next: after(now, policy.restore_test),
    };
    Catalogue::change(vault, |catalogue| {
        let of = |one: &&mut Kept| one.name == kept.name;
        if let Some(one) = catalogue.backups.iter_mut().find(of) {
            one.tested = Some(tested.clone());
        }
        catalogue.tested = Some(tested.clone());
    })?;
    Ok(Tried {
        tested,
        restored,
        wrong,
    })
}

fn read_through(back: &Restored, expected: u64, wrong: &mut Vec<Wrong>) {
    let found = back.recordings + back.erased_since;
    if found != expected {
        wrong.push(Wrong {
            what: "index".to_owned(),
            why: format!("{found} recordings came back of {expected}"),
        });
    }
    let verified = store::open_existing(&back.store, &back.keys).and_then(|store| {
        store.verify(|one| {
            if !is_locked(&store, &one) {
                wrong.push(one);
            }
        })
    });
    if let Err(error) = verified {
        wrong.push(Wrong {
            what: "store".to_owned(),
            why: error.to_string(),
        });
    }
}

/// Whether it doesn't open for that its key was said to be lost: its files came back as they were, and that is all there is to try.
fn is_locked(store: &Store, one: &Wrong) -> bool {
    let (vault, index) = store.parts();
    let entry = RecordingId::parse(&one.what).map(|id| index.get(id));
    let Ok(Ok(entry)) = entry else { return false };
    let opened = vault.unlock(entry.id, &entry.tag);
    matches!(opened, Err(VaultError::UnderLostKey { .. }))
}

/// A place that is gone when the trial is over, however it ends: keys lie in it. A program that is killed meanwhile leaves
/// it; then it stands in the catalogue, and nobody has it locked.
struct Scratch<'a> {
    vault: &'a Vault,
    path: PathBuf,
    _locked: File,
}

impl<'a> Scratch<'a> {
    fn new(vault: &'a Vault, within: &Path, now: Timestamp) -> Result<Self, BackupError> {
        use std::os::unix::fs::DirBuilderExt;
        let within = within.canonicalize().map_err(file(within))?;
        // The process is named for two trials of one second.
        let (second, process) = (now.as_second(), std::process::id());
        let path = within.join(format!("vaxel-restore-test-{second}-{process}"));
        if vault.refuse_inside(&path).is_err() {
            return Err(BackupError::InsideStore { path });
        }
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(file(&path))?;
        let locked = File::open(&path).and_then(|folder| folder.lock().map(|()| folder));
        let scratch = Self {
            vault,
            _locked: locked.map_err(file(&path))?,
            path,
        };
        Catalogue::begin(vault, &scratch.path)?;
        Ok(scratch)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.path)
            .map_err(file(&self.path))
            .and_then(|()| Catalogue::change(self.vault, |catalogue| catalogue.end(&self.path)));
        if let Err(error) = removed {
            tracing::error!(path = %self.path.display(), %error, "a scratch place with keys in it can't be removed");
        }
    }
}
