//! Tries now and then whether store and keys can be written: whoever asks `/readyz` is told before a call is recorded nowhere, and is
//! told again when there is room.

use std::{
    fs, io,
    io::Write,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use crate::{
    board::{Board, Hindrance},
    vault::{Vault, folder},
};

/// Load balancers ask every few seconds.
const EVERY: Duration = Duration::from_secs(5);
/// More than the beginning of a recording takes: tag, who speaks, key, and the first bytes of its streams.
static PROBE: [u8; 64 * 1024] = [0; 64 * 1024];
/// What ends so is in no backup.
const NAME: &str = ".room.probe";

/// Dropped, it stops the thread.
#[derive(Debug)]
pub(super) struct Room(#[expect(dead_code, reason = "its end is what is told")] mpsc::Sender<()>);

impl Room {
    #[cfg(test)]
    pub(super) fn unwatched() -> Self {
        Self(mpsc::channel().0)
    }
}

/// Starts the thread.
pub(super) fn start(vault: &Vault, board: &Arc<Board>) -> io::Result<Room> {
    let (stop, stopped) = mpsc::channel();
    let (vault, board) = (vault.clone(), Arc::clone(board));
    thread::Builder::new()
        .name("recorder-room".into())
        .spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                look(&vault, &board);
            }
        })?;
    Ok(Room(stop))
}

fn look(vault: &Vault, board: &Board) {
    let refuses = [vault.store(), vault.keys()]
        .into_iter()
        .find_map(|folder| Some((folder, try_write(folder).err()?)));
    let changed = board.hinder(Hindrance::Disk, refuses.is_some());
    match refuses {
        Some((folder, error)) if changed => {
            tracing::error!(folder = %folder.display(), %error, "it can't be written: no recording can begin, and /readyz says so");
        }
        None if changed => tracing::warn!("store and keys can be written again"),
        _ => {}
    }
}

/// Whether a folder takes what a recording begins with. What a killed program left is written over.
fn try_write(folder: &Path) -> io::Result<()> {
    let path = folder.join(NAME);
    let written = folder::create_private(&path, true).and_then(|mut file| file.write_all(&PROBE));
    let removed = match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Figures;

    #[test]
    fn a_folder_that_takes_nothing_makes_the_recorder_unready_until_it_does() {
        let place = tempfile::tempdir().expect("a folder");
        let [store, keys, away] = ["store", "keys", "away"].map(|name| place.path().join(name));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let board = Board::new(Figures::default()).expect("metrics");
        let is_ready = || *board.monitor().ready.borrow();
        look(&vault, &board);
        assert!(is_ready());
        fs::rename(&keys, &away).expect("ours");
        look(&vault, &board);
        assert!(!is_ready());
        // What stands in the way besides isn't forgotten.
        board.hinder(Hindrance::Stops, true);
        fs::rename(&away, &keys).expect("ours");
        look(&vault, &board);
        assert!(!is_ready());
        board.hinder(Hindrance::Stops, false);
        assert!(is_ready());
        let left = fs::read_dir(&keys).expect("there").flatten();
        assert!(left.into_iter().all(|one| one.file_name() != NAME));
    }
}
