//! The writer: one thread owns the open recordings and the index, so that signalling and audio never wait for the disk.
//!
//! Jobs come by a bounded channel in the order they were given. Packets that find it full are counted as a gap by
//! whoever sent them. What must be safe on disk (fsync) takes as long as others use the disk: beginnings and ends are
//! therefore made by [`Hands`], and the writer only writes.

mod entering;
#[cfg(test)]
mod faults;
mod hands;
mod open;
mod relisting;
mod room;
mod rounds;
mod soundness;
#[cfg(test)]
mod tests;
mod upload;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use callcore::tag::RecordingTag;
use tokio::sync::{mpsc, oneshot};

use self::{
    entering::{Entering, Entry},
    hands::{Hands, Task},
    open::{Closed, Ended, Open},
    relisting::Relisting,
    room::Room,
    rounds::{End, Rounds},
    upload::Leaving,
};
use crate::{
    board::Board,
    index::{Index, IndexError, State},
    names::{RecordingId, StreamLabel},
    server::{RecorderError, RefusalReason},
    vault::{Batch, Codec, Meta, StoreLock, Vault, VaultError},
};

/// Jobs that may wait: two seconds of a thousand calls, whose streams hand over twice a second. About 35 MB.
const JOBS_MAX: usize = 8192;

/// How long it may be until somebody looks for what is due. A full channel has no room for a [`Job::Flush`].
const LOOK_MAX: Duration = Duration::from_millis(200);

/// What the writer is to do.
#[derive(Debug)]
pub(in crate::server) enum Job {
    /// Begin a recording with its streams, then say so.
    Begin(Box<Begin>),
    /// Its folder, key and files are there, or can't be made.
    Made(Box<Begin>, Result<Box<Open>, VaultError>),
    /// Begin further streams of it.
    AddStreams(RecordingId, Vec<(StreamLabel, Codec)>),
    /// Who speaks has changed.
    Meta(RecordingId, Box<Meta>),
    /// That is stored.
    MetaStored(RecordingId),
    /// Packets of its stream of that number.
    Audio(RecordingId, usize, Batch),
    /// Write what has waited too long.
    Flush,
    /// End it.
    Finish(RecordingId, State),
    /// Its files are whole and safe.
    Finished(RecordingId, Box<Closed>),
}

/// A recording to begin.
#[derive(Debug)]
pub(in crate::server) struct Begin {
    pub(in crate::server) id: RecordingId,
    pub(in crate::server) tag: RecordingTag,
    pub(in crate::server) meta: Meta,
    pub(in crate::server) streams: Vec<(StreamLabel, Codec)>,
    /// Told when all is on disk and audio may come.
    pub(in crate::server) begun: oneshot::Sender<Result<(), DiskError>>,
}

/// Why a recording could not begin.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum DiskError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl DiskError {
    /// A key that isn't there is no fault of the disk that audio goes to.
    pub(in crate::server) const fn reason(&self) -> RefusalReason {
        match self {
            Self::Vault(
                VaultError::KeyMissing { .. }
                | VaultError::KeyDamaged { .. }
                | VaultError::KeysAway { .. }
                | VaultError::WrongKey { .. }
                | VaultError::UnderLostKey { .. },
            ) => RefusalReason::Key,
            _ => RefusalReason::Disk,
        }
    }
}

/// The disk's side of a recorder: the way to its writer, what that tells, and its thread.
pub(in crate::server) struct Writing {
    pub(in crate::server) jobs: mpsc::Sender<Job>,
    /// Recordings that take no more audio.
    pub(in crate::server) broken: mpsc::UnboundedReceiver<RecordingId>,
    /// Ends when every sender of jobs is gone, having closed what was still open.
    pub(in crate::server) thread: JoinHandle<()>,
}

/// Starts the writer, and what works beside it: the index looked through and entered, rounds of fsync, the way to the bucket.
///
/// # Errors
/// When a thread can't be started, or the store's folder or bucket can't be used.
pub(in crate::server) fn start(
    (vault, mut index, lock): (Vault, Index, StoreLock),
    board: &Arc<Board>,
) -> Result<Writing, RecorderError> {
    soundness::start(&mut index, board)?;
    let (jobs, todo) = mpsc::channel(JOBS_MAX);
    let (broken_sender, broken) = mpsc::unbounded_channel();
    let leaving = upload::start(&vault, &index, board)?;
    let known = leaving.clone();
    let entering = Entering::start(index, Arc::clone(board), jobs.downgrade(), known)?;
    let disk = Disk {
        _relisting: relisting::start(&vault, board)?,
        _room: room::start(&vault, board)?,
        rounds: Rounds::new(vault.store(), Instant::now())?.into(),
        vault,
        ended: RefCell::default(),
        storing: RefCell::default(),
        looked: Instant::now().into(),
        leaving,
        entering,
        waiting: RefCell::default(),
        lock,
        broken: broken_sender,
        jobs: jobs.downgrade(),
    };
    let thread = disk.start(todo)?;
    Ok(Writing {
        jobs,
        broken,
        thread,
    })
}

