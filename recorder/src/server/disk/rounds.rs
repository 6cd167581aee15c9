//! What was written is made safe in rounds, by the [hands](super::hands): a power cut costs what came since the last one.
//! While rounds are for the whole file system, recordings that end wait for the next one and none of them by itself.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc::Sender;

use super::{Job, open::Ended};
use crate::{
    names::RecordingId,
    vault::folder::{Out, Volume},
};

/// How often: with the wait for a chunk and a round, a power cut costs five seconds at most.
const EVERY: Duration = Duration::from_secs(2);
/// Files that one hand waits for in a round, one after the other.
const AT_ONCE: usize = 32;
/// More than these, and the file system is made safe as a whole: its journal is committed once in place of once for each.
/// With 1,000 streams that is the larger part of what recording costs.
const WHOLE_FROM: usize = 64;
/// The whole is also what other programs have written there. Takes that longer than this, the next rounds wait for our own
/// files only.
const WHOLE_MAX: Duration = Duration::from_millis(500);
/// For so long.
const OWN_ONLY: Duration = Duration::from_mins(1);

/// When rounds begin, and what each waits for.
#[derive(Debug)]
pub(super) struct Rounds {
    volume: Volume,
    last: Arc<Round>,
    begun: Instant,
    /// From when on the whole may be waited for again.
    whole_from: Instant,
    /// Whether the last was for the whole.
    whole: bool,
}

/// A round; over when nobody holds it but [`Rounds`].
#[derive(Debug, Default)]
struct Round {
    /// Others keep the file system busy.
    slow: AtomicBool,
}

/// A part of a round.
#[derive(Debug)]
pub(super) struct Part {
    files: Vec<Out>,
    ends: Vec<End>,
    whole: Option<Volume>,
    round: Arc<Round>,
}

/// A recording that has ended once its files are safe, and whom to tell.
#[derive(Debug)]
pub(super) struct End {
    pub(super) id: RecordingId,
    pub(super) ended: Ended,
    pub(super) back: Sender<Job>,
}

impl Rounds {
    /// For files in that folder, of which none has been written yet.
    pub(super) fn new(folder: &Path, now: Instant) -> io::Result<Self> {
        Ok(Self {
            volume: Volume::of(folder)?,
            last: Arc::default(),
            begun: now,
            whole_from: now,
            whole: false,
        })
    }

    /// Whether rounds are for the whole now, and the next is likely to be.
    pub(super) const fn are_whole(&self) -> bool {
        self.whole
    }

    /// Whether a round is to begin: the last is over, and it is time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.begun) >= EVERY;
        due && Arc::strong_count(&self.last) == 1
    }

    /// A round for these files and recordings, part by part.
    pub(super) fn begin(
        &mut self,
        mut files: Vec<Out>,
        mut ends: Vec<End>,
        now: Instant,
    ) -> Vec<Part> {
        if self.last.slow.load(Ordering::Relaxed) {
            self.whole_from = now + OWN_ONLY;
        }
        self.begun = now;
        self.last = Arc::default();
        self.whole = files.len() >= WHOLE_FROM && now >= self.whole_from;
        let part = |files, ends, whole| Part {
            files,
            ends,
            whole,
            round: Arc::clone(&self.last),
        };
        if self.whole {
            return vec![part(files, ends, Some(self.volume.clone()))];
        }
        let mut parts = Vec::new();
        while !files.is_empty() {
            let rest = files.split_off(files.len().min(AT_ONCE));
            let these = std::mem::replace(&mut files, rest);
            parts.push(part(these, Vec::new(), None));
        }
        while let Some(end) = ends.pop() {
            parts.push(part(Vec::new(), vec![end], None));
        }
        parts
    }
}

impl Part {
    /// Waits until its files are safe, and tells whoever waits for the recordings.
    pub(super) fn make_safe(self) {
        let safe = self.sync_whole();
        for file in self.files.iter().filter(|_| !safe) {
            // Each tells of its own trouble, which may not be that of the whole.
            if let Err(error) = file.sync() {
                tracing::error!(%error, "audio isn't safe yet: the disk refuses");
            }
        }
        if safe {
            // The next needn't wait for what is only told.
            drop(self.round);
        }
        for End { id, ended, back } in self.ends {
            let closed = if safe {
                ended.closed()
            } else {
                ended.make_safe()
            };
            // The writer outlives every way back to it.
            let _taken = back.blocking_send(Job::Finished(id, Box::new(closed)));
        }
    }

