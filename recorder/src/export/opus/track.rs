//! One Opus stream of a recording, its packets in the order of the timeline.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::LATE_MAX;
use crate::{
    names::StreamLabel,
    opus as packet,
    tally::Tally,
    vault::{Ending, Kind, Packet, StreamReader, VaultError},
};

pub(super) struct Track {
    label: StreamLabel,
    reader: StreamReader,
    /// Packets by their place on the timeline, until no other can come before them.
    window: BTreeMap<u32, Bytes>,
    newest: u32,
    over: bool,
    pub(super) tally: Tally,
    /// Chunks that aren't what was written.
    pub(super) damaged: u64,
}

impl Track {
    pub(super) fn new(label: StreamLabel, reader: StreamReader) -> Self {
        Self {
            label,
            reader,
            window: BTreeMap::new(),
            newest: 0,
            over: false,
            tally: Tally::default(),
            damaged: 0,
        }
    }

    pub(super) const fn label(&self) -> &StreamLabel {
        &self.label
    }

    pub(super) const fn ending(&self) -> Option<Ending> {
        self.reader.ending()
    }

    /// Where the next packet begins, in samples at 48 kHz; `None` at the end.
    pub(super) fn next_at(&mut self) -> Result<Option<u64>, VaultError> {
        self.fill()?;
        let first = self.window.first_key_value();
        Ok(first.map(|(position, _)| u64::from(*position) * u64::from(packet::PER_SAMPLE)))
    }

    /// The next packet.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        self.window.pop_first().map(|(_, payload)| payload)
    }

    fn fill(&mut self) -> Result<(), VaultError> {
        while !self.over {
            let first = self.window.first_key_value();
            if first.is_some_and(|(first, _)| self.newest.saturating_sub(*first) > LATE_MAX) {
                break;
            }
            match self.reader.next_packet() {
                Ok(Some(packet)) => self.keep(packet),
                Ok(None) => self.over = true,
                // What follows is heard; what isn't there is silence.
                Err(VaultError::Damaged { chunk, .. }) => {
                    self.damaged += 1;
                    tracing::error!(label = self.label.as_str(), chunk, "a chunk is damaged");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn keep(&mut self, one: Packet) {
        self.tally.count(&one);
        if one.kind == Kind::Opus && packet::samples(&one.payload).is_some() {
            self.newest = self.newest.max(one.position);
            self.window.insert(one.position, one.payload);
        }
    }
}
