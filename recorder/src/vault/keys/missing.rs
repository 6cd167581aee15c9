//! Keys that aren't there, in a store that was made with some: their disk isn't mounted, or they are lost. Whoever made new ones in
//! their place would record what the old ones can't open, and sign what they can't check.

use std::{
    fs::{self, DirEntry},
    io,
    path::Path,
};

use crate::{
    access,
    gallring::REGISTER,
    ledger::LedgerError,
    names::ControllerName,
    vault::{VaultError, folder},
};

/// Refuses a store whose keys are gone. A new one has neither keys nor what is made with them; a key of a controller is safe on disk
/// before the first folder of its recordings is made, and the signing key before the first line of a ledger.
pub(in crate::vault) fn refuse_keys_away(store: &Path, keys: &Path) -> Result<(), VaultError> {
    if has_some(&keys.join("controllers"))? || has_some(&keys.join("data"))? {
        return Ok(());
    }
    let is_signing = |name: &&str| keys.join(name).exists();
    let signing = ["signing.key", "signing.pub", "signing.lost"];
    let signs = signing.iter().any(is_signing);
    if has_recordings(store)? || (!signs && has_ledgers(store)?) {
        return Err(keys_away(store, keys));
    }
    Ok(())
}

pub(in crate::vault) fn keys_away(store: &Path, keys: &Path) -> VaultError {
    VaultError::KeysAway {
        keys: keys.to_owned(),
        store: store.to_owned(),
    }
}

/// Whether a folder has any file of ours: not what a program that was killed left of trying whether it can be written to.
fn has_some(path: &Path) -> Result<bool, VaultError> {
    any(path, |entry| {
        !entry.file_name().to_string_lossy().starts_with('.')
    })
}

/// Whether any controller has a folder with a year in it, also when all of it was erased since: its key stays.
fn has_recordings(store: &Path) -> Result<bool, VaultError> {
    let mut controllers = Vec::new();
    any(store, |entry| {
        let name = entry.file_name();
        let name = name.to_str().filter(|it| ControllerName::parse(it).is_ok());
        if name.is_some() && entry.file_type().is_ok_and(|it| it.is_dir()) {
            controllers.push(entry.path());
        }
        false
    })?;
    let is_year = |entry: &DirEntry| {
        let name = entry.file_name();
        name.len() == 4 && name.to_string_lossy().bytes().all(|it| it.is_ascii_digit())
    };
    for controller in controllers {
        if any(&controller, is_year)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether any line was ever signed. A ledger that is empty was stopped before that.
fn has_ledgers(store: &Path) -> Result<bool, VaultError> {
    if fs::metadata(store.join(REGISTER)).is_ok_and(|found| found.len() > 0) {
        return Ok(true);
    }
    access::has_lines(store).map_err(|error| match error {
        LedgerError::Vault(error) => error,
        other => folder::unusable(store)(io::Error::other(other)),
    })
}

/// Whether a folder has one of these; one that isn't there has none.
fn any(path: &Path, mut is: impl FnMut(&DirEntry) -> bool) -> Result<bool, VaultError> {
    let unusable = folder::unusable(path);
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(&unusable)?,
    };
    for entry in entries {
        if is(&entry.map_err(&unusable)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        access::Access,
        ledger::{GENESIS, Ledger, Signer},
        names::RecordingId,
        place::Place,
        store,
        vault::{Vault, test_tag},
    };

    /// A store with something in it, and where its keys and their disk are.
    struct Bench {
        _place: tempfile::TempDir,
        at: [PathBuf; 3],
    }

    impl Bench {
        fn with(fill: impl FnOnce(&Vault)) -> Self {
            let place = tempfile::tempdir().expect("a folder");
            let at = ["store", "keys", "disk"].map(|name| place.path().join(name));
            let vault = Vault::open(&at[0], &at[1]).expect("fresh");
            fill(&vault);
            Self { _place: place, at }
        }

        /// What opens it to change it is refused while the keys' disk isn't mounted, and makes nothing; then it opens again.
        fn refuses_without_its_disk(self, what: &str) {
            let [store, keys, disk] = self.at;
            fs::rename(&keys, &disk).expect("ours");
            for is_made in [false, true] {
                if is_made {
                    folder::make_private(&keys).expect("the folder it is mounted on");
                }
                let opened = Vault::open(&store, &keys);
                assert!(matches!(opened, Err(VaultError::KeysAway { .. })), "{what}");
                assert_eq!(keys.exists(), is_made, "{what}");
            }
            let changed = store::open_to_change(&store, &keys).expect_err(what);
            assert!(changed.to_string().contains("mount the disk"), "{changed}");
            let vault = Vault::open_existing(&store, &keys).expect("it is read");
            assert!(access::write(&vault, Timestamp::now(), &[shown()]).is_err());
            assert!(!has_some(&keys).expect("ours"), "{what}");
            fs::remove_dir(&keys).expect("empty");
            fs::rename(&disk, &keys).expect("mounted");
            assert!(Vault::open(&store, &keys).is_ok(), "{what}");
        }
    }

    fn shown() -> Access {
        Access {
            who: "ana".into(),
            controller: "region-01".into(),
            action: "show".into(),
            object: "00".into(),
            purpose: String::new(),
        }
    }

    #[test]
    fn keys_that_are_away_with_their_disk_are_not_made_anew() {
        Bench::with(|vault| {
            let id = RecordingId::random().expect("random");
            vault.begin(id, &test_tag("region-01")).expect("begins");
        })
        .refuses_without_its_disk("recordings");
        Bench::with(|vault| {
            access::write(vault, Timestamp::now(), &[shown()]).expect("written");
        })
        .refuses_without_its_disk("access logs");
        Bench::with(|vault| {
            let signer = Signer::open(vault.keys()).expect("a key");
            let mut register =
                Ledger::open(vault.store(), vault.keys(), REGISTER, GENESIS).expect("a register");
            let line = json!({ "object": "00" });
            register
                .add(&signer, Timestamp::now(), &[line])
                .expect("added");
        })
        .refuses_without_its_disk("a destruction register");
    }

    #[test]
    fn a_store_that_has_nothing_yet_is_new() {
        let bench = Bench::with(|vault| {
            // Whoever was refused, or killed, before a key was made.
            folder::make_private(&vault.store().join(".access/region-01")).expect("ours");
            fs::write(vault.store().join(REGISTER), "").expect("ours");
            fs::create_dir_all(vault.store().join("lost+found/2026")).expect("ours");
            fs::create_dir_all(vault.store().join("spare/notes")).expect("ours");
        });
        let [store, keys, _] = &bench.at;
        fs::remove_dir_all(keys).expect("ours");
        let place = Place::folders(store, keys);
        let vault = Vault::open_place(place).expect("new");
        let written = access::write(&vault, Timestamp::now(), &[shown()]);
        assert!(written.is_ok(), "{written:?}");
    }

    /// What was written before keys were away, and signed by one that is lost alone: calls are recorded meanwhile.
    #[test]
    fn a_signing_key_that_is_lost_alone_stops_no_recorder() {
        let bench = Bench::with(|vault| {
            let id = RecordingId::random().expect("random");
            vault.begin(id, &test_tag("region-01")).expect("begins");
            access::write(vault, Timestamp::now(), &[shown()]).expect("written");
        });
        let [store, keys, _] = &bench.at;
        for name in ["signing.key", "signing.pub"] {
            fs::remove_file(keys.join(name)).expect("there");
        }
        assert!(Vault::open(store, keys).is_ok());
    }
}