    /// Whether all is safe with the whole.
    fn sync_whole(&self) -> bool {
        let Some(volume) = &self.whole else {
            return false;
        };
        let begun = Instant::now();
        let ended = self.ends.iter().flat_map(|end| end.ended.outs());
        let done = volume.sync(self.files.iter().chain(ended));
        if begun.elapsed() > WHOLE_MAX {
            self.round.slow.store(true, Ordering::Relaxed);
        }
        done.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::sync::mpsc;

    use super::{
        super::{faults::one_stream, open::Open},
        *,
    };
    use crate::{index::State, vault::Vault};

    fn files(folder: &Path, count: usize) -> Vec<Out> {
        let file = |index: usize| Out::create(&folder.join(index.to_string()), true);
        (0..count).map(|index| file(index).expect("new")).collect()
    }

    fn shape(parts: &[Part]) -> Vec<(usize, bool)> {
        let shape = |part: &Part| (part.files.len(), part.whole.is_some());
        parts.iter().map(shape).collect()
    }

    #[test]
    fn few_files_are_waited_for_one_by_one_and_many_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Instant::now();
        let mut rounds = Rounds::new(folder.path(), now).expect("there");
        let few = rounds.begin(files(folder.path(), WHOLE_FROM - 1), Vec::new(), now);
        assert_eq!(shape(&few), [(AT_ONCE, false), (AT_ONCE - 1, false)]);
        let many = rounds.begin(files(folder.path(), WHOLE_FROM), Vec::new(), now);
        assert_eq!(shape(&many), [(WHOLE_FROM, true)]);
        assert_eq!(shape(&rounds.begin(Vec::new(), Vec::new(), now)), []);
    }

    #[test]
    fn a_round_begins_when_it_is_time_and_the_last_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Instant::now();
        let mut rounds = Rounds::new(folder.path(), now).expect("there");
        assert!(!rounds.is_due(now));
        let later = now + EVERY;
        assert!(rounds.is_due(later));
        let mut parts = rounds.begin(files(folder.path(), 40), Vec::new(), later);
        let after = later + EVERY;
        while let Some(part) = parts.pop() {
            assert!(!rounds.is_due(after), "a part is still waited for");
            part.make_safe();
        }
        assert!(!rounds.is_due(later) && rounds.is_due(after));
    }

    #[test]
    fn a_file_system_that_others_keep_busy_is_left_alone_for_a_while() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Instant::now();
        let mut rounds = Rounds::new(folder.path(), now).expect("there");
        let whole = |rounds: &mut Rounds, now| {
            let parts = rounds.begin(files(folder.path(), WHOLE_FROM), Vec::new(), now);
            parts.len() == 1
        };
        assert!(whole(&mut rounds, now));
        rounds.last.slow.store(true, Ordering::Relaxed);
        assert!(!whole(&mut rounds, now + EVERY));
        assert!(!whole(&mut rounds, now + OWN_ONLY));
        assert!(whole(&mut rounds, now + EVERY + OWN_ONLY));
    }

    fn ended(vault: &Vault) -> (RecordingId, Ended) {
        let begin = one_stream();
        let open = Open::make(vault, &begin).expect("begun");
        (begin.id, open.finish(State::Closed))
    }

    #[test]
    fn recordings_that_end_are_told_when_their_part_is_safe() {
        let place = tempfile::tempdir().expect("a folder");
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
        let now = Instant::now();
        let mut rounds = Rounds::new(place.path(), now).expect("there");
        for (count, whole) in [(WHOLE_FROM, true), (1, false)] {
            let (back, mut told) = mpsc::channel(2);
            let ends = [ended(&vault), ended(&vault)];
            let ids = ends.each_ref().map(|(id, _)| *id);
            let ends = ends.map(|(id, ended)| {
                let back = back.clone();
                End { id, ended, back }
            });
            let parts = rounds.begin(files(place.path(), count), ends.into(), now);
            assert_eq!(rounds.are_whole(), whole);
            assert_eq!(parts.len(), if whole { 1 } else { 3 });
            assert!(told.try_recv().is_err(), "nothing is safe yet");
            parts.into_iter().for_each(Part::make_safe);
            let mut safe = BTreeSet::new();
            while let Ok(Job::Finished(id, closed)) = told.try_recv() {
                assert_eq!(closed.1.state, State::Closed);
                safe.insert(id);
            }
            assert_eq!(safe, ids.into());
        }
    }
}
