//! A recording being written: its files, and what is in them so far.

use std::{sync::Arc, time::Instant};

use callcore::tag::RecordingTag;
use jiff::{SignedDuration, Timestamp};

use super::disk::Begin;
use crate::{
    index::{Closing, State},
    names::StreamLabel,
    tally::Tally,
    vault::{Batch, Codec, Recording, StreamWriter, Vault, VaultError, folder::Out},
};

/// A recording being written.
#[derive(Debug)]
pub(super) struct Open {
    recording: Arc<Recording>,
    tag: RecordingTag,
    streams: Vec<OpenStream>,
    /// It failed once and takes no more.
    pub(super) broken: bool,
}

#[derive(Debug)]
struct OpenStream {
    writer: StreamWriter,
    tally: Tally,
    file: String,
}

impl Open {
    /// Makes its folder, key, tag and files; key and tag are safe on disk when this returns.
    pub(super) fn make(vault: &Vault, begin: &Begin) -> Result<Self, VaultError> {
        let (recording, streams) = vault.begin_with(begin.id, &begin.tag, |recording| {
            recording.write_first_meta(&begin.meta)?;
            let streams = begin.streams.iter();
            streams
                .map(|stream| OpenStream::begin(recording, stream))
                .collect()
        })?;
        Ok(Self {
            recording: Arc::new(recording),
            tag: begin.tag.clone(),
            streams,
            broken: false,
        })
    }

    /// Files with bytes that a power cut would take.
    pub(super) fn unsynced(&mut self) -> impl Iterator<Item = Out> {
        self.streams
            .iter_mut()
            .filter_map(|stream| stream.writer.take_unsynced())
    }

    pub(super) fn add_streams(
        &mut self,
        streams: &[(StreamLabel, Codec)],
    ) -> Result<(), VaultError> {
        for stream in streams {
            let stream = OpenStream::begin(&self.recording, stream)?;
            stream.writer.sync_name_too();
            self.streams.push(stream);
        }
        Ok(())
    }

    /// For whoever stores who takes part.
    pub(super) fn recording(&self) -> Arc<Recording> {
        Arc::clone(&self.recording)
    }

    pub(super) fn push(
        &mut self,
        stream: usize,
        batch: Batch,
        now: Instant,
    ) -> Result<(), VaultError> {
        let Some(stream) = self.streams.get_mut(stream) else {
            return Ok(());
        };
        stream.tally.add(batch.tally());
        stream.writer.push_batch(batch, now)
    }

    /// Whether there is audio that [`flush_due`](Self::flush_due) is to write later.
    pub(super) fn has_waiting(&self) -> bool {
        let mut streams = self.streams.iter();
        streams.any(|stream| stream.writer.has_pending())
    }

    pub(super) fn flush_due(&mut self, now: Instant) -> Result<(), VaultError> {
        self.streams
            .iter_mut()
            .try_for_each(|stream| stream.writer.flush_due(now))
    }

    /// Closes its files; what can't be closed is said to be truncated.
    pub(super) fn finish(self, state: State) -> Ended {
        let mut ended = Ended {
            ended: Timestamp::now(),
            recording: self.recording,
            tag: self.tag,
            state: if self.broken { State::Truncated } else { state },
            broken: self.broken,
            tally: Tally::default(),
            files: Vec::new(),
            outs: Vec::new(),
        };
        for stream in self.streams {
            ended.tally.add(stream.tally);
            ended.files.push(stream.file);
            match stream.writer.end() {
                Ok((out, _)) => ended.outs.push(out),
                Err(_) => {
                    ended.state = State::Truncated;
                    ended.broken = true;
                }
            }
        }
        ended
    }
}

impl OpenStream {
    fn begin(
        recording: &Recording,
        (label, codec): &(StreamLabel, Codec),
    ) -> Result<Self, VaultError> {
        Ok(Self {
            writer: recording.stream_writer(label, *codec)?,
            tally: Tally::default(),
            file: recording.file_name(label),
        })
    }
}

/// A recording whose files are whole, and not safe yet.
#[derive(Debug)]
pub(super) struct Ended {
    recording: Arc<Recording>,
    tag: RecordingTag,
    state: State,
    /// Some of what was counted couldn't be written.
    broken: bool,
    ended: Timestamp,
    tally: Tally,
    files: Vec<String>,
    outs: Vec<Out>,
}

/// A recording that has ended, for the index.
pub(super) type Closed = (RecordingTag, Closing);

impl Ended {
    /// The files that are to be made safe.
    pub(super) fn outs(&self) -> &[Out] {
        &self.outs
    }

    /// Waits until its files are safe; what can't be is said to be truncated.
    pub(super) fn make_safe(mut self) -> Closed {
        if !self.outs.iter().all(|out| out.sync().is_ok()) {
            self.state = State::Truncated;
        }
        self.closed()
    }

    /// When somebody has waited for that.
    pub(super) fn closed(mut self) -> Closed {
        if self.outs.iter().any(Out::is_spoilt) {
            self.state = State::Truncated;
        }
        if self.broken {
            self.tally = self.read_through().unwrap_or(self.tally);
        }
        let closing = Closing {
            state: self.state,
            ended: ended(&self.tag, self.tally, self.ended),
            bytes: self.recording.stored_bytes().unwrap_or(0),
            tally: self.tally,
            files: self.files,
        };
        (self.tag, closing)
    }
}

impl Ended {
    /// What is in its files.
    fn read_through(&self) -> Result<Tally, VaultError> {
        let mut tally = Tally::default();
        for label in self.recording.labels()? {
            // Torn within its first bytes, it has nothing.
            if let Ok(mut reader) = self.recording.stream_reader(&label) {
                tally.add(Tally::read(&mut reader).0);
            }
        }
        Ok(tally)
    }
}

/// When a recording ended: now, unless the clock was set back meanwhile. Audio doesn't end before it began.
fn ended(tag: &RecordingTag, tally: Tally, now: Timestamp) -> Timestamp {
    let micros = i64::from(tally.end) * 1_000_000 / i64::from(crate::tally::RATE);
    let started = tag.started.timestamp();
    let heard = started.checked_add(SignedDuration::from_micros(micros));
    if now < started {
        heard.unwrap_or(now)
    } else {
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::test_tag;

    #[test]
    fn a_clock_that_steps_back_ends_nothing_before_it_began() {
        let tag = test_tag("region-01");
        let tally = Tally {
            end: 16_000,
            ..Tally::default()
        };
        let (started, hour) = (tag.started.timestamp(), SignedDuration::from_hours(1));
        let later = started.checked_add(hour).expect("in range");
        assert_eq!(ended(&tag, tally, later), later);
        let back = started.checked_sub(hour).expect("in range");
        let two_seconds = SignedDuration::from_secs(2);
        assert_eq!(
            ended(&tag, tally, back),
            started.checked_add(two_seconds).expect("in range")
        );
    }
}
