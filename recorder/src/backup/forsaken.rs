//! A place of backups that is gone for good: its disk was destroyed. As long as nobody says so it may only be away, and come back with
//! backups whose time is over.

use std::path::Path;

use jiff::Timestamp;

use super::{BackupError, Catalogue, file, log};
use crate::{access::PURPOSE_LEN_MAX, index::Index, store::By, vault::Vault};

/// What the access logs call it.
const LOST: &str = "backup-lost";

impl Catalogue {
    /// Forgets every backup in a folder that is gone with its disk; gives their names. How it went stands in the access log of every
    /// controller before.
    ///
    /// # Errors
    /// When nobody says how, the folder is there, no backup was in it, or a log or the catalogue can't be written.
    pub fn give_up(
        (vault, index): (&Vault, &Index),
        place: &Path,
        by: &By,
        now: Timestamp,
    ) -> Result<Vec<String>, BackupError> {
        if by.purpose.trim().is_empty() || by.purpose.len() > PURPOSE_LEN_MAX {
            return Err(BackupError::HowLost);
        }
        let place = std::path::absolute(place).map_err(file(place))?;
        // Whoever can't tell takes it to be there.
        if place.try_exists().unwrap_or(true) {
            return Err(BackupError::PlaceThere { path: place });
        }
        let was_there = |audio: &Path| audio.parent() == Some(place.as_path());
        let backups = Self::read(vault)?.backups;
        let gone = backups.into_iter().filter(|kept| was_there(&kept.audio));
        let gone: Vec<String> = gone.map(|kept| kept.name).collect();
        if gone.is_empty() {
            return Err(BackupError::NothingThere { path: place });
        }
        let object = place.display().to_string();
        log(vault, index, LOST, &object, by, now)?;
        Self::change(vault, |catalogue| {
            catalogue.backups.retain(|kept| !gone.contains(&kept.name));
            catalogue.unfinished.retain(|half| !was_there(half));
        })?;
        Ok(gone)
    }
}