/// What comes after who takes part is stored.
#[derive(Debug, Default)]
struct Storing {
    /// More of it, the newest.
    next: Option<Box<Meta>>,
    /// The end.
    ends: Option<State>,
}

/// The writer's own things.
struct Disk {
    vault: Vault,
    entering: Entering,
    rounds: RefCell<Rounds>,
    /// Recordings with audio that waits for a chunk: few, as most comes when it is due for one.
    waiting: RefCell<BTreeSet<RecordingId>>,
    /// Recordings of which it is being stored who takes part.
    storing: RefCell<BTreeMap<RecordingId, Storing>>,
    /// When it was last looked for what is due.
    looked: Cell<Instant>,
    /// Recordings that have ended, to be made safe with the next round.
    ended: RefCell<Vec<(RecordingId, Ended)>>,
    /// Told what has ended, where it goes on to S3.
    leaving: Option<std::sync::mpsc::Sender<Leaving>>,
    /// Ends with this.
    _relisting: Relisting,
    /// So does this.
    _room: Room,
    lock: StoreLock,
    /// Told when a recording takes no more audio.
    broken: mpsc::UnboundedSender<RecordingId>,
    /// The way back for what the hands have done. Weak: the writer's own end is that nobody else has a way to it.
    jobs: mpsc::WeakSender<Job>,
}

impl Disk {
    fn start(self, jobs: mpsc::Receiver<Job>) -> io::Result<JoinHandle<()>> {
        let hands = Hands::start(&self.vault)?;
        thread::Builder::new()
            .name("recorder-disk".into())
            .spawn(move || self.run(&hands, jobs))
    }

    fn run(self, hands: &Hands, mut jobs: mpsc::Receiver<Job>) {
        let mut open = BTreeMap::new();
        while let Some(job) = jobs.blocking_recv() {
            self.handle(hands, &mut open, job);
        }
        // Each task of the hands holds a sender, so all of them are done.
        let open = open.into_iter();
        let open = open.map(|(id, recording)| (id, recording.finish(State::Truncated)));
        for (id, ended) in self.ended.take().into_iter().chain(open) {
            self.on_finished(id, Box::new(ended.make_safe()));
        }
        self.entering.end();
        drop(self.lock);
    }

    fn handle(&self, hands: &Hands, open: &mut BTreeMap<RecordingId, Open>, job: Job) {
        match job {
            Job::Begin(begin) => self.on_begin(hands, begin),
            Job::Made(begin, made) => self.on_made(open, *begin, made),
            Job::AddStreams(id, streams) => {
                self.on(open, id, |recording| recording.add_streams(&streams))
            }
            Job::Meta(id, meta) => self.on_meta(hands, open, id, meta),
            Job::MetaStored(id) => self.on_meta_stored(hands, open, id),
            Job::Audio(id, stream, batch) => self.on(open, id, |recording| {
                recording.push(stream, batch, Instant::now())?;
                self.note_waiting(id, recording);
                Ok(())
            }),
            Job::Flush => self.look(hands, open, Instant::now()),
            Job::Finish(id, state) => self.on_finish(hands, open, id, state),
            Job::Finished(id, closed) => self.on_finished(id, closed),
        }
        let now = Instant::now();
        if now.saturating_duration_since(self.looked.get()) >= LOOK_MAX {
            self.look(hands, open, now);
        }
    }

    /// Writes what has waited too long, and has it made safe.
    fn look(&self, hands: &Hands, open: &mut BTreeMap<RecordingId, Open>, now: Instant) {
        self.looked.set(now);
        for id in self.waiting.take() {
            self.on(open, id, |recording| {
                recording.flush_due(now)?;
                self.note_waiting(id, recording);
                Ok(())
            });
        }
        self.sync_due(hands, open, now);
    }

    /// One after the other: the last that was told is what stays.
    fn on_meta(
        &self,
        hands: &Hands,
        open: &BTreeMap<RecordingId, Open>,
        id: RecordingId,
        meta: Box<Meta>,
    ) {
        let Some(recording) = open.get(&id) else {
            return;
        };
        if let Some(storing) = self.storing.borrow_mut().get_mut(&id) {
            storing.next = Some(meta);
            return;
        }
        let recording = recording.recording();
        let Some(back) = self.jobs.upgrade() else {
            return hands::store_meta(&recording, &meta);
        };
        self.storing.borrow_mut().insert(id, Storing::default());
        hands.give(Task::Meta {
            recording,
            meta,
            back,
        });
    }

