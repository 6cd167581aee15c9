//! Erases one batch, in an order that a crash at any point leaves sound.
//!
//! 1. The index marks what goes, and under which decision. On disk before anything else happens.
//! 2. The keys are destroyed, and that is on disk: the audio is gone, here and in every backup.
//! 3. The objects are removed: nobody could open them any more.
//! 4. The register says so, signed and on disk.
//! 5. The index forgets.
//!
//! Stopped before 2, a mark is taken back; after 2, the rest is done by the next run. One wait for the disk a step and
//! batch, not a recording; and within a batch files go side by side, as each may wait for the disk to free its space.
//! Batches overlap: while the objects of one are removed, the index forgets the one before, and the next is marked and
//! its keys are destroyed.

use std::{
    collections::BTreeSet,
    mem,
    ops::ControlFlow,
    sync::{Mutex, PoisonError},
    thread,
};

use callcore::retention::{ErasurePermit, ObjectClass};
use jiff::Timestamp;

use super::{
    GallringError,
    register::{Decided, Destroyed},
};
use crate::{
    index::{Entry, Index, Mark},
    ledger::{Ledger, Signer},
    names::RecordingId,
    vault::Vault,
};

/// Erased at once: large enough that waiting for the disk costs little, small enough that a hold placed meanwhile is
/// seen soon.
pub const BATCH: usize = 2000;

/// Files removed side by side. Where freeing space is told to the disk at once (`discard`), one removal took 1 to 4 ms,
/// and 32 of them no longer than one.
const HANDS: usize = 32;

/// So many refused in a row, and it isn't they: bucket or disk is gone. The next run goes on.
const REFUSED_MAX: usize = 100;

/// Whoever watches a run; may be told from several threads, one at a time.
pub type Watch<'a> = &'a mut (dyn FnMut(Step) -> ControlFlow<()> + Send);

/// What a run has just done; whoever watches may stop it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The index knows what is to go.
    Marked,
    /// One thing is gone: its key, its numbers or its file.
    Destroyed,
    /// All that was destroyed is gone from the disk.
    Synced,
    /// What was left of one recording is removed.
    Removed,
    /// The register says so.
    Registered,
    /// The index has forgotten the batch.
    Forgotten,
}

/// What erasing needs.
pub(super) struct Tools<'a> {
    pub(super) vault: &'a Vault,
    pub(super) index: &'a Index,
    pub(super) signer: Signer,
    pub(super) register: Ledger,
    pub(super) now: Timestamp,
    pub(super) watch: Mutex<Watch<'a>>,
    pub(super) behind: Behind,
    /// What couldn't be erased this time, or not all of it: it isn't tried again by this run.
    pub(super) refused: BTreeSet<RecordingId>,
}

/// What batches before this one still wait for.
#[derive(Default)]
pub(super) struct Behind {
    /// Can't be opened any more: its objects are to be removed.
    gone: Batch,
    /// Stands in the register: the index is to forget it.
    registered: Vec<(Mark, Vec<RecordingId>)>,
}

/// What goes, and under which decision.
type Gone = Vec<(Entry, Decided)>;

/// Things of one kind that go together.
pub(super) struct Batch {
    pub(super) what: Mark,
    pub(super) gone: Gone,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            what: Mark::Recording,
            gone: Vec::new(),
        }
    }
}

