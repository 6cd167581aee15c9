//! What can happen between this program and its disk, for tests: killed at a chosen step, the disk full, the power cut.
//!
//! Every change of the disk asks here first. A plan belongs to one thread, so that tests don't meet.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io,
    path::PathBuf,
};

use super::folder::Op;

/// What is to happen.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Steps that still succeed.
    steps: u64,
    /// What every later step meets.
    error: Option<io::ErrorKind>,
    /// Steps taken.
    pub(crate) taken: u64,
    files: BTreeMap<PathBuf, Fate>,
}

/// What a power cut leaves of a file.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    safe_len: u64,
    /// Its name is safe.
    named: bool,
}

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

/// From here on this many steps succeed, then each meets `error`.
pub(crate) fn plan(steps: u64, error: io::ErrorKind) {
    PLAN.set(Some(Plan {
        steps,
        error: Some(error),
        ..Plan::default()
    }));
}

/// Ends the plan.
pub(crate) fn end() -> Plan {
    PLAN.take().unwrap_or_default()
}

/// A step that isn't the disk's: between two others a program may be killed as well.
pub(crate) fn step() -> io::Result<()> {
    pass(&Op::Other, 0).map(|_| ())
}

/// How much of an append of that length reaches the disk, or why nothing can be done.
pub(super) fn pass(op: &Op<'_>, bytes: usize) -> io::Result<usize> {
    PLAN.with_borrow_mut(|plan| {
        let Some(plan) = plan else { return Ok(bytes) };
        plan.taken += 1;
        if plan.taken <= plan.steps {
            plan.note(op);
            return Ok(bytes);
        }
        let error = plan.error.unwrap_or(io::ErrorKind::Other);
        // Torn in the middle of a write, but only once: a killed program writes nothing more.
        if plan.taken == plan.steps + 1 && matches!(op, Op::Append) {
            return Ok(bytes / 2);
        }
        Err(error.into())
    })
}

impl Plan {
    fn note(&mut self, op: &Op<'_>) {
        match op {
            Op::Create(path) => {
                self.files.insert((*path).to_owned(), Fate::default());
            }
            Op::Sync(path) => {
                let length = fs::metadata(path).map_or(0, |found| found.len());
                self.files.entry((*path).to_owned()).or_default().safe_len = length;
            }
            Op::SyncFolder(path) => {
                for (file, fate) in &mut self.files {
                    fate.named |= file.parent() == Some(*path);
                }
            }
            Op::Rename(from, to) => {
                let fate = self.files.remove(*from).unwrap_or_default();
                self.files.insert(
                    (*to).to_owned(),
                    Fate {
                        named: false,
                        ..fate
                    },
                );
            }
            Op::Append | Op::Other => {}
        }
    }

    /// Leaves of every file what was safe, as after a power cut.
    pub(crate) fn cut_power(&self) -> io::Result<()> {
        for (path, fate) in &self.files {
            if !path.exists() {
                continue;
            }
            if fate.named {
                OpenOptions::new()
                    .write(true)
                    .open(path)?
                    .set_len(fate.safe_len)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}
