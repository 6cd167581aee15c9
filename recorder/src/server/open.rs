//! A recording being written: its files, and what is in them so far.

use std::time::Instant;

use callcore::tag::RecordingTag;
use jiff::Timestamp;
use wire::g711::Law;

use super::disk::Begin;
use crate::{
    index::{Closing, State},
    names::StreamLabel,
    tally::Tally,
    vault::{Meta, Packet, Recording, StreamWriter, Vault, VaultError},
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
        Ok(open)
    }

    pub(super) fn add_streams(&mut self, streams: &[(StreamLabel, Law)]) -> Result<(), VaultError> {
        for (label, law) in streams {
            let writer = self.recording.stream_writer(label, *law)?;
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

    pub(super) fn push(&mut self, stream: usize, packet: &Packet) -> Result<(), VaultError> {
        let Some(stream) = self.streams.get_mut(stream) else {
            return Ok(());
        };
        stream.tally.count(packet);
        stream.writer.push(packet, Instant::now())
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
        (
            self.tag,
            Closing {
                state,
                ended: Timestamp::now(),
                bytes,
                tally,
                files,
            },
        )
    }
}
