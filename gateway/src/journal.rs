//! The journal of a live switch on its way to disk: it never makes a call wait, and it never has a hole.
//!
//! Lines gather in memory and go to a thread of their own in pieces. A disk that can't follow ends the journal with an
//! error in the log, rather than holding up calls or leaving out what a replay needs.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use callcore::{
    journal::{self, END, Header},
    personal::CallerNumber,
    scenario::Scenario,
    switch::{Input, Output},
    time::Time,
};
use prometheus::IntCounter;
use sha2::{Digest, Sha256};

/// Where a journal is to be kept.
#[derive(Debug, Clone)]
pub struct JournalTo {
    /// A new file: one that is there is never written over.
    pub file: PathBuf,
    /// The text that the scenario was read from; the journal holds it, so that it can be replayed alone.
    pub text: String,
}

/// A piece that is handed to the disk at once.
const PIECE_LEN: usize = 64 * 1024;
/// Pieces that may wait for the disk: 16 MB, some seconds at thousands of calls a second.
const PIECES_MAX: usize = 256;

/// Files beside the first, one for each time that the program was started anew.
const BESIDE_MAX: u32 = 9999;

/// A journal being written.
#[derive(Debug)]
pub(crate) struct Journal {
    file: PathBuf,
    piece: Vec<u8>,
    /// `None` once the disk could not follow.
    disk: Option<SyncSender<Vec<u8>>>,
    writer: JoinHandle<()>,
    /// Callers' numbers are hashed with it; it is written nowhere and ends with the process.
    key: [u8; 32],
    failures: IntCounter,
}

impl Journal {
    /// Begins the file, which only its owner may read.
    pub(crate) fn create(
        to: &JournalTo,
        scenario: &Scenario,
        failures: IntCounter,
    ) -> io::Result<Self> {
        if let Some(folder) = to.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&to.file)?;
        let (disk, pieces) = sync_channel(PIECES_MAX);
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(file, &pieces))?;
        let header = Header {
            scenario,
            text: &to.text,
            version: env!("CARGO_PKG_VERSION"),
        };
        Ok(Self {
            file: to.file.clone(),
            piece: header.lines().into_bytes(),
            disk: Some(disk),
            writer,
            key: rand::random(),
            failures,
        })
    }

    /// The same for a program that was started anew: the next file beside the one that is named (`FILE.1`, `FILE.2`, ...), since each
    /// program's inputs are to be replayed by a machine of their own.
    pub(crate) fn create_beside(
        to: &JournalTo,
        scenario: &Scenario,
        failures: &IntCounter,
    ) -> io::Result<Self> {
        for number in 1..=BESIDE_MAX {
            let mut name = to.file.clone().into_os_string();
            name.push(format!(".{number}"));
            let beside = JournalTo {
                file: name.into(),
                text: to.text.clone(),
            };
            match Self::create(&beside, scenario, failures.clone()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                begun => return begun,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where it is.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// An input, before the switch takes it. The caller's number is written as a hash: equal callers stay equal.
    pub(crate) fn input(&mut self, now: Time, input: &Input, caller: Option<&CallerNumber>) {
        let caller = caller.map(|number| self.pseudonym(number));
        self.line(&journal::input_line(now, input, caller.as_deref()));
    }

    /// An output, in the order in which they come.
    pub(crate) fn output(&mut self, output: &Output) {
        self.line(&journal::output_line(output));
    }

    /// Another rule set was put in force.
    pub(crate) fn rules(&mut self, now: Time, text: &str) {
        self.line(&journal::rules_line(now, text));
    }

    /// Hands what has gathered to the disk.
    pub(crate) fn flush(&mut self) {
        let Some(disk) = &self.disk else { return };
        if self.piece.is_empty() {
            return;
        }
        if disk.try_send(std::mem::take(&mut self.piece)).is_err() {
            self.disk = None;
            self.failures.inc();
            tracing::error!("the journal ends here: the disk can't follow");
        }
    }

    /// Closes it in good order.
    pub(crate) fn close(mut self) {
        self.line(END);
        self.flush();
        self.disk = None;
        // A writer that panicked has told of it.
        let _ = self.writer.join();
    }

    fn line(&mut self, line: &str) {
        if self.disk.is_none() {
            return;
        }
        self.piece.extend_from_slice(line.as_bytes());
        self.piece.push(b'\n');
        if self.piece.len() >= PIECE_LEN {
            self.flush();
        }
    }

    fn pseudonym(&self, number: &CallerNumber) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(number.reveal().as_str());
        let hash = hash.finalize();
        hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Writes pieces until the switch closes the journal or the disk refuses.
fn write(mut file: File, pieces: &Receiver<Vec<u8>>) {
    for piece in pieces {
        if let Err(error) = file.write_all(&piece) {
            tracing::error!(%error, "the journal can't be written");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use callcore::{
        origin::Origin,
        personal::{E164, Personal},
        switch::CallId,
    };

    use super::*;

    const SCENARIO: &str = include_str!("../../scenarios/today.toml");

    #[test]
    fn equal_callers_stay_equal_and_no_number_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("run.journal");
        let to = JournalTo {
            file: file.clone(),
            text: SCENARIO.to_owned(),
        };
        let scenario = Scenario::from_toml(SCENARIO, "today.toml").expect("valid");
        let failures = IntCounter::new("failures", "failures").expect("a counter");
        let mut journal = Journal::create(&to, &scenario, failures.clone()).expect("a file");
        for (call, number) in [(1, "070-1740605"), (2, "070-1740606"), (3, "+46701740605")] {
            let input = Input::Offered {
                call: CallId(call),
                origin: Origin::from_code("0180"),
                reachable: true,
            };
            let number = Personal::new(E164::parse(number).expect("a number"));
            journal.input(Time::from_micros(1), &input, Some(&number));
        }
        journal.close();
        let text = std::fs::read_to_string(&file).expect("the journal");
        assert!(!text.contains("1740605"), "no number");
        let callers: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("caller=").map(|(_, caller)| caller))
            .collect();
        assert_eq!(callers.len(), 3);
        assert!(callers[0] == callers[2] && callers[0] != callers[1]);
        assert!(text.ends_with("end\n"));
        assert_eq!(failures.get(), 0);
        let again = Journal::create(&to, &scenario, failures);
        assert!(
            again.is_err(),
            "a journal that is there is not written over"
        );
        let failures = IntCounter::new("failures", "failures").expect("a counter");
        for number in 1..=2 {
            let beside = Journal::create_beside(&to, &scenario, &failures);
            let beside = beside.expect("another file");
            let name = format!("run.journal.{number}");
            assert_eq!(beside.file(), folder.path().join(name));
            beside.close();
        }
    }
}
