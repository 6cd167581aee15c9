//! A recording being written: its files, and what is in them so far.

use std::time::Instant;

use callcore::tag::RecordingTag;
use jiff::{SignedDuration, Timestamp};

use super::disk::Begin;
use crate::{
    index::{Closing, State},
    names::StreamLabel,
    tally::Tally,
    vault::{Batch, Codec, Meta, Recording, StreamWriter, Vault, VaultError, folder::Out},
};

/// A recording being written.
#[derive(Debug)]
pub(super) struct Open {
    recording: Recording,
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
        let recording = vault.begin(begin.id, &begin.tag)?;
        recording.write_meta(&begin.meta)?;
        let mut open = Self {
            recording,
            tag: begin.tag.clone(),
            streams: Vec::new(),
            broken: false,
        };
        open.add_streams(&begin.streams)?;
        open.recording.sync()?;
        Ok(open)
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
        for (label, codec) in streams {
            let writer = self.recording.stream_writer(label, *codec)?;
            self.streams.push(OpenStream {
                writer,
                tally: Tally::default(),
                file: self.recording.file_name(label),
            });
        }
        Ok(())
    }

    pub(super) fn write_meta(&self, meta: &Meta) -> Result<(), VaultError> {
        self.recording.write_meta(meta)
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

    pub(super) fn flush_due(&mut self, now: Instant) -> Result<(), VaultError> {
        self.streams
            .iter_mut()
            .try_for_each(|stream| stream.writer.flush_due(now))
    }

    /// Closes its files and waits until they are safe; what can't be is said to be truncated.
    pub(super) fn finish(self, state: State) -> (RecordingTag, Closing) {
        let mut tally = Tally::default();
        let mut files = Vec::new();
        let mut whole = !self.broken;
        for stream in self.streams {
            tally.add(stream.tally);
            files.push(stream.file);
            whole &= stream.writer.finish().is_ok();
        }
        let state = if whole { state } else { State::Truncated };
        let bytes = self.recording.stored_bytes().unwrap_or(0);
        let ended = ended(&self.tag, tally, Timestamp::now());
        (
            self.tag,
            Closing {
                state,
                ended,
                bytes,
                tally,
                files,
            },
        )
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