    fn on_meta_stored(
        &self,
        hands: &Hands,
        open: &mut BTreeMap<RecordingId, Open>,
        id: RecordingId,
    ) {
        let storing = self.storing.borrow_mut().remove(&id);
        let Storing { next, ends } = storing.unwrap_or_default();
        if let Some(meta) = next {
            self.on_meta(hands, open, id, meta);
        }
        if let Some(state) = ends {
            self.on_finish(hands, open, id, state);
        }
    }

    /// When it is stored who takes part: until then somebody writes into its folder.
    fn on_finish(
        &self,
        hands: &Hands,
        open: &mut BTreeMap<RecordingId, Open>,
        id: RecordingId,
        state: State,
    ) {
        if let Some(storing) = self.storing.borrow_mut().get_mut(&id) {
            storing.ends = Some(state);
        } else if let Some(recording) = open.remove(&id) {
            self.finish(hands, id, recording, state);
        }
    }

    fn note_waiting(&self, id: RecordingId, recording: &Open) {
        if recording.has_waiting() {
            self.waiting.borrow_mut().insert(id);
        }
    }

    /// Has what was written since the last round made safe, unless that round isn't over.
    fn sync_due(&self, hands: &Hands, open: &mut BTreeMap<RecordingId, Open>, now: Instant) {
        let mut rounds = self.rounds.borrow_mut();
        if !rounds.is_due(now) {
            return;
        }
        // Without a way back it is the writer's end, which makes them safe.
        let Some(back) = self.jobs.upgrade() else {
            return;
        };
        let files = open.values_mut().flat_map(Open::unsynced).collect();
        let ended = self.ended.take().into_iter();
        let ends = ended.map(|(id, ended)| End {
            id,
            ended,
            back: back.clone(),
        });
        for part in rounds.begin(files, ends.collect(), now) {
            hands.give(Task::Sync(part));
        }
    }

    /// Without a way back whoever asked is gone: nothing is to begin.
    fn on_begin(&self, hands: &Hands, begin: Box<Begin>) {
        if let Some(back) = self.jobs.upgrade() {
            hands.give(Task::Make { begin, back });
        }
    }

    fn on_made(
        &self,
        open: &mut BTreeMap<RecordingId, Open>,
        begin: Begin,
        made: Result<Box<Open>, VaultError>,
    ) {
        match made {
            Ok(recording) => {
                open.insert(begin.id, *recording);
                let entry = Entry::Open(begin.id, Box::new(begin.tag), begin.begun);
                self.entering.enter(entry);
            }
            Err(error) => {
                tracing::error!(recording = %begin.id, %error, "a recording can't begin");
                // Whoever asked may have gone.
                let _told = begin.begun.send(Err(error.into()));
            }
        }
    }

    /// Works on an open recording; one that fails takes no more, and its session is to end.
    fn on(
        &self,
        open: &mut BTreeMap<RecordingId, Open>,
        id: RecordingId,
        work: impl FnOnce(&mut Open) -> Result<(), VaultError>,
    ) {
        let Some(recording) = open.get_mut(&id).filter(|recording| !recording.broken) else {
            return;
        };
        if let Err(error) = work(recording) {
            tracing::error!(recording = %id, %error, "a recording can't go on");
            recording.broken = true;
            // The server stops first when all stops; then there is nobody to tell.
            let _told = self.broken.send(id);
        }
    }

    fn finish(&self, hands: &Hands, id: RecordingId, recording: Open, state: State) {
        if self.rounds.borrow().are_whole() {
            let ended = recording.finish(state);
            return self.ended.borrow_mut().push((id, ended));
        }
        match self.jobs.upgrade() {
            Some(back) => hands.give(Task::Finish {
                id,
                recording: Box::new(recording),
                state,
                back,
            }),
            None => self.on_finished(id, Box::new(recording.finish(state).make_safe())),
        }
    }

    fn on_finished(&self, id: RecordingId, closed: Box<Closed>) {
        self.tell_ended(id, &closed.0);
        self.entering.enter(Entry::Closed(id, closed));
    }

    /// Should it fail, it is found in the spool at the next start.
    fn tell_ended(&self, id: RecordingId, tag: &RecordingTag) {
        let Some(leaving) = &self.leaving else { return };
        match self.vault.ended(id, tag) {
            Ok(Some(one)) => {
                let _told = leaving.send(Leaving::Ended(one));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(recording = %id, %error, "it stays in the spool until the next start")
            }
        }
    }
}
