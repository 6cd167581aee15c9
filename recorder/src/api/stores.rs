//! The store as requests see it: a few open indexes, used off the async threads.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::answer::No;
use crate::{
    index::{Index, IndexError},
    vault::Vault,
};

/// Questions to the index at once: more would only wait for the disk.
const AT_ONCE_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Stores {
    vault: Vault,
    /// Where a switch says which calls there were.
    calls: Option<PathBuf>,
    free: Arc<Mutex<Vec<Index>>>,
    places: Arc<Semaphore>,
}

impl Stores {
    pub(super) fn new(vault: Vault, calls: Option<PathBuf>) -> Self {
        Self {
            vault,
            calls,
            free: Arc::default(),
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }

    pub(super) fn calls(&self) -> Option<&Path> {
        self.calls.as_deref()
    }

    /// Asks vault and index, on a thread that may wait for the disk.
    pub(super) async fn ask<T, E>(
        &self,
        question: impl FnOnce(&Vault, &Index) -> Result<T, E> + Send + 'static,
    ) -> Result<T, No>
    where
        T: Send + 'static,
        E: Into<No> + Send + 'static,
    {
        // Nothing closes it.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let (vault, free) = (self.vault.clone(), Arc::clone(&self.free));
        let asked = tokio::task::spawn_blocking(move || {
            let _place = place;
            let index = open(&vault, &free)?;
            let answer = question(&vault, &index).map_err(Into::into);
            locked(&free).push(index);
            answer
        });
        asked.await.map_err(|error| No::failed(&error))?
    }
}

fn open(vault: &Vault, free: &Mutex<Vec<Index>>) -> Result<Index, IndexError> {
    let kept = locked(free).pop();
    kept.map_or_else(|| Index::open_existing(vault), Ok)
}

fn locked(free: &Mutex<Vec<Index>>) -> std::sync::MutexGuard<'_, Vec<Index>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}
