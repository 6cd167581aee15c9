//! The store as requests see it: a few open indexes, used off the async threads.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Semaphore;

use super::answer::No;
use crate::{
    index::{Index, IndexError},
    vault::Vault,
};

/// Questions to the index at once: more would only wait for the disk.
const AT_ONCE_MAX: usize = 8;
/// Of them by one token: half, so that who asks what takes minutes, again and again, keeps nobody else waiting for that long.
const BY_ONE_MAX: usize = AT_ONCE_MAX / 2;

#[derive(Debug)]
pub(super) struct Stores {
    vault: Vault,
    /// Where a switch says which calls there were.
    calls: Option<PathBuf>,
    free: Arc<Mutex<Vec<Index>>>,
    places: Arc<Semaphore>,
    /// Of those who ask now, by their tokens.
    own: Mutex<BTreeMap<String, Weak<Semaphore>>>,
}

impl Stores {
    pub(super) fn new(vault: Vault, calls: Option<PathBuf>) -> Self {
        Self {
            vault,
            calls,
            free: Arc::default(),
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            own: Mutex::default(),
        }
    }

    pub(super) fn calls(&self) -> Option<&Path> {
        self.calls.as_deref()
    }

    /// [Asks](Self::ask) for who has that token; with many questions, they wait for one another.
    pub(super) async fn ask_for<T, E>(
        &self,
        token: &str,
        question: impl FnOnce(&Vault, &Index) -> Result<T, E> + Send + 'static,
    ) -> Result<T, No>
    where
        T: Send + 'static,
        E: Into<No> + Send + 'static,
    {
        // Nothing closes it.
        let own = self.own(token).acquire_owned().await;
        let held = move |vault: &Vault, index: &Index| {
            // Until it is answered, whether or not anybody still waits for that.
            let _own = own;
            question(vault, index)
        };
        self.ask(held).await
    }

    fn own(&self, token: &str) -> Arc<Semaphore> {
        let mut own = locked(&self.own);
        if let Some(known) = own.get(token).and_then(Weak::upgrade) {
            return known;
        }
        own.retain(|_, one| one.strong_count() > 0);
        let new = Arc::new(Semaphore::new(BY_ONE_MAX));
        own.insert(token.to_owned(), Arc::downgrade(&new));
        new
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

fn locked<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Condvar, mpsc},
        time::Duration,
    };

    use super::*;
    use crate::index::IndexError;

    /// A question that isn't answered until the bench is told to.
    type Gate = Arc<(Mutex<bool>, Condvar)>;

    #[tokio::test]
    async fn who_asks_without_end_leaves_places_for_others() {
        let place = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(&place.path().join("store"), &place.path().join("keys"));
        let vault = vault.expect("fresh");
        drop(Index::open(&vault).expect("fresh"));
        let stores = Arc::new(Stores::new(vault, None));
        let gate = Gate::default();
        let (begun, told) = mpsc::channel();
        let mut asked = Vec::new();
        for _ in 0..2 * AT_ONCE_MAX {
            let (stores, gate, begun) = (Arc::clone(&stores), Arc::clone(&gate), begun.clone());
            asked.push(tokio::spawn(async move {
                let wait = move |_: &Vault, _: &Index| {
                    begun.send(()).expect("heard");
                    let open = gate.0.lock().expect("ours");
                    let _open = gate.1.wait_while(open, |open| !*open).expect("ours");
                    Ok::<_, IndexError>(())
                };
                stores.ask_for("one", wait).await.is_ok()
            }));
        }
        for _ in 0..BY_ONE_MAX {
            while told.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
        }
        let other = stores.ask_for("other", |_, _| Ok::<_, IndexError>(7));
        let other = tokio::time::timeout(Duration::from_secs(30), other).await;
        assert!(matches!(other, Ok(Ok(7))));
        assert!(told.try_recv().is_err(), "no more than its own");
        *gate.0.lock().expect("ours") = true;
        gate.1.notify_all();
        for one in asked {
            assert!(one.await.expect("it ends"));
        }
        drop(stores.own("third"));
        assert_eq!(
            locked(&stores.own).len(),
            1,
            "who asks no more is forgotten"
        );
    }
}