impl Tools<'_> {
    pub(super) fn step(&self, step: Step) -> Result<(), GallringError> {
        tell(&self.watch, step)
    }

    /// Erases recordings, or who spoke in them, each under its permit. Gives how many went and their bytes: their keys
    /// are destroyed when this returns, and the rest follows, at the latest with [`catch_up`](Self::catch_up).
    pub(super) fn erase(
        &mut self,
        what: Mark,
        batch: Vec<(Entry, ErasurePermit)>,
        decided: &Decided,
    ) -> Result<(u64, u64), GallringError> {
        let before = mem::take(&mut self.behind.gone);
        let registered = mem::take(&mut self.behind.registered);
        let (vault, watch) = (self.vault, &self.watch);
        let (removed, gone) = thread::scope(|scope| {
            let removed = scope.spawn(|| remove_remains(vault, watch, &before));
            let gone = self
                .forget(&registered)
                .and_then(|()| self.destroy(what, batch, decided));
            (removed.join().unwrap_or(Err(GallringError::Stopped)), gone)
        });
        let (before, (gone, kept)) = (self.without(before, removed?), gone?);
        self.refused.extend(kept);
        self.register(&before, &BTreeSet::new())?;
        let bytes = gone.iter().map(|(entry, _)| entry.bytes).sum();
        let count = gone.len() as u64;
        self.behind.gone = Batch { what, gone };
        Ok((count, bytes))
    }

    /// Ends what was begun.
    pub(super) fn catch_up(&mut self) -> Result<(), GallringError> {
        let gone = mem::take(&mut self.behind.gone);
        self.finish(gone, &BTreeSet::new()).map(drop)
    }

    /// What follows once nothing can be opened any more; `known` is what the register has already. Gives how many are finished.
    pub(super) fn finish(
        &mut self,
        batch: Batch,
        known: &BTreeSet<(String, String)>,
    ) -> Result<u64, GallringError> {
        let refused = remove_remains(self.vault, &self.watch, &batch)?;
        let batch = self.without(batch, refused);
        self.register(&batch, known)?;
        let registered = mem::take(&mut self.behind.registered);
        self.forget(&registered)?;
        Ok(batch.gone.len() as u64)
    }

    /// What is left of something and can't be removed stays marked: it isn't said to be erased, and the next run tries again.
    fn without(&mut self, mut batch: Batch, refused: BTreeSet<RecordingId>) -> Batch {
        batch.gone.retain(|(entry, _)| !refused.contains(&entry.id));
        self.refused.extend(refused);
        batch
    }

    /// Marks a batch, and destroys its keys. Gives what can't be opened any more, and of what that was refused.
    fn destroy(
        &self,
        what: Mark,
        batch: Vec<(Entry, ErasurePermit)>,
        decided: &Decided,
    ) -> Result<(Gone, BTreeSet<RecordingId>), GallringError> {
        let ids: Vec<RecordingId> = batch.iter().map(|(entry, _)| entry.id).collect();
        let marked: BTreeSet<_> = self
            .index
            .mark(what, &ids, &decided.text())?
            .into_iter()
            .collect();
        self.step(Step::Marked)?;
        // Held meanwhile: its permit lapses.
        let (mut gone, permits): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .filter(|(entry, _)| marked.contains(&entry.id))
            .map(|(entry, permit)| ((entry, decided.clone()), permit))
            .unzip();
        let (vault, watch) = (self.vault, &self.watch);
        let going: Vec<_> = gone.iter().map(|(entry, _)| entry).zip(permits).collect();
        let id = |(entry, _): &(&Entry, ErasurePermit)| entry.id;
        let mut kept = side_by_side(going, &id, &|(entry, permit)| {
            // What was judged is what the index says of it, and others may write there.
            vault.refuse_other_tag(entry.id, &entry.tag)?;
            match what {
                Mark::Recording if are_keys_away(vault, entry) => {
                    return Err(GallringError::KeysAway);
                }
                Mark::Recording => vault.destroy_key(entry.id, permit)?,
                Mark::Numbers => vault.erase_numbers(entry.id, &entry.tag, permit)?,
            }
            tell(watch, Step::Destroyed)
        })?;
        self.vault.sync_keys()?;
        self.step(Step::Synced)?;
        if !kept.is_empty() {
            let opens = |entry: &Entry| kept.contains(&entry.id) && opens(vault, what, entry);
            let (there, not): (Vec<_>, Vec<_>) =
                gone.into_iter().partition(|(entry, _)| opens(entry));
            gone = not;
            kept = there.iter().map(|(entry, _)| entry.id).collect();
            // Nothing of it was erased: it is found and heard as before.
            self.index
                .unmark(what, &kept.iter().copied().collect::<Vec<_>>())?;
        }
        Ok((gone, kept))
    }

    fn register(
        &mut self,
        batch: &Batch,
        known: &BTreeSet<(String, String)>,
    ) -> Result<(), GallringError> {
        if batch.gone.is_empty() {
            return Ok(());
        }
        let entries = batch
            .gone
            .iter()
            .map(|(entry, decided)| destroyed(batch.what, entry, decided, &self.signer));
        let new: Vec<Destroyed> = entries
            .filter(|one| !known.contains(&(one.object.clone(), one.class.clone())))
            .collect();
        self.enter(&new)?;
        self.step(Step::Registered)?;
        let ids = batch.gone.iter().map(|(entry, _)| entry.id).collect();
        self.behind.registered.push((batch.what, ids));
        Ok(())
    }

    fn forget(&self, registered: &[(Mark, Vec<RecordingId>)]) -> Result<(), GallringError> {
        for (what, ids) in registered {
            self.index.forget(*what, ids)?;
            self.step(Step::Forgotten)?;
        }
        Ok(())
    }

    pub(super) fn enter(&mut self, entries: &[Destroyed]) -> Result<(), GallringError> {
        let values = entries
            .iter()
            .filter_map(|one| serde_json::to_value(one).ok());
        let values: Vec<_> = values.collect();
        debug_assert_eq!(values.len(), entries.len());
        Ok(self.register.add(&self.signer, self.now, &values)?)
    }
}

