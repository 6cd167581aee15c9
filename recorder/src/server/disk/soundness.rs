//! Reads the index through behind a start that had reason to trust it. When it is damaged nothing new is recorded: what is
//! written to a damaged file may take the rest with it. What is being recorded goes on, in the vault.

use std::{io, sync::Arc, thread};

use crate::{
    board::Board,
    index::{Check, Index, IndexError},
};

/// Starts the thread, where there is something to read through.
pub(super) fn start(index: &mut Index, board: &Arc<Board>) -> io::Result<()> {
    let Some(check) = index.take_check() else {
        return Ok(());
    };
    let board = Arc::clone(board);
    thread::Builder::new()
        .name("recorder-check".into())
        .spawn(move || read_through(check, &board))?;
    Ok(())
}

fn read_through(check: Check, board: &Board) {
    match check.run() {
        Ok(()) => tracing::info!("the index was read through: it is sound"),
        Err(error @ IndexError::Corrupt { .. }) => {
            tracing::error!(%error, "nothing new is recorded");
            board.index_is_damaged();
        }
        Err(error) => tracing::warn!(%error, "the index can't be read through"),
    }
}
