//! What was written is made safe in rounds, by the [hands](super::hands): a power cut costs what came since the last one.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::vault::folder::{Out, Volume};

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
    whole: Option<Volume>,
    round: Arc<Round>,
}

impl Rounds {
    /// For files in that folder, of which none has been written yet.
    pub(super) fn new(folder: &Path, now: Instant) -> io::Result<Self> {
        Ok(Self {
            volume: Volume::of(folder)?,
            last: Arc::default(),
            begun: now,
            whole_from: now,
        })
    }

    /// Whether a round is to begin: the last is over, and it is time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.begun) >= EVERY;
        due && Arc::strong_count(&self.last) == 1
    }

    /// A round for these files, part by part.
    pub(super) fn begin(&mut self, mut files: Vec<Out>, now: Instant) -> Vec<Part> {
        if self.last.slow.load(Ordering::Relaxed) {
            self.whole_from = now + OWN_ONLY;
        }
        self.begun = now;
        self.last = Arc::default();
        let whole = files.len() >= WHOLE_FROM && now >= self.whole_from;
        let part_len = if whole { files.len() } else { AT_ONCE };
        let mut parts = Vec::new();
        while !files.is_empty() {
            let rest = files.split_off(files.len().min(part_len));
            parts.push(Part {
                files: std::mem::replace(&mut files, rest),
                whole: whole.then(|| self.volume.clone()),
                round: Arc::clone(&self.last),
            });
        }
        parts
    }
}

impl Part {
    /// Waits until its files are safe.
    pub(super) fn make_safe(self) {
        let begun = Instant::now();
        let whole = self.whole.as_ref().map(|volume| volume.sync(&self.files));
        if self.whole.is_some() && begun.elapsed() > WHOLE_MAX {
            self.round.slow.store(true, Ordering::Relaxed);
        }
        if let Some(Ok(())) = whole {
            return;
        }
        // Each tells of its own trouble, which may not be that of the whole.
        for file in &self.files {
            if let Err(error) = file.sync() {
                tracing::error!(%error, "audio isn't safe yet: the disk refuses");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let few = rounds.begin(files(folder.path(), WHOLE_FROM - 1), now);
        assert_eq!(shape(&few), [(AT_ONCE, false), (AT_ONCE - 1, false)]);
        let many = rounds.begin(files(folder.path(), WHOLE_FROM), now);
        assert_eq!(shape(&many), [(WHOLE_FROM, true)]);
        assert_eq!(shape(&rounds.begin(Vec::new(), now)), []);
    }

    #[test]
    fn a_round_begins_when_it_is_time_and_the_last_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = Instant::now();
        let mut rounds = Rounds::new(folder.path(), now).expect("there");
        assert!(!rounds.is_due(now));
        let later = now + EVERY;
        assert!(rounds.is_due(later));
        let mut parts = rounds.begin(files(folder.path(), 40), later);
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
            let parts = rounds.begin(files(folder.path(), WHOLE_FROM), now);
            parts.len() == 1
        };
        assert!(whole(&mut rounds, now));
        rounds.last.slow.store(true, Ordering::Relaxed);
        assert!(!whole(&mut rounds, now + EVERY));
        assert!(!whole(&mut rounds, now + OWN_ONLY));
        assert!(whole(&mut rounds, now + EVERY + OWN_ONLY));
    }
}