/// Whether what was marked can still be opened. Whoever can't tell must take it to be so.
pub(super) fn opens(vault: &Vault, what: Mark, entry: &Entry) -> bool {
    match what {
        Mark::Recording => !vault.is_key_destroyed(entry.id, &entry.tag),
        // By another tag it would be looked for elsewhere.
        Mark::Numbers => {
            let is_another = vault.refuse_other_tag(entry.id, &entry.tag).is_err();
            is_another || vault.has_numbers(entry.id, &entry.tag)
        }
    }
}

/// Whether there is no key to destroy, and nobody can say that it was.
fn are_keys_away(vault: &Vault, entry: &Entry) -> bool {
    !vault.has_key(entry.id) && !vault.is_key_destroyed(entry.id, &entry.tag)
}

/// Removes what nobody can open any more; of numbers nothing is left to remove. Gives those of which something stays.
fn remove_remains(
    vault: &Vault,
    watch: &Mutex<Watch<'_>>,
    batch: &Batch,
) -> Result<BTreeSet<RecordingId>, GallringError> {
    if batch.what != Mark::Recording {
        return Ok(BTreeSet::new());
    }
    let gone = batch.gone.iter().map(|(entry, _)| entry).collect();
    side_by_side(gone, &|entry: &&Entry| entry.id, &|entry: &Entry| {
        vault.remove_remains(entry.id, &entry.tag)?;
        tell(watch, Step::Removed)
    })
}

fn tell(watch: &Mutex<Watch<'_>>, step: Step) -> Result<(), GallringError> {
    let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    match (*watch)(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(GallringError::Stopped),
    }
}

/// Works on all of them, also when some are refused: gives those. When it is told to stop, or too many in a row are refused,
/// what other hands have begun is ended.
fn side_by_side<T: Send>(
    items: Vec<T>,
    id: &(impl Fn(&T) -> RecordingId + Sync),
    work: &(impl Fn(T) -> Result<(), GallringError> + Sync),
) -> Result<BTreeSet<RecordingId>, GallringError> {
    let hands = items.len().min(HANDS);
    let items = Mutex::new(items.into_iter());
    let refused = Mutex::new((BTreeSet::new(), 0_usize));
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let hand = || {
        while let Some(item) = next() {
            let id = id(&item);
            let done = work(item);
            let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
            let Err(error) = done else {
                refused.1 = 0;
                continue;
            };
            refused.0.insert(id);
            refused.1 += 1;
            if matches!(error, GallringError::Stopped) || refused.1 >= REFUSED_MAX {
                drop(refused);
                while next().is_some() {}
                return Err(error);
            }
            tracing::error!(recording = %id, %error, "it can't be erased: the next run tries again");
        }
        Ok(())
    };
    let all: Result<(), GallringError> = thread::scope(|scope| {
        let hands: Vec<_> = (0..hands).map(|_| scope.spawn(hand)).collect();
        let ended = hands
            .into_iter()
            .map(|hand| hand.join().unwrap_or(Err(GallringError::Stopped)));
        // All of them end before this does.
        ended.collect::<Vec<_>>().into_iter().collect()
    });
    all?;
    Ok(refused
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .0)
}

fn destroyed(what: Mark, entry: &Entry, decided: &Decided, signer: &Signer) -> Destroyed {
    match what {
        Mark::Recording => Destroyed::recording(entry, entry.tag.class.name(), decided)
            .with_numbers(entry, decided)
            .of_call(entry, signer),
        Mark::Numbers => {
            // The tag's own are those of the audio.
            let (earliest, latest) = decided.window_of(entry);
            Destroyed {
                bytes: 0,
                // The recording's key stays: copies of who spoke go with the backups' own lifetime.
                key_destroyed: false,
                earliest,
                latest,
                ..Destroyed::recording(entry, ObjectClass::TelephoneNumber.name(), decided)
            }
        }
    }
}
